//! Which rules are reported, and which findings change the exit code.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use rolecall_core::rules;

use super::args::{FailOn, ReportArgs};
use super::output::replace;
use crate::report::{Baseline, Report, count};

/// The rules of `--select` and `--ignore`.
#[derive(Debug)]
pub(super) struct RuleFilter {
    select: BTreeSet<&'static str>,
    ignore: BTreeSet<&'static str>,
}

impl RuleFilter {
    /// Finds the rules.
    ///
    /// # Errors
    /// Where there is no rule of a name.
    pub(super) fn new(args: &ReportArgs) -> anyhow::Result<Self> {
        Ok(Self { select: named("--select", &args.select)?, ignore: named("--ignore", &args.ignore)? })
    }

    /// Leaves the rules that are asked for.
    pub(super) fn apply(&self, report: &mut Report) {
        if !self.select.is_empty() || !self.ignore.is_empty() {
            report.keep_rules(|rule| {
                (self.select.is_empty() || self.select.contains(rule)) && !self.ignore.contains(rule)
            });
        }
    }
}

fn named(option: &str, names: &[String]) -> anyhow::Result<BTreeSet<&'static str>> {
    let find = |name: &String| match rules::find(name.trim()) {
        Some(rule) => Ok(rule.name),
        None => bail!("{option}: {}", no_such_rule(name)),
    };
    names.iter().map(find).collect()
}

/// Says that there is no rule of a name, and which may be meant.
pub(super) fn no_such_rule(name: &str) -> String {
    let nearest = rules::nearest(name).first().map(|rule| format!("; did you mean `{}`?", rule.name));
    format!("there is no rule `{}`{}", name.escape_debug(), nearest.unwrap_or_default())
}

/// Applies `--fail-on` and `--baseline`, and counts what does not change the exit code.
///
/// # Errors
/// Where the baseline cannot be read.
pub(super) fn accept(report: &mut Report, args: &ReportArgs) -> anyhow::Result<()> {
    if args.fail_on.unwrap_or_default() == FailOn::Certain {
        report.tolerate_likely();
    }
    if let Some(file) = args.baseline.as_deref().filter(|_| args.write_baseline.is_none()) {
        report.accept_known(&read(file)?);
    }
    report.count_accepted();
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Baseline> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    Baseline::parse(&text).with_context(|| file.display().to_string())
}

/// Writes the baseline where it is asked for; whether it is.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn write_baseline(report: &Report, args: &ReportArgs, said: &mut dyn Write) -> anyhow::Result<bool> {
    let Some(file) = &args.write_baseline else { return Ok(false) };
    let baseline = Baseline::of(report);
    replace(file, baseline.to_json()?.as_bytes())?;
    writeln!(said, "{}: {} written", file.display(), count(baseline.len(), "finding"))?;
    Ok(true)
}
