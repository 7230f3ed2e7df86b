//! `rolecall explain`

use std::io::Write;

use anyhow::bail;
use rolecall_core::rules;

use super::args::ExplainArgs;

/// Prints a rule, or the list of all.
///
/// # Errors
/// Where there is no such rule; near names are suggested.
pub fn explain(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(name) = &args.rule else {
        let rules = rules::all();
        let width = rules.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
        for rule in rules {
            writeln!(out, "{:width$}  {:9} {}", rule.name, rule.level.name(), rule.fires)?;
        }
        writeln!(out, "\nrolecall explain RULE says more.")?;
        return Ok(());
    };
    let Some(rule) = rules::find(name) else {
        let near: Vec<&str> = rules::nearest(name).into_iter().map(|rule| rule.name).collect();
        bail!("there is no rule `{name}`; near it: {}", near.join(", "));
    };
    write!(out, "{}", rule.plain())?;
    Ok(())
}
