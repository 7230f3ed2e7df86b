//! The link from a role's ARN to the role (failure family B).

use rolecall_iam::{RoleArn, RoleArnFault};

use super::{Subject, cannot_assume, fix, unreadable};
use crate::ecs::RoleField;
use crate::finding::{
    CannotAssume, CannotTell, Cause, Certainty, EvidenceValue, Label, Problem, RoleCause, RoleRef, RoleValue,
    SnapshotValue, Typo, is_deceptive,
};
use crate::fix::{
    Advice, AssociationChange, Change, Contact, RolePlace, Show, SnapshotPart, TaskDefinitionChange, TemplateChange,
};
use crate::known::Known;
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

/// Where the ARN is written, and so where to fix it.
#[derive(Debug, Clone, Copy)]
pub enum RoleSource<'a> {
    /// The service account's annotation, by its key.
    Annotation(&'a str),
    /// The association's `roleArn`.
    Association(&'a Association),
    /// The association's `targetRoleArn`.
    Target(&'a Association),
    /// A container's own `AWS_ROLE_ARN`.
    Container,
    /// The same, in a workload that brings many roles: similar names are not searched for.
    OneOfMany,
    /// A field of a custom resource.
    Field,
    /// A field of a task definition.
    TaskDefinition(RoleField),
}

impl RoleSource<'_> {
    /// Whether similar names are searched for.
    pub(super) fn searches(self) -> bool {
        !matches!(self, Self::OneOfMany)
    }

    fn place(self) -> RolePlace {
        match self {
            Self::Annotation(_) => RolePlace::Annotation,
            Self::Association(_) => RolePlace::Association,
            Self::Target(_) => RolePlace::Target,
            Self::Container | Self::OneOfMany => RolePlace::Variable,
            Self::Field => RolePlace::Field,
            Self::TaskDefinition(field) => RolePlace::TaskDefinition(field),
        }
    }

    /// Writes another ARN there.
    pub(super) fn fix(self, snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> Change {
        match self {
            Self::Annotation(key) => fix::annotate(subject, key, arn),
            Self::Association(association) => {
                fix::update_association(snapshot, subject, association, AssociationChange::Role(arn.into()))
            }
            Self::Target(association) => {
                fix::update_association(snapshot, subject, association, AssociationChange::Target(arn.into()))
            }
            Self::Container | Self::OneOfMany => TemplateChange::SetRole { arn: arn.into() }.into(),
            Self::Field => Advice::SetRoleField(arn.into()).into(),
            Self::TaskDefinition(field) => TaskDefinitionChange::set_role(subject, field, arn),
        }
    }
}

/// The role that was meant, also where the ARN only comes close; then with a problem.
pub(super) struct Located<'s, 'a> {
    pub(super) role: &'s Role,
    pub(super) parsed: RoleArn<'a>,
    pub(super) problem: Option<Problem>,
}

/// Why there is no role.
pub(super) struct Unlocated<'a> {
    pub(super) parsed: Option<RoleArn<'a>>,
    pub(super) problem: Box<Problem>,
}

/// Whether the service account could assume a role, were that the one it names.
pub(super) type WouldWork<'f> = &'f dyn Fn(&Role) -> bool;

pub(super) fn link<'s, 'a>(
    snapshot: &'s Snapshot,
    subject: Subject<'_>,
    arn: &'a str,
    source: RoleSource<'_>,
    would_work: WouldWork<'_>,
) -> Result<Located<'s, 'a>, Unlocated<'a>> {
    let unlocated = |parsed, problem| Err(Unlocated { parsed, problem: Box::new(problem) });
    let parsed = match RoleArn::parse(arn) {
        Ok(parsed) => parsed,
        Err(fault) => return unlocated(None, malformed(snapshot, subject, arn, fault, source)),
    };
    let place = snapshot.cluster.as_ref().and_then(|cluster| cluster.location());
    // A task definition is in no cluster of EKS.
    if let Some(place) = place.filter(|_| !subject.is_task_definition())
        && place.partition != parsed.partition
    {
        let right = arn.replacen(parsed.partition, place.partition, 1);
        let problem = Problem::new(
            &rules::ROLE_ARN_PARTITION,
            cannot_assume(subject, parsed.name, CannotAssume::Partition),
            source.fix(snapshot, subject, &right),
        )
        .expected(Label::ClusterPartition, place.partition)
        .found(Label::RoleArnHas, parsed.partition);
        return unlocated(Some(parsed), problem);
    }
    if snapshot.withholds(arn) {
        return unlocated(Some(parsed), withheld(snapshot, subject, arn, parsed, source, would_work));
    }
    match snapshot.role_by_name(parsed.account, parsed.name) {
        Known::Unknown => {
            let unreadable = unreadable::role(snapshot, subject, parsed);
            unlocated(Some(parsed), unreadable.unwrap_or_else(|| unseen(snapshot, subject, parsed)))
        }
        Known::Absent => unlocated(Some(parsed), missing(snapshot, subject, arn, parsed, source, would_work)),
        Known::Present(role) if *role.arn == *arn => Ok(Located { role, parsed, problem: None }),
        Known::Present(role) => {
            let problem = almost(snapshot, subject, arn, parsed, role, source);
            Ok(Located { role, parsed, problem: Some(problem) })
        }
    }
}

fn malformed(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    arn: &str,
    fault: RoleArnFault,
    source: RoleSource<'_>,
) -> Problem {
    let right = repaired(snapshot, arn);
    let problem = Problem::new(
        &rules::ROLE_ARN_MALFORMED,
        RoleCause::Malformed { account: subject.into(), place: source.place(), fault },
        source.fix(snapshot, subject, right.as_deref().unwrap_or("arn:aws:iam::ACCOUNT:role/NAME")),
    )
    .found(Label::ValueIs, EvidenceValue::Quoted(arn.into()));
    match right {
        Some(right) => problem.expected(Label::Expected, right),
        None => problem.expected(Label::Expected, "arn:PARTITION:iam::ACCOUNT:role/NAME"),
    }
}

/// Longest text that is read as an ARN with something around it.
const MAX_REPAIRED_BYTES: usize = 4_096;

/// What was probably meant: the text without blanks and quotes, or the role of that bare name in the cluster's account.
fn repaired(snapshot: &Snapshot, arn: &str) -> Option<String> {
    if arn.len() > MAX_REPAIRED_BYTES {
        return None;
    }
    let shown: String = arn.chars().filter(|c| !is_deceptive(*c)).collect();
    let bare = shown.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if let Ok(parsed) = RoleArn::parse(bare) {
        return (!snapshot.is_protected(bare) && !parsed.name.is_empty()).then(|| bare.to_owned());
    }
    let place = snapshot.cluster.as_ref()?.location()?;
    let role = snapshot.role_by_name(place.account, bare).present()?;
    (!snapshot.is_protected(&role.arn)).then(|| role.arn.to_string())
}

fn unseen(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Problem {
    let account = parsed.account;
    let (part, found) = match snapshot.accounts.get(account) {
        None => (SnapshotPart::Account(account.into()), SnapshotValue::AccountNotCollected),
        Some(known) if known.roles.is_some() => (SnapshotPart::RoleOf(account.into()), SnapshotValue::OtherRoles),
        Some(_) => (SnapshotPart::RolesOf(account.into()), SnapshotValue::NoRoles),
    };
    Problem::new(
        &rules::ROLE_ACCOUNT_UNSEEN,
        Cause::CannotTell {
            account: subject.into(),
            role: RoleRef::named(parsed.name),
            why: CannotTell::NotCollected(part.clone()),
        },
        Change::Collect { show: Show::Role(parsed.into()), part },
    )
    .expected(Label::Needed, SnapshotPart::RolesOf(account.into()))
    .found(Label::SnapshotHas, found)
}

/// What a requester reads of a role that is not the namespace's own: the same whatever its state in AWS. It rests on the
/// role's name and on the namespace's own roles alone.
fn withheld(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    arn: &str,
    parsed: RoleArn<'_>,
    source: RoleSource<'_>,
    would_work: WouldWork<'_>,
) -> Problem {
    let (role, found) = match source {
        RoleSource::Annotation(_)
        | RoleSource::Container
        | RoleSource::OneOfMany
        | RoleSource::Field
        | RoleSource::TaskDefinition(_) => (RoleRef::named(parsed.name), arn.into()),
        // The requester did not write these.
        RoleSource::Association(_) => (RoleRef::OfAssociation, RoleValue::OfAssociation.into()),
        RoleSource::Target(_) => (RoleRef::TargetOfAssociation, EvidenceValue::Role(RoleValue::TargetOfAssociation)),
    };
    let problem = Problem::new(
        &rules::ROLE_NOT_ASSUMABLE,
        RoleCause::NotAssumable { account: subject.into(), role, is_certain: false },
        Change::Ask(Contact::PlatformTeam),
    )
    .expected(Label::Expected, RoleValue::Trusting { claim: subject.claim().into() })
    .found(Label::RoleWrittenIn(source.place()), found);
    let nearest = if source.searches() { nearest_role(snapshot, parsed, would_work) } else { None };
    match nearest {
        Some(own) => Problem { fix: source.fix(snapshot, subject, &own.arn).into(), ..problem }
            .expected(Label::SimilarRole, &own.arn)
            .hint(Some(typo(parsed, own))),
        None => problem,
    }
}

fn typo(parsed: RoleArn<'_>, meant: &Role) -> Typo {
    Typo::Role { written: parsed.name.into(), meant: role_name(meant).into() }
}

fn role_name(role: &Role) -> &str {
    RoleArn::parse(&role.arn).map_or(&role.arn, |parsed| parsed.name)
}

fn missing(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    arn: &str,
    parsed: RoleArn<'_>,
    source: RoleSource<'_>,
    would_work: WouldWork<'_>,
) -> Problem {
    let nearest = source.searches().then(|| nearest_role(snapshot, parsed, would_work)).flatten();
    let problem = Problem::new(
        &rules::ROLE_MISSING,
        cannot_assume(subject, parsed.name, CannotAssume::NoSuchRole { account: parsed.account.into() }),
        match nearest {
            Some(role) => source.fix(snapshot, subject, &role.arn),
            None => Change::CreateRole { role: parsed.into(), place: source.place() },
        },
    )
    .expected(Label::Expected, arn);
    match nearest {
        Some(role) => problem.found(Label::AccountHas, &role.arn).hint(Some(typo(parsed, role))),
        None => problem.found(Label::AccountHas, RoleValue::NoneOfThatName),
    }
}

/// Most roles with similar names whose trust policies are tried.
const MAX_TRIED: usize = 4;

/// The role whose name is at most two edits away, and which the service account could assume.
fn nearest_role<'s>(snapshot: &'s Snapshot, parsed: RoleArn<'_>, would_work: WouldWork<'_>) -> Option<&'s Role> {
    let close = snapshot.near_roles(parsed.account, parsed.name);
    let mut close: Vec<_> = close.filter(|(.., role)| !snapshot.is_protected(&role.arn)).collect();
    close.sort_unstable_by_key(|(edits, name, _)| (*edits, *name));
    close.into_iter().map(|(.., role)| role).take(MAX_TRIED).find(|role| would_work(role))
}

/// Looks for similar names where none are needed: the time of an answer must not tell that a role exists, and that something
/// else is wrong with it.
pub(super) fn search_in_vain(snapshot: &Snapshot, arn: &str, source: RoleSource<'_>, would_work: WouldWork<'_>) {
    let searches = source.searches() && !snapshot.withholds(arn);
    if let Some(parsed) = RoleArn::parse(arn).ok().filter(|_| searches) {
        std::hint::black_box(nearest_role(snapshot, parsed, would_work));
    }
}

/// A role of that name, under another path or in another case.
fn almost(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    arn: &str,
    parsed: RoleArn<'_>,
    role: &Role,
    source: RoleSource<'_>,
) -> Problem {
    let fix = source.fix(snapshot, subject, &role.arn);
    let only_case = role.arn.eq_ignore_ascii_case(arn);
    let problem = if only_case {
        Problem::new(
            &rules::ROLE_ARN_CASE,
            RoleCause::CaseDiffers { account: subject.into(), role: parsed.name.into() },
            fix,
        )
        .at_most(Certainty::Likely)
    } else {
        Problem::new(&rules::ROLE_PATH_MISSING, cannot_assume(subject, parsed.name, CannotAssume::OtherPath), fix)
    };
    problem.expected(Label::RoleArn, &role.arn).found(Label::ArnGiven, arn)
}
