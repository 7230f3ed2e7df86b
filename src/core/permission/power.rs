//! How much a role may do, as a security review asks: evaluated with the policies that apply to it, not guessed from names.

use rolecall_iam::{Effect, Verdict};

use super::need::Need;
use super::policies::{Actor, RolePolicies, ask_need_within};
use crate::effort::Effort;

/// What a role's policies amount to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// Every action on every resource, IAM included.
    Administrator,
    /// It can give itself or another identity permissions that it does not have: by these actions, or by passing any role to
    /// a service that runs code as it.
    CanEscalate(Vec<&'static str>),
    /// Every action of these services on every resource; `*` is every service but IAM.
    Wildcards(Vec<String>),
    /// None of these.
    Scoped,
    /// Policies of it were not read, and those that were read show none of the others.
    NotRead,
}

impl Power {
    /// The name in JSON and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::CanEscalate(_) => "can-escalate",
            Self::Wildcards(_) => "wildcards",
            Self::Scoped => "scoped",
            Self::NotRead => "not-read",
        }
    }
}

/// An action of a service that no list has: only a pattern that takes in every action allows it.
const UNLISTED: &str = "RolecallUnlistedAction";

/// What is acted on.
#[derive(Clone, Copy)]
enum On {
    Roles,
    OwnRole,
    Users,
    Groups,
    Policies,
    /// Any resource: which one does not matter.
    Anything,
}

/// Ways to more permissions, each by all of its actions. The first names it. IAM User Guide, "Granting a user permissions to pass
/// a role to an AWS service" and "IAM: permissions management"; Amazon EKS User Guide, "Assign an IAM role to a Kubernetes
/// service account" (an association passes its role).
const ESCALATIONS: &[&[(&str, On)]] = &[
    &[("iam:AttachRolePolicy", On::OwnRole)],
    &[("iam:PutRolePolicy", On::OwnRole)],
    &[("iam:CreatePolicyVersion", On::Policies)],
    &[("iam:UpdateAssumeRolePolicy", On::Roles), ("sts:AssumeRole", On::Roles)],
    &[("iam:AttachUserPolicy", On::Users)],
    &[("iam:PutUserPolicy", On::Users)],
    &[("iam:CreateAccessKey", On::Users)],
    &[("iam:CreateLoginProfile", On::Users)],
    &[("iam:UpdateLoginProfile", On::Users)],
    &[("iam:AttachGroupPolicy", On::Groups)],
    &[("iam:PutGroupPolicy", On::Groups)],
    &[("iam:AddUserToGroup", On::Groups)],
    &[("iam:PassRole", On::Roles), ("lambda:CreateFunction", On::Anything), ("lambda:InvokeFunction", On::Anything)],
    &[("iam:PassRole", On::Roles), ("ec2:RunInstances", On::Anything)],
    &[("iam:PassRole", On::Roles), ("ecs:RegisterTaskDefinition", On::Anything), ("ecs:RunTask", On::Anything)],
    &[("iam:PassRole", On::Roles), ("cloudformation:CreateStack", On::Anything)],
    &[("iam:PassRole", On::Roles), ("codebuild:CreateProject", On::Anything), ("codebuild:StartBuild", On::Anything)],
    &[("iam:PassRole", On::Roles), ("glue:CreateJob", On::Anything), ("glue:StartJobRun", On::Anything)],
    &[("iam:PassRole", On::Roles), ("sagemaker:CreateNotebookInstance", On::Anything)],
    &[("iam:PassRole", On::Roles), ("eks:CreatePodIdentityAssociation", On::Anything)],
];

/// What the policies of a role amount to, with its boundary, its session policy and the service control policies that were read.
/// What a condition leaves open does not count.
pub fn power(actor: Actor<'_>, effort: &Effort) -> Power {
    let ask = Asking { actor, effort };
    let everything = ask.allows_all_of("rolecall-unlisted");
    let escalations = ask.escalations();
    if everything && !escalations.is_empty() {
        return Power::Administrator;
    }
    if !escalations.is_empty() {
        return Power::CanEscalate(escalations);
    }
    let policies = RolePolicies::of(actor.snapshot, actor.role);
    let wildcards = if everything { vec!["*".to_owned()] } else { ask.wildcards(&policies) };
    if !wildcards.is_empty() {
        return Power::Wildcards(wildcards);
    }
    let are_all_read =
        policies.identity.unread.is_empty() && policies.boundary.is_none_or(|layer| layer.unread.is_empty());
    if are_all_read { Power::Scoped } else { Power::NotRead }
}

struct Asking<'a> {
    actor: Actor<'a>,
    effort: &'a Effort,
}

impl Asking<'_> {
    fn ask(&self, action: &str, resource: Option<&str>) -> bool {
        ask_need_within(self.actor, Need { action, resource }, self.effort).verdict == Verdict::Allowed
    }

    fn allows(&self, action: &str, resource: &str) -> bool {
        self.ask(action, Some(resource))
    }

    fn allows_all_of(&self, service: &str) -> bool {
        self.allows(&format!("{service}:{UNLISTED}"), "*")
    }

    fn escalations(&self) -> Vec<&'static str> {
        let own = &self.actor.role.arn;
        let Ok(parsed) = rolecall_iam::RoleArn::parse(own) else { return Vec::new() };
        let of_account = |kind: &str| format!("arn:{}:iam::{}:{kind}/*", parsed.partition, parsed.account);
        let allows = |(action, on): &(&str, On)| match on {
            On::OwnRole => self.allows(action, own),
            On::Roles => self.allows(action, &of_account("role")),
            On::Users => self.allows(action, &of_account("user")),
            On::Groups => self.allows(action, &of_account("group")),
            On::Policies => self.allows(action, &of_account("policy")),
            On::Anything => self.ask(action, None),
        };
        let ways = ESCALATIONS.iter().filter(|way| way.iter().all(allows));
        let mut named: Vec<&'static str> = ways.filter_map(|way| way.first()).map(|(action, _)| *action).collect();
        named.dedup();
        named
    }

    /// The services all of whose actions are allowed on every resource, among those that Allow statements, or those of the boundary, name so.
    fn wildcards(&self, policies: &RolePolicies<'_>) -> Vec<String> {
        let layers = std::iter::once(&policies.identity).chain(&policies.boundary);
        let statements =
            layers.flat_map(|layer| &layer.policies).flat_map(|named| named.document.with_effect(Effect::Allow));
        let patterns =
            statements.filter(|statement| !statement.actions.negated).flat_map(|statement| &statement.actions.written);
        let services = patterns.filter_map(|pattern| pattern.strip_suffix(":*")).map(str::to_ascii_lowercase);
        let mut services: Vec<String> = services.filter(|service| !service.contains(['*', '?'])).collect();
        services.sort_unstable();
        services.dedup();
        services.retain(|service| self.allows_all_of(service));
        services
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::permission::Session;
    use crate::snapshot::Snapshot;
    use crate::subject::Subject;

    const ROLE: &str = "arn:aws:iam::111122223333:role/carts";

    fn power_of(role: &Value, policies: &Value) -> Power {
        let mut entry = json!({"RoleName": "carts", "Arn": ROLE, "RolePolicyList": [], "AttachedManagedPolicies": []});
        for (key, value) in role.as_object().unwrap() {
            entry[key] = value.clone();
        }
        let snapshot = json!({"accounts": {"111122223333": {"roles": [entry], "policies": policies}}});
        let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
        let actor = Actor {
            snapshot: &snapshot,
            role: snapshot.role(ROLE).unwrap(),
            subject: Subject { namespace: "carts", service_account: "carts" },
            session: Session::WebIdentity,
        };
        power(actor, &Effort::unlimited())
    }

    fn inline(statements: &Value) -> Value {
        json!({"RolePolicyList": [{"PolicyName": "p",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}]})
    }

    fn of(statements: &Value) -> Power {
        power_of(&inline(statements), &json!([]))
    }

    fn allow(action: &Value, resource: &Value) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    }

    #[test]
    fn policies_amount_to_what_they_allow() {
        let all = json!("*");
        assert_eq!(of(&json!([allow(&all, &all)])), Power::Administrator);
        assert_eq!(
            of(
                &json!([{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*", "sts:*"], "Resource": "*"}])
            ),
            Power::Wildcards(vec!["*".to_owned()])
        );
        assert_eq!(
            of(&json!([allow(&json!(["s3:*", "dynamodb:*", "sqs:Send*"]), &all)])),
            Power::Wildcards(vec!["dynamodb".to_owned(), "s3".to_owned()])
        );
        let bucket = json!(["arn:aws:s3:::carts", "arn:aws:s3:::carts/*"]);
        assert_eq!(of(&json!([allow(&json!("s3:*"), &bucket)])), Power::Scoped);
        assert_eq!(of(&json!([allow(&json!(["dynamodb:Query"]), &json!("*"))])), Power::Scoped);
        assert_eq!(of(&json!([])), Power::Scoped);
    }

    #[test]
    fn ways_to_more_permissions_are_named() {
        let all = json!("*");
        let escalates = |statements: Value| match of(&statements) {
            Power::CanEscalate(by) => by,
            other => panic!("{other:?} for {statements}"),
        };
        assert_eq!(escalates(json!([allow(&json!("iam:PutRolePolicy"), &json!(ROLE))])), ["iam:PutRolePolicy"]);
        assert_eq!(escalates(json!([allow(&json!("iam:CreateAccessKey"), &all)])), ["iam:CreateAccessKey"]);
        assert_eq!(escalates(json!([allow(&json!(["iam:PassRole", "ec2:RunInstances"]), &all)])), ["iam:PassRole"]);
        let policies = json!("arn:aws:iam::111122223333:policy/*");
        assert_eq!(
            escalates(json!([allow(&json!("iam:CreatePolicyVersion"), &policies)])),
            ["iam:CreatePolicyVersion"]
        );
        // One function of its own is enough to run code as any role.
        let function = allow(&json!("lambda:*Function"), &json!("arn:aws:lambda:us-west-2:111122223333:function:ci-*"));
        assert_eq!(escalates(json!([allow(&json!("iam:PassRole"), &all), function])), ["iam:PassRole"]);
        // Another role's policy, one role to pass, or passing alone is none.
        let other = json!("arn:aws:iam::111122223333:role/other");
        for scoped in [
            json!([allow(&json!("iam:PutRolePolicy"), &other)]),
            json!([allow(&json!("iam:PassRole"), &other), allow(&json!("ec2:RunInstances"), &all)]),
            json!([allow(&json!("iam:PassRole"), &all)]),
            json!([allow(&json!("iam:CreateAccessKey"), &json!("arn:aws:iam::111122223333:user/ci"))]),
        ] {
            assert_eq!(of(&scoped), Power::Scoped, "{scoped}");
        }
    }

    #[test]
    fn denies_boundaries_and_unread_policies_count() {
        let all = json!("*");
        let denied = json!([allow(&all, &all), {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}]);
        assert_eq!(of(&denied), Power::Wildcards(vec!["*".to_owned()]));
        let boundary = "arn:aws:iam::111122223333:policy/limit";
        let mut bounded = inline(&json!([allow(&all, &all)]));
        bounded["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": boundary});
        let document = json!({"Version": "2012-10-17", "Statement": [allow(&json!("s3:*"), &all)]});
        let policy = json!({"Arn": boundary, "PolicyVersionList": [{"IsDefaultVersion": true, "Document": document}]});
        let limited = power_of(&bounded, &json!([policy]));
        assert_eq!(limited, Power::Wildcards(vec!["s3".to_owned()]), "no more than the boundary allows");
        let unread = json!({"AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}]});
        assert_eq!(power_of(&unread, &json!([])), Power::NotRead);
    }
}
