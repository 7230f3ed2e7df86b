//! `rolecall explain`

use std::io::Write;

use anyhow::bail;
use rolecall_core::rules;

use super::args::ExplainArgs;

/// Prints a rule, or the list of all.
///
/// # Errors
/// Where no rule has this name or begins with it; similar names are suggested.
pub fn explain(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(name) = &args.rule else {
        let rules = rules::all();
        let width = rules.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
        for rule in rules {
            writeln!(out, "{:width$}  {:9} {}", rule.name, rule.level.name(), rule.fires)?;
        }
        writeln!(out, "\nRun `rolecall explain RULE` for one of them.")?;
        return Ok(());
    };
    let name = name.trim().to_ascii_lowercase();
    if let Some(rule) = rules::find(&name) {
        write!(out, "{}", rule.plain())?;
        return Ok(());
    }
    let begun: Vec<_> = rules::all().into_iter().filter(|rule| rule.name.starts_with(&name)).collect();
    match begun.as_slice() {
        [] => {
            let near: Vec<&str> = rules::nearest(&name).into_iter().map(|rule| rule.name).collect();
            bail!("there is no rule `{name}`; similar names: {}", near.join(", "))
        }
        [only] => write!(out, "{}", only.plain())?,
        several => {
            let width = several.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
            for rule in several {
                writeln!(out, "{:width$}  {:9} {}", rule.name, rule.level.name(), rule.fires)?;
            }
        }
    }
    Ok(())
}
