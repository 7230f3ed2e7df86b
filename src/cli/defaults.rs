//! What is used where an option is not given: a flag goes before its environment variable, that before the configuration file,
//! and that before the built-in default.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueEnum;

#[cfg(feature = "kube")]
use super::args::ScanArgs;
use super::args::{CheckArgs, LevelArg, ReportArgs};
use super::output::{OutputArg, ReportFormat};
#[cfg(feature = "kube")]
use crate::config::ScanConfig;
use crate::config::{CheckConfig, Config};
use crate::sources::SourceKind;

/// The file that is used without `--config`.
const FILE: &str = ".rolecall.yaml";

/// A configuration, and the folder that its paths begin in.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) config: Config,
    folder: PathBuf,
}

/// Reads the file that is named, else the nearest `.rolecall.yaml`.
///
/// # Errors
/// Where it cannot be read or is malformed.
pub(super) fn load(named: Option<&Path>) -> anyhow::Result<Loaded> {
    let Some(file) = named.map(Path::to_owned).or_else(nearest) else { return Ok(Loaded::default()) };
    let config = Config::load(&file)?;
    let loaded = Loaded { config, folder: file.parent().map(Path::to_owned).unwrap_or_default() };
    loaded.check().with_context(|| file.display().to_string())?;
    Ok(loaded)
}

/// The nearest file in the current folder and those above it; its path is relative where it is in the current one.
fn nearest() -> Option<PathBuf> {
    if Path::new(FILE).is_file() {
        return Some(PathBuf::from(FILE));
    }
    let current = std::env::current_dir().ok()?;
    current.ancestors().skip(1).map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

impl Loaded {
    fn check(&self) -> anyhow::Result<()> {
        self.check_args(CheckArgs::default())?;
        #[cfg(feature = "kube")]
        self.scan_args(ScanArgs::default())?;
        Ok(())
    }

    /// The arguments of `check`, with the defaults of the file.
    pub(super) fn check_args(&self, args: CheckArgs) -> anyhow::Result<CheckArgs> {
        let CheckConfig {
            namespace,
            substitute,
            substitute_file,
            exclude,
            allow_empty,
            strict_input,
            manifests,
            context,
            source,
            cluster,
            level,
            format,
            output,
            fail_on,
            select,
            ignore,
            baseline,
        } = &self.config.check;
        let reporting = Reporting { section: "check", output, fail_on, select, ignore, baseline };
        let knows_cluster = args.context.is_some() || !args.manifests.is_empty();
        let mut args = args;
        args.input.namespace = args.input.namespace.or_else(|| namespace.clone());
        fill(&mut args.input.substitute, || substitute.clone());
        fill(&mut args.input.substitute_file, || substitute_file.iter().map(|file| self.path(file)).collect());
        fill(&mut args.exclude, || exclude.clone());
        args.allow_empty = args.allow_empty.or(*allow_empty);
        args.strict_input = args.strict_input.or(*strict_input);
        if !knows_cluster {
            args.context = context.clone();
            args.manifests = manifests.iter().map(|path| self.text_of(path)).collect();
        }
        args.source = args.source.or_else(|| source.as_deref().map(|source| self.source(source)));
        args.cluster = args.cluster.or_else(|| cluster.clone());
        args.level = args.level.or(named::<LevelArg>("check.level", level.as_deref())?);
        (args.format, args.report) = self.report(reporting, args.format, format.as_deref(), args.report)?;
        Ok(args)
    }

    /// The same of `scan`.
    #[cfg(feature = "kube")]
    pub(super) fn scan_args(&self, args: ScanArgs) -> anyhow::Result<ScanArgs> {
        let ScanConfig {
            namespaces,
            context,
            source,
            cluster,
            level,
            format,
            output,
            fail_on,
            select,
            ignore,
            baseline,
        } = &self.config.scan;
        let reporting = Reporting { section: "scan", output, fail_on, select, ignore, baseline };
        let mut args = args;
        fill(&mut args.namespaces, || namespaces.clone());
        args.context = args.context.or_else(|| context.clone());
        args.source = args.source.or_else(|| source.as_deref().map(|source| self.source(source)));
        args.cluster = args.cluster.or_else(|| cluster.clone());
        args.level = args.level.or(named::<LevelArg>("scan.level", level.as_deref())?);
        (args.format, args.report) = self.report(reporting, args.format, format.as_deref(), args.report)?;
        Ok(args)
    }

    fn report(
        &self,
        of: Reporting<'_>,
        format: Option<ReportFormat>,
        default_format: Option<&str>,
        mut args: ReportArgs,
    ) -> anyhow::Result<(Option<ReportFormat>, ReportArgs)> {
        let field = |name: &str| format!("{}.{name}", of.section);
        let default_format = named(&field("format"), default_format)?;
        let outputs =
            of.output.iter().map(|text| OutputArg::parse(text).map_err(|e| anyhow!("{}: {e}", field("output"))));
        let outputs: Vec<OutputArg> = outputs.collect::<anyhow::Result<_>>()?;
        // Either of them says where the report goes: what the file says of both does not count then.
        let mut format = format;
        if format.is_none() && args.output.is_empty() {
            format = default_format;
            args.output = outputs
                .into_iter()
                .map(|OutputArg { format, file }| OutputArg { format, file: file.map(|file| self.folder.join(file)) })
                .collect();
        }
        args.fail_on = args.fail_on.or(named(&field("failOn"), of.fail_on.as_deref())?);
        fill(&mut args.select, || of.select.clone());
        fill(&mut args.ignore, || of.ignore.clone());
        args.baseline = args.baseline.or_else(|| of.baseline.as_deref().map(|file| self.path(file)));
        Ok((format, args))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn text_of(&self, path: &str) -> String {
        if path == "-" { path.to_owned() } else { self.path(path).display().to_string() }
    }

    /// A source: a path is relative to the file, a URL and `aws` are as they are.
    fn source(&self, source: &str) -> String {
        match SourceKind::of(source) {
            SourceKind::File if !source.contains("://") && !source.starts_with("file:") => self.text_of(source),
            _ => source.to_owned(),
        }
    }
}

/// What both commands have in the file.
#[derive(Clone, Copy)]
struct Reporting<'c> {
    section: &'static str,
    output: &'c [String],
    fail_on: &'c Option<String>,
    select: &'c Vec<String>,
    ignore: &'c Vec<String>,
    baseline: &'c Option<String>,
}

fn fill<T>(list: &mut Vec<T>, default: impl FnOnce() -> Vec<T>) {
    if list.is_empty() {
        *list = default();
    }
}

/// The value of this name.
fn named<T: ValueEnum>(field: &str, name: Option<&str>) -> anyhow::Result<Option<T>> {
    let Some(name) = name else { return Ok(None) };
    T::from_str(name, false).map(Some).map_err(|_| {
        let known: Vec<String> = T::value_variants()
            .iter()
            .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
            .collect();
        anyhow!("{field}: `{}` must be one of {}", name.escape_debug(), known.join(", "))
    })
}
