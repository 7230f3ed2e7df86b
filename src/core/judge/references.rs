//! Identities that custom resources name: their controllers request a token of the service account, so that no pod runs as it.

use std::borrow::Cow;

use super::exemptions::{AllOwnAnnotations, Holder};
use super::{Circumstances, Gathering, JudgedIdentity, Judgement, own_names};
use crate::chain::{self, Audience, Chain, RoleRequest, RoleSource, State, Subject, fix};
use crate::cluster::{OwnAnnotations, ServiceAccount};
use crate::custom::{AssumedRole, AudienceOf, CustomKind, Reading, Reference, RoleOf, Who};
use crate::effort::Effort;
use crate::finding::{
    Cause, Certainty, ConfigurationValue, CredentialsValue, EvidenceValue, Hint, Label, Problem, ReferenceCause,
    Remark, RolePart, RolePurpose, RoleValue, SnapshotValue,
};
use crate::fix::{AccountName, Advice, Change, Fix, Text};
use crate::known::Known;
use crate::rules::{self, Trait};
use crate::workload::{Kind, Metadata};
use crate::world::World;

/// The annotation that the controllers read, whatever the injector's prefix is.
const ROLE_ARN: &str = "eks.amazonaws.com/role-arn";
/// Stands for a namespace that is not known.
const NAMESPACE: &str = "NAMESPACE";
/// The audience of tokens for STS.
const STS: &str = "sts.amazonaws.com";

/// A custom resource, and what was read of it.
#[derive(Debug, Clone, Copy)]
pub struct Referring<'a> {
    /// Its kind.
    pub kind: &'static CustomKind,
    /// Its namespace; empty for what belongs to the cluster.
    pub namespace: &'a str,
    /// Its metadata.
    pub metadata: &'a Metadata<'a>,
    /// The identities that it names.
    pub reading: &'a Reading<'a>,
}

/// Judges the identities that a custom resource names.
pub fn judge_references<'a>(
    world: &'a World,
    referring: &Referring<'a>,
    circumstances: Circumstances,
) -> Judgement<'a> {
    let kind = Kind::Custom(referring.kind.kind);
    let mut judgement = Judgement::new(kind, referring.namespace);
    let of_object = OwnAnnotations::of(referring.metadata);
    let of_namespace = world.namespace(referring.namespace).map(|namespace| &namespace.own_annotations);
    let own_annotations = AllOwnAnnotations::gather(
        &[(Holder::Object(kind), Some(&of_object)), (Holder::Namespace(referring.namespace), of_namespace)],
        circumstances.exemptions,
        circumstances.now,
    );
    let mut gathering = Gathering::new(own_annotations);
    let effort = Effort::for_one_check();
    let scene = Scene { world, referring, effort: &effort };
    for reference in referring.reading.references.iter().filter(|reference| !reference.is_bare()) {
        let Some(judged) = scene.judge(reference) else { continue };
        gathering.add_chain(&judged.problems);
        if let Some(open) = judged.open
            && !gathering.findings.findings.iter().any(|finding| finding.problem == open)
        {
            gathering.add(open);
        }
        judgement.identities.push(judged.identity);
    }
    if referring.reading.more {
        gathering.add(scene.too_many());
    }
    own_names::problems(referring.metadata, || Holder::Object(kind).name(), false)
        .into_iter()
        .for_each(|problem| gathering.add(problem));
    gathering.finish(&mut judgement);
    judgement
}

struct Scene<'s, 'a> {
    world: &'a World,
    referring: &'s Referring<'a>,
    effort: &'s Effort,
}

/// An identity, judged.
struct JudgedReference<'a> {
    identity: JudgedIdentity<'a>,
    problems: Vec<Problem>,
    open: Option<Problem>,
}

/// Links, as they are added up.
struct Links {
    state: State,
    problems: Vec<Problem>,
    open: Option<Problem>,
}

impl Links {
    fn new() -> Self {
        Self { state: State::Holds, problems: Vec::new(), open: None }
    }

    fn add(&mut self, chain: Chain) {
        self.state = self.state.and(chain.state);
        self.problems.extend(chain.problems);
        self.open = self.open.take().or(chain.open);
    }

    fn add_problem(&mut self, problem: Problem) {
        let state = if problem.certainty == Certainty::Certain { State::Broken } else { State::Unknown };
        self.state = self.state.and(state);
        self.problems.push(problem);
    }

    /// Leaves what is true in every namespace; the namespace itself is not known.
    fn only_in_any_namespace(&mut self) {
        self.problems
            .retain(|problem| problem.rule.has(Trait::InAnyNamespace) && problem.certainty > Certainty::Undecided);
        self.open = None;
        let is_broken = self.problems.iter().any(|problem| problem.certainty == Certainty::Certain);
        self.state = if is_broken { State::Broken } else { State::Unknown };
    }

    /// Makes all of it likely at most.
    fn at_most_likely(&mut self) {
        if self.state == State::Broken {
            self.state = State::Unknown;
        }
        let problems = std::mem::take(&mut self.problems);
        self.problems = problems.into_iter().map(|problem| problem.at_most(Certainty::Likely)).collect();
    }
}

/// A service account, and what the token of it is for.
#[derive(Clone, Copy)]
struct Token<'a> {
    namespace: Option<&'a str>,
    usual_namespace: Option<&'static str>,
    name: &'a str,
    role: RoleOf<'a>,
    audience: AudienceOf<'a>,
}

impl<'a> Scene<'_, 'a> {
    fn problem(&self, rule: &'static rules::Rule, why: ReferenceCause, fix: impl Into<Fix>) -> Problem {
        Problem::new(rule, Cause::Reference { controller: self.referring.kind.controller, why }, fix)
    }

    /// `None` where the object names no identity of AWS after all.
    fn judge(&self, reference: &'a Reference<'a>) -> Option<JudgedReference<'a>> {
        let mut links = Links::new();
        let (mut account, mut first) = (None, None);
        match &reference.who {
            Who::Without { path } => links.add_problem(self.without(path)),
            Who::Both { paths } => links.add_problem(self.both(paths)),
            Who::Keys | Who::Workload => self.own_roles(None, &reference.then, &mut links),
            Who::Controller { role } => {
                first = *role;
                self.own_roles(*role, &reference.then, &mut links);
            }
            Who::Account { namespace, usual_namespace, name, role, audience, may_be_unused } => {
                let token = Token {
                    namespace: *namespace,
                    usual_namespace: *usual_namespace,
                    name,
                    role: *role,
                    audience: *audience,
                };
                account = Some((*namespace, *name));
                first = self.token(token, reference, &mut links)?;
                if *may_be_unused {
                    links.at_most_likely();
                }
            }
        }
        links.problems.iter_mut().chain(&mut links.open).for_each(of_controller);
        let role = reference.then.last().map(|role| role.arn).or(first);
        let identity = JudgedIdentity {
            path: &reference.path,
            service_account: account,
            role: role.map(Cow::Borrowed),
            chain: links.state,
        };
        Some(JudgedReference { identity, problems: links.problems, open: links.open })
    }

    /// The chain of a token, and of the roles that are assumed after it; the role that the token is for.
    fn token(&self, token: Token<'a>, reference: &'a Reference<'a>, links: &mut Links) -> Option<Option<&'a str>> {
        let Some(namespace) = token.namespace else {
            return Some(self.token_of_unknown_namespace(token, reference, links));
        };
        let subject = Subject { namespace, service_account: token.name };
        let known = self.known(subject);
        if known == Known::Absent {
            links.add_problem(self.missing(subject));
        }
        let role = match (token.role, known) {
            (RoleOf::Field(role), _) => Some(role),
            (_, Known::Present(account)) => match (account.role_arn.as_deref(), token.role) {
                (None, RoleOf::AnnotationIfAny) => return None,
                (None, _) => {
                    links.add_problem(self.no_annotation(subject, account));
                    None
                }
                (role, _) => role,
            },
            (RoleOf::AnnotationIfAny, _) => return None,
            (RoleOf::Annotation, Known::Absent) => None,
            (RoleOf::Annotation, Known::Unknown) => {
                links.add_problem(self.unknown(subject));
                None
            }
        };
        if let Some(role) = role {
            links.add(self.walk(subject, role, token, known.present()));
        }
        self.next_roles(subject, role, &reference.then, links);
        Some(role)
    }

    /// What is known of a service account whose annotation controllers read.
    fn known(&self, subject: Subject<'_>) -> Known<&'a ServiceAccount> {
        // Of an injector with another prefix only the annotations with that prefix are kept.
        if self.world.conventions.role_arn_key() != ROLE_ARN {
            return Known::Unknown;
        }
        self.world.service_account(subject.namespace, subject.service_account)
    }

    fn walk(&self, subject: Subject<'_>, role: &str, token: Token<'_>, account: Option<&ServiceAccount>) -> Chain {
        let own = account.and_then(|account| account.audience.as_deref()).filter(|audience| !audience.is_empty());
        let audience = match token.audience {
            AudienceOf::Is(audience) => Audience::Is(audience),
            AudienceOf::Annotation => Audience::Is(own.unwrap_or(STS)),
            AudienceOf::Several => Audience::Unknown,
        };
        let source = match token.role {
            RoleOf::Field(_) => RoleSource::Field,
            RoleOf::Annotation | RoleOf::AnnotationIfAny => RoleSource::Annotation(ROLE_ARN),
        };
        chain::irsa(&self.world.snapshot, subject, role, audience, source, self.effort)
    }

    /// The namespace is that of whoever uses the object, or a setting of the controller.
    fn token_of_unknown_namespace(
        &self,
        token: Token<'a>,
        reference: &'a Reference<'a>,
        links: &mut Links,
    ) -> Option<&'a str> {
        let namespace = token.usual_namespace.unwrap_or(NAMESPACE);
        let subject = Subject { namespace, service_account: token.name };
        let role = match token.role {
            RoleOf::Field(role) => Some(role),
            RoleOf::Annotation | RoleOf::AnnotationIfAny => None,
        };
        if let Some(role) = role {
            links.add(self.walk(subject, role, token, None));
        }
        links.only_in_any_namespace();
        self.next_roles(subject, role, &reference.then, links);
        links.add_problem(
            self.problem(
                &rules::IDENTITY_UNDECIDED,
                ReferenceCause::NamespaceUnknown { path: reference.path.as_str().into(), account: token.name.into() },
                Advice::NameNamespace,
            )
            .expected(Label::Expected, CredentialsValue::OfServiceAccount),
        );
        role
    }

    /// The roles that are assumed one after another; `first` is the one before them, where it is known.
    fn next_roles(&self, subject: Subject<'_>, first: Option<&str>, then: &[AssumedRole<'_>], links: &mut Links) {
        let mut before = first;
        for role in then {
            let snapshot = &self.world.snapshot;
            let chain = match before {
                Some(before) => {
                    let AssumedRole { arn, external_id, ref tags } = *role;
                    let request = RoleRequest { arn, external_id, tags };
                    chain::next_role(snapshot, subject, before, request, RoleSource::Field, self.effort)
                }
                None => {
                    // Whether the unknown role may assume it is unknown with that role.
                    links.state = links.state.and(State::Unknown);
                    chain::role_only(snapshot, subject, role.arn, RoleSource::Field, self.effort)
                }
            };
            links.add(chain);
            before = Some(role.arn);
        }
    }

    /// Roles that a controller assumes with an identity of its own: of the first only whether it exists is known.
    fn own_roles(&self, role: Option<&str>, then: &[AssumedRole<'_>], links: &mut Links) {
        let controller = self.referring.kind.controller.name();
        // It has no service account that the object names.
        let subject = Subject::of_controller(controller);
        let first = role.or_else(|| then.first().map(|role| role.arn));
        if let Some(first) = first {
            let mut chain = chain::role_only(&self.world.snapshot, subject, first, RoleSource::Field, self.effort);
            for problem in &mut chain.problems {
                // There is no account here that could be given another role.
                if problem.fix.steps.iter().any(|step| matches!(step, Change::UseAnotherRole { .. })) {
                    problem.fix = Advice::SetRoleField("ROLE_ARN".into()).into();
                }
            }
            let exists = chain.state == State::Holds;
            links.add(chain);
            if exists {
                links.add_problem(self.own_identity(first));
            }
        }
        let rest = if role.is_some() { then } else { then.get(1..).unwrap_or_default() };
        self.next_roles(subject, first, rest, links);
    }

    fn own_identity(&self, role: &str) -> Problem {
        let controller = self.referring.kind.controller.name();
        let name = rolecall_iam::RoleArn::parse(role).map_or(role, |parsed| parsed.name);
        self.problem(
            &rules::IDENTITY_UNDECIDED,
            ReferenceCause::OwnIdentity { role: name.into() },
            Advice::CheckController(controller.into()),
        )
        .about(role, RolePart::Existing)
    }

    fn missing(&self, subject: Subject<'_>) -> Problem {
        self.problem(
            &rules::SERVICE_ACCOUNT_MISSING,
            ReferenceCause::AccountMissing { account: subject.into() },
            Change::CreateAccount(subject.into()),
        )
        .expected(Label::ObjectNames, EvidenceValue::Account(AccountName::from(subject)))
        .found(Label::NamespaceHas, SnapshotValue::NoSuchServiceAccount)
    }

    fn unknown(&self, subject: Subject<'_>) -> Problem {
        self.problem(
            &rules::IDENTITY_UNDECIDED,
            ReferenceCause::AccountUnknown { account: subject.into() },
            Advice::ReadAccount(subject.into()),
        )
        .expected(Label::Needed, EvidenceValue::ServiceAccount(subject.into()))
    }

    /// The service account has no role annotation. A Pod Identity association is for pods: it gives no token a role.
    fn no_annotation(&self, subject: Subject<'_>, account: &ServiceAccount) -> Problem {
        let association = self.world.association(subject);
        let fix = match &account.misspelled {
            Some((key, value)) => fix::move_annotation(subject, key, ROLE_ARN, value),
            None => {
                let role = association.and_then(|association| association.role_arn.as_deref());
                fix::annotate(subject, ROLE_ARN, role.unwrap_or("ROLE_ARN"))
            }
        };
        let found = match (&account.misspelled, association) {
            (Some((key, value)), _) => EvidenceValue::Entry { key: key.into(), value: value.into() },
            (None, Some(_)) => CredentialsValue::AssociationFor(subject.into()).into(),
            (None, None) => EvidenceValue::Role(RoleValue::NoRole),
        };
        self.problem(
            &rules::IDENTITY_REFERENCE_BROKEN,
            ReferenceCause::NoAnnotation { account: subject.into(), has_association: association.is_some() },
            fix,
        )
        .expected(Label::ControllerReads, ConfigurationValue::OnServiceAccount { key: ROLE_ARN.into() })
        .found(Label::ServiceAccountHas, found)
    }

    fn without(&self, path: &str) -> Problem {
        self.problem(
            &rules::IDENTITY_REFERENCE_BROKEN,
            ReferenceCause::Without { path: path.into() },
            Advice::SetField(path.into()),
        )
        .expected(Label::ControllerReads, path)
        .found(Label::Found, EvidenceValue::Nothing)
    }

    fn both(&self, paths: &[String; 2]) -> Problem {
        let paths = || paths.each_ref().map(|path| Text::from(path.as_str()));
        let [first, second] = paths();
        self.problem(
            &rules::IDENTITY_REFERENCE_BROKEN,
            ReferenceCause::Both { paths: paths() },
            Advice::RemoveOneOf(paths()),
        )
        .expected(Label::ControllerReads, EvidenceValue::Text(first))
        .found(Label::ItHas, EvidenceValue::Text(second))
    }

    fn too_many(&self) -> Problem {
        let checked = self.referring.reading.references.len();
        self.problem(&rules::IDENTITY_UNDECIDED, ReferenceCause::TooMany { checked }, Advice::FewerIdentities)
            .expected(Label::Expected, RoleValue::AtMost(checked))
    }
}

/// Says of a token that a controller requested it: there is no pod that has it, that could try it, or whose variables could be
/// changed.
fn of_controller(problem: &mut Problem) {
    if let Some(found) = &mut problem.found
        && found.label == Label::TokenHas
    {
        found.label = Label::RequestedTokenHas;
    }
    if let Some(Hint::Remark(Remark::RoleIsFor(purpose @ RolePurpose::PodIdentity))) = &mut problem.hint {
        *purpose = RolePurpose::PodIdentityOfPods;
    }
    for step in &mut problem.fix.steps {
        match step {
            Change::Manual(Advice::ReadAudience) => *step = Advice::OneAudience.into(),
            Change::TryFromPod { role, policies } => {
                *step = Advice::SeeStatus { role: role.clone(), policies: *policies }.into();
            }
            _ => {}
        }
    }
}
