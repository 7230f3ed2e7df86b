//! The second hop of an association: its role takes the target role (Amazon EKS User Guide, "Access AWS resources using
//! EKS Pod Identity Target IAM Roles"; IAM User Guide, "Cross-account policy evaluation logic"; failures G13, G14).

use rolecall_iam::{
    Accounts, Document, Named, Policies, PolicyKind, Principal, Request, ResourcePolicy, RoleArn, Ruling, Truth,
    Verdict,
};

use super::pod_identity_context::{Hop, PodIdentityContext, external_id, tag_keys};
use super::role::{self, RoleSource};
use super::trust::{self, Outcome};
use super::{State, Subject, fix};
use crate::finding::{Certainty, Problem};
use crate::permission::{self, Resources, RolePolicies};
use crate::rules;
use crate::snapshot::{Association, Snapshot};

struct Case<'a> {
    subject: Subject<'a>,
    first_arn: &'a str,
    first: RoleArn<'a>,
    target: RoleArn<'a>,
    same_account: bool,
    /// Sent where session tags are disabled.
    external_id: Option<&'a str>,
}

pub(super) fn link(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    first_arn: &str,
    target_arn: &str,
) -> (State, Option<Problem>) {
    let located = role::link(snapshot, subject, target_arn, RoleSource::Target(association));
    if located.problem.is_some() && located.role.is_none() {
        return (located.state, located.problem);
    }
    let (Some(target), Some(parsed), Ok(first)) = (located.role, located.parsed, RoleArn::parse(first_arn)) else {
        return (State::Unknown, located.problem);
    };
    let Some(document) = &target.trust else {
        return (State::Unknown, located.problem);
    };
    let cluster = snapshot.cluster.as_ref();
    let external_id = external_id(cluster, subject, association);
    let case = Case {
        subject,
        first_arn,
        first,
        target: parsed,
        same_account: first.account == parsed.account,
        external_id: external_id.as_deref().filter(|_| association.disable_session_tags),
    };
    let tag_keys = tag_keys();
    let context = |presume| PodIdentityContext {
        hop: Hop::Second,
        subject,
        cluster,
        association,
        role: target,
        first_role_arn: first_arn,
        external_id: external_id.as_deref(),
        tag_keys: &tag_keys,
        presume,
    };
    let actions: &[&str] =
        if association.disable_session_tags { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] };
    let mut state = located.state;
    let mut problem = located.problem;
    for action in actions {
        let (outcome, decided_by) = trust::judge(document, action, Principal::Aws(first_arn), context);
        let request =
            Request { action, resource: None, principal: Some(Principal::Aws(first_arn)), context: &decided_by };
        match outcome {
            Outcome::Denied(certainty) => {
                let found = case.trust_problem(document, &request, certainty);
                let broken = found.certainty == Certainty::Certain;
                state = state.and(if broken { State::Broken } else { State::Unknown });
                problem = problem.or(Some(found));
            }
            Outcome::Undecided => state = state.and(State::Unknown),
            Outcome::Allowed => {
                let Some(policies) = snapshot.role(first_arn).map(|role| RolePolicies::of(snapshot, role)) else {
                    state = state.and(State::Unknown);
                    continue;
                };
                let ruling = Policies {
                    identity: policies.identity,
                    boundary: policies.boundary,
                    session: None,
                    service_control: policies.service_control,
                    resource: ResourcePolicy::Needed(Named { name: "trust policy", document }),
                    accounts: if case.same_account { Accounts::Same } else { Accounts::Cross },
                }
                .evaluate(&Request { resource: Some(target_arn), ..request });
                match ruling.verdict {
                    Verdict::Allowed => {}
                    Verdict::Unknown => state = state.and(State::Unknown),
                    Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => {
                        let found = case.permission_problem(action, target_arn, &ruling);
                        let broken = found.certainty == Certainty::Certain;
                        state = state.and(if broken { State::Broken } else { State::Unknown });
                        problem = problem.or(Some(found));
                    }
                }
            }
        }
    }
    (state, problem)
}

impl Case<'_> {
    fn trust_problem(&self, document: &Document, request: &Request<'_>, certainty: Certainty) -> Problem {
        let certainty = if self.same_account { certainty } else { Certainty::Undecided };
        let reports = document.explain(request);
        let nearest = trust::allows(&reports)
            .filter(|report| report.principal == Truth::True && report.action == Truth::True)
            .min_by_key(|report| report.failed().count());
        let failed = nearest.and_then(|report| report.failed().next());
        // Without session tags, the external ID is what ties the hop to this service account.
        let statement = match self.external_id {
            Some(external_id) => serde_json::json!({
                "Effect": "Allow",
                "Principal": {"AWS": self.first_arn},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }),
            None => serde_json::json!({
                "Effect": "Allow",
                "Principal": {"AWS": self.first_arn},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }),
        };
        let problem = Problem::new(
            &rules::POD_IDENTITY_TARGET,
            format!(
                "{} cannot become {}: its trust policy does not allow {} to {}",
                self.subject, self.target.name, self.first.name, request.action
            ),
            fix::edit_trust(self.target, &fix::add_statement(&statement)),
        )
        .at_most(certainty);
        match failed {
            Some(failed) => problem
                .expected("the target role's trust policy asks for", trust::condition_text(failed))
                .found("EKS sends", trust::found_text(&failed.found)),
            None => problem
                .expected("the target role's trust policy needs", format!("{} for {}", request.action, self.first_arn))
                .found("it trusts", trust::trusted(document)),
        }
    }

    fn permission_problem(&self, action: &str, target_arn: &str, ruling: &Ruling<'_>) -> Problem {
        let by_identity = ruling.missing_in == Some(PolicyKind::Identity);
        Problem::new(
            &rules::POD_IDENTITY_TARGET,
            format!(
                "{} cannot become {}: the policies of {} do not allow it to {action}",
                self.subject, self.target.name, self.first.name
            ),
            if by_identity {
                let document = serde_json::json!({
                    "Version": "2012-10-17",
                    "Statement":
                        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": target_arn},
                });
                format!(
                    "aws iam put-role-policy --role-name {} --policy-name assume-{} --policy-document '{document}'",
                    self.first.name, self.target.name
                )
            } else {
                permission::fix_for(self.first_arn, action, Resources::One(target_arn), ruling)
            },
        )
        .at_most(if self.same_account { Certainty::Certain } else { Certainty::Undecided })
        .expected("an identity policy would have to allow", format!("{action} on {target_arn}"))
        .found("the policies", if by_identity { "allow it nowhere".to_owned() } else { permission::denial(ruling) })
    }
}
