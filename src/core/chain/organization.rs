//! Resource control policies on the calls that assume a role (Organizations User Guide, "Resource control policies"; AWS's
//! examples in aws-samples/resource-control-policy-examples and aws-samples/data-perimeter-policy-examples). They bear on
//! the role's account, for all callers: web identities, EKS's service principal, and the first role of an association.
//!
//! Service control policies do not bear on these calls: a web identity and a service principal are no principals of the
//! organization. On the second hop of an association they do, see `target.rs`.

use rolecall_iam::{Arn, Context, Document, Effect, Lookup, Principal, Request, RoleArn, Truth, denied_by};

use super::assumed_context::{AssumedContext, RoleRequest};
use super::ecs_context::{self, EcsContext};
use super::irsa_context::IrsaContext;
use super::pod_identity_context::{Lists, PodIdentityContext, SERVICE, SecondHop, external_id};
use super::{Audience, Subject, ecs_trust, irsa_trust, trust};
use crate::effort::Effort;
use crate::finding::{Cause, Certainty, EvidenceValue, Label, OrganizationCause, Problem, TrustValue};
use crate::fix::PermissionChange;
use crate::known::Known;
use crate::rules;
use crate::snapshot::{Account, Association, ClusterInfo, ControlPolicies, Issuer, Role, Snapshot};

/// Who calls, as far as organization policies ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller<'a> {
    WebIdentity,
    /// A service of AWS, by its principal, on behalf of an account whose organization may be known.
    Service(&'static str, Option<&'a str>),
    /// A role, whose organization may be known.
    Role(Option<&'a str>),
}

/// The keys that organization policies ask for, before those that trust policies ask for.
struct WithOrganization<'a, C> {
    inner: C,
    caller: Caller<'a>,
    /// Of the role that is assumed.
    organization: Option<&'a str>,
}

impl<C: Context> Context for WithOrganization<'_, C> {
    fn spend(&self, patterns: usize) -> bool {
        self.inner.spend(patterns)
    }

    fn lookup(&self, key: &str) -> Lookup<'_> {
        let known = |id: Option<&'_ str>| id.is_some();
        match (key, self.caller) {
            ("aws:resourceorgid", _) if known(self.organization) => {
                self.organization.map_or(Lookup::Present, Lookup::One)
            }
            ("aws:principalisawsservice", Caller::Service(..)) => Lookup::One("true"),
            ("aws:principalisawsservice", Caller::Role(_)) => Lookup::One("false"),
            ("aws:principalservicename", Caller::Service(name, _)) => Lookup::One(name),
            // Amazon EKS Best Practices Guide, "Identity and Access Management": EKS passes it.
            ("aws:sourceorgid", Caller::Service(SERVICE, Some(id)))
            | ("aws:principalorgid", Caller::Role(Some(id))) => Lookup::One(id),
            // No assertion of SAML comes with any of these calls.
            _ if key.starts_with("saml:") => Lookup::Absent,
            _ => self.inner.lookup(key),
        }
    }
}

/// A call that assumes a role.
struct Call<'a> {
    subject: Subject<'a>,
    role_arn: &'a str,
    role: RoleArn<'a>,
    principal: Principal<'a>,
    actions: &'a [&'a str],
    caller: Caller<'a>,
}

/// What breaks the link; unknown where the policies were not read.
type Linked = Known<Problem>;

fn organization<'s>(snapshot: &'s Snapshot, account: &str) -> Option<&'s str> {
    snapshot.accounts.get(account).and_then(Account::organization)
}

/// The call of a web identity.
pub(super) fn of_web_identity(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role: &Role,
    parsed: RoleArn<'_>,
    issuer: &Issuer,
    audience: Audience<'_>,
    effort: &Effort,
) -> Linked {
    let provider_arn = issuer.provider_arn(parsed.partition, parsed.account);
    let claim = subject.claim();
    let call = Call {
        subject,
        role_arn: &role.arn,
        role: parsed,
        principal: Principal::Federated(&provider_arn),
        actions: &[irsa_trust::ACTION],
        caller: Caller::WebIdentity,
    };
    call.link(snapshot, |presume| IrsaContext {
        issuer,
        account: parsed.account,
        claim: &claim,
        audience,
        role,
        presume,
        effort,
    })
}

/// The calls of EKS for an association's role.
pub(super) fn of_association(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    role: &Role,
    parsed: RoleArn<'_>,
    effort: &Effort,
) -> Linked {
    let cluster = snapshot.cluster.as_ref();
    let home = cluster.and_then(ClusterInfo::location).map(|place| place.account);
    let call = Call {
        subject,
        role_arn: &role.arn,
        role: parsed,
        principal: Principal::Service(SERVICE),
        actions: actions(association),
        caller: Caller::Service(SERVICE, home.and_then(|account| organization(snapshot, account))),
    };
    let lists = Lists::new();
    call.link(snapshot, |presume| PodIdentityContext {
        subject,
        cluster,
        association,
        role,
        account: parsed.account,
        second: None,
        lists: &lists,
        presume,
        effort,
    })
}

/// The call of ECS for a role of a task. Its account is that of the task.
pub(super) fn of_task(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    role: &Role,
    parsed: RoleArn<'_>,
    effort: &Effort,
) -> Linked {
    let organization = organization(snapshot, parsed.account);
    let call = Call {
        subject,
        role_arn: &role.arn,
        role: parsed,
        principal: ecs_trust::CALLER,
        actions: &["sts:AssumeRole"],
        caller: Caller::Service(ecs_context::SERVICE, organization),
    };
    call.link(snapshot, |presume| EcsContext {
        role,
        account: parsed.account,
        source_arn: None,
        organization,
        presume,
        effort,
    })
}

/// The calls of an association's role for its target role.
pub(super) fn of_target(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    first_arn: &str,
    target_arn: &str,
    effort: &Effort,
) -> Linked {
    let Some((role, parsed)) = snapshot.role(target_arn).and_then(|role| Some((role, RoleArn::parse(&role.arn).ok()?)))
    else {
        return Known::Unknown;
    };
    let cluster = snapshot.cluster.as_ref();
    let home = Arn::parse(first_arn).map(|arn| arn.account);
    let call = Call {
        subject,
        role_arn: &role.arn,
        role: parsed,
        principal: Principal::Aws(first_arn),
        actions: actions(association),
        caller: Caller::Role(home.and_then(|account| organization(snapshot, account))),
    };
    let (lists, external_id) = (Lists::new(), external_id(cluster, subject, association));
    call.link(snapshot, |presume| PodIdentityContext {
        subject,
        cluster,
        association,
        role,
        account: parsed.account,
        second: Some(SecondHop {
            first_role_arn: first_arn,
            first_role: snapshot.role(first_arn),
            external_id: external_id.as_deref(),
        }),
        lists: &lists,
        presume,
        effort,
    })
}

/// The call of a controller, with one role, for the next one.
pub(super) fn of_controller(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    first_arn: &str,
    request: RoleRequest<'_>,
    effort: &Effort,
) -> Linked {
    let found = snapshot.role(request.arn).and_then(|role| Some((role, RoleArn::parse(&role.arn).ok()?)));
    let Some((role, parsed)) = found else {
        return Known::Unknown;
    };
    let home = Arn::parse(first_arn).map(|arn| arn.account);
    let call = Call {
        subject,
        role_arn: &role.arn,
        role: parsed,
        principal: Principal::Aws(first_arn),
        actions: if request.tags.is_empty() { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] },
        caller: Caller::Role(home.and_then(|account| organization(snapshot, account))),
    };
    let tag_keys: Vec<Box<str>> = request.tags.iter().map(|(key, _)| (*key).into()).collect();
    call.link(snapshot, |presume| AssumedContext {
        request,
        tag_keys: &tag_keys,
        first_role_arn: first_arn,
        first_role: snapshot.role(first_arn),
        role,
        account: parsed.account,
        presume,
        effort,
    })
}

fn actions(association: &Association) -> &'static [&'static str] {
    if association.disable_session_tags { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] }
}

impl Call<'_> {
    fn link<C: Context>(&self, snapshot: &Snapshot, inner: impl Fn(bool) -> C) -> Linked {
        let account = snapshot.accounts.get(self.role.account);
        let Some(control) = account.and_then(|account| account.resource_control.as_ref()) else {
            return Known::Unknown;
        };
        // They do not bear on resources of the management account.
        if control.of_management_account {
            return Known::Absent;
        }
        let read: Vec<(&str, &Document)> =
            control.policies.iter().filter_map(|policy| Some((&*policy.name, policy.document.get()?))).collect();
        let documents: Vec<&Document> = read.iter().map(|(_, document)| *document).collect();
        let context = |presume| WithOrganization {
            inner: inner(presume),
            caller: self.caller,
            organization: organization(snapshot, self.role.account),
        };
        let (certain, presumed) = (context(false), context(true));
        let mut open = None;
        let mut likely = None;
        for action in self.actions {
            let request =
                |context| Request { action, resource: Some(self.role_arn), principal: Some(self.principal), context };
            let request_certain = request(&certain as &dyn Context);
            match denied_by(&documents, &request_certain) {
                Truth::False => {}
                Truth::True => {
                    return Known::Present(self.denied(&read, &request_certain, Certainty::Certain));
                }
                Truth::Unknown => {
                    let request_presumed = request(&presumed as &dyn Context);
                    if denied_by(&documents, &request_presumed) == Truth::True {
                        let problem = || self.denied(&read, &request_presumed, Certainty::Likely);
                        likely = likely.or_else(|| Some(problem()));
                    } else {
                        open = open.or_else(|| Some(self.undecided(&read, &request_certain)));
                    }
                }
            }
        }
        Known::found(likely.or(open).or_else(|| self.unread(control)), true)
    }

    fn problem(&self, why: OrganizationCause, policy: &str) -> Problem {
        Problem::new(
            &rules::ORGANIZATION_POLICY_DENIED,
            Cause::Organization { account: self.subject.into(), role: self.role.name.into(), why },
            PermissionChange::ExemptFromResourceControl { policy: policy.into() },
        )
    }

    fn denied(&self, read: &[(&str, &Document)], request: &Request<'_>, certainty: Certainty) -> Problem {
        let (owner, action) = (|| self.role.account.into(), || request.action.into());
        let is_certain = certainty == Certainty::Certain;
        for (name, document) in read {
            let reports = document.explain(request);
            let deny = |truth: Truth| {
                reports.iter().find(move |report| report.statement.effect == Effect::Deny && report.applies() == truth)
            };
            if let Some(deny) = deny(Truth::True) {
                let why = OrganizationCause::PolicyDenies { owner: owner(), action: action(), is_certain };
                let found = TrustValue::PolicyDenies {
                    statement: deny.into(),
                    policy: (*name).into(),
                    conditions: deny.conditions.iter().collect(),
                };
                return self
                    .problem(why, name)
                    .expected(Label::Expected, TrustValue::NoStatementThatDenies { action: action() })
                    .found(Label::DeniedBy, found)
                    .at_most(certainty);
            }
        }
        // Several statements, each under some values, together deny under all.
        let name = read.first().map_or("POLICY", |(name, _)| name);
        let why = OrganizationCause::PoliciesDeny { owner: owner(), action: action(), is_certain };
        self.problem(why, name).at_most(certainty)
    }

    fn undecided(&self, read: &[(&str, &Document)], request: &Request<'_>) -> Problem {
        let mut conditions = Vec::new();
        let mut policy = "POLICY";
        let all: Vec<_> = read.iter().map(|(name, document)| (*name, document.explain(request))).collect();
        for (name, reports) in &all {
            let open = trust::undecided(reports);
            if !open.is_empty() && conditions.is_empty() {
                policy = name;
            }
            conditions.extend(open);
        }
        let why = OrganizationCause::DependsOn { action: request.action.into(), keys: trust::keys(&conditions) };
        let problem = self.problem(why, policy).at_most(Certainty::Undecided);
        problem
            .expected(Label::PolicyAsksFor, TrustValue::Conditions(conditions.into_iter().collect()))
            .found(Label::AtAdmission, EvidenceValue::NotKnown)
    }

    /// A policy whose document cannot be read may deny.
    fn unread(&self, control: &ControlPolicies) -> Option<Problem> {
        let policy = control.policies.iter().find(|policy| policy.document.get().is_none())?;
        let why = OrganizationCause::Unreadable { policy: (&policy.name).into(), owner: self.role.account.into() };
        Some(self.problem(why, &policy.name).at_most(Certainty::Undecided))
    }
}
