//! Where and how reports are written.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::args::ReportArgs;
use crate::config::Config;
use crate::report::{self, Report, TextOptions};

/// `--format` of `check` and `scan`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs
    Json,
    /// SARIF 2.1.0, for GitHub code scanning and others
    Sarif,
    /// JUnit XML, one test case per resource
    Junit,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab code quality report
    Gitlab,
    /// Markdown table, for a comment on a pull request
    Markdown,
    /// One row per container, in columns: its identity, its role, whether it works, and why not
    Table,
    /// The same as comma-separated values, with more columns
    Csv,
    /// One page without outside requests: totals, every container, findings with fixes, roles, chains
    Html,
}

impl ReportFormat {
    /// Writes a report.
    pub(super) fn write(self, report: &Report, options: &TextOptions, out: &mut dyn Write) -> anyhow::Result<()> {
        match self {
            Self::Text => report::text(report, options, out),
            Self::Json => report::json(report, out),
            Self::Sarif => report::sarif(report, out),
            Self::Junit => report::junit(report, out),
            Self::Github => report::github(report, out),
            Self::Gitlab => report::gitlab(report, out),
            Self::Markdown => report::markdown(report, out),
            Self::Table => report::table(report, &options.roll_call, out),
            Self::Csv => report::csv(report, &options.roll_call, out),
            Self::Html => report::html(report, out),
        }
    }
}

/// `--output`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputArg {
    /// The format.
    pub format: ReportFormat,
    /// The file; `None` for standard output.
    pub file: Option<PathBuf>,
}

impl OutputArg {
    /// Reads `FORMAT=FILE`.
    ///
    /// # Errors
    /// Where the format is unknown or the file is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((format, file)) = text.split_once('=').filter(|(_, file)| !file.is_empty()) else {
            return Err("must be FORMAT=FILE, such as sarif=rolecall.sarif or json=-".to_owned());
        };
        let format = ReportFormat::from_str(format, false).map_err(|_| {
            let known = ReportFormat::value_variants().iter().filter_map(|format| format.to_possible_value());
            let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
            format!("`{}` is no format: use {}", format.escape_debug(), known.join(", "))
        })?;
        Ok(Self { format, file: (file != "-").then(|| PathBuf::from(file)) })
    }
}

/// Where a command writes its reports.
#[derive(Debug)]
pub(super) struct Outputs {
    /// What goes to standard output, if anything does.
    pub(super) standard: Option<ReportFormat>,
    files: Vec<(ReportFormat, PathBuf)>,
}

impl Outputs {
    /// By `--format` and `--output`.
    ///
    /// # Errors
    /// Where two reports would go to one place.
    pub(super) fn new(format: Option<ReportFormat>, outputs: &[OutputArg]) -> anyhow::Result<Self> {
        let mut standard = format;
        let mut files: Vec<(ReportFormat, PathBuf)> = Vec::new();
        for OutputArg { format, file } in outputs {
            match file {
                None if standard.is_some() => bail!("standard output takes one report: name one format for it"),
                None => standard = Some(*format),
                Some(file) if files.iter().any(|(_, other)| other == file) => {
                    bail!("--output names {} twice", file.display())
                }
                Some(file) => files.push((*format, file.clone())),
            }
        }
        if outputs.is_empty() {
            standard = Some(standard.unwrap_or_default());
        }
        Ok(Self { standard, files })
    }

    /// Whether one of them tells what roles may do: that is asked of their policies, and takes time.
    pub(super) fn describe_roles(&self) -> bool {
        [ReportFormat::Json, ReportFormat::Table, ReportFormat::Csv, ReportFormat::Html]
            .into_iter()
            .any(|one| self.have(one))
    }

    /// Whether one of them has this format.
    pub(super) fn have(&self, format: ReportFormat) -> bool {
        self.standard == Some(format) || self.files.iter().any(|(other, _)| *other == format)
    }

    /// Whether all have one of these formats.
    #[cfg(feature = "kube")]
    pub(super) fn are_all(&self, formats: &[ReportFormat]) -> bool {
        let files = self.files.iter().map(|(format, _)| format);
        self.standard.iter().chain(files).all(|format| formats.contains(format))
    }

    /// Writes the files.
    ///
    /// # Errors
    /// Where one cannot be written.
    pub(super) fn write_files(&self, report: &Report, options: &TextOptions) -> anyhow::Result<()> {
        for (format, file) in &self.files {
            let mut text = Vec::new();
            // A file has no colours and no width.
            let options = TextOptions { width: None, ..options.clone() };
            format.write(report, &options, &mut anstream::StripStream::new(&mut text))?;
            replace(file, &text)?;
        }
        Ok(())
    }
}

/// Writes a file whole: a reader sees the old one or the new one.
pub(super) fn replace(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        // What is no plain file, such as a pipe, cannot be replaced.
        if file.exists() && !file.is_file() {
            return std::fs::write(file, text);
        }
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = file.with_file_name(name);
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, file).inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })
    };
    write().with_context(|| format!("{}: cannot be written", file.display()))
}

/// How the text report is written.
pub(super) fn text_options(args: &ReportArgs, config: &Config) -> TextOptions {
    let fixes = config.fix_format(args.fix_format.map(Into::into));
    TextOptions { fixes, detail: args.detail(), width: width(), roll_call: args.roll_call() }
}

/// Columns of the terminal: `COLUMNS`, else what the terminal says; `None` where the output goes elsewhere.
fn width() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let of_terminal = || {
        let size = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        size.map(|(width, _)| usize::from(width.0))
    };
    asked.or_else(of_terminal).filter(|columns| *columns > 0)
}
