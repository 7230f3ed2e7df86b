//! What a requester may read. The audit log has the whole text; a requester, who needs no right in AWS to ask, reads in full
//! only about roles of the namespace's own.
//!
//! Where a result is about another role, the object is checked a second time, over a view of AWS without that role. So what
//! the requester reads cannot depend on the role's state. Only whether the object is denied comes from the first result.

use std::sync::Arc;

use rolecall_core::chain::Subject;
use rolecall_core::decision::{Decision, Mode, Outcome, Policy, decide};
use rolecall_core::finding::{
    AboutRole, Cause, Finding, Hint, Note, PermissionCause, Problem, RoleCause, RolePart, Typo,
};
use rolecall_core::fix::{Change, Contact, Text};
use rolecall_core::judge::{Judgement, Links};
use rolecall_core::rules::{DocsUrl, IRSA_TRUST_OPEN, NODE_ROLE_OVERPRIVILEGED, ROLE_NOT_ASSUMABLE, Trait};
use rolecall_core::snapshot::{OwnRole, Viewer};
use rolecall_core::world::World;
use rolecall_iam::RoleArn;
use rolecall_message::Warning;

use super::answer::{Judged, Reviewer};
use super::notice::Warned;
use super::outcome::Authority;
use super::response::MAX_WARNING_CHARS;

/// How much a requester reads about IAM roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IamDetail {
    /// All of it, of every role.
    Full,
    /// All of it of the namespace's own roles, only the rule of others.
    #[default]
    Own,
    /// Only the rule.
    Rule,
}

/// What requesters may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// How much a requester reads about IAM roles.
    pub iam_detail: IamDetail,
    /// Roles that are namespaces' own.
    pub own_roles: Vec<OwnRole>,
    /// The contact that a message names.
    pub contact: String,
    /// Where the pages of the rules are published.
    pub docs_url: Option<DocsUrl>,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            iam_detail: IamDetail::default(),
            own_roles: Vec::new(),
            contact: "the platform team".to_owned(),
            docs_url: None,
        }
    }
}

/// Longest reference: a uid has 36 characters.
const MAX_REFERENCE_CHARS: usize = 64;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'r> {
    pub(super) messages: &'r Messages,
    pub(super) world: &'r World,
    pub(super) subject: Subject<'r>,
    /// The request's uid.
    pub(super) uid: &'r str,
}

/// Roles that are not the namespace's own, and what a result reveals about them.
pub(super) type Foreign = Vec<(Text, RolePart)>;

fn is_among(foreign: &Foreign, about: &AboutRole) -> bool {
    foreign.iter().any(|(arn, part)| *arn == about.arn && *part == about.part)
}

/// Whether a finding withholds something: it begins with the reference that the requester reads instead.
fn is_referred(finding: &Finding) -> bool {
    matches!(finding.notes.first(), Some(Note::Reference(_)))
}

/// What the requester reads instead of the decision's own findings.
#[derive(Debug)]
pub(super) struct Disclosed {
    denials: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Disclosed {
    /// The rules of the denials that the requester reads.
    pub(super) fn denied_rules(&self) -> impl Iterator<Item = &'static str> {
        self.denials.iter().map(Finding::rule)
    }

    fn outcome(&self) -> Outcome {
        match (self.denials.is_empty(), self.warnings.is_empty()) {
            (false, _) => Outcome::Deny,
            (true, false) => Outcome::Warn,
            (true, true) => Outcome::Allow,
        }
    }
}

impl Reader<'_> {
    fn with_viewer<T>(&self, act: impl FnOnce(&Viewer<'_>) -> T) -> T {
        let exists = |name: &str| self.world.namespace(name).is_some();
        act(&Viewer {
            namespace: self.subject.namespace,
            owns_nothing: self.messages.iam_detail == IamDetail::Rule,
            own_roles: &self.messages.own_roles,
            exists: &exists,
            service_account: self.subject.service_account,
        })
    }

    /// The roles that a result is about and that are not the namespace's own.
    pub(super) fn foreign(&self, judgement: &Judgement<'_>) -> Foreign {
        let mut foreign = Foreign::new();
        if self.messages.iam_detail == IamDetail::Full {
            return foreign;
        }
        let findings = judgement.findings.iter().chain(&judgement.exempted);
        let mut abouts = findings.filter_map(|finding| finding.problem.about.as_ref()).peekable();
        if abouts.peek().is_none() {
            return foreign;
        }
        self.with_viewer(|viewer| {
            let ownership = self.world.snapshot.ownership(*viewer);
            for about in abouts {
                if !is_among(&foreign, about) && !ownership.owns(&about.arn) {
                    foreign.push((about.arn.clone(), about.part));
                }
            }
        });
        foreign
    }

    /// The world as the requester may see it, for this object.
    pub(super) fn view(&self, judged: &Judged<'_>, foreign: &Foreign) -> World {
        let links = Links::of(self.world, self.subject, &judged.judgement, judged.names_role);
        let before = judged.before.iter().flat_map(Judgement::named_roles);
        let nodes = self.world.snapshot.node_roles.iter().flatten().map(|arn| &**arn);
        let read = foreign.iter().map(|(arn, _)| &**arn);
        let named = read.chain(links.roles.iter().map(String::as_str)).chain(before).chain(nodes);
        let snapshot = self.with_viewer(|viewer| self.world.snapshot.ownership(*viewer).view(named));
        self.world.for_one(Arc::new(snapshot), self.subject)
    }

    /// Marks what is withheld, now and in the object as it was: neither a comparison of the two nor an exemption may reveal
    /// what is wrong with a role.
    pub(super) fn withhold(&self, judged: &mut Judged<'_>, seen: Option<&Judged<'_>>) {
        for (judgement, seen) in [(Some(&mut judged.judgement), seen), (judged.before.as_mut(), None)] {
            let Some(judgement) = judgement else { continue };
            let foreign = self.foreign(judgement);
            let hidden_by = seen.and_then(|seen| seen.judgement.hidden_by(&ROLE_NOT_ASSUMABLE));
            judgement.withhold(|about| is_among(&foreign, about), hidden_by);
        }
    }

    /// What the requester reads: of the second result all, except about roles in which the first one found nothing wrong; of
    /// the first result what goes beyond assuming a role.
    pub(super) fn disclose(
        &self,
        foreign: &Foreign,
        first: &Decision<'_>,
        seen: &Judged<'_>,
        mut policy: Policy,
    ) -> Disclosed {
        if first.outcome != Outcome::Deny {
            policy.mode = policy.mode.min(Mode::Warn);
        }
        let second = decide(&seen.judgement, seen.before.as_ref(), &policy);
        let is_assuming = |arn: &str| {
            let is_shown = |part: RolePart| matches!(part, RolePart::Existing | RolePart::Assuming);
            foreign.iter().any(|(found, part)| **found == *arn && is_shown(*part))
        };
        let is_withheld = |finding: &&Finding| finding.problem.rule == &ROLE_NOT_ASSUMABLE;
        let arn = |finding: &Finding| finding.problem.about.as_ref().map(|about| about.arn.clone());
        let beyond = |findings: &[&Finding]| -> Vec<Finding> {
            let of_foreign = |finding: &&&Finding| {
                finding.problem.about.as_ref().is_some_and(|about| {
                    about.part == RolePart::Beyond
                        && is_among(foreign, about)
                        && !is_assuming(&about.arn)
                        && finding.problem.rule != &NODE_ROLE_OVERPRIVILEGED
                })
            };
            findings.iter().filter(of_foreign).map(|finding| self.beyond(finding)).collect()
        };
        if first.outcome != Outcome::Deny {
            let is_kept =
                |finding: &&Finding| !is_withheld(finding) || arn(finding).is_some_and(|arn| is_assuming(&arn));
            let mut warnings: Vec<Finding> =
                second.warnings.iter().copied().filter(is_kept).map(|finding| self.referred(finding.clone())).collect();
            // It may replace what is certain.
            warnings.sort_by_key(|finding| finding.problem.rule != &ROLE_NOT_ASSUMABLE);
            warnings.extend(beyond(&first.warnings));
            return Disclosed { denials: Vec::new(), warnings };
        }
        // Only what denies: of these roles it is certain, whatever it is.
        let denied: Vec<Text> = first.denials.iter().filter_map(|finding| arn(finding)).collect();
        let is_denied = |finding: &&Finding| arn(finding).is_some_and(|arn| is_assuming(&arn) && denied.contains(&arn));
        let withheld = seen.judgement.findings.iter().chain(&seen.judgement.exempted).filter(is_withheld);
        let withheld = withheld.filter(is_denied).map(|finding| self.certain(finding.clone()));
        let others = second.denials.iter().copied().filter(|finding| !is_withheld(finding));
        let mut denials: Vec<Finding> = withheld.chain(others.cloned()).collect();
        denials.extend(beyond(&first.denials));
        if denials.is_empty() {
            denials.extend(first.denials.first().map(|finding| self.beyond(finding)));
        }
        Disclosed { denials, warnings: Vec::new() }
    }

    /// What is withheld, where it denies.
    fn certain(&self, finding: Finding) -> Finding {
        let mut finding = self.referred(finding);
        if let Cause::Role(RoleCause::NotAssumable { is_certain, .. }) = &mut finding.problem.cause {
            *is_certain = true;
        }
        finding
    }

    /// A problem with a role that the workload can assume: the rule and one sentence.
    fn beyond(&self, finding: &Finding) -> Finding {
        let arn = finding.problem.about.as_ref().map_or("", |about| &about.arn);
        let role = RoleArn::parse(arn).map_or(arn, |role| role.name).into();
        let account = self.subject.into();
        let cause: Cause = if finding.problem.rule == &IRSA_TRUST_OPEN {
            RoleCause::TrustsMore { account, role }.into()
        } else if finding.problem.rule == &NODE_ROLE_OVERPRIVILEGED {
            PermissionCause::NeedsOwnRole { account }.into()
        } else {
            PermissionCause::MayNotAllow { account, role }.into()
        };
        let problem = Problem { cause, expected: None, found: None, hint: None, ..finding.problem.clone() };
        let problem = Problem { fix: self.ask().into(), ..problem };
        let mut sparse = Finding { problem, containers: finding.containers.clone(), notes: Vec::new() };
        sparse.notes.push(self.reference());
        sparse
    }

    /// Adds the contact and the reference to a finding that withholds something.
    fn referred(&self, mut finding: Finding) -> Finding {
        if finding.problem.rule == &ROLE_NOT_ASSUMABLE {
            if finding.problem.hint.is_none() {
                finding.problem.fix = self.ask().into();
            }
            finding.notes.insert(0, self.reference());
        }
        finding
    }

    fn ask(&self) -> Change {
        Change::Ask(Contact::Named(self.messages.contact.as_str().into()))
    }

    fn reference(&self) -> Note {
        Note::Reference(self.uid.chars().take(MAX_REFERENCE_CHARS).collect::<String>().into())
    }

    /// The warnings of a finding. Where something is withheld, there is one, and its reference is never cut off.
    fn warnings_of(&self, finding: &Finding) -> Vec<Warning> {
        if !is_referred(finding) {
            return rolecall_message::warnings(finding).into();
        }
        let uid: String = self.uid.chars().take(MAX_REFERENCE_CHARS).collect();
        let contact: String = self.messages.contact.chars().take(MAX_CONTACT_CHARS).collect();
        let end = format!("; ask {contact}, reference {uid}");
        let room = MAX_WARNING_CHARS.saturating_sub(end.chars().count());
        let whole = rolecall_message::headline(finding);
        let mut line: String = whole.chars().take(room).collect();
        if let Some(Hint::Typo(Typo::Role { meant, .. })) = &finding.problem.hint {
            let hint = format!("; did you mean {meant}?");
            if whole.chars().count() + hint.chars().count() <= room {
                line.push_str(&hint);
            }
        }
        vec![(line + &end).into()]
    }
}

/// What Events carry: the same findings that the requester reads.
impl Reader<'_> {
    /// The rule that leads a denial.
    pub(super) fn lead(&self, decision: &Decision<'_>, disclosed: Option<&Disclosed>) -> &'static str {
        match disclosed {
            Some(disclosed) => disclosed.denials.first().map_or("", Finding::rule),
            None => decision.denials.first().map_or("", |finding| finding.rule()),
        }
    }

    /// What is warned of. `seen`: the world as the requester may see it, where that is less than all.
    pub(super) fn warned<'f>(
        &self,
        seen: Option<&World>,
        decision: &Decision<'f>,
        disclosed: Option<&'f Disclosed>,
    ) -> Vec<Warned<'f>> {
        let findings: Vec<&'f Finding> = match disclosed {
            Some(disclosed) => disclosed.warnings.iter().collect(),
            None => decision.warnings.clone(),
        };
        let plan = seen.unwrap_or(self.world).plan(self.subject);
        let of_chain = plan.chain.as_ref().map(|chain| chain.problems.as_slice()).unwrap_or_default();
        let is_of_account = |problem: &Problem| {
            problem.rule.has(Trait::OfServiceAccount)
                || of_chain.iter().any(|known| known.rule == problem.rule && known.cause == problem.cause)
        };
        let warned = findings.into_iter().map(|finding| Warned {
            finding,
            is_of_account: is_of_account(&finding.problem),
            is_referred: is_referred(finding),
        });
        warned.collect()
    }
}

/// `37 h`, `5 d`, `12 min`.
fn describe_age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..259_200 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Longest contact in a warning.
const MAX_CONTACT_CHARS: usize = 80;

/// What is done, and what is said of it.
pub(super) struct Texts {
    pub(super) outcome: Outcome,
    /// For the audit log.
    pub(super) message: String,
    /// Of a denial, where the requester reads less.
    pub(super) requester_message: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

impl Reviewer<'_> {
    /// The texts of a decision; `disclosed`: what the requester reads, where that is less than what was found.
    pub(super) fn texts(
        &self,
        reader: &Reader<'_>,
        judgement: &Judgement<'_>,
        decision: &Decision<'_>,
        disclosed: Option<&Disclosed>,
    ) -> Texts {
        let outcome = disclosed.map_or(decision.outcome, Disclosed::outcome);
        let mut texts = Texts { outcome, message: String::new(), requester_message: None, warnings: Vec::new() };
        let docs_url = reader.messages.docs_url.as_ref();
        match outcome {
            Outcome::Deny => {
                texts.message = rolecall_message::denial(&decision.denials, docs_url);
                texts.requester_message = disclosed
                    .map(|disclosed| rolecall_message::denial(&disclosed.denials.iter().collect::<Vec<_>>(), docs_url));
            }
            Outcome::Warn => texts.warnings = self.warnings(reader, decision, disclosed),
            Outcome::Allow => {}
        }
        if disclosed.is_some() && outcome != Outcome::Deny {
            // The reference in the requester's text leads here.
            let all: Vec<&Finding> = judgement.findings.iter().chain(&judgement.exempted).collect();
            texts.message = rolecall_message::denial(&all, docs_url);
        }
        texts
    }

    fn warnings(&self, reader: &Reader<'_>, decision: &Decision<'_>, disclosed: Option<&Disclosed>) -> Vec<Warning> {
        let lines: Vec<Warning> = match disclosed {
            Some(disclosed) => disclosed.warnings.iter().flat_map(|finding| reader.warnings_of(finding)).collect(),
            None => decision.warnings.iter().flat_map(|finding| rolecall_message::warnings(finding)).collect(),
        };
        let age = self.staleness().map(|seconds| {
            let age = describe_age(seconds);
            let (date, time) = self.snapshot_time.split_once('T').unwrap_or((self.snapshot_time, ""));
            let since = format!("{date} {} UTC", time.get(..5).unwrap_or(time));
            format!("rolecall: not enforcing: its AWS data is {age} old (since {since})")
        });
        let withheld = match self.authority {
            // The reason may name roles, or say how AWS answered for one.
            Authority::Withheld(_) if disclosed.is_some() => {
                Some("rolecall: not enforcing: it could not re-read from AWS what a denial depends on".to_owned())
            }
            Authority::Withheld(reason) => Some(format!("rolecall: not enforcing: {reason}")),
            Authority::Final | Authority::Provisional => None,
        };
        lines.into_iter().chain(age.map(Warning::from)).chain(withheld.map(Warning::from)).collect()
    }
}
