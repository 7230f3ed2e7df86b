//! The roll call: one row for each container, with the identity it gets, its role, and whether that works. As a table for the eye,
//! and as comma-separated values for spreadsheets.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::Write;

use clap::ValueEnum;
use rolecall_core::chain::State;
use rolecall_core::finding::{Certainty, printable};
use rolecall_core::identity::Identity;
use rolecall_message::count;

use super::model::{Report, ReportedFinding, ReportedResource, ReportedWorkload};
use super::roles::ReportedRole;

/// Which rows there are, and in which order.
#[derive(Debug, Clone, Default)]
pub struct RollCall {
    /// Identities as the JSON report names them; empty: all.
    pub identities: Vec<String>,
    /// ARN or name of a role; `None`: all.
    pub role: Option<String>,
    /// Rows of one group follow each other, under its name.
    pub group_by: Option<GroupBy>,
    /// The order of rows within a group.
    pub sort: RollCallOrder,
}

/// What groups rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    /// The namespace of the workload
    Namespace,
    /// The role
    Role,
    /// The account of the role
    Account,
    /// The team, by --team-label
    Team,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RollCallOrder {
    /// Namespace, kind, name and container
    #[default]
    Name,
    /// What does not work first
    Chain,
    /// The most powerful role first
    Power,
    /// The role that most others can assume first
    Trust,
    /// The role that was not used for the longest time first
    LastUsed,
}

impl RollCall {
    fn takes(&self, row: &Row<'_>) -> bool {
        let workload = row.workload;
        let by_identity =
            self.identities.is_empty() || self.identities.iter().any(|name| name == workload.identity.name());
        let by_role = self.role.as_deref().is_none_or(|wanted| {
            workload.role.as_deref().is_some_and(|arn| arn == wanted || short_role(arn) == wanted)
        });
        by_identity && by_role
    }

    fn group<'r>(&self, row: &Row<'r>) -> Option<&'r str> {
        let role = row.workload.role.as_deref();
        let group = match self.group_by? {
            GroupBy::Namespace => Some(&*row.workload.resource.namespace),
            GroupBy::Role => role,
            GroupBy::Account => role.map(account),
            GroupBy::Team => row.workload.team.as_deref(),
        };
        Some(group.unwrap_or_default())
    }

    fn compare(&self, a: &Row<'_>, b: &Row<'_>) -> Ordering {
        let by_order = match self.sort {
            RollCallOrder::Name => Ordering::Equal,
            RollCallOrder::Chain => chain_rank(a.workload.chain).cmp(&chain_rank(b.workload.chain)),
            RollCallOrder::Power => power_rank(a.role).cmp(&power_rank(b.role)),
            RollCallOrder::Trust => trust(b.role).cmp(&trust(a.role)),
            RollCallOrder::LastUsed => used(a.role).cmp(&used(b.role)),
        };
        let by_name = a.workload.resource.cmp(&b.workload.resource);
        let by_name = by_name.then_with(|| a.workload.container.cmp(&b.workload.container));
        self.group(a).cmp(&self.group(b)).then(by_order).then(by_name)
    }
}

fn chain_rank(chain: State) -> u8 {
    match chain {
        State::Broken => 0,
        State::Unknown => 1,
        State::Holds => 2,
    }
}

fn power_rank(role: Option<&ReportedRole>) -> usize {
    let names = ["administrator", "can-escalate", "wildcards", "scoped", "not-read"];
    let power = role.and_then(|role| role.power);
    names.iter().position(|name| Some(*name) == power).unwrap_or(names.len())
}

fn trust(role: Option<&ReportedRole>) -> Option<rolecall_core::chain::TrustWidth> {
    role.and_then(|role| role.trust_width)
}

/// Never used before the oldest use; not read last.
fn used(role: Option<&ReportedRole>) -> (bool, Option<&str>) {
    match role.and_then(|role| role.last_used.as_ref()) {
        Some(time) => (false, time.as_deref()),
        None => (true, None),
    }
}

fn short_role(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// A container, with what is known of its role and what is wrong with it.
struct Row<'r> {
    workload: &'r ReportedWorkload,
    role: Option<&'r ReportedRole>,
    /// The surest finding of the container, of its workload or of its service account.
    finding: Option<&'r ReportedFinding>,
    /// How many findings there are.
    findings: usize,
}

impl Row<'_> {
    fn works(&self) -> &'static str {
        match self.workload.chain {
            State::Holds => "yes",
            State::Broken => "no",
            State::Unknown => "unknown",
        }
    }

    fn last_used(&self) -> String {
        match self.role.and_then(|role| role.last_used.as_ref()) {
            Some(Some(time)) => time.split('T').next().unwrap_or(time).to_owned(),
            Some(None) => "never".to_owned(),
            None => String::new(),
        }
    }

    fn why(&self) -> String {
        self.finding.map(|finding| format!("{} [{}]", finding.message, finding.rule)).unwrap_or_default()
    }

    fn trust_width(&self) -> &'static str {
        trust(self.role).map_or("", |width| width.name())
    }
}

/// The rows of a report, in order.
fn rows<'r>(report: &'r Report, call: &RollCall) -> Vec<Row<'r>> {
    let mut findings: HashMap<&ReportedResource, Vec<&ReportedFinding>> = HashMap::new();
    for finding in &report.findings {
        findings.entry(&finding.resource).or_default().push(finding);
    }
    let row = |workload: &'r ReportedWorkload| {
        let account = ReportedResource {
            namespace: workload.resource.namespace.clone(),
            kind: "ServiceAccount".into(),
            name: workload.service_account.clone().unwrap_or_default(),
        };
        let own = findings.get(&workload.resource).into_iter().flatten();
        let own = own.filter(|finding| finding.container.as_ref().is_none_or(|name| *name == workload.container));
        let mut of_container: Vec<&'r ReportedFinding> = own.copied().collect();
        let of_account = findings.get(&account).into_iter().flatten();
        let more: Vec<_> =
            of_account.filter(|one| of_container.iter().all(|own| own.rule != one.rule)).copied().collect();
        of_container.extend(more);
        let surest =
            of_container.iter().copied().max_by_key(|finding| (finding.certainty, std::cmp::Reverse(finding.level)));
        Row {
            workload,
            role: workload.role.as_deref().and_then(|arn| report.role(arn)),
            finding: surest
                .filter(|finding| finding.certainty != Certainty::Undecided || workload.chain != State::Holds),
            findings: of_container.len(),
        }
    };
    let mut rows: Vec<Row<'r>> = report.workloads.iter().map(row).filter(|row| call.takes(row)).collect();
    rows.sort_by(|a, b| call.compare(a, b));
    rows
}

/// Writes the roll call as a table, with totals.
///
/// # Errors
/// Where writing fails.
pub fn table(report: &Report, call: &RollCall, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows = rows(report, call);
    let header = [
        "NAMESPACE",
        "WORKLOAD",
        "CONTAINER",
        "IDENTITY",
        "ROLE",
        "ACCOUNT",
        "WORKS",
        "POWER",
        "TRUST",
        "LAST USED",
        "TEAM",
        "WHY",
    ];
    let cells = |row: &Row<'_>| {
        let workload = row.workload;
        let role = workload.role.as_deref();
        let pods = workload.count.map(|pods| format!(" ({})", count(pods, "pod"))).unwrap_or_default();
        [
            workload.resource.namespace.clone(),
            format!("{}/{}{pods}", workload.resource.kind, workload.resource.name),
            workload.container.clone(),
            workload.identity.name().to_owned(),
            role.map(short_role).unwrap_or_default().to_owned(),
            role.map(account).unwrap_or_default().to_owned(),
            row.works().to_owned(),
            row.role.and_then(|role| role.power).unwrap_or_default().to_owned(),
            row.trust_width().to_owned(),
            row.last_used(),
            workload.team.clone().unwrap_or_default(),
            row.why(),
        ]
        .map(|cell| if cell.is_empty() { "-".to_owned() } else { printable(&cell) })
    };
    let lines: Vec<[String; 12]> = rows.iter().map(cells).collect();
    // A column in which no row has anything is left out.
    let shown: Vec<usize> = (0..header.len())
        .filter(|column| *column < 7 || lines.iter().any(|line| line.get(*column).is_some_and(|cell| cell != "-")))
        .collect();
    let heads = header.map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&heads).chain(&lines).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = shown.iter().map(|column| width(*column)).collect();
    let line = |cells: &[String; 12], out: &mut dyn Write| -> anyhow::Result<()> {
        let padded =
            shown.iter().zip(&widths).filter_map(|(column, width)| Some(format!("{:width$}", cells.get(*column)?)));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        Ok(())
    };
    line(&heads, out)?;
    let mut group = None;
    for (row, cells) in rows.iter().zip(&lines) {
        let of_row = call.group(row);
        if of_row != group {
            group = of_row;
            writeln!(out, "\n{}", printable(of_row.filter(|name| !name.is_empty()).unwrap_or("none")))?;
        }
        line(cells, out)?;
    }
    totals(report, &rows, out)
}

/// What the rows come to.
fn totals(report: &Report, rows: &[Row<'_>], out: &mut dyn Write) -> anyhow::Result<()> {
    let of = |identity: Identity| rows.iter().filter(|row| row.workload.identity == identity).count();
    let not_working = rows.iter().filter(|row| row.workload.chain == State::Broken).count();
    writeln!(
        out,
        "\n{}: {} by irsa, {} by pod-identity, {} on the node role, {} with static keys; {} broken",
        count(rows.len(), "container"),
        of(Identity::Irsa),
        of(Identity::PodIdentity),
        of(Identity::Node),
        of(Identity::StaticKeys),
        not_working,
    )?;
    let summary = &report.summary;
    writeln!(
        out,
        "findings: {} certain, {} likely, {} undecided at level {}",
        summary.certain, summary.likely, summary.undecided, summary.level
    )?;
    Ok(())
}

/// The columns of the comma-separated values.
const COLUMNS: [&str; 24] = [
    "namespace",
    "kind",
    "name",
    "container",
    "pods",
    "serviceAccount",
    "identity",
    "role",
    "account",
    "chain",
    "power",
    "powerBy",
    "trustWidth",
    "lastUsed",
    "team",
    "findings",
    "rule",
    "certainty",
    "impact",
    "message",
    "expected",
    "found",
    "fix",
    "place",
];

/// Writes the roll call as comma-separated values with a header (RFC 4180).
///
/// # Errors
/// Where writing fails.
pub fn csv(report: &Report, call: &RollCall, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for row in rows(report, call) {
        let Row { workload, role, finding, findings } = &row;
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let of_finding = |of: fn(&ReportedFinding) -> String| finding.map(of).unwrap_or_default();
        let arn = workload.role.as_deref();
        let last_used = match role.and_then(|role| role.last_used.as_ref()) {
            Some(time) => time.clone().unwrap_or_else(|| "never".to_owned()),
            None => String::new(),
        };
        let cells: [String; 24] = [
            workload.resource.namespace.clone(),
            workload.resource.kind.to_string(),
            workload.resource.name.clone(),
            workload.container.clone(),
            workload.count.unwrap_or(1).to_string(),
            text(workload.service_account.as_ref()),
            workload.identity.name().to_owned(),
            text(workload.role.as_ref()),
            arn.map(account).unwrap_or_default().to_owned(),
            workload.chain.name().to_owned(),
            role.and_then(|role| role.power).unwrap_or_default().to_owned(),
            role.map(|role| role.power_by.join(" ")).unwrap_or_default(),
            row.trust_width().to_owned(),
            last_used,
            text(workload.team.as_ref()),
            findings.to_string(),
            of_finding(|finding| finding.rule.to_owned()),
            of_finding(|finding| finding.certainty.name().to_owned()),
            of_finding(|finding| finding.impact.name().to_owned()),
            of_finding(|finding| finding.message.clone()),
            of_finding(|finding| finding.expected.clone().unwrap_or_default()),
            of_finding(|finding| finding.found.clone().unwrap_or_default()),
            of_finding(|finding| finding.fix.clone()),
            of_finding(|finding| finding.location.as_ref().map(super::FindingLocation::place).unwrap_or_default()),
        ];
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// A value in quotes where it needs them. A spreadsheet takes what begins with some characters for a formula: an apostrophe
/// makes it a text (OWASP, "CSV Injection").
fn cell(text: &str) -> String {
    let text = printable(text);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        assert_eq!(cell("a b"), "a b");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell("a\nb"), "a b");
        assert_eq!(cell("-"), "'-");
    }
}
