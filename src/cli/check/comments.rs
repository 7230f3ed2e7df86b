//! Comments in manifests: `# rolecall: ignore RULE[,RULE] REASON`.

use rolecall_core::rules;

use crate::cli::acceptance::no_such_rule;
use crate::report::{Accepted, AcceptedBy, ReportedFinding};

/// How comments that rolecall reads begin.
pub(super) const START: &str = "rolecall:";

/// Accepts a finding where a comment says so; returns what is wrong with the comments.
pub(super) fn apply(finding: &mut ReportedFinding, comments: &[String]) -> Vec<String> {
    let place = finding.location.as_ref().map(|location| location.place()).unwrap_or_default();
    let mut faults = Vec::new();
    for comment in comments {
        let Some((names, reason)) = ignored(comment) else {
            faults.push(format!("{place}: a comment of rolecall must be `rolecall: ignore RULE REASON`"));
            continue;
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match rules::find(name) {
                None => faults.push(format!("{place}: in a comment: {}", no_such_rule(name))),
                Some(rule) if rule.name == finding.rule && finding.counts() => {
                    let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
                    finding.accepted = Some(Accepted { by: AcceptedBy::Comment, reason });
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// The rules that a comment names, and its reason.
fn ignored(comment: &str) -> Option<(&str, &str)> {
    let rest = comment.strip_prefix(START)?.trim_start().strip_prefix("ignore")?;
    let rest = rest.strip_prefix([' ', '\t', ':'])?.trim();
    let (names, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let reason = reason.trim_start_matches(['-', ':', '—', '–', ' ']).trim();
    (!names.is_empty()).then_some((names, reason))
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn reads_rules_and_reason() {
        assert_eq!(ignored("rolecall: ignore static-keys"), Some(("static-keys", "")));
        assert_eq!(ignored("rolecall:ignore a,b -- it moves soon"), Some(("a,b", "it moves soon")));
        assert_eq!(ignored("rolecall: ignore a\tbecause"), Some(("a", "because")));
        for other in ["rolecall: ignored a", "rolecall: ignore", "rolecall: skip a", "rolecall ignore a"] {
            assert_eq!(ignored(other), None, "{other}");
        }
    }
}
