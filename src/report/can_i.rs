//! Answers to `rolecall can-i`.

use std::io::Write;

use rolecall_core::chain::State;
use rolecall_core::finding::printable;
use rolecall_core::fix::Fix;
use rolecall_core::identity::Identity;
use rolecall_core::judge::{EffectiveIdentity, permission_fix};
use rolecall_core::permission::{self, Answer, RolePolicies};
use rolecall_iam::{Effect, NotConsidered, PolicyKind, Ruling, Truth, Verdict};
use rolecall_message as message;
use rolecall_message::fix::Format;
use serde::Serialize;

use super::fixes::ReportedFixes;

/// Yes, no, or depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Can {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// It hangs on what is not known.
    Depends,
}

impl Can {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Depends => "depends",
        }
    }

    pub(super) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Yes,
            Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => Self::No,
            Verdict::Unknown => Self::Depends,
        }
    }
}

/// The identity that an answer is about.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Through {
    /// Namespace and name of the service account.
    pub subject: String,
    /// How its pods get an identity.
    pub identity: Identity,
    /// The role.
    pub role: Option<String>,
    /// Whether the chain to the role holds.
    pub chain: State,
}

/// A statement that an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidingStatement {
    /// `identity`, `boundary`, `session` or `resource`.
    pub policy_type: &'static str,
    /// The policy's name or ARN.
    pub policy: String,
    /// Place of the statement in the policy, from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// Whether it applies: `true`, `false` or `unknown`.
    pub applies: &'static str,
    #[serde(skip)]
    words: String,
}

/// The answer for one action.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionAnswer {
    /// The action.
    pub action: String,
    /// The answer.
    pub answer: Can,
    /// A denial that nothing which was not considered could lift.
    pub certain: bool,
    /// Why it is not allowed, or what it depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The statements that decide, or come close.
    pub statements: Vec<DecidingStatement>,
    /// Condition keys that it hangs on.
    pub unknown_keys: Vec<String>,
}

/// The answer to a question.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanI {
    /// The answer.
    pub answer: Can,
    /// Who asks.
    #[serde(flatten)]
    pub through: Through,
    /// The action asked for.
    pub action: String,
    /// The resource asked for; null: some resource.
    pub resource: Option<String>,
    /// Where no resource was asked for: those that the statements name.
    pub allowed_on: Vec<String>,
    /// Why it is not a plain yes.
    pub reasons: Vec<String>,
    /// Every action that was asked for.
    pub actions: Vec<ActionAnswer>,
    /// What AWS considers and this did not.
    pub not_considered: Vec<String>,
    /// What the snapshot does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What would have to change for a yes; only of a no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixes: Option<ReportedFixes>,
}

/// What would have to change for a yes: the first break of the chain, else the policy that denies or does not allow.
fn fix(effective: &EffectiveIdentity<'_>, answer: Option<&Answer<'_>>) -> Option<Fix> {
    if effective.chain == State::Broken || effective.identity == Identity::None {
        return effective.problems.first().map(|problem| problem.fix.clone());
    }
    let (action, resources, ruling) = answer?.deciding()?;
    Some(permission_fix(effective.actor?, action, *resources, ruling))
}

fn statements(ruling: &Ruling<'_>) -> Vec<DecidingStatement> {
    let of = |deciding: &rolecall_iam::Deciding<'_>| DecidingStatement {
        policy_type: match deciding.kind {
            PolicyKind::Identity => "identity",
            PolicyKind::Boundary => "boundary",
            PolicyKind::Session => "session",
            PolicyKind::Resource => "resource",
            PolicyKind::ServiceControl => "service-control",
        },
        policy: deciding.policy.to_owned(),
        index: deciding.index,
        sid: deciding.statement.sid.as_deref().map(str::to_owned),
        effect: if deciding.statement.effect == Effect::Allow { "Allow" } else { "Deny" },
        applies: match deciding.applies {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Unknown => "unknown",
        },
        words: message::permission::statement(&deciding.into()),
    };
    ruling.deciding.iter().map(of).collect()
}

impl Through {
    /// The identity of a service account.
    pub fn new(subject: &str, effective: &EffectiveIdentity<'_>) -> Self {
        Self {
            subject: subject.to_owned(),
            identity: effective.identity,
            role: effective.role_arn.as_deref().map(str::to_owned),
            chain: effective.chain,
        }
    }
}

/// Containers with other credentials that an answer names.
const MAX_CONTAINERS: usize = 3;

/// What keeps an answer about an identity from being a plain yes.
fn doubts(effective: &EffectiveIdentity<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(trusting) = &effective.undecided {
        let roles =
            if trusting.is_empty() { "no role trusts it".to_owned() } else { trusting.join(", ") + " trust it" };
        reasons.push(format!("the service account was not read (--manifests reads it), and {roles}"));
        return reasons;
    }
    match effective.identity {
        Identity::Node => reasons.push(match &effective.role_arn {
            Some(_) => "it has no identity of its own: it is the node role, where the instance's metadata is in reach"
                .to_owned(),
            None => "it has no identity of its own, and the nodes' role is not known".to_owned(),
        }),
        Identity::None => reasons.push(match effective.problems.first() {
            Some(problem) => format!("{} [{}]", message::message(problem), problem.rule.name),
            None => "it has no identity".to_owned(),
        }),
        _ => {}
    }
    reasons.extend(effective.other_credentials.iter().take(MAX_CONTAINERS).map(|(container, problem)| {
        format!("container {container}: {} [{}]", message::message(problem), problem.rule.name)
    }));
    if let [first, others @ ..] = effective.may_bring_keys.as_slice() {
        let (more, whose) = match others.len() {
            0 => (String::new(), "its"),
            more => (format!(" and {more} more"), "their"),
        };
        reasons.push(format!(
            "container {first}{more} may bring keys of {whose} own, which come before a role: from environmentFiles, a profile or \
             another endpoint"
        ));
    }
    let broken = effective.problems.iter().take(1).filter(|_| effective.chain == State::Broken);
    reasons.extend(broken.map(|problem| format!("{} [{}]", message::message(problem), problem.rule.name)));
    if effective.chain == State::Unknown && !matches!(effective.identity, Identity::Node | Identity::None) {
        reasons.extend(effective.problems.first().map(|problem| {
            let needed = problem.expected.as_ref();
            let needed = needed.map(|needed| format!(" ({} {})", message::label(needed.label), message::value(needed)));
            format!("{}{} [{}]", message::message(problem), needed.unwrap_or_default(), problem.rule.name)
        }));
    }
    reasons
}

fn notes(effective: &EffectiveIdentity<'_>) -> Vec<String> {
    effective
        .unread_control_policies()
        .map(message::permission::unread_control_policies)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

impl CanI {
    /// The answer to one question; `answer` is missing where the role's policies are not there to ask.
    pub fn new(
        through: Through,
        effective: &EffectiveIdentity<'_>,
        action: &str,
        resource: Option<&str>,
        answer: Option<&Answer<'_>>,
    ) -> Self {
        let mut reasons = doubts(effective);
        let verdict = answer.map_or(Verdict::Unknown, |answer| answer.verdict);
        let own = Can::of(verdict);
        let has_others = !effective.other_credentials.is_empty();
        let can = match (effective.chain, own) {
            // Whose the other credentials are is not known.
            _ if has_others => Can::Depends,
            _ if effective.identity == Identity::None && effective.may_bring_keys.is_empty() => Can::No,
            (State::Broken, _) => Can::No,
            (State::Unknown, Can::Yes) => Can::Depends,
            (_, own) => own,
        };
        let has_own = !matches!(effective.identity, Identity::None | Identity::StaticKeys);
        if answer.is_none() && effective.chain != State::Broken && has_own {
            reasons.push(match &through.role {
                Some(role) => format!("the policies of {role} were not read"),
                None => "there is no role to ask".to_owned(),
            });
        }
        let actions: Vec<ActionAnswer> = answer
            .iter()
            .flat_map(|answer| &answer.rulings)
            .map(|(action, _, ruling)| ActionAnswer {
                action: action.clone(),
                answer: Can::of(ruling.verdict),
                certain: ruling.is_certain_denial(),
                because: match Can::of(ruling.verdict) {
                    Can::Yes => ruling.exempt.map(|exempt| message::permission::exemption(exempt).to_owned()),
                    Can::No => {
                        let denial = message::permission::denial(&permission::denial(ruling));
                        Some(match permission::unlisted_key(action, ruling) {
                            Some(key) => format!("{denial}; {}", message::permission::unlisted_key(&key)),
                            None => denial,
                        })
                    }
                    Can::Depends => doubt(ruling),
                },
                statements: statements(ruling),
                unknown_keys: ruling.unknown_keys.iter().map(|key| (*key).to_owned()).collect(),
            })
            .collect();
        let mut not_considered: Vec<String> =
            answer.map(|answer| answer.not_considered()).unwrap_or_default().into_iter().map(words).collect();
        if effective.assumed {
            not_considered.insert(
                0,
                "the service account, which was not read: this is the only role that trusts it (--manifests reads it)"
                    .to_owned(),
            );
        }
        Self {
            answer: can,
            action: action.to_owned(),
            resource: resource.map(str::to_owned),
            allowed_on: answer
                .map(|answer| answer.allowed_on())
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            reasons,
            actions,
            not_considered,
            notes: notes(effective),
            fixes: if can == Can::No { fix(effective, answer).as_ref().map(ReportedFixes::from) } else { None },
            through,
        }
    }

    /// Adds what to know when reading this.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Writes it as text; `fixes` is how a fix is written besides its sentence.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn text(&self, fixes: Format, out: &mut dyn Write) -> anyhow::Result<()> {
        let on = self.resource.as_deref().map(|resource| format!(" on {resource}")).unwrap_or_default();
        let verb = match self.answer {
            Can::Yes => "is allowed",
            Can::No => "is not allowed",
            Can::Depends => "may be allowed",
        };
        let line = format!("{}: {} {verb} {}{on}", self.answer.name(), self.through.subject, self.action);
        writeln!(out, "{}", printable(&line))?;
        let role = self.through.role.as_deref().unwrap_or("unknown");
        writeln!(
            out,
            "  through         {}, role {}, chain {}",
            self.through.identity.name(),
            printable(role),
            self.through.chain.name()
        )?;
        let mut say = |label: &str, value: &str| writeln!(out, "  {label:15} {}", printable(value));
        for reason in &self.reasons {
            say("because", reason)?;
        }
        let several = self.actions.len() > 1;
        for action in &self.actions {
            if several && action.answer == Can::Yes && self.answer != Can::Yes {
                continue;
            }
            let of = if several { format!("{}: ", action.action) } else { String::new() };
            match action.answer {
                Can::Yes => {
                    if let Some(because) = &action.because {
                        say("because", &format!("{of}{because}"))?;
                    }
                    for statement in &action.statements {
                        say("allowed by", &format!("{of}{}", statement.words))?;
                    }
                }
                Can::No => say("because", &format!("{of}{}", action.because.as_deref().unwrap_or_default()))?,
                Can::Depends => {
                    if let Some(doubt) = &action.because {
                        say("depends on", &format!("{of}{doubt}"))?;
                    }
                    for statement in &action.statements {
                        say("in", &format!("{of}{}", statement.words))?;
                    }
                }
            }
        }
        if !self.allowed_on.is_empty() {
            say("on", &self.allowed_on.join(", "))?;
        }
        if !self.not_considered.is_empty() {
            say("not considered", &self.not_considered.join(", "))?;
        }
        for note in &self.notes {
            say("note", note)?;
        }
        if let Some(fix) = &self.fixes {
            writeln!(out, "  to allow it:")?;
            super::text::write_fix(fix, fixes, out)?;
        }
        Ok(())
    }
}

pub(super) fn words(item: NotConsidered<'_>) -> String {
    message::permission::not_considered(item)
}

/// What an open answer depends on.
pub(super) fn doubt(ruling: &Ruling<'_>) -> Option<String> {
    permission::doubt(ruling).map(|doubt| message::permission::doubt(&doubt))
}

/// What an identity may do in one service.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceGrants {
    /// The service's prefix.
    pub service: String,
    /// The service's name.
    pub name: String,
    /// All actions of the service are allowed, on all resources.
    pub everything: bool,
    /// The actions with the resources they are allowed on; under the answers `yes` and `depends`.
    pub actions: Vec<Grant>,
}

/// An action that an identity may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Its name without the service.
    pub action: String,
    /// `yes` or `depends`.
    pub answer: Can,
    /// The resources that the statements name.
    pub resources: Vec<String>,
    /// What it depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<String>,
}

/// All that an identity may do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Who.
    #[serde(flatten)]
    pub through: Through,
    /// What keeps this from being the whole truth.
    pub reasons: Vec<String>,
    /// By service, sorted.
    pub services: Vec<ServiceGrants>,
    /// What AWS considers and this did not.
    pub not_considered: Vec<String>,
    /// What the snapshot does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip)]
    is_complete: bool,
}

/// The parts of the role's own policies that the snapshot does not have.
fn unread_policies(effective: &EffectiveIdentity<'_>) -> Vec<String> {
    let Some(actor) = effective.actor else {
        // There is no role.
        if matches!(effective.identity, Identity::None | Identity::StaticKeys) {
            return Vec::new();
        }
        return vec!["the role".to_owned()];
    };
    RolePolicies::of(actor.snapshot, actor.role).identity.unread.iter().map(|part| (*part).to_owned()).collect()
}

impl Grants {
    /// What an identity may do; `answers` are of all actions that its policies name.
    pub fn new(
        through: Through,
        effective: &EffectiveIdentity<'_>,
        answers: &[(rolecall_actions::Action, Answer<'_>)],
    ) -> Self {
        let mut services: Vec<ServiceGrants> = Vec::new();
        let mut not_considered = std::collections::BTreeSet::new();
        for (action, answer) in answers {
            let can = Can::of(answer.verdict);
            not_considered.extend(answer.not_considered());
            if can == Can::No {
                continue;
            }
            let service = action.service();
            if services.last().is_none_or(|last| last.service != service) {
                services.push(ServiceGrants {
                    service: service.to_owned(),
                    name: rolecall_actions::service(service).map_or(service, |service| service.name()).to_owned(),
                    everything: false,
                    actions: Vec::new(),
                });
            }
            let doubts = answer.rulings.iter().filter(|_| can == Can::Depends);
            if let Some(last) = services.last_mut() {
                last.actions.push(Grant {
                    action: action.name().to_owned(),
                    answer: can,
                    resources: answer.allowed_on().into_iter().map(Into::into).collect(),
                    depends_on: doubts.filter_map(|(.., ruling)| doubt(ruling)).next(),
                });
            }
        }
        for service in &mut services {
            let all = rolecall_actions::service(&service.service).map_or(0, |service| service.actions().len());
            let on_all = |grant: &Grant| {
                grant.answer == Can::Yes && (grant.resources.is_empty() || grant.resources.iter().any(|r| r == "*"))
            };
            service.everything = service.actions.len() == all && service.actions.iter().all(on_all);
        }
        let mut reasons = doubts(effective);
        let unread = unread_policies(effective);
        if !unread.is_empty() {
            let missing = unread.join(", ");
            reasons.push(format!("not in the snapshot: {missing}; `rolecall snapshot --policies` collects policies"));
        }
        let not_considered = not_considered.into_iter().map(words).collect();
        let has_others = !effective.other_credentials.is_empty() || !effective.may_bring_keys.is_empty();
        let is_complete = unread.is_empty() && effective.undecided.is_none() && !has_others;
        Self { through, reasons, services, not_considered, notes: notes(effective), is_complete }
    }

    /// Adds what to know when reading this.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Whether the role is known, and all its policies were read.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Writes it as text.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "{} through {}, role {}, chain {}",
            printable(&self.through.subject),
            self.through.identity.name(),
            printable(self.through.role.as_deref().unwrap_or("unknown")),
            self.through.chain.name()
        )?;
        for reason in &self.reasons {
            writeln!(out, "  note: {}", printable(reason))?;
        }
        if self.services.is_empty() {
            writeln!(out, "  nothing that its policies allow is known")?;
        }
        for service in &self.services {
            if service.everything {
                writeln!(out, "{}  everything ({} actions)", service.service, service.actions.len())?;
                continue;
            }
            writeln!(out, "{}  {}", service.service, service.name)?;
            // Actions with the same resources and conditions share a line.
            let mut groups: Vec<(&Grant, Vec<&str>)> = Vec::new();
            for grant in &service.actions {
                let same = |other: &&mut (&Grant, Vec<&str>)| {
                    other.0.resources == grant.resources
                        && other.0.depends_on == grant.depends_on
                        && other.0.answer == grant.answer
                };
                match groups.iter_mut().find(same) {
                    Some((_, names)) => names.push(&grant.action),
                    None => groups.push((grant, vec![&grant.action])),
                }
            }
            for (grant, names) in groups {
                writeln!(out, "    {}", names.join(", "))?;
                if !grant.resources.is_empty() {
                    writeln!(out, "      on {}", printable(&grant.resources.join(", ")))?;
                }
                if let Some(doubt) = &grant.depends_on {
                    writeln!(out, "      depends on {}", printable(doubt))?;
                }
            }
        }
        if !self.not_considered.is_empty() {
            writeln!(out, "not considered: {}", printable(&self.not_considered.join(", ")))?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}
