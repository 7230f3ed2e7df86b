//! Who asked for what, and which findings that hides. The namespace's exemptions hide findings altogether. Those of the object
//! itself, its pods and its service account hide warnings only: the authors who are checked write them.

use jiff::Timestamp;

use crate::chain::Subject;
use crate::cluster::{OwnAnnotations, Validity};
use crate::finding::{ConfigurationCause, ConfigurationValue, Finding, Label, Note, Problem};
use crate::fix::{self, Advice, Annotated, Change, Fix, Text};
use crate::rules::{self, Rule};
use crate::workload::Kind;

/// Most characters of an annotation that a message repeats.
const MAX_ECHOED: usize = 60;

/// What carries annotations for rolecall.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holder<'w> {
    /// The object itself.
    Object(Kind),
    /// The template of its pods.
    Template(Kind),
    /// Its service account.
    Account(Subject<'w>),
    /// Its namespace.
    Namespace(&'w str),
    /// A task definition of ECS.
    TaskDefinition,
}

impl Holder<'_> {
    pub(super) fn name(self) -> fix::HolderName {
        match self {
            Self::Object(kind) => fix::HolderName::Object(kind),
            Self::Template(kind) => fix::HolderName::Template(kind),
            Self::Account(subject) => fix::HolderName::Account(subject.into()),
            Self::Namespace(name) => fix::HolderName::Namespace(name.into()),
            Self::TaskDefinition => fix::HolderName::TaskDefinition,
        }
    }

    /// Sets an end.
    fn set_end(self) -> Change {
        let annotate = |object| Change::Annotate {
            object,
            set: vec![("rolecall.dev/ignore-until".into(), "YYYY-MM-DD".into())],
            remove: Vec::new(),
        };
        match self {
            Self::Namespace(name) => annotate(Annotated::Namespace(name.into())),
            Self::Account(subject) => annotate(Annotated::Account(subject.into())),
            Self::Object(_) | Self::Template(_) | Self::TaskDefinition => Advice::SetEnd(self.name()).into(),
        }
    }
}

/// What an exemption hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exempts {
    /// Nothing.
    Nothing,
    /// Warnings.
    Warnings,
    /// Warnings and denials.
    All,
}

#[derive(Debug)]
struct Source<'w> {
    holder: Holder<'w>,
    own_annotations: &'w OwnAnnotations,
    validity: Validity,
    /// It names the rule of a problem that was found.
    is_used: bool,
}

impl Source<'_> {
    fn exempts(&self) -> Exempts {
        match (self.validity, self.holder) {
            (Validity::Ended, _) => Exempts::Nothing,
            (Validity::Counts | Validity::EndsSoon, Holder::Namespace(_)) => Exempts::All,
            _ => Exempts::Warnings,
        }
    }
}

/// Who asked for what: the workload, its pods, its service account, its namespace.
#[derive(Debug, Default)]
pub(super) struct AllOwnAnnotations<'w> {
    /// Texts of `rolecall.dev/requires`.
    pub(super) requires: Vec<&'w str>,
    /// The nearest of those that say `rolecall.dev/identity: required`.
    pub(super) identity_required: Option<Holder<'w>>,
    allow_node_role: Option<Exempts>,
    sources: Vec<Source<'w>>,
    /// Rules that a source names, and which one: of a list as long as an annotation can be, only what is a rule is kept.
    ignored: Vec<(&'static Rule, usize)>,
}

impl<'w> AllOwnAnnotations<'w> {
    pub(super) fn gather(
        all: &[(Holder<'w>, Option<&'w OwnAnnotations>)],
        exemptions: bool,
        now: Option<Timestamp>,
    ) -> Self {
        let mut gathered = Self::default();
        for (holder, own_annotations) in
            all.iter().filter_map(|(holder, own_annotations)| Some((*holder, (*own_annotations)?)))
        {
            if !own_annotations.requires.is_empty() && !gathered.requires.contains(&&*own_annotations.requires) {
                gathered.requires.push(&own_annotations.requires);
            }
            if own_annotations.identity_required && gathered.identity_required.is_none() {
                gathered.identity_required = Some(holder);
            }
            if !exemptions || (!own_annotations.allow_node_role && own_annotations.ignore.is_empty()) {
                continue;
            }
            if own_annotations.allow_node_role {
                let exempts = if matches!(holder, Holder::Namespace(_)) { Exempts::All } else { Exempts::Warnings };
                gathered.allow_node_role = gathered.allow_node_role.max(Some(exempts));
            }
            let source = gathered.sources.len();
            for rule in own_annotations.ignore.iter().filter_map(|name| rules::find(name)) {
                if !gathered.ignored.contains(&(rule, source)) {
                    gathered.ignored.push((rule, source));
                }
            }
            gathered.sources.push(Source {
                holder,
                own_annotations,
                validity: own_annotations.validity(now),
                is_used: false,
            });
        }
        gathered
    }

    /// What `rolecall.dev/allow-node-role` hides; `None` where it is not set.
    pub(super) fn node_role(&self) -> Option<Exempts> {
        self.allow_node_role
    }

    fn sources_of(&self, rule: &Rule) -> impl Iterator<Item = usize> {
        self.ignored.iter().filter(move |(ignored, _)| *ignored == rule).map(|(_, source)| *source)
    }

    /// What is hidden of findings of a rule.
    pub(super) fn exempts(&self, rule: &Rule) -> Exempts {
        let sources = self.sources_of(rule).filter_map(|source| self.sources.get(source));
        sources.map(Source::exempts).max().unwrap_or(Exempts::Nothing)
    }

    /// The same, and remembers that it mattered.
    pub(super) fn exempt(&mut self, rule: &Rule) -> Exempts {
        if self.ignored.is_empty() {
            return Exempts::Nothing;
        }
        let used: Vec<usize> = self.sources_of(rule).collect();
        for source in used {
            if let Some(source) = self.sources.get_mut(source) {
                source.is_used = true;
            }
        }
        self.exempts(rule)
    }

    /// Which annotation hides findings of a rule, where it is, why and until when.
    pub(super) fn describe(&self, rule: &Rule) -> Note {
        let source = self.sources_of(rule).filter_map(|source| self.sources.get(source)).max_by_key(|s| s.exempts());
        let Some(source) = source.filter(|source| source.exempts() != Exempts::Nothing) else {
            return Note::NodeRoleAllowed;
        };
        let reason = &source.own_annotations.ignore_reason;
        Note::Exempted {
            from_warnings: source.exempts() != Exempts::All,
            holder: source.holder.name(),
            until: source.own_annotations.ignore_until.as_ref().map(|until| short(&until.text)),
            reason: (!reason.is_empty()).then(|| short(reason)),
        }
    }

    /// What should be known of the exemptions that mattered.
    pub(super) fn notices(&self) -> Vec<Problem> {
        let used = self.sources.iter().filter(|source| source.is_used);
        used.filter_map(notice).collect()
    }
}

/// As much of an annotation as a message repeats.
fn short(text: &str) -> Text {
    text.chars().take(MAX_ECHOED).collect::<String>().into()
}

fn notice(source: &Source<'_>) -> Option<Problem> {
    let holder = source.holder.name();
    let until = source.own_annotations.ignore_until.as_ref().map_or("", |until| &until.text);
    let until = short(until);
    let problem = |cause: ConfigurationCause, fix: Fix| Problem::new(&rules::EXEMPTION_EXPIRY, cause, fix);
    let rules = short(&source.own_annotations.ignore.join(", "));
    let set_end = source.holder.set_end();
    let problem = match source.validity {
        Validity::Counts => return None,
        Validity::EndsSoon => problem(
            ConfigurationCause::ExemptionEndsSoon { holder, until },
            Fix::from(Advice::FixWhatIsHidden).or(set_end),
        )
        .expected(Label::ItHides, rules),
        Validity::Ended => problem(
            ConfigurationCause::ExemptionEnded { holder, until },
            Fix::from(Advice::RemoveExemption).or(set_end),
        )
        .expected(Label::ItHid, rules),
        Validity::Unreadable => {
            return Some(
                problem(ConfigurationCause::ExemptionUnreadable { holder }, set_end.into())
                    .expected(Label::Expected, ConfigurationValue::DateOrTime)
                    .found(Label::IgnoreUntil, until),
            );
        }
    };
    Some(match &*source.own_annotations.ignore_reason {
        "" => problem,
        reason => problem.found(Label::ItsReason, short(reason)),
    })
}

/// A finding that only the annotations of the checked hide.
pub(super) fn from_warnings_only(mut finding: Finding) -> Finding {
    finding.notes.push(Note::FromWarningsOnly { rule: finding.rule() });
    finding
}
