//! `rolecall config`: whether a configuration can be read, and which levels it gives a namespace.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use rolecall_core::cluster::Namespace;
use rolecall_core::decision::{EnforceOn, Level, LevelRule, NamespacePolicy, PartialPolicy, Resolved, Source};
use rolecall_core::workload::{Metadata, Pairs, Text};
use serde::Serialize;

use super::args::Format;
use super::defaults;
use crate::config::{Config, LevelRuleConfig};

const EXAMPLES: &str = "\
Examples:
  rolecall config check --config rolecall.yaml
  rolecall config show --config rolecall.yaml
  rolecall config show --config rolecall.yaml --namespace team-a --labels env=prod,rolecall.dev/warn=strict";

/// Arguments of `config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check that a configuration file can be read
    Check(ConfigCheckArgs),
    /// Show the levels of a configuration, or those of a namespace and where each comes from
    Show(ConfigShowArgs),
}

/// Arguments of `config check`.
#[derive(Debug, Args)]
pub struct ConfigCheckArgs {
    /// Configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Arguments of `config show`.
#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// Configuration file (YAML). Default: the built-in defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of a namespace
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Labels of the namespace, with commas between them. kubernetes.io/metadata.name is always set, as in a cluster
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', requires = "namespace")]
    pub labels: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

const ENFORCE_ON: &str = "rolecall.dev/enforce-on";
/// The API server sets this label on every namespace (Kubernetes, "Well-Known Labels, Annotations and Taints").
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Runs a command of `config`.
///
/// # Errors
/// Where the configuration cannot be read, or a label or its value is malformed.
pub fn config(args: &ConfigArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        ConfigCommand::Check(ConfigCheckArgs { config }) => {
            let loaded = defaults::load(Some(config))?.config;
            for note in loaded.notes() {
                writeln!(out, "note: {note}")?;
            }
            writeln!(out, "{}: valid", config.display())?;
            Ok(())
        }
        ConfigCommand::Show(args) => show(args, out),
    }
}

/// A value in force, and where it comes from.
#[derive(Debug, Serialize)]
struct InForce {
    value: &'static str,
    source: String,
    /// The namespace's label asks for less, which has no effect.
    #[serde(rename = "labelIgnored")]
    is_label_ignored: bool,
}

fn show(args: &ConfigShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    match &args.namespace {
        Some(name) => show_namespace(&config, name, args, out),
        None => show_all(&config, args.format, out),
    }
}

fn show_namespace(config: &Config, name: &str, args: &ConfigShowArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut labels = BTreeMap::new();
    for label in &args.labels {
        match label.split_once('=') {
            Some((key, value)) if !key.is_empty() => labels.insert(key, value),
            _ => bail!("--labels: `{label}` is not KEY=VALUE"),
        };
    }
    labels.insert(NAME_LABEL, name);
    if let Some(value) = labels.get(ENFORCE_ON).filter(|value| EnforceOn::from_label(value).is_none()) {
        bail!("--labels: {ENFORCE_ON}={value} is none of pods, workloads, pods.workloads");
    }
    let pairs = labels.iter().map(|(key, value)| (Text::from(*key), Text::from(*value)));
    let metadata = Metadata { labels: Pairs(pairs.collect()), ..Metadata::default() };
    let namespace = Namespace::of(&metadata);
    if let Some((label, value)) = &namespace.unreadable {
        bail!("--labels: {label}={value} is none of off, chain, fallback, strict");
    }
    let resolved = namespace.resolve(name, &config.levels());
    let rows = rows(&resolved);
    if args.format == Format::Json {
        let values: BTreeMap<_, _> = rows.into_iter().collect();
        let rule = resolved.rule.map(|at| format!("levels[{at}]"));
        let matches = resolved.rule.and_then(|at| config.levels.get(at)).map(LevelRuleConfig::describe);
        let document = serde_json::json!({"namespace": name, "rule": rule, "matches": matches, "inForce": values});
        writeln!(out, "{document:#}")?;
        return Ok(());
    }
    writeln!(out, "namespace {name}")?;
    for (what, InForce { value, source, is_label_ignored }) in rows {
        let ignored = if is_label_ignored { "; the label does not lower it" } else { "" };
        writeln!(out, "  {what:10}  {value:14}  {source}{ignored}")?;
    }
    if let Some((at, rule)) = resolved.rule.and_then(|at| Some((at, config.levels.get(at)?))) {
        writeln!(out, "levels[{at}] matches {}", rule.describe())?;
    }
    Ok(())
}

fn rows(resolved: &Resolved) -> [(&'static str, InForce); 4] {
    let Resolved { rule, enforce, warn, audit, enforce_on } = resolved;
    let row = |what: &'static str, value: &'static str, source: Source, is_label_ignored: bool| {
        let place = rule.map_or_else(String::new, |at| format!("levels[{at}]"));
        let label = format!("label rolecall.dev/{what}");
        let source = match source {
            Source::Default => "default".to_owned(),
            Source::Rule => place,
            Source::Label => label,
            Source::RuleAndLabel => format!("{place} and {label}"),
        };
        (what, InForce { value, source, is_label_ignored })
    };
    [
        row("enforce", enforce.value.name(), enforce.source, enforce.is_label_ignored),
        row("warn", warn.value.name(), warn.source, warn.is_label_ignored),
        row("audit", audit.value.name(), audit.source, audit.is_label_ignored),
        row("enforce-on", enforce_on.value.name(), enforce_on.source, enforce_on.is_label_ignored),
    ]
}

/// A rule of the configuration's `levels`.
struct ShownRule {
    /// The namespaces that it matches.
    matches: String,
    /// The values that it sets.
    sets: Vec<(&'static str, &'static str)>,
    labels_may_lower: bool,
}

impl ShownRule {
    fn of((rule, written): (&LevelRule, &LevelRuleConfig)) -> Self {
        let PartialPolicy { enforce, warn, audit, enforce_on } = rule.sets;
        let values = [
            ("enforce", enforce.map(Level::name)),
            ("warn", warn.map(Level::name)),
            ("audit", audit.map(Level::name)),
            ("enforce-on", enforce_on.map(EnforceOn::name)),
        ];
        let sets = values.into_iter().filter_map(|(what, value)| Some((what, value?))).collect();
        Self { matches: written.describe(), sets, labels_may_lower: rule.labels_may_lower }
    }

    fn text(&self) -> String {
        let sets = self.sets.iter().map(|(what, value)| format!("{what} {value}"));
        let lower = self.labels_may_lower.then(|| "labels may lower it".to_owned());
        format!("{}: {}", self.matches, sets.chain(lower).collect::<Vec<_>>().join(", "))
    }

    fn json(&self) -> serde_json::Value {
        let sets: BTreeMap<_, _> = self.sets.iter().copied().collect();
        serde_json::json!({"matches": self.matches, "sets": sets, "labelsMayLower": self.labels_may_lower})
    }
}

fn show_all(config: &Config, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let assignment = config.levels();
    let NamespacePolicy { levels, enforce_on } = assignment.defaults;
    let rules: Vec<ShownRule> = assignment.rules.iter().zip(&config.levels).map(ShownRule::of).collect();
    let defaults = [
        ("enforce", levels.enforce.name()),
        ("warn", levels.warn.name()),
        ("audit", levels.audit.name()),
        ("enforce-on", enforce_on.name()),
    ];
    if format == Format::Json {
        let defaults: BTreeMap<_, _> = defaults.into_iter().collect();
        let rules: Vec<_> = rules.iter().map(ShownRule::json).collect();
        writeln!(out, "{:#}", serde_json::json!({"defaults": defaults, "levels": rules}))?;
        return Ok(());
    }
    writeln!(out, "defaults")?;
    for (what, value) in defaults {
        writeln!(out, "  {what:10}  {value}")?;
    }
    for (at, rule) in rules.iter().enumerate() {
        writeln!(out, "levels[{at}]  {}", rule.text())?;
    }
    Ok(())
}
