//! Findings: what was found, where, how certain it is, and what fixes it. All of it is data; `rolecall-message` writes the texts.

mod cause;
mod configuration;
mod credentials;
mod ecs;
mod evidence;
mod field;
mod hint;
mod injection;
mod label;
mod trust;

pub use cause::{
    Affected, CannotAssume, CannotTell, Cause, ClusterCause, OrganizationCause, PermissionCause, ReferenceCause,
    RoleCause, RoleRef, TargetCause, TrustDoubt, UnreadableEntry,
};
pub use configuration::{ConfigurationCause, NameKind, OwnNameFault};
pub use credentials::{
    AgentTokenDoubt, CredentialsCause, EndpointRef, Fallback, FallbackCause, IdentityDoubt, KeySource, MissingStep,
    NamingRoles, NoMetadata, Platform, StaticKeys, TokenDoubt,
};
pub use ecs::{EcsCause, EcsRefusal, EcsValue, OtherTrust, TaskFallback, TaskRoleNeed};
pub use evidence::{
    ConfigurationValue, CredentialsValue, Evidence, EvidenceValue, Expectation, InjectionValue, NeedName,
    PermissionValue, RequiredBy, RoleValue, SnapshotValue,
};
pub use field::Field;
pub use hint::{Hint, IssuerDifference, NameDifference, OnOutageOrLevel, Remark, RolePurpose, SubjectDifference, Typo};
pub use injection::{InjectionCause, LifetimeEffect, NotInjected, Preset, TokenVariable};
pub use label::Label;
pub use trust::{DenyGrounds, Sent, TrustCondition, TrustConditions, TrustValue};

pub use crate::certainty::Certainty;
use crate::fix::{Fix, HolderName, Text};
use crate::level::Level;
use crate::rules::{self, Rule};
pub use crate::text::bounded;

/// A text without control characters: what comes from a manifest must not forge a line, nor steer a terminal. Characters that
/// reorder a line, break it, or do not show are written as `\u{202e}`, so that they can be seen.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(if c.is_control() { ' ' } else { c });
        }
    }
    shown
}

/// The same of a value that is compared with another: where blanks at its ends, other blanks than a space or characters that do
/// not show may make the difference, it is in quotes.
pub fn distinct(value: &str) -> std::borrow::Cow<'_, str> {
    let is_hidden = |c: char| c.is_control() || is_deceptive(c) || (c.is_whitespace() && c != ' ');
    if value.trim() == value && !value.contains(is_hidden) {
        return value.into();
    }
    let mut shown = String::with_capacity(value.len() + 2);
    shown.push('"');
    for c in value.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.extend(c.escape_debug()),
            c if is_hidden(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown.into()
}

/// Characters by which a text looks like another: bidirectional formatting, line separators, and what has no width (Unicode
/// Standard Annex #9; Unicode Technical Report #36, "Unicode Security Considerations").
pub(crate) fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{85}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What is wrong with a link, before it is known at which resource it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule.
    pub rule: &'static Rule,
    /// The level from which it counts; mostly the rule's.
    pub level: Level,
    /// How certain it is; at most as certain as its rule.
    pub certainty: Certainty,
    /// What is wrong: who cannot do what, and why.
    pub cause: Cause,
    /// What would have made the link hold.
    pub expected: Option<Evidence>,
    /// What was found instead.
    pub found: Option<Evidence>,
    /// What may be behind it.
    pub hint: Option<Hint>,
    /// What fixes it.
    pub fix: Fix,
    /// The role whose state in AWS it reveals.
    pub about: Option<AboutRole>,
}

/// What a problem reveals about a role. Only a requester who owns the role may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutRole {
    /// The role, as the workload, its service account or its association names it. A text that is cut is not the ARN of a role.
    pub arn: Text,
    /// Which part of its state.
    pub part: RolePart,
    /// The requester does not own the role, and does not read the name of the rule.
    pub is_withheld: bool,
}

impl AboutRole {
    /// Whether it reveals if the workload can assume the role.
    pub fn is_about_assuming(&self) -> bool {
        matches!(self.part, RolePart::Existing | RolePart::Assuming)
    }
}

/// Which part of a role's state a problem reveals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePart {
    /// Whether it exists. Whether the workload can assume it is not known.
    Existing,
    /// Whether it exists and the workload can assume it.
    Assuming,
    /// What it permits, or which other principals it trusts: the workload can assume it.
    Beyond,
    /// That it names the service account of a workload that has no role.
    Naming,
}

impl Problem {
    pub(crate) fn new(rule: &'static Rule, cause: impl Into<Cause>, fix: impl Into<Fix>) -> Self {
        Self {
            rule,
            level: rule.level,
            certainty: rule.certainty,
            cause: cause.into(),
            expected: None,
            found: None,
            hint: None,
            fix: fix.into(),
            about: None,
        }
    }

    pub(crate) fn about(mut self, arn: impl Into<Text>, part: RolePart) -> Self {
        self.about = Some(AboutRole { arn: arn.into(), part, is_withheld: false });
        self
    }

    pub(crate) fn expected(mut self, label: Label, value: impl Into<EvidenceValue>) -> Self {
        self.expected = Some(Evidence { label, value: value.into() });
        self
    }

    pub(crate) fn found(mut self, label: Label, value: impl Into<EvidenceValue>) -> Self {
        self.found = Some(Evidence { label, value: value.into() });
        self
    }

    pub(crate) fn hint(mut self, hint: Option<impl Into<Hint>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    pub(crate) fn at_most(mut self, certainty: Certainty) -> Self {
        self.certainty = self.certainty.min(certainty);
        self
    }

    pub(crate) fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

/// A problem at a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The problem that leads.
    pub problem: Problem,
    /// The containers that have it; empty where it is the whole workload's.
    pub containers: Vec<String>,
    /// What else is wrong behind it, and what else to know.
    pub notes: Vec<Note>,
}

/// A line that follows a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Another problem of the same workload.
    Also(Box<AlsoWrong>),
    /// `rolecall.dev/ignore` hides it.
    Exempted {
        /// From warnings only.
        from_warnings: bool,
        /// What has the annotation.
        holder: HolderName,
        /// Until when, as written.
        until: Option<Text>,
        /// Why, as written.
        reason: Option<Text>,
    },
    /// `rolecall.dev/allow-node-role` hides it.
    NodeRoleAllowed,
    /// Its own annotations hide it from warnings only.
    FromWarningsOnly {
        /// The name of its rule.
        rule: &'static str,
    },
    /// Further containers have the same with other values.
    Further,
    /// Where the full text is found: by this reference.
    Reference(Text),
}

/// A problem behind the one that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlsoWrong {
    /// The problem.
    pub problem: Problem,
    /// Its fix is another than that of the leading problem, and worth a line.
    pub shows_fix: bool,
}

impl Note {
    pub(crate) fn also(problem: Problem) -> Self {
        Self::Also(Box::new(AlsoWrong { problem, shows_fix: false }))
    }
}

impl Finding {
    pub(crate) fn of_workload(problem: Problem) -> Self {
        Self { problem, containers: Vec::new(), notes: Vec::new() }
    }

    /// The rule's name.
    pub fn rule(&self) -> &'static str {
        self.problem.rule.name
    }

    /// The rule by which it is compared with what was wrong before: the one that the requester reads.
    pub(crate) fn rule_as_read(&self) -> &'static str {
        let about = self.problem.about.as_ref();
        match about.is_some_and(|about| about.is_withheld && about.is_about_assuming()) {
            true => rules::ROLE_NOT_ASSUMABLE.name,
            false => self.rule(),
        }
    }

    /// Most severe first: certain before likely, lower levels before higher; otherwise in the order of the chain. What never
    /// denies is no more severe than what is likely.
    pub(crate) fn severity(&self) -> (std::cmp::Reverse<Certainty>, Level) {
        let Problem { rule, level, certainty, .. } = &self.problem;
        let at_most = if rule.has(rules::Trait::NeverDenies) { Certainty::Likely } else { Certainty::Certain };
        (std::cmp::Reverse((*certainty).min(at_most)), *level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_and_lines_cannot_be_forged() {
        assert_eq!(printable("a\nb\u{7}c"), "a b c");
        assert_eq!(
            printable("role/\u{202e}nimda\u{2066}x\u{2028}y\u{200b}z"),
            r"role/\u{202e}nimda\u{2066}x\u{2028}y\u{200b}z"
        );
        assert_eq!(printable("rôle/日本"), "rôle/日本");
    }

    #[test]
    fn blanks_and_hidden_characters_of_a_value_are_seen() {
        for plain in ["", "carts", "a b", "größer, 日本"] {
            assert_eq!(distinct(plain), plain);
        }
        assert_eq!(distinct("carts "), r#""carts ""#);
        assert_eq!(distinct("\tcarts\n"), r#""\tcarts\n""#);
        assert_eq!(distinct("car\u{200b}ts\u{a0}"), r#""car\u{200b}ts\u{a0}""#);
    }

    #[test]
    fn what_reorders_or_hides_a_text_is_shown() {
        let hidden =
            "\u{202a}\u{202c}\u{2066}\u{2069}\u{200e}\u{200f}\u{2028}\u{2029}\u{85}\u{200b}\u{ad}\u{feff}\u{e0041}";
        for c in hidden.chars() {
            let shown = printable(&format!("a{c}b"));
            assert!(shown.starts_with("a\\u{") && shown.ends_with("}b") && shown.is_ascii(), "{shown}");
        }
        assert_eq!(printable("größer, 日本 — „“"), "größer, 日本 — „“");
    }
}
