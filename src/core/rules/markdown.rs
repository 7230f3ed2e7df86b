//! A rule as a page to read: Markdown for `docs/rules/`, plain text for the terminal.

use super::{ASSOCIATION_ORPHANED, INJECTOR_MISSING, NODE_ROLE_AGENT, Rule, SERVICE_ACCOUNT_MISSING};
use crate::decision::Level;
use crate::finding::Certainty;

impl Rule {
    /// The rule as a Markdown page that stands by itself.
    pub fn markdown(&self) -> String {
        let language = if self.example.starts_with('{') { "json" } else { "yaml" };
        let sources: String = self.sources.iter().map(|source| format!("- {source}\n")).collect();
        format!(
            "# {name}\n\n\
             Level `{level}`, {certainty}. {effect}\n\n\
             Fires when: {fires}.\n\n\
             ## What it means\n\n{meaning}\n\n\
             ## Why it matters\n\n{why}\n\n\
             ## Example\n\n```{language}\n{example}\n```\n\n\
             ## How to fix it\n\n{fix}\n\n\
             ## Sources\n\n{sources}",
            name = self.name,
            level = level_word(self.level),
            certainty = certainty_word(self.certainty),
            effect = self.effect(),
            fires = self.fires,
            meaning = self.meaning,
            why = self.why,
            example = self.example,
            fix = self.fix,
        )
    }

    /// The rule as text for a terminal.
    pub fn plain(&self) -> String {
        let sources: String = self.sources.iter().map(|source| format!("- {source}\n")).collect();
        format!(
            "{name}\n\n\
             Level {level}, {certainty}. {effect}\n\n\
             Fires when: {fires}.\n\n\
             What it means\n\n{meaning}\n\n\
             Why it matters\n\n{why}\n\n\
             Example\n\n{example}\n\
             How to fix it\n\n{fix}\n\n\
             Sources\n\n{sources}",
            name = self.name,
            level = level_word(self.level),
            certainty = certainty_word(self.certainty),
            effect = self.effect(),
            fires = self.fires,
            meaning = self.meaning,
            why = self.why,
            example = indented(self.example),
            fix = self.fix,
        )
    }

    /// What a finding of this rule may bring about.
    fn effect(&self) -> &'static str {
        if *self == SERVICE_ACCOUNT_MISSING {
            return "A finding warns and never denies.";
        }
        if [&ASSOCIATION_ORPHANED, &INJECTOR_MISSING, &NODE_ROLE_AGENT].contains(&self) {
            return "`rolecall scan` reports it; it concerns no single workload, and never denies.";
        }
        match (self.certainty, self.level) {
            (Certainty::Undecided, _) => "A finding is a note: it never denies.",
            (_, Level::Strict) => "A finding counts only at `strict`, and denies there in `enforce` mode.",
            (Certainty::Likely, _) => "A finding warns at its level, and denies only at `strict` in `enforce` mode.",
            (Certainty::Certain, _) => {
                "A certain finding denies at its level and above in `enforce` mode. \
                 On weaker evidence it is likely: then it warns, and denies only at `strict`."
            }
        }
    }
}

/// A table of these rules, each linked to its page.
pub fn index_markdown(rules: &[&Rule]) -> String {
    let rows: String = rules.iter().map(|rule| index_row(rule)).collect();
    format!(
        "# Rules\n\n\
         A finding counts from its rule's level upwards: `chain`, `fallback`, `strict`. In \
         `enforce` mode a certain finding denies at its level, a likely one warns and denies only \
         at `strict`, and an undecided one never denies. The certainty below is the strongest that \
         a rule ever gives.\n\n\
         | Rule | Level | Certainty | Fires when |\n\
         | --- | --- | --- | --- |\n\
         {rows}"
    )
}

fn index_row(rule: &Rule) -> String {
    format!(
        "| [`{name}`]({name}.md) | {level} | {certainty} | {fires} |\n",
        name = rule.name,
        level = level_word(rule.level),
        certainty = certainty_word(rule.certainty),
        fires = rule.fires.replace('|', "\\|"),
    )
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Off => "off",
        Level::Chain => "chain",
        Level::Fallback => "fallback",
        Level::Strict => "strict",
    }
}

fn certainty_word(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Undecided => "undecided",
        Certainty::Likely => "likely",
        Certainty::Certain => "certain",
    }
}

/// Each line four blanks to the right.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    #[test]
    fn every_page_has_its_sections_in_order() {
        for rule in all() {
            let page = rule.markdown();
            let text = rule.plain();
            let mut before = (0, 0);
            for section in ["What it means", "Why it matters", "Example", "How to fix it", "Sources"] {
                let found = (
                    page.find(&format!("\n## {section}\n\n")).unwrap_or_default(),
                    text.find(&format!("\n{section}\n\n")).unwrap_or_default(),
                );
                assert!(found.0 > before.0 && found.1 > before.1, "{}: {section}", rule.name);
                before = found;
            }
            assert!(page.starts_with(&format!("# {}\n\n", rule.name)));
            assert_eq!(page.matches("```").count(), 2, "{}", rule.name);
            assert!(!text.contains("```"), "{}", rule.name);
        }
    }

    #[test]
    fn texts_keep_their_form() {
        for rule in all() {
            let name = rule.name;
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(name.chars().all(kebab), "{name}");
            assert!(!rule.fires.ends_with('.') && !rule.fires.contains('\n'), "{name}");
            for prose in [rule.meaning, rule.why] {
                assert!(prose.ends_with('.') && !prose.contains('\n'), "{name}: {prose}");
            }
            assert!(rule.fix.contains("\n\n    "), "{name}: no command");
            assert!(!rule.sources.is_empty(), "{name}: no source");
            for text in [rule.fires, rule.meaning, rule.why, rule.fix, rule.example] {
                assert!(text.is_ascii() && !text.contains("  \n"), "{name}: {text}");
            }
        }
    }

    #[test]
    fn the_index_links_every_rule_once() {
        let rules = all();
        let index = index_markdown(&rules);
        for rule in &rules {
            let link = format!("({}.md)", rule.name);
            assert_eq!(index.matches(&link).count(), 1, "{}", rule.name);
        }
    }

    #[test]
    fn what_never_denies_says_so() {
        for rule in all() {
            let of_the_cluster = [&ASSOCIATION_ORPHANED, &INJECTOR_MISSING, &NODE_ROLE_AGENT].contains(&rule);
            let never = rule.certainty == Certainty::Undecided || *rule == SERVICE_ACCOUNT_MISSING || of_the_cluster;
            assert_eq!(rule.markdown().contains("never denies"), never, "{}", rule.name);
        }
    }
}
