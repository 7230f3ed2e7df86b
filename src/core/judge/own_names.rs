//! Labels and annotations of `rolecall.dev` that have no effect as they are written: a misspelled name, a label in the place
//! of an annotation, a value that nothing reads.

use crate::cluster::{IDENTITY_REQUIRED, split_list};
use crate::finding::{
    ConfigurationCause, EvidenceValue, Hint, Label, NameKind, OnOutageOrLevel, OwnNameFault, Problem, Remark, Typo,
};
use crate::fix::{Advice, HolderName, Text};
use crate::level::{EnforceOn, Level};
use crate::rules;
use crate::workload::Metadata;

const PREFIX: &str = "rolecall.dev/";
/// On pods, templates, service accounts and namespaces.
const ANNOTATIONS: [&str; 6] = ["allow-node-role", "identity", "ignore", "ignore-reason", "ignore-until", "requires"];
/// On namespaces.
const LABELS: [&str; 6] = ["audit", "enforce", "enforce-on", "on-outage", "opt-out", "warn"];
/// Most that are reported for one object.
const MAX_PROBLEMS: usize = 5;
/// Longest name that is compared with those that rolecall reads.
const MAX_TYPO_BYTES: usize = 100;
/// Rules of a list that are looked up.
const MAX_RULES: usize = 50;

/// What has no effect on an object.
pub(super) fn problems(metadata: &Metadata<'_>, holder: impl Fn() -> HolderName, is_namespace: bool) -> Vec<Problem> {
    let annotations = metadata.annotations.iter().filter_map(|(key, value)| {
        let found = of_annotation(key.strip_prefix(PREFIX)?, value)?;
        Some(problem(NameKind::Annotation, key, value, holder(), found))
    });
    let labels = metadata.labels.iter().filter_map(|(key, value)| {
        let found = of_label(key.strip_prefix(PREFIX)?, value, is_namespace)?;
        Some(problem(NameKind::Label, key, value, holder(), found))
    });
    // Those beyond are not looked at: an object may have thousands.
    annotations.chain(labels).take(MAX_PROBLEMS).collect()
}

/// The same of a namespace.
pub fn of_namespace(metadata: &Metadata<'_>) -> Vec<Problem> {
    problems(metadata, || HolderName::Namespace(metadata.display_name().into()), true)
}

fn problem(kind: NameKind, key: &str, value: &str, holder: HolderName, (fault, hint): Found) -> Problem {
    let short = |text: &str| Text::from(text.chars().take(100).collect::<String>());
    let key = short(key);
    let (fault, hint) = match (fault, &holder) {
        // A task definition has no labels beside its settings.
        (OwnNameFault::LabelNotAnnotation, HolderName::TaskDefinition) => (OwnNameFault::OnNamespacesOnly, None),
        (fault, _) => (fault, hint),
    };
    Problem::new(
        &rules::SETTING_UNKNOWN,
        ConfigurationCause::OwnName { kind, key: key.clone(), holder, fault },
        Advice::CorrectOwnName,
    )
    .found(Label::ItIs, EvidenceValue::QuotedEntry { key, value: short(value) })
    .hint(hint)
}

/// Why a name has no effect, and what may be behind it.
type Found = (OwnNameFault, Option<Hint>);

fn should_be(value: &str) -> Hint {
    Typo::Value { should_be: value.into() }.into()
}

fn of_annotation(name: &str, value: &str) -> Option<Found> {
    match name {
        "allow-node-role" => {
            let value = value.trim();
            let meant = ["true", "yes", "1", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
            let is_read = ["true", "false", ""].contains(&value);
            let hint = meant.then(|| should_be("true"));
            (!is_read).then_some((OwnNameFault::OnlyTrueCounts, hint))
        }
        "identity" => {
            let value = value.trim();
            let meant = ["require", "true", "yes", "1", "on", "needed"];
            let folded = value.to_ascii_lowercase();
            let is_near = is_short(value) && strsim::damerau_levenshtein(&folded, IDENTITY_REQUIRED) <= 2;
            let hint = (is_near || meant.contains(&&*folded)).then(|| should_be(IDENTITY_REQUIRED));
            (value != IDENTITY_REQUIRED).then_some((OwnNameFault::OnlyRequiredCounts, hint))
        }
        "ignore" => {
            let unknown = split_list(value).take(MAX_RULES).find(|name| rules::find(name).is_none())?;
            let near = is_short(unknown).then(|| rules::nearest(unknown)).into_iter().flatten().next();
            let near = near.filter(|rule| strsim::levenshtein(rule.name, unknown) <= 3);
            let hint = near.map(|rule| Typo::Rule { written: unknown.into(), meant: rule.name }.into());
            Some((OwnNameFault::NoSuchRule(unknown.chars().take(60).collect::<String>().into()), hint))
        }
        known if ANNOTATIONS.contains(&known) => None,
        unknown => Some(match LABELS.into_iter().find(|label| *label == unknown) {
            Some(name) => (OwnNameFault::LabelNotAnnotation, Some(Remark::IsLabel { name }.into())),
            None => (OwnNameFault::NoSuchAnnotation, similar(unknown)),
        }),
    }
}

fn of_label(name: &str, value: &str, is_namespace: bool) -> Option<Found> {
    match name {
        "opt-out" if is_namespace => None,
        "enforce-on" if is_namespace => {
            let hint = Remark::EnforceOnValues.into();
            EnforceOn::from_label(value).is_none().then_some((OwnNameFault::NeitherPodsNorWorkloads, Some(hint)))
        }
        "on-outage" if is_namespace => {
            let meant = Typo::LabelValue { should_be: OnOutageOrLevel::Deny };
            let hint = value.eq_ignore_ascii_case("deny").then(|| meant.into());
            let is_read = ["deny", "allow"].contains(&value);
            (!is_read).then_some((OwnNameFault::OnlyDenyOrAllowCounts, hint))
        }
        level if LABELS.contains(&level) && is_namespace => {
            let is_level = Level::from_name(value).is_some();
            let folded = value.trim().to_ascii_lowercase();
            let meant = |level| Typo::LabelValue { should_be: OnOutageOrLevel::Level(level) };
            let hint = Level::from_name(&folded).map(|level| meant(level).into());
            (!is_level).then_some((OwnNameFault::NotALevel, hint))
        }
        level if LABELS.contains(&level) => Some((OwnNameFault::OnNamespacesOnly, None)),
        unknown => Some(match ANNOTATIONS.into_iter().find(|annotation| *annotation == unknown) {
            Some(name) => (OwnNameFault::AnnotationNotLabel, Some(Remark::IsAnnotation { name }.into())),
            None => (OwnNameFault::NoSuchLabel, similar(unknown)),
        }),
    }
}

/// Whether a name is short enough to be a typo: comparing takes time and memory by its length.
fn is_short(name: &str) -> bool {
    name.len() <= MAX_TYPO_BYTES
}

fn similar(name: &str) -> Option<Hint> {
    if !is_short(name) {
        return None;
    }
    let known = ANNOTATIONS.iter().chain(&LABELS).map(|known| (strsim::damerau_levenshtein(known, name), known));
    let (edits, near) = known.min()?;
    (edits <= 3 && edits < near.len()).then(|| Typo::OwnName { written: name.into(), meant: near }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_and_values_are_found() {
        let own_name = |written: &str, meant| Some(Typo::OwnName { written: written.into(), meant }.into());
        let rule = |written: &str, meant| Some(Typo::Rule { written: written.into(), meant }.into());
        for (name, value, fault, hint) in [
            ("require", "x", OwnNameFault::NoSuchAnnotation, own_name("require", "requires")),
            ("allow-node-role", "True", OwnNameFault::OnlyTrueCounts, Some(should_be("true"))),
            ("allow-node-role", "maybe", OwnNameFault::OnlyTrueCounts, None),
            ("identity", "Required", OwnNameFault::OnlyRequiredCounts, Some(should_be("required"))),
            ("identity", "requierd", OwnNameFault::OnlyRequiredCounts, Some(should_be("required"))),
            ("identity", "irsa", OwnNameFault::OnlyRequiredCounts, None),
            ("identiy", "required", OwnNameFault::NoSuchAnnotation, own_name("identiy", "identity")),
            (
                "ignore",
                "irsa-trust-subjekt",
                OwnNameFault::NoSuchRule("irsa-trust-subjekt".into()),
                rule("irsa-trust-subjekt", rules::IRSA_TRUST_SUBJECT.name),
            ),
            ("ignore", "static-keys, nonsense", OwnNameFault::NoSuchRule("nonsense".into()), None),
            ("enforce", "chain", OwnNameFault::LabelNotAnnotation, Some(Remark::IsLabel { name: "enforce" }.into())),
            ("zzzzzzzzzz", "", OwnNameFault::NoSuchAnnotation, None),
        ] {
            assert_eq!(of_annotation(name, value), Some((fault, hint)), "{name}: {value}");
        }
        let long = "ignore-".repeat(100);
        for (name, value) in [(long.as_str(), ""), ("ignore", long.as_str())] {
            assert_eq!(of_annotation(name, value).unwrap().1, None, "what is long is no typo");
        }
        for (name, value) in [
            ("requires", "dynamodb:Query"),
            ("allow-node-role", "true"),
            ("identity", " required\n"),
            ("allow-node-role", "false"),
            ("ignore", "static-keys,irsa-trust-subject\nrole-missing"),
            ("ignore", ""),
            ("ignore-until", "2030-01-01"),
            ("ignore-reason", "it moves"),
        ] {
            assert_eq!(of_annotation(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn labels_belong_on_namespaces() {
        let label = |name: &str, value: &str, namespace: bool| of_label(name, value, namespace).map(|(fault, _)| fault);
        assert_eq!(label("enforce", "chain", true), None);
        assert_eq!(label("opt-out", "", true), None);
        for (name, value) in [("enforce-on", "workloads"), ("enforce-on", "workloads_pods"), ("on-outage", "deny")] {
            assert_eq!(label(name, value, true), None, "{name}: {value}");
        }
        assert_eq!(label("enforce-on", "pod", true), Some(OwnNameFault::NeitherPodsNorWorkloads));
        assert_eq!(label("on-outage", "Deny", true), Some(OwnNameFault::OnlyDenyOrAllowCounts));
        assert_eq!(label("enforce-on", "pods", false), Some(OwnNameFault::OnNamespacesOnly));
        assert_eq!(label("enforce", "Chain", true), Some(OwnNameFault::NotALevel));
        assert_eq!(label("enforced", "chain", true), Some(OwnNameFault::NoSuchLabel));
        assert_eq!(label("enforce", "chain", false), Some(OwnNameFault::OnNamespacesOnly));
        assert_eq!(label("ignore", "x", false), Some(OwnNameFault::AnnotationNotLabel));
    }
}
