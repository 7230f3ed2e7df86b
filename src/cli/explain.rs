//! `rolecall explain`

use std::io::Write;

use anstyle::Style;
use anyhow::bail;
use rolecall_core::rules::{self, Rule};

use super::args::ExplainArgs;

const BOLD: Style = Style::new().bold();

/// Prints a rule, the rules that begin with a text, or all.
///
/// # Errors
/// Where no rule has this name or begins with it; similar names are suggested.
pub fn explain(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(name) = &args.rule else { return list_all(out) };
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() {
        return list_all(out);
    }
    if let Some(rule) = rules::find(&name) {
        return print(rule, out);
    }
    match rules::beginning_with(&name).as_slice() {
        [] => {
            let near: Vec<&str> = rules::nearest(&name).into_iter().map(|rule| rule.name).collect();
            bail!("there is no rule `{name}`; similar names: {}", near.join(", "))
        }
        [only] => print(only, out),
        several => {
            list(several, Columns::of(several), out)?;
            ending(out)
        }
    }
}

fn print(rule: &Rule, out: &mut dyn Write) -> anyhow::Result<()> {
    write!(out, "{}", rule.plain())?;
    Ok(())
}

fn list_all(out: &mut dyn Write) -> anyhow::Result<()> {
    let columns = Columns::of(&rules::all());
    for family in rules::families() {
        writeln!(out, "{BOLD}{}{BOLD:#}", family.title)?;
        list(family.rules, columns, out)?;
        writeln!(out)?;
    }
    ending(out)
}

fn ending(out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "Columns: rule, level, strongest certainty, impact, when it fires")?;
    writeln!(out, "`rolecall explain RULE` says what a finding means, why it matters, and how to fix it")?;
    Ok(())
}

/// Widths of the columns.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    level: usize,
    certainty: usize,
    impact: usize,
}

impl Columns {
    fn of(rules: &[&Rule]) -> Self {
        let widest = |text: fn(&Rule) -> &'static str| rules.iter().map(|rule| text(rule).len()).max().unwrap_or(0);
        Self {
            name: widest(|rule| rule.name),
            level: widest(|rule| rule.level.name()),
            certainty: widest(|rule| rule.certainty.name()),
            impact: widest(|rule| rule.impact.name()),
        }
    }
}

fn list(rules: &[&Rule], columns: Columns, out: &mut dyn Write) -> anyhow::Result<()> {
    for rule in rules {
        writeln!(
            out,
            "  {:name$}  {:level$}  {:certainty$}  {:impact$}  {}",
            rule.name,
            rule.level.name(),
            rule.certainty.name(),
            rule.impact.name(),
            rule.fires(),
            name = columns.name,
            level = columns.level,
            certainty = columns.certainty,
            impact = columns.impact,
        )?;
    }
    Ok(())
}
