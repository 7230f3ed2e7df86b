//! One role assumes another: the role of an association its target role (Amazon EKS User Guide, "Access AWS resources using
//! EKS Pod Identity Target IAM Roles"), or the role of a controller the next one of a custom resource (IAM User Guide,
//! "Cross-account policy evaluation logic"; failures G13, G14).

use rolecall_iam::{
    Accounts, Document, Layer, Named, Policies, PolicyKind, Principal, Request, ResourcePolicy, RoleArn, Ruling, Truth,
    Verdict,
};

use super::assumed_context::{AssumedContext, HopContext, RoleRequest};
use super::irsa_repair::put;
use super::pod_identity_context::{Lists, PodIdentityContext, SecondHop, documented_external_id, external_id};
use super::pod_identity_repair::put_tags;
use super::role::{self, RoleSource};
use super::trust::{self, Outcome};
use super::{Subject, fix, missing, unreadable};
use crate::effort::Effort;
use crate::finding::{
    Cause, Certainty, EvidenceValue, Label, NeedName, PermissionValue, Problem, TargetCause, TrustCondition, TrustValue,
};
use crate::fix::{Change, PermissionChange, PoliciesOf, PolicyRef, Text};
use crate::level::Level;
use crate::permission::{self, Resources, RolePolicies};
use crate::rules::{self, Rule};
use crate::snapshot::{Association, Role, Snapshot};

/// Who asks for the second role.
enum Hop<'a> {
    /// EKS, with the session tags of an association.
    Association {
        association: &'a Association,
        lists: Lists,
        /// Sent where session tags are disabled.
        external_id: Option<&'a str>,
    },
    /// A controller, with what a custom resource says.
    Controller { request: RoleRequest<'a>, tag_keys: Vec<Box<str>> },
}

struct Case<'a> {
    snapshot: &'a Snapshot,
    subject: Subject<'a>,
    hop: &'a Hop<'a>,
    first_arn: &'a str,
    first: RoleArn<'a>,
    target_arn: &'a str,
    target: RoleArn<'a>,
    role: &'a Role,
    document: &'a Document,
    effort: &'a Effort,
}

/// The hop from the role of an association to its target role.
pub(super) fn link(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    first_arn: &str,
    target_arn: &str,
    effort: &Effort,
) -> Option<Problem> {
    let external_id = external_id(snapshot.cluster.as_ref(), subject, association);
    let hop = Hop::Association { association, lists: Lists::new(), external_id: external_id.as_deref() };
    let actions: &[&str] = if association.disable_session_tags { &[ASSUME] } else { &[ASSUME, TAG] };
    hop_problem(snapshot, subject, (first_arn, target_arn), (RoleSource::Target(association), &hop), actions, effort)
}

/// The hop from a role of a controller to the next one. `source`: where the second ARN is written.
pub(super) fn of_controller(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    first_arn: &str,
    request: RoleRequest<'_>,
    source: RoleSource<'_>,
    effort: &Effort,
) -> Option<Problem> {
    let actions: &[&str] = if request.tags.is_empty() { &[ASSUME] } else { &[ASSUME, TAG] };
    let tag_keys = request.tags.iter().map(|(key, _)| (*key).into()).collect();
    let hop = Hop::Controller { request, tag_keys };
    hop_problem(snapshot, subject, (first_arn, request.arn), (source, &hop), actions, effort)
}

const ASSUME: &str = "sts:AssumeRole";
const TAG: &str = "sts:TagSession";

fn hop_problem(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    (first_arn, target_arn): (&str, &str),
    (source, hop): (RoleSource<'_>, &Hop<'_>),
    actions: &[&str],
    effort: &Effort,
) -> Option<Problem> {
    let would_work = |role: &Role| {
        let (Ok(first), Ok(target), Some(document)) =
            (RoleArn::parse(first_arn), RoleArn::parse(&role.arn), &role.trust)
        else {
            return false;
        };
        let (effort, target_arn) = (&Effort::for_short_check(), &*role.arn);
        let case = Case { snapshot, subject, hop, first_arn, first, target_arn, target, role, document, effort };
        case.hops(actions).is_none()
    };
    let located = match role::link(snapshot, subject, target_arn, source, &would_work) {
        Ok(located) => located,
        Err(unlocated) => return Some(*unlocated.problem),
    };
    let (role, target) = (located.role, located.parsed);
    let Ok(first) = RoleArn::parse(first_arn) else {
        // The first role's own link says so.
        return located.problem;
    };
    let Some(document) = &role.trust else {
        let unreadable = unreadable::trust(subject, role, target);
        let problem = unreadable.unwrap_or_else(|| missing::trust_policy(subject, target));
        return surest(located.problem, Some(problem));
    };
    let case = Case { snapshot, subject, hop, first_arn, first, target_arn, target, role, document, effort };
    surest(located.problem, case.hops(actions))
}

/// The surer of two problems, the first among equals.
fn surest(first: Option<Problem>, second: Option<Problem>) -> Option<Problem> {
    match (first, second) {
        (Some(first), Some(second)) if second.certainty > first.certainty => Some(second),
        (first, second) => first.or(second),
    }
}

impl<'a> Case<'a> {
    fn context<'c>(&'c self, external_id: Option<&'c str>, presume: bool) -> HopContext<'c>
    where
        'a: 'c,
    {
        let first_role = self.snapshot.role(self.first_arn);
        match self.hop {
            Hop::Association { association, lists, .. } => HopContext::Association(PodIdentityContext {
                subject: self.subject,
                cluster: self.snapshot.cluster.as_ref(),
                association,
                role: self.role,
                account: self.target.account,
                second: Some(SecondHop { first_role_arn: self.first_arn, first_role, external_id }),
                lists,
                presume,
                effort: self.effort,
            }),
            Hop::Controller { request, tag_keys } => HopContext::Controller(AssumedContext {
                request: *request,
                tag_keys,
                first_role_arn: self.first_arn,
                first_role,
                role: self.role,
                account: self.target.account,
                presume,
                effort: self.effort,
            }),
        }
    }

    fn rule(&self) -> &'static Rule {
        match self.hop {
            Hop::Association { .. } => &rules::POD_IDENTITY_TARGET,
            Hop::Controller { .. } => &rules::ROLE_CHAIN_DENIED,
        }
    }

    /// The label that names a target role, or one that names any role.
    fn label(&self, of_target: Label, of_role: Label) -> Label {
        match self.hop {
            Hop::Association { .. } => of_target,
            Hop::Controller { .. } => of_role,
        }
    }

    fn external_id(&self) -> Option<&str> {
        match self.hop {
            Hop::Association { external_id, .. } => *external_id,
            Hop::Controller { request, .. } => request.external_id,
        }
    }

    /// Another external ID that EKS may send: where the association says another than the user guide.
    fn other_external_id(&self) -> Option<Option<String>> {
        let Hop::Association { external_id, .. } = self.hop else { return None };
        let documented = documented_external_id(self.snapshot.cluster.as_ref(), self.subject);
        (documented.as_deref() != *external_id).then_some(documented)
    }

    fn cause(&self, why: TargetCause) -> Cause {
        Cause::Target {
            account: self.subject.into(),
            first: self.first.name.into(),
            target: self.target.name.into(),
            is_of_association: matches!(self.hop, Hop::Association { .. }),
            why,
        }
    }

    /// What is wrong with these actions of the first role on the target; the surest.
    fn hops(&self, actions: &[&str]) -> Option<Problem> {
        actions.iter().map(|action| self.hop(action)).fold(None, surest)
    }

    /// Whether the first role is allowed an action on the target: by the target's trust policy, and by its own policies.
    fn hop(&self, action: &str) -> Option<Problem> {
        let caller = Principal::Aws(self.first_arn);
        let other = self.other_external_id();
        let judge =
            |external_id| trust::judge(self.document, action, caller, |presume| self.context(external_id, presume));
        let read = judge(self.external_id());
        let request = Request { action, resource: None, principal: Some(caller), context: &read.context };
        match read.outcome {
            Outcome::Denied(certainty) => {
                let contested = match &other {
                    Some(id) => !matches!(judge(id.as_deref()).outcome, Outcome::Denied(_)),
                    None => false,
                };
                let certainty = if contested { certainty.min(Certainty::Likely) } else { certainty };
                Some(self.trust_problem(&read.document, &request, certainty))
            }
            Outcome::Undecided => Some(self.undecided(&read.document, &request)),
            Outcome::Allowed => self.permission(&request),
        }
    }

    /// The first role's own policies. A role that the target's trust policy names needs none within its account.
    fn permission(&self, request: &Request<'_>) -> Option<Problem> {
        let named = Named { name: "trust policy", document: self.document };
        let accounts = if self.first.account == self.target.account { Accounts::Same } else { Accounts::Cross };
        let role = self.snapshot.role(self.first_arn);
        let policies = role.map(|role| RolePolicies::of(self.snapshot, role));
        let (identity, boundary, service_control) = policies
            .map_or_else(|| (unread(), None, None), |read| (read.identity, read.boundary, read.service_control));
        let ruling = Policies {
            identity,
            boundary,
            session: None,
            service_control,
            resource: ResourcePolicy::Needed(named),
            accounts,
        }
        .evaluate(&Request { resource: Some(self.target_arn), ..*request });
        match ruling.verdict {
            Verdict::Allowed if role.is_some() => None,
            // A boundary that was not read may deny it.
            Verdict::Allowed => Some(self.unread(Box::default())),
            Verdict::Unknown => Some(self.open_permission(request.action, &ruling)),
            Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => {
                Some(self.permission_problem(request.action, &ruling))
            }
        }
    }

    fn unread(&self, policies: Box<[PolicyRef]>) -> Problem {
        missing::policies(self.subject, self.target.name, self.first, policies)
    }

    /// It depends on policies that were not read, or on keys of the request.
    fn open_permission(&self, action: &str, ruling: &Ruling<'_>) -> Problem {
        let unread = permission::unread(ruling);
        if !unread.is_empty() {
            return self.unread(unread);
        }
        let doubt = permission::doubt_of(ruling);
        Problem::new(
            self.rule(),
            self.cause(TargetCause::PoliciesUndecided { action: action.into(), doubt: doubt.clone() }),
            Change::TryFromPod { role: self.first.into(), policies: PoliciesOf::Permissions },
        )
        .at_most(Certainty::Undecided)
        .at_level(Level::Strict)
        .expected(Label::PoliciesAskFor, PermissionValue::Doubt(doubt))
        .found(Label::AtAdmission, EvidenceValue::NotKnown)
    }

    fn undecided(&self, read: &Document, request: &Request<'_>) -> Problem {
        let reports = read.explain(request);
        let conditions = trust::undecided(&reports);
        let doubt = trust::doubt(self.document, Principal::Aws(self.first_arn), &conditions);
        let problem = Problem::new(
            self.rule(),
            self.cause(TargetCause::TrustUndecided(doubt)),
            trust::settle(
                self.document,
                Principal::Aws(self.first_arn),
                &format!("Principal: {{\"AWS\": \"{}\"}}", self.first_arn),
                self.target,
                || self.own_statement(),
            ),
        )
        .at_most(Certainty::Undecided)
        .at_level(Level::Strict);
        trust::with_conditions(problem, &conditions)
    }

    fn trust_problem(&self, read: &Document, request: &Request<'_>, certainty: Certainty) -> Problem {
        let reports = read.explain(request);
        let nearest = trust::allows(&reports)
            .filter(|report| report.principal == Truth::True && report.action == Truth::True)
            .min_by_key(|report| report.failed().count());
        let failed = nearest.and_then(|report| report.failed().next());
        let fix = match trust::applying_deny(&reports) {
            Some(deny) => fix::narrow_deny(self.target, deny.into(), self.first_arn, Some(self.subject)),
            None => self.own_statement(),
        };
        let problem = Problem::new(self.rule(), self.cause(TargetCause::Trust { action: request.action.into() }), fix)
            .at_most(certainty);
        match failed {
            Some(failed) => problem
                .expected(self.label(Label::TargetTrustAsksFor, Label::RoleTrustAsksFor), TrustCondition::from(failed))
                .found(self.sender(), trust::sent(&failed.found)),
            None => problem
                .expected(
                    self.label(Label::TargetTrustNeeds, Label::RoleTrustNeeds),
                    TrustValue::ActionFor { action: request.action.into(), principal: self.first_arn.into() },
                )
                .found(Label::ItTrusts, TrustValue::Principals(trust::trusted(self.document))),
        }
    }

    /// The actions that a policy of the first role should allow.
    fn actions(&self) -> &'static [&'static str] {
        match self.hop {
            Hop::Controller { request, .. } if request.tags.is_empty() => &[ASSUME],
            _ => &[ASSUME, TAG],
        }
    }

    fn sender(&self) -> Label {
        match self.hop {
            Hop::Association { .. } => Label::EksSends,
            Hop::Controller { .. } => Label::RequestCarries,
        }
    }

    /// Adds a statement that allows the hop, and no other session of the first role where that can be told apart.
    fn own_statement(&self) -> Change {
        let mut conditions = serde_json::json!({});
        let actions = match self.hop {
            // Without session tags, the external ID is what ties the hop to this service account.
            Hop::Association { association, external_id, .. } if association.disable_session_tags => {
                put(&mut conditions, "StringEquals", "sts:ExternalId", external_id.unwrap_or("EXTERNAL_ID").into());
                &[ASSUME][..]
            }
            // With them, the tags do, as in the example of the user guide.
            Hop::Association { .. } => {
                put_tags(&mut conditions, self.subject, self.snapshot.cluster.as_ref());
                &[ASSUME, TAG]
            }
            Hop::Controller { request, .. } => {
                if let Some(id) = request.external_id {
                    put(&mut conditions, "StringEquals", "sts:ExternalId", id.into());
                }
                self.actions()
            }
        };
        let mut statement =
            serde_json::json!({"Effect": "Allow", "Principal": {"AWS": self.first_arn}, "Action": actions});
        if let Some(fields) = statement.as_object_mut()
            && conditions.as_object().is_some_and(|conditions| !conditions.is_empty())
        {
            fields.insert("Condition".to_owned(), conditions);
        }
        fix::add_statement(self.target, self.first_arn, &statement)
    }

    fn permission_problem(&self, action: &str, ruling: &Ruling<'_>) -> Problem {
        let target_arn = self.target_arn;
        let by_identity = ruling.missing_in == Some(PolicyKind::Identity);
        Problem::new(
            self.rule(),
            self.cause(TargetCause::Policies { action: action.into() }),
            if by_identity {
                PermissionChange::Allow {
                    role: self.first.into(),
                    policy: permission::policy_name("sts:AssumeRole", target_arn).into(),
                    actions: self.actions().iter().map(|action| Text::from(*action)).collect(),
                    resource: target_arn.into(),
                }
                .into()
            } else {
                permission::fix_for(self.first_arn, None, action, Resources::One(target_arn), ruling)
            },
        )
        .at_most(if ruling.is_certain_denial() { Certainty::Certain } else { Certainty::Likely })
        .expected(
            Label::IdentityPolicyNeeded,
            PermissionValue::Need(NeedName { action: action.into(), resource: Some(target_arn.into()) }),
        )
        .found(
            Label::Policies,
            if by_identity {
                PermissionValue::AllowedNowhere
            } else {
                PermissionValue::Denial(permission::denial(ruling))
            },
        )
    }
}

/// The policies of a role that is not in the snapshot.
fn unread<'s>() -> Layer<'s> {
    Layer { policies: Vec::new(), unread: vec!["inline policies", "managed policies"] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::RoleCause;

    #[test]
    fn the_surest_problem_leads_and_the_first_of_equals() {
        let problem = |role: &str, certainty| {
            let cause = RoleCause::NamesEveryone { role: role.into() };
            Some(Problem::new(&rules::POD_IDENTITY_TARGET, cause, Change::CheckAgent).at_most(certainty))
        };
        let lead = |first, second| {
            surest(first, second).map(|problem| match problem.cause {
                Cause::Role(RoleCause::NamesEveryone { role }) => role.to_string(),
                other => panic!("{other:?}"),
            })
        };
        let likely = || problem("likely", Certainty::Likely);
        assert_eq!(lead(likely(), problem("certain", Certainty::Certain)).as_deref(), Some("certain"));
        assert_eq!(lead(likely(), problem("undecided", Certainty::Undecided)).as_deref(), Some("likely"));
        assert_eq!(lead(likely(), problem("second", Certainty::Likely)).as_deref(), Some("likely"));
        assert_eq!(lead(None, likely()).as_deref(), Some("likely"));
        assert_eq!(lead(None, None), None);
    }
}
