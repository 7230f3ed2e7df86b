//! Labels and annotations of `rolecall.dev` that have no effect as they are written: a misspelled name, a label in the place
//! of an annotation, a value that nothing reads.

use crate::cluster::{IDENTITY_REQUIRED, split_list};
use crate::finding::{Hint, Problem};
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

/// What has no effect on an object that is called `holder`.
pub(super) fn problems(metadata: &Metadata<'_>, holder: &str, is_namespace: bool) -> Vec<Problem> {
    let annotations = metadata.annotations.iter().filter_map(|(key, value)| {
        let (why, hint) = of_annotation(key.strip_prefix(PREFIX)?, value)?;
        Some(problem("annotation", key, value, holder, &why, hint))
    });
    let labels = metadata.labels.iter().filter_map(|(key, value)| {
        let (why, hint) = of_label(key.strip_prefix(PREFIX)?, value, is_namespace)?;
        Some(problem("label", key, value, holder, &why, hint))
    });
    // Those beyond are not looked at: an object may have thousands.
    annotations.chain(labels).take(MAX_PROBLEMS).collect()
}

/// The same of a namespace, one sentence each.
pub fn of_namespace(metadata: &Metadata<'_>) -> Vec<String> {
    let holder = format!("namespace {}", metadata.display_name());
    let sentence = |problem: Problem| {
        let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{} [{}]{hint}", problem.message, problem.rule.name)
    };
    problems(metadata, &holder, true).into_iter().map(sentence).collect()
}

fn problem(what: &str, key: &str, value: &str, holder: &str, why: &str, hint: Option<Hint>) -> Problem {
    let short = |text: &str| text.chars().take(100).collect::<String>();
    Problem::new(
        &rules::OWN_NAME_UNKNOWN,
        format!("{what} {} of {holder} has no effect: {why}", short(key)),
        "correct it or remove it; docs/configuration.md lists the labels and annotations that rolecall reads",
    )
    .found("it is", format!("{}: {:?}", short(key), short(value)))
    .hint(hint)
}

fn of_annotation(name: &str, value: &str) -> Option<(String, Option<Hint>)> {
    match name {
        "allow-node-role" => {
            let value = value.trim();
            let meant = ["true", "yes", "1", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
            let is_read = ["true", "false", ""].contains(&value);
            let hint = meant.then(|| Hint::typo("the value should be \"true\""));
            (!is_read).then(|| ("only the value \"true\" counts".to_owned(), hint))
        }
        "identity" => {
            let value = value.trim();
            let meant = ["require", "true", "yes", "1", "on", "needed"];
            let folded = value.to_ascii_lowercase();
            let is_near = is_short(value) && strsim::damerau_levenshtein(&folded, IDENTITY_REQUIRED) <= 2;
            let hint = (is_near || meant.contains(&&*folded)).then(|| Hint::typo("the value should be \"required\""));
            (value != IDENTITY_REQUIRED).then(|| ("only the value \"required\" counts".to_owned(), hint))
        }
        "ignore" => {
            let unknown = split_list(value).take(MAX_RULES).find(|name| rules::find(name).is_none())?;
            let near = is_short(unknown).then(|| rules::nearest(unknown)).into_iter().flatten().next();
            let near = near.filter(|rule| strsim::levenshtein(rule.name, unknown) <= 3);
            let hint = near.map(|rule| Hint::typo(format!("`{unknown}` should be `{}`", rule.name)));
            Some((format!("there is no rule `{}`", unknown.chars().take(60).collect::<String>()), hint))
        }
        known if ANNOTATIONS.contains(&known) => None,
        label if LABELS.contains(&label) => {
            let hint = Hint::note(format!("set it as a label of the namespace: {PREFIX}{label}"));
            Some(("it is a label, not an annotation".to_owned(), Some(hint)))
        }
        unknown => Some(("rolecall reads no annotation of this name".to_owned(), similar(unknown))),
    }
}

fn of_label(name: &str, value: &str, is_namespace: bool) -> Option<(String, Option<Hint>)> {
    match name {
        "opt-out" if is_namespace => None,
        "enforce-on" if is_namespace => {
            let hint = Hint::note("write `pods`, `workloads` or `pods.workloads`");
            EnforceOn::from_label(value)
                .is_none()
                .then(|| ("it names neither pods nor workloads".to_owned(), Some(hint)))
        }
        "on-outage" if is_namespace => {
            let hint = value.eq_ignore_ascii_case("deny").then(|| Hint::typo("the value should be `deny`"));
            let is_read = ["deny", "allow"].contains(&value);
            (!is_read).then(|| ("only the values `deny` and `allow` count".to_owned(), hint))
        }
        level if LABELS.contains(&level) && is_namespace => {
            let is_level = Level::from_name(value).is_some();
            let folded = value.trim().to_ascii_lowercase();
            let hint = Level::from_name(&folded).map(|_| Hint::typo(format!("the value should be `{folded}`")));
            (!is_level).then(|| ("the levels are off, chain, fallback and strict".to_owned(), hint))
        }
        level if LABELS.contains(&level) => Some(("rolecall reads it on namespaces only".to_owned(), None)),
        annotation if ANNOTATIONS.contains(&annotation) => {
            let hint = Hint::note(format!("set it as an annotation: {PREFIX}{annotation}"));
            Some(("it is an annotation, not a label".to_owned(), Some(hint)))
        }
        unknown => Some(("rolecall reads no label of this name".to_owned(), similar(unknown))),
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
    (edits <= 3 && edits < near.len()).then(|| Hint::typo(format!("{PREFIX}{name} should be {PREFIX}{near}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Option<String> {
        of_annotation(name, value)
            .map(|(why, hint)| format!("{why}; {}", hint.map_or_else(String::new, |h| h.to_string())))
    }

    #[test]
    fn misspelled_names_and_values_are_found() {
        for (name, value, part) in [
            ("require", "x", "should be rolecall.dev/requires"),
            ("allow-node-role", "True", "should be \"true\""),
            ("allow-node-role", "maybe", "only the value"),
            ("identity", "Required", "should be \"required\""),
            ("identity", "requierd", "should be \"required\""),
            ("identity", "irsa", "only the value \"required\" counts"),
            ("identiy", "required", "should be rolecall.dev/identity"),
            ("ignore", "irsa-trust-subjekt", "should be `irsa-trust-subject`"),
            ("ignore", "static-keys, nonsense", "no rule `nonsense`"),
            ("enforce", "chain", "is a label"),
            ("zzzzzzzzzz", "", "no annotation of this name"),
        ] {
            let found = read(name, value).unwrap_or_default();
            assert!(found.contains(part), "{name}: {value}: {found}");
        }
        let long = "ignore-".repeat(100);
        for (name, value) in [(long.as_str(), ""), ("ignore", long.as_str())] {
            assert!(read(name, value).unwrap().ends_with("; "), "what is long is no typo");
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
            assert_eq!(read(name, value), None, "{name}: {value}");
        }
    }

    #[test]
    fn labels_belong_on_namespaces() {
        let label = |name: &str, value: &str, namespace: bool| of_label(name, value, namespace).map(|(why, _)| why);
        assert_eq!(label("enforce", "chain", true), None);
        assert_eq!(label("opt-out", "", true), None);
        for (name, value) in [("enforce-on", "workloads"), ("enforce-on", "workloads_pods"), ("on-outage", "deny")] {
            assert_eq!(label(name, value, true), None, "{name}: {value}");
        }
        assert!(label("enforce-on", "pod", true).unwrap().contains("neither pods nor workloads"));
        assert!(label("on-outage", "Deny", true).unwrap().contains("`deny` and `allow`"));
        assert!(label("enforce-on", "pods", false).unwrap().contains("namespaces only"));
        assert!(label("enforce", "Chain", true).unwrap().contains("levels"));
        assert!(label("enforced", "chain", true).unwrap().contains("no label"));
        assert!(label("enforce", "chain", false).unwrap().contains("namespaces only"));
        assert!(label("ignore", "x", false).unwrap().contains("is an annotation"));
    }
}
