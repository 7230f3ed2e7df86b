//! The link from a role's ARN to the role (failure family B).

use rolecall_iam::RoleArn;

use super::{Subject, fix, unreadable};
use crate::finding::{Certainty, Hint, Problem};
use crate::fix::{AssociationChange, Change, RolePlace, Show, TemplateChange};
use crate::rules;
use crate::snapshot::{Association, Role, Snapshot};

/// Where the ARN stands: that is where it is to be fixed.
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
        }
    }

    fn name(self) -> &'static str {
        self.place().name()
    }

    /// Writes another ARN there.
    fn fix(self, snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> Change {
        match self {
            Self::Annotation(key) => fix::annotate(subject, key, arn),
            Self::Association(association) => {
                fix::update_association(snapshot, subject, association, AssociationChange::Role(arn.into()))
            }
            Self::Target(association) => {
                fix::update_association(snapshot, subject, association, AssociationChange::Target(arn.into()))
            }
            Self::Container | Self::OneOfMany => TemplateChange::SetRole { arn: arn.into() }.into(),
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

pub(super) fn link<'s, 'a>(
    snapshot: &'s Snapshot,
    subject: Subject<'_>,
    arn: &'a str,
    source: RoleSource<'_>,
) -> Result<Located<'s, 'a>, Unlocated<'a>> {
    let unlocated = |parsed, problem| Err(Unlocated { parsed, problem: Box::new(problem) });
    let parsed = match RoleArn::parse(arn) {
        Ok(parsed) => parsed,
        Err(complaint) => return unlocated(None, malformed(snapshot, subject, arn, complaint, source)),
    };
    let place = snapshot.cluster.as_ref().and_then(|cluster| cluster.location());
    if let Some(place) = place
        && place.partition != parsed.partition
    {
        let right = arn.replacen(parsed.partition, place.partition, 1);
        let problem = Problem::new(
            &rules::ROLE_ARN_PARTITION,
            format!(
                "service account {subject} cannot assume role {}: its ARN names another partition than the cluster's",
                parsed.name
            ),
            source.fix(snapshot, subject, &right),
        )
        .expected("the cluster's partition is", place.partition)
        .found("the role's ARN has", parsed.partition);
        return unlocated(Some(parsed), problem);
    }
    if snapshot.withholds(arn) {
        return unlocated(Some(parsed), withheld(snapshot, subject, arn, parsed, source));
    }
    match snapshot.role_by_name(parsed.account, parsed.name) {
        None => {
            let unreadable = unreadable::role(snapshot, subject, parsed);
            unlocated(Some(parsed), unreadable.unwrap_or_else(|| unseen(snapshot, subject, parsed)))
        }
        Some(None) => unlocated(Some(parsed), missing(snapshot, subject, arn, parsed, source)),
        Some(Some(role)) if *role.arn == *arn => Ok(Located { role, parsed, problem: None }),
        Some(Some(role)) => {
            let problem = almost(snapshot, subject, arn, parsed, role, source);
            Ok(Located { role, parsed, problem: Some(problem) })
        }
    }
}

fn malformed(snapshot: &Snapshot, subject: Subject<'_>, arn: &str, complaint: &str, source: RoleSource<'_>) -> Problem {
    let right = repaired(snapshot, arn);
    let problem = Problem::new(
        &rules::ROLE_ARN_MALFORMED,
        format!("service account {subject} cannot assume a role: {} is not a role ARN: {complaint}", source.name()),
        source.fix(snapshot, subject, right.as_deref().unwrap_or("arn:aws:iam::ACCOUNT:role/NAME")),
    )
    .found("the value is", format!("{arn:?}"));
    match right {
        Some(right) => problem.expected("expected", right),
        None => problem.expected("expected", "arn:PARTITION:iam::ACCOUNT:role/NAME"),
    }
}

/// What was probably meant: the text without blanks and quotes, or the role of that bare name in the cluster's account.
fn repaired(snapshot: &Snapshot, arn: &str) -> Option<String> {
    let bare = arn.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if RoleArn::parse(bare).is_ok() {
        return Some(bare.to_owned());
    }
    let place = snapshot.cluster.as_ref()?.location()?;
    snapshot.role_by_name(place.account, bare)?.map(|role| role.arn.to_string())
}

fn unseen(snapshot: &Snapshot, subject: Subject<'_>, parsed: RoleArn<'_>) -> Problem {
    let account = parsed.account;
    let (what, found) = match snapshot.accounts.get(account) {
        None => (format!("account {account}"), "nothing of that account: not collected"),
        Some(known) if known.roles.is_some() => {
            (format!("this role of account {account}"), "the roles that were named when it was collected, not this one")
        }
        Some(_) => (format!("the roles of account {account}"), "other parts of it, but no roles"),
    };
    Problem::new(
        &rules::ROLE_ACCOUNT_UNSEEN,
        format!(
            "cannot tell whether service account {subject} can assume role {}: the snapshot does not contain {what}",
            parsed.name
        ),
        Change::Collect { show: Show::Role(parsed.into()), what: what.into() },
    )
    .expected("needed", format!("the roles of account {account}"))
    .found("the snapshot has", found)
}

/// What a requester reads of a role that is not the namespace's own: the same whatever its state in AWS. It rests on the
/// role's name and on the namespace's own roles alone.
fn withheld(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    arn: &str,
    parsed: RoleArn<'_>,
    source: RoleSource<'_>,
) -> Problem {
    let (name, found) = match source {
        RoleSource::Annotation(_) | RoleSource::Container | RoleSource::OneOfMany => (parsed.name, arn),
        // The requester did not write these.
        RoleSource::Association(_) => ("of its association", "the association's role"),
        RoleSource::Target(_) => ("that its association targets", "the association's target role"),
    };
    let problem = Problem::new(
        &rules::ROLE_NOT_ASSUMABLE,
        format!("service account {subject} cannot assume role {name}, or it does not exist, or rolecall cannot tell"),
        Change::Ask("the platform team".into()),
    )
    .expected("expected", format!("a role that trusts {}", subject.claim()))
    .found(source.name(), found);
    let nearest = if source.searches() { nearest_role(snapshot, parsed) } else { None };
    match nearest {
        Some(own) => Problem { fix: source.fix(snapshot, subject, &own.arn).into(), ..problem }
            .expected("a similar role of this namespace is", own.arn.to_string())
            .hint(Some(typo(parsed, own))),
        None => problem,
    }
}

fn typo(parsed: RoleArn<'_>, meant: &Role) -> Hint {
    Hint::typo(format!("role `{}` should be `{}`", parsed.name, role_name(meant)))
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
) -> Problem {
    let nearest = source.searches().then(|| nearest_role(snapshot, parsed)).flatten();
    let problem = Problem::new(
        &rules::ROLE_MISSING,
        format!(
            "service account {subject} cannot assume role {}: account {} has no such role",
            parsed.name, parsed.account
        ),
        match nearest {
            Some(role) => source.fix(snapshot, subject, &role.arn),
            None => Change::CreateRole { role: parsed.into(), place: source.place() },
        },
    )
    .expected("expected", arn);
    match nearest {
        Some(role) => problem.found("the account has", role.arn.to_string()).hint(Some(typo(parsed, role))),
        None => problem.found("the account has", "no role of that name"),
    }
}

/// The role whose name is at most two edits away.
fn nearest_role<'s>(snapshot: &'s Snapshot, parsed: RoleArn<'_>) -> Option<&'s Role> {
    let close = snapshot.near_roles(parsed.account, parsed.name);
    let close = close.filter(|(.., role)| !snapshot.is_protected(&role.arn));
    close.min_by_key(|(edits, name, _)| (*edits, *name)).map(|(.., role)| role)
}

/// Looks for similar names where none are needed: the time of an answer must not tell that a role exists, and that something
/// else is wrong with it.
pub(super) fn search_in_vain(snapshot: &Snapshot, arn: &str, source: RoleSource<'_>) {
    let searches = source.searches() && !snapshot.withholds(arn);
    if let Some(parsed) = RoleArn::parse(arn).ok().filter(|_| searches) {
        std::hint::black_box(nearest_role(snapshot, parsed));
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
            format!(
                "service account {subject} may fail to assume role {}: its ARN differs from the role's in case",
                parsed.name
            ),
            fix,
        )
        .at_most(Certainty::Likely)
    } else {
        Problem::new(
            &rules::ROLE_PATH_MISSING,
            format!("service account {subject} cannot assume role {}: the role exists under another path", parsed.name),
            fix,
        )
    };
    problem.expected("the role's ARN is", role.arn.to_string()).found("the ARN given is", arn)
}
