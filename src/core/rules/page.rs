//! The text of a rule, as a page to read: Markdown for `docs/rules/`, plain text for the terminal.
//!
//! A file in `pages/` has a heading with the rule's name, a paragraph `Fires when ….`, and these sections: *What it means*, *Why it
//! matters*, *Example*, *How to fix it*, *Sources*. The commands and the example are in fenced blocks.

use super::{Family, Impact, Rule, Trait};
use crate::certainty::Certainty;
use crate::level::Level;

impl Rule {
    /// When the rule fires: one line, lower case, no full stop.
    pub fn fires(&self) -> String {
        let paragraph = self.page.split("\n\n").nth(1).unwrap_or_default();
        let sentence = paragraph.strip_prefix("Fires when ").unwrap_or(paragraph);
        on_one_line(sentence.strip_suffix('.').unwrap_or(sentence))
    }

    /// What a finding says about the workload, paragraphs on one line.
    pub fn meaning(&self) -> String {
        on_one_line(self.section("What it means"))
    }

    /// A section of the page, without its heading. Empty where the page has no such section.
    pub fn section(&self, title: &str) -> &'static str {
        let Some((_, rest)) = self.page.split_once(&format!("\n## {title}\n")) else { return "" };
        rest.split_once("\n## ").map_or(rest, |(section, _)| section).trim_matches('\n')
    }

    /// The rule as a Markdown page that stands by itself.
    pub fn markdown(&self) -> String {
        let (head, sections) = self.page.split_once("\n## ").unwrap_or((self.page, ""));
        let Facts { level, certainty, impact, since, effect } = self.facts();
        format!(
            "{head}\n\
             | Level | Certainty | Impact | Since |\n\
             | --- | --- | --- | --- |\n\
             | `{level}` | {certainty} | {impact} | {since} |\n\n\
             {effect}\n\n\
             ## {sections}"
        )
    }

    /// The rule as text for a terminal.
    pub fn plain(&self) -> String {
        let (head, sections) = self.page.split_once("\n## ").unwrap_or((self.page, ""));
        let Facts { level, certainty, impact, since, effect } = self.facts();
        let mut text = format!(
            "{}\n\
             Level:      {level}\n\
             Certainty:  {certainty}\n\
             Impact:     {impact}\n\
             Since:      {since}\n",
            head.trim_start_matches("# "),
        );
        if !self.aliases.is_empty() {
            text.push_str(&format!("Once named: {}\n", self.aliases.join(", ")));
        }
        text.push_str(&format!("\n{effect}\n\n"));
        let mut is_in_block = false;
        for line in sections.lines() {
            match line {
                fence if fence.starts_with("```") => is_in_block = !is_in_block,
                "" => text.push('\n'),
                code if is_in_block => text.push_str(&format!("    {code}\n")),
                other => text.push_str(&format!("{}\n", other.trim_start_matches("## "))),
            }
        }
        text
    }

    fn facts(&self) -> Facts {
        let certainty = match self.certainty {
            Certainty::Undecided => "undecided",
            Certainty::Likely => "up to likely",
            Certainty::Certain => "up to certain",
        };
        let mut effect = self.effect().to_owned();
        if self.impact == Impact::Security && self.level > Level::Chain {
            effect.push_str("\n`rolecall check` and `rolecall scan` show it at every level.");
        }
        Facts { level: self.level.name(), certainty, impact: self.impact.explained(), since: self.since, effect }
    }

    /// What a finding of this rule does.
    fn effect(&self) -> &'static str {
        if self.has(Trait::ScanOnly) {
            return "Only `rolecall scan` reports it. It is about no single workload and never denies.";
        }
        if self.has(Trait::NeverDenies) {
            return "A finding warns and never denies.";
        }
        match (self.certainty, self.level) {
            (Certainty::Undecided, _) => "A finding is a note and never denies.",
            (_, Level::Strict) => "A finding counts only at level `strict`, and denies there in `enforce` mode.",
            (Certainty::Likely, _) => {
                "A finding warns at its level. It denies only at level `strict`, in `enforce` mode."
            }
            (Certainty::Certain, _) => {
                "In `enforce` mode, a certain finding denies at its level and above. A likely one warns, and denies only \
                 at level `strict`."
            }
        }
    }
}

/// What the declaration says of a rule, in words.
struct Facts {
    level: &'static str,
    certainty: &'static str,
    impact: &'static str,
    since: &'static str,
    effect: String,
}

/// The families with a table of their rules, each linked to its page.
pub fn index_markdown(families: &[Family]) -> String {
    let mut page = "# Rules\n\n\
         A finding counts from its rule's level upwards: `chain`, `fallback`, `strict`. In `enforce` mode, a certain finding\n\
         denies at its level, a likely one warns and denies only at `strict`, and an undecided one never denies. The\n\
         certainty below is the strongest that a finding of the rule has.\n\n\
         The impact says what happens if a finding is not fixed. *availability*: calls to AWS may fail. *security*: pods get\n\
         more access than intended, or credentials leak. *hygiene*: nothing fails now. `rolecall check` and `rolecall scan`\n\
         show findings with the impact *security* at every level ([check.md](../check.md#levels)).\n"
        .to_owned();
    for Family { title, rules } in families {
        page.push_str(&format!(
            "\n## {title}\n\n\
             | Rule | Level | Certainty | Impact | Fires when |\n\
             | --- | --- | --- | --- | --- |\n"
        ));
        page.extend(rules.iter().map(|rule| index_row(rule)));
    }
    page
}

fn index_row(rule: &Rule) -> String {
    format!(
        "| [`{name}`]({name}.md) | {level} | {certainty} | {impact} | {fires} |\n",
        name = rule.name,
        level = rule.level.name(),
        certainty = rule.certainty.name(),
        impact = rule.impact.name(),
        fires = rule.fires().replace('|', "\\|"),
    )
}

/// Line breaks of a paragraph are blanks.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::{all, families};
    use super::*;

    /// The headings of every page, in their order.
    const SECTIONS: [&str; 5] = ["What it means", "Why it matters", "Example", "How to fix it", "Sources"];

    /// Placeholders of an author, not of a reader.
    const UNFINISHED: [&str; 5] = ["TODO", "FIXME", "TBD", "XXX", "lorem"];

    #[test]
    fn every_file_has_its_sections_in_order_and_no_others() {
        for rule in all() {
            let name = rule.name;
            let page = rule.page;
            assert!(page.starts_with(&format!("# {name}\n\nFires when ")), "{name}");
            let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            assert_eq!(headings, SECTIONS, "{name}");
            for section in SECTIONS {
                assert!(rule.section(section).len() > 20, "{name}: {section} is empty");
            }
            assert!(page.ends_with('\n') && !page.ends_with("\n\n") && !page.contains("\n\n\n"), "{name}");
            for unfinished in UNFINISHED {
                assert!(!page.contains(unfinished), "{name}: {unfinished}");
            }
        }
    }

    #[test]
    fn sections_keep_their_form() {
        for rule in all() {
            let name = rule.name;
            let fires = rule.fires();
            assert!(fires.len() > 20 && !fires.ends_with('.') && !fires.contains("Fires when"), "{name}: {fires}");
            let example = rule.section("Example");
            let languages = ["```yaml\n", "```json\n"];
            assert!(languages.iter().any(|fence| example.starts_with(fence)) && example.ends_with("\n```"), "{name}");
            let fix = rule.section("How to fix it");
            assert!(fix.contains("\n```sh\n") && !fix.starts_with("```"), "{name}: a sentence, then the command");
            assert_eq!(rule.page.matches("\n```").count() % 2, 0, "{name}: a block that does not end");
            assert!(rule.section("Sources").lines().all(|line| line.starts_with("- ")), "{name}");
            for prose in ["What it means", "Why it matters"] {
                assert!(rule.section(prose).ends_with('.'), "{name}: {prose}");
            }
            assert!(rule.page.is_ascii(), "{name}");
            for line in rule.page.lines() {
                assert!(!line.ends_with(' ') && !line.contains('\t'), "{name}: {line}");
            }
        }
    }

    #[test]
    fn pages_and_texts_say_the_same() {
        for rule in all() {
            let (page, text) = (rule.markdown(), rule.plain());
            assert!(page.starts_with(&format!("# {}\n\n", rule.name)) && text.starts_with(rule.name), "{}", rule.name);
            assert!(!text.contains("```") && !text.contains("\n#"), "{}", rule.name);
            for section in SECTIONS {
                assert!(page.contains(&format!("\n## {section}\n\n")), "{}: {section}", rule.name);
                assert!(text.contains(&format!("\n{section}\n\n")), "{}: {section}", rule.name);
            }
            for fact in [rule.level.name(), rule.impact.explained(), rule.since] {
                assert!(page.contains(fact) && text.contains(fact), "{}: {fact}", rule.name);
            }
        }
    }

    #[test]
    fn the_index_links_every_rule_once() {
        let index = index_markdown(&families());
        for rule in all() {
            let link = format!("({}.md)", rule.name);
            assert_eq!(index.matches(&link).count(), 1, "{}", rule.name);
        }
    }

    #[test]
    fn what_never_denies_says_so() {
        for rule in all() {
            let never = rule.certainty == Certainty::Undecided
                || [Trait::ScanOnly, Trait::NeverDenies].iter().any(|one| rule.has(*one));
            assert_eq!(rule.effect().contains("never denies"), never, "{}", rule.name);
        }
    }
}
