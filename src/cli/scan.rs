//! `rolecall scan`

use std::io::Write;

use super::Exit;
use super::args::ScanArgs;

/// Refuses: this build knows no cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "kube"))]
pub fn scan(_: &ScanArgs, _: &mut dyn Write) -> anyhow::Result<Exit> {
    anyhow::bail!("scan: this build has no feature `kube`, which reads clusters; rolecall check judges manifests")
}

/// Judges a running cluster, and prints what was found or writes it as reports.
///
/// # Errors
/// Where the cluster or the source cannot be read, or reports cannot be written.
#[cfg(feature = "kube")]
pub fn scan(args: &ScanArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    kube::scan(args, out)
}

#[cfg(feature = "kube")]
mod kube {
    use std::collections::{BTreeSet, HashSet};
    use std::io::Write;
    use std::sync::Arc;
    use std::time::Duration;

    use ::kube::Client;
    use anyhow::{Context, bail};
    use jiff::Timestamp;
    use rolecall_core::snapshot::Snapshot;
    use rolecall_core::world::World;
    use tokio::runtime::Runtime;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use crate::cli::acceptance::{self, RuleFilter};
    use crate::cli::args::{LevelArg, ReportsArg, ScanArgs};
    use crate::cli::output::{Outputs, ReportFormat, text_options};
    use crate::cli::progress::Bar;
    use crate::cli::{Exit, defaults, teams};
    use crate::config::Config;
    use crate::kube::{ReportKind, connect, reports_known, write_reports};
    use crate::report::{self, Dialect, Report, policy_reports};
    use crate::scan::{Facts, Scope, read_facts, read_named, read_roles, read_workloads};
    use crate::sources::{Loaded, SourceKind, SourceOptions, load_snapshot};

    /// A scan that can be done again.
    struct Scan {
        args: ScanArgs,
        config: Config,
        filter: RuleFilter,
        scope: Scope,
        /// Whether a report tells what roles may do.
        describes_roles: bool,
        runtime: Runtime,
        client: Client,
    }

    /// What a scan says, and the namespaces that hold reports.
    struct Done {
        report: Report,
        namespaces: Option<HashSet<Box<str>>>,
        whole: bool,
    }

    pub(super) fn scan(args: &ScanArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let loaded = defaults::load(args.config.as_deref())?;
        let args = loaded.scan_args(args.clone())?;
        let config = loaded.config;
        let filter = RuleFilter::new(&args.report)?;
        let outputs = Outputs::new(args.format, &args.report.output)?;
        if args.would_deny && !outputs.are_all(&[ReportFormat::Text, ReportFormat::Json]) {
            bail!("--would-deny has the formats text and json");
        }
        if outputs.have(ReportFormat::Gitlab) {
            bail!("--output gitlab: what is found in a cluster has no file; use another format");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("no runtime can be had")?;
        let client = runtime.block_on(connect(args.context.as_deref()))?;
        let scope =
            Scope { namespaces: distinct(&args.namespaces), no_exemptions: config.forbid_exemptions_in.clone() };
        let describes_roles = args.reports.is_none() && outputs.describe_roles();
        let scan = Scan { args, config, filter, scope, describes_roles, runtime, client };
        let Some(reports) = scan.args.reports else {
            let Done { mut report, .. } = scan.once()?;
            acceptance::accept(&mut report, &scan.args.report)?;
            let text = text_options(&scan.args.report, &scan.config);
            outputs.write_files(&report, &text)?;
            match outputs.standard {
                Some(ReportFormat::Text) if scan.args.would_deny => report::would_deny(&report, out)?,
                Some(format) => format.write(&report, &text, out)?,
                None => {}
            }
            let is_baseline = acceptance::write_baseline(&report, &scan.args.report, &mut std::io::stderr())?;
            let is_clean = match &report.would_deny {
                Some(denials) => denials.is_empty(),
                None => !report.counts() || is_baseline,
            };
            return Ok(if is_clean { Exit::Clean } else { Exit::Findings });
        };
        let dialect = match reports {
            ReportsArg::OpenReports => Dialect::OpenReports,
            ReportsArg::PolicyWorkingGroup => Dialect::PolicyWorkingGroup,
        };
        match scan.args.every {
            None => scan.write(dialect, out)?,
            Some(every) => scan.write_forever(dialect, every, out)?,
        }
        Ok(Exit::Clean)
    }

    fn distinct(names: &[String]) -> Vec<String> {
        let names: BTreeSet<&String> = names.iter().collect();
        names.into_iter().cloned().collect()
    }

    impl Scan {
        fn once(&self) -> anyhow::Result<Done> {
            let bar = Bar::of_objects();
            let done = self.read(&bar);
            bar.end();
            done
        }

        fn read(&self, bar: &Bar) -> anyhow::Result<Done> {
            let Self { args, config, filter, scope, describes_roles, runtime, client } = self;
            let conventions = config.conventions();
            let injector = &config.cluster.injector_configuration;
            let mut facts = runtime.block_on(read_facts(client, scope, &conventions, injector, bar))?;
            let named = runtime.block_on(read_named(client, scope, bar));
            facts.roles.extend(named.roles);
            let Loaded { snapshot, unread } = self.snapshot(&mut facts, bar)?;
            let mut cluster = std::mem::take(&mut facts.cluster);
            for (namespace, name) in &named.accounts {
                cluster.objects.add_of_controller(namespace.as_deref(), name);
            }
            named.served.iter().for_each(|served| cluster.objects.add_served(*served));
            let namespaces = facts.namespaces().cloned();
            let world = World::new(Arc::new(snapshot), cluster, conventions);
            let report = Report::new(args.level.unwrap_or(LevelArg::Fallback).into(), &world.snapshot)
                .with_denials(args.would_deny);
            let mut report = report.with_docs(config.messages.docs_url.clone());
            if args.source.is_none() {
                report.note("no --source: roles, providers and associations are unknown");
            }
            for part in &unread {
                report.note(&format!("not read: {part}"));
            }
            let now = Timestamp::now();
            report.scanned_at = Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            let scanned = runtime.block_on(read_workloads(client, scope, &world, facts, now, bar))?;
            let whole = scanned.unread.is_empty();
            report.add_scan(scanned);
            filter.apply(&mut report);
            report.finish();
            if let Some(key) = &args.report.team_label {
                report.name_teams(|resource| teams::of_namespace(&world, resource, key));
            }
            if *describes_roles {
                report.describe_roles(&world.snapshot);
            }
            Ok(Done { report, namespaces, whole })
        }

        /// The snapshot; of live AWS, with the roles that the cluster names. The source has a runtime of its own.
        fn snapshot(&self, facts: &mut Facts, bar: &Bar) -> anyhow::Result<Loaded> {
            let Some(source) = &self.args.source else {
                return Ok(Loaded { snapshot: Snapshot::default(), unread: Vec::new() });
            };
            let mut roles = BTreeSet::new();
            if SourceKind::of(source) == SourceKind::Aws {
                roles = std::mem::take(&mut facts.roles);
                roles.extend(self.runtime.block_on(read_roles(&self.client, &self.scope, bar))?);
            }
            let options = SourceOptions { cluster: self.args.cluster.as_deref(), aws: &self.config.aws, roles };
            load_snapshot(source, &options)
        }

        /// Scans and writes reports once.
        fn write(&self, dialect: Dialect, out: &mut dyn Write) -> anyhow::Result<()> {
            let kind = ReportKind {
                api_version: dialect.api_version(),
                plural: dialect.plural(false),
                cluster_plural: dialect.plural(true),
            };
            // Before the work is done.
            self.runtime.block_on(reports_known(&self.client, kind))?;
            let Done { report, namespaces, whole } = self.once()?;
            let named = &self.scope.namespaces;
            let exists = |name: &str| match &namespaces {
                Some(all) => all.contains(name),
                None => named.is_empty() || named.iter().any(|known| known == name),
            };
            let most = self.config.reports.max_results;
            let reports = policy_reports(&report, dialect, most, Timestamp::now(), exists);
            let reports = reports.into_iter().map(|report| (report.namespace, report.body)).collect();
            // Of what was not read, what stands in a report may still be true.
            let done = self.runtime.block_on(write_reports(&self.client, kind, reports, whole, named))?;
            let summary = &report.summary;
            for note in &summary.notes {
                writeln!(out, "note: {note}")?;
            }
            writeln!(
                out,
                "{}: {} certain, {} likely, {} undecided; reports: {} written, {} unchanged, {} deleted",
                report::count(summary.pods.unwrap_or_default(), "pod"),
                summary.certain,
                summary.likely,
                summary.undecided,
                done.written,
                done.unchanged,
                done.deleted,
            )?;
            Ok(out.flush()?)
        }

        /// The same until SIGTERM or SIGINT. A scan that fails is reported, and the next one tries again.
        fn write_forever(&self, dialect: Dialect, every: Duration, out: &mut dyn Write) -> anyhow::Result<()> {
            let _entered = self.runtime.enter();
            let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
            drop(_entered);
            loop {
                if let Err(error) = self.write(dialect, out) {
                    // Standard error may be closed; the next round is done all the same.
                    let _ = writeln!(std::io::stderr(), "error: {error:#}");
                }
                if self.runtime.block_on(ends(every, &mut terminate, &mut interrupt)) {
                    return Ok(());
                }
            }
        }
    }

    /// Waits; whether it is the end.
    async fn ends(every: Duration, terminate: &mut Signal, interrupt: &mut Signal) -> bool {
        tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            () = tokio::time::sleep(every) => false,
        }
    }
}
