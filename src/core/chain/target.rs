//! The second hop of an association: its role takes the target role (Amazon EKS User Guide, "Access AWS resources using
//! EKS Pod Identity Target IAM Roles"; IAM User Guide, "Cross-account policy evaluation logic"; failures G13, G14).

use rolecall_iam::{
    Accounts, Document, Layer, Named, Policies, PolicyKind, Principal, Request, ResourcePolicy, RoleArn, Ruling, Truth,
    Verdict,
};

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
use crate::fix::{Change, PermissionChange, PoliciesOf, PolicyRef};
use crate::level::Level;
use crate::permission::{self, Resources, RolePolicies};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

struct Case<'a> {
    snapshot: &'a Snapshot,
    subject: Subject<'a>,
    association: &'a Association,
    first_arn: &'a str,
    first: RoleArn<'a>,
    target_arn: &'a str,
    target: RoleArn<'a>,
    role: &'a Role,
    document: &'a Document,
    lists: Lists,
    effort: &'a Effort,
    /// Sent where session tags are disabled.
    external_id: Option<&'a str>,
}

pub(super) fn link(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    first_arn: &str,
    target_arn: &str,
    effort: &Effort,
) -> Option<Problem> {
    let would_work = |role: &Role| {
        let (Ok(first), Ok(target), Some(document)) =
            (RoleArn::parse(first_arn), RoleArn::parse(&role.arn), &role.trust)
        else {
            return false;
        };
        let effort = Effort::for_short_check();
        hops(snapshot, subject, association, (first_arn, first), (&role.arn, target), role, document, &effort).is_none()
    };
    let located = match role::link(snapshot, subject, target_arn, RoleSource::Target(association), &would_work) {
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
    let of_hops =
        hops(snapshot, subject, association, (first_arn, first), (target_arn, target), role, document, effort);
    surest(located.problem, of_hops)
}

/// What is wrong with the second hop.
#[expect(clippy::too_many_arguments, reason = "all of them describe the hop")]
fn hops(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    (first_arn, first): (&str, RoleArn<'_>),
    (target_arn, target): (&str, RoleArn<'_>),
    role: &Role,
    document: &Document,
    effort: &Effort,
) -> Option<Problem> {
    let external_id = external_id(snapshot.cluster.as_ref(), subject, association);
    let case = Case {
        snapshot,
        subject,
        association,
        first_arn,
        first,
        target_arn,
        target,
        role,
        document,
        lists: Lists::new(),
        effort,
        external_id: external_id.as_deref(),
    };
    let actions: &[&str] =
        if association.disable_session_tags { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] };
    actions.iter().map(|action| case.hop(action)).fold(None, surest)
}

/// The surer of two problems, the first among equals.
fn surest(first: Option<Problem>, second: Option<Problem>) -> Option<Problem> {
    match (first, second) {
        (Some(first), Some(second)) if second.certainty > first.certainty => Some(second),
        (first, second) => first.or(second),
    }
}

impl<'a> Case<'a> {
    fn context<'c>(&'c self, external_id: Option<&'c str>, presume: bool) -> PodIdentityContext<'c>
    where
        'a: 'c,
    {
        PodIdentityContext {
            subject: self.subject,
            cluster: self.snapshot.cluster.as_ref(),
            association: self.association,
            role: self.role,
            account: self.target.account,
            second: Some(SecondHop {
                first_role_arn: self.first_arn,
                first_role: self.snapshot.role(self.first_arn),
                external_id,
            }),
            lists: &self.lists,
            presume,
            effort: self.effort,
        }
    }

    fn cause(&self, why: TargetCause) -> Cause {
        Cause::Target {
            account: self.subject.into(),
            first: self.first.name.into(),
            target: self.target.name.into(),
            why,
        }
    }

    /// Whether the first role is allowed an action on the target: by the target's trust policy, and by its own policies.
    fn hop(&self, action: &str) -> Option<Problem> {
        let caller = Principal::Aws(self.first_arn);
        let judge =
            |external_id| trust::judge(self.document, action, caller, |presume| self.context(external_id, presume));
        let read = judge(self.external_id);
        let request = Request { action, resource: None, principal: Some(caller), context: &read.context };
        match read.outcome {
            Outcome::Denied(certainty) => {
                // Where the association says another external ID than the user guide, either may be the one that EKS sends.
                let documented = documented_external_id(self.snapshot.cluster.as_ref(), self.subject);
                let contested = documented.as_deref() != self.external_id
                    && !matches!(judge(documented.as_deref()).outcome, Outcome::Denied(_));
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

    /// Adds a statement that lets the first role in for this service account alone.
    fn own_statement(&self) -> Change {
        let mut conditions = serde_json::json!({});
        // Without session tags, the external ID is what ties the hop to this service account. With them, the tags do, as in the
        // example of the user guide.
        let is_tagged = !self.association.disable_session_tags;
        if is_tagged {
            put_tags(&mut conditions, self.subject, self.snapshot.cluster.as_ref());
        } else {
            put(&mut conditions, "StringEquals", "sts:ExternalId", self.external_id.unwrap_or("EXTERNAL_ID").into());
        }
        let actions: &[&str] = if is_tagged { &["sts:AssumeRole", "sts:TagSession"] } else { &["sts:AssumeRole"] };
        let statement = serde_json::json!({
            "Effect": "Allow", "Principal": {"AWS": self.first_arn}, "Action": actions, "Condition": conditions,
        });
        fix::add_statement(self.target, self.first_arn, &statement)
    }

    /// It depends on policies that were not read, or on keys of the request.
    fn open_permission(&self, action: &str, ruling: &Ruling<'_>) -> Problem {
        let unread = permission::unread(ruling);
        if !unread.is_empty() {
            return self.unread(unread);
        }
        let doubt = permission::doubt_of(ruling);
        Problem::new(
            &rules::POD_IDENTITY_TARGET,
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
            &rules::POD_IDENTITY_TARGET,
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
        let problem = Problem::new(
            &rules::POD_IDENTITY_TARGET,
            self.cause(TargetCause::Trust { action: request.action.into() }),
            fix,
        )
        .at_most(certainty);
        match failed {
            Some(failed) => problem
                .expected(Label::TargetTrustAsksFor, TrustCondition::from(failed))
                .found(Label::EksSends, trust::sent(&failed.found)),
            None => problem
                .expected(
                    Label::TargetTrustNeeds,
                    TrustValue::ActionFor { action: request.action.into(), principal: self.first_arn.into() },
                )
                .found(Label::ItTrusts, TrustValue::Principals(trust::trusted(self.document))),
        }
    }

    fn permission_problem(&self, action: &str, ruling: &Ruling<'_>) -> Problem {
        let target_arn = self.target_arn;
        let by_identity = ruling.missing_in == Some(PolicyKind::Identity);
        Problem::new(
            &rules::POD_IDENTITY_TARGET,
            self.cause(TargetCause::Policies { action: action.into() }),
            if by_identity {
                PermissionChange::Allow {
                    role: self.first.into(),
                    policy: permission::policy_name("sts:AssumeRole", target_arn).into(),
                    actions: vec!["sts:AssumeRole".into(), "sts:TagSession".into()],
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
