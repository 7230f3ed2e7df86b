//! Answers to `rolecall who-can`.

use std::io::Write;

use rolecall_core::chain::State;
use rolecall_core::finding::printable;
use rolecall_core::identity::Identity;
use rolecall_core::judge::EffectiveIdentity;
use rolecall_core::permission::{Answer, Need};
use rolecall_message::count;
use serde::Serialize;

use super::can_i::{Can, CanI, Through, doubt, words};

/// Who is allowed an action, or may be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoCan {
    /// The action asked for.
    pub action: String,
    /// The resource asked for; null: some resource.
    pub resource: Option<String>,
    /// Service accounts by name, then node roles.
    pub allowed: Vec<Allowed>,
    /// What AWS considers and this did not.
    pub not_considered: Vec<String>,
    /// What to know when reading this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Totals.
    pub summary: WhoCanSummary,
}

/// Totals.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoCanSummary {
    /// Service accounts and node roles that are allowed it.
    pub yes: usize,
    /// Those for which it depends.
    pub depends: usize,
    /// Service accounts that were looked at.
    pub service_accounts: usize,
    /// Of them, those without an identity of their own: their pods use the node role.
    pub without_identity: usize,
    /// Task definitions of Amazon ECS that were looked at.
    pub task_definitions: usize,
    /// Identities of custom resources that were looked at.
    pub custom_resources: usize,
    /// Node roles that were looked at.
    pub node_roles: usize,
}

/// A service account, a task definition, a custom resource or a node role that is allowed the action, or may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// NAMESPACE/SERVICEACCOUNT, ecs:FAMILY or KIND NAMESPACE/NAME; null for a node role.
    pub subject: Option<String>,
    /// `irsa`, `pod-identity`, `task-role`, `static-keys` or `node`.
    pub identity: &'static str,
    /// The role.
    pub role: Option<String>,
    /// Whether the chain to the role holds; null for a node role.
    pub chain: Option<&'static str>,
    /// `yes` or `depends`.
    pub answer: Can,
    /// What it depends on.
    pub reasons: Vec<String>,
    /// Where no resource was asked for: those that the statements name.
    pub allowed_on: Vec<String>,
    #[serde(skip)]
    not_considered: Vec<String>,
}

impl Allowed {
    /// Of a service account or a task definition; `None` where it is not allowed the action. `answer` is missing where the role is not in the
    /// snapshot.
    pub fn of_identity(
        subject: &str,
        effective: &EffectiveIdentity<'_>,
        need: Need<'_>,
        answer: Option<&Answer<'_>>,
    ) -> Option<Self> {
        let through = Through::new(subject, effective);
        let (role, chain) = (through.role.clone(), through.chain);
        let answer = CanI::new(through, effective, need.action, need.resource, answer);
        if answer.answer == Can::No {
            return None;
        }
        let open = answer.actions.into_iter().filter(|action| action.answer == Can::Depends);
        let reasons = answer.reasons.into_iter().chain(open.filter_map(|action| action.because));
        Some(Self {
            subject: Some(subject.to_owned()),
            identity: effective.identity.name(),
            role,
            chain: Some(chain.name()),
            answer: answer.answer,
            reasons: reasons.collect(),
            allowed_on: answer.allowed_on,
            not_considered: answer.not_considered,
        })
    }

    /// Of a role that controllers use for a custom resource, and whose chain holds.
    pub fn of_custom_resource(subject: String, role: &str, answer: &Answer<'_>) -> Option<Self> {
        let allowed = Self::of_node_role(role, Some(answer))?;
        let (identity, chain) = (Identity::Irsa.name(), Some(State::Holds.name()));
        Some(Self { subject: Some(subject), identity, chain, ..allowed })
    }

    /// Of a node role.
    fn of_node_role(role: &str, answer: Option<&Answer<'_>>) -> Option<Self> {
        let can = answer.map_or(Can::Depends, |answer| Can::of(answer.verdict));
        if can == Can::No {
            return None;
        }
        let rulings = answer.iter().flat_map(|answer| &answer.rulings).filter(|_| can == Can::Depends);
        let mut reasons: Vec<String> = rulings.filter_map(|(.., ruling)| doubt(ruling)).collect();
        if answer.is_none() {
            reasons.push("the role is not in the snapshot".to_owned());
        }
        let names = |answer: &Answer<'_>| answer.allowed_on().into_iter().map(str::to_owned).collect();
        let open = |answer: &Answer<'_>| answer.not_considered().into_iter().map(words).collect();
        Some(Self {
            subject: None,
            identity: Identity::Node.name(),
            role: Some(role.to_owned()),
            chain: None,
            answer: can,
            reasons,
            allowed_on: answer.map(names).unwrap_or_default(),
            not_considered: answer.map(open).unwrap_or_default(),
        })
    }
}

impl WhoCan {
    /// A list without entries.
    pub fn new(action: &str, resource: Option<&str>) -> Self {
        Self {
            action: action.to_owned(),
            resource: resource.map(str::to_owned),
            allowed: Vec::new(),
            not_considered: Vec::new(),
            notes: Vec::new(),
            summary: WhoCanSummary::default(),
        }
    }

    /// Adds a remark on the whole.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Adds what was found out about service accounts: how many were looked at, how many of them have no identity of their own,
    /// and those that are allowed the action.
    pub fn add_accounts(&mut self, accounts: usize, without_identity: usize, allowed: Vec<Allowed>) {
        self.summary.service_accounts += accounts;
        self.summary.without_identity += without_identity;
        self.allowed.extend(allowed);
    }

    /// Adds what was found out about a task definition.
    pub fn add_task_definition(&mut self, allowed: Option<Allowed>) {
        self.summary.task_definitions += 1;
        self.allowed.extend(allowed);
    }

    /// Adds what was found out about an identity that a custom resource names.
    pub fn add_custom_resource(&mut self, allowed: Option<Allowed>) {
        self.summary.custom_resources += 1;
        self.allowed.extend(allowed);
    }

    /// Adds a node role; `answer` is missing where it is not in the snapshot.
    pub fn add_node_role(&mut self, role: &str, answer: Option<&Answer<'_>>) {
        self.summary.node_roles += 1;
        self.allowed.extend(Allowed::of_node_role(role, answer));
    }

    /// Sorts and counts.
    pub fn finish(&mut self) {
        self.allowed.sort_by(|a, b| (a.subject.is_none(), a).cmp(&(b.subject.is_none(), b)));
        let has = |answer: Can| self.allowed.iter().filter(|one| one.answer == answer).count();
        (self.summary.yes, self.summary.depends) = (has(Can::Yes), has(Can::Depends));
        let open: std::collections::BTreeSet<&String> =
            self.allowed.iter().flat_map(|one| &one.not_considered).collect();
        self.not_considered = open.into_iter().cloned().collect();
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn json(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)?;
        Ok(())
    }

    /// Writes a table and the totals.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn text(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let rows: Vec<[String; 4]> = self.allowed.iter().map(Allowed::row).collect();
        let headings = ["ANSWER", "WHO", "IDENTITY", "ROLE"].map(str::to_owned);
        let all = || std::iter::once(&headings).chain(&rows);
        let width = |at: usize| all().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let (first, second, third) = (width(0), width(1), width(2));
        for (index, [answer, who, identity, role]) in all().enumerate().filter(|_| !rows.is_empty()) {
            writeln!(out, "{answer:first$}  {who:second$}  {identity:third$}  {role}")?;
            let entry = index.checked_sub(1).and_then(|index| self.allowed.get(index));
            for reason in entry.into_iter().flat_map(|entry| &entry.reasons) {
                writeln!(out, "{:first$}  depends on {}", "", printable(reason))?;
            }
            let named = entry.map(|entry| entry.allowed_on.join(", ")).filter(|named| !named.is_empty());
            if let Some(named) = named {
                writeln!(out, "{:first$}  on {}", "", printable(&named))?;
            }
        }
        if !rows.is_empty() {
            writeln!(out)?;
        }
        if !self.not_considered.is_empty() {
            writeln!(out, "not considered: {}", printable(&self.not_considered.join(", ")))?;
        }
        for note in &self.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
        let WhoCanSummary {
            yes,
            depends,
            service_accounts,
            without_identity,
            task_definitions,
            custom_resources,
            node_roles,
        } = self.summary;
        let custom = match custom_resources {
            1 => "1 identity of a custom resource".to_owned(),
            many => format!("{many} identities of custom resources"),
        };
        let others = [(task_definitions, count(task_definitions, "task definition")), (custom_resources, custom)];
        let others = others.into_iter().filter(|(number, _)| *number > 0);
        let others: String = others.map(|(_, text)| format!(", {text}")).collect();
        let on = self.resource.as_deref().map(|resource| format!(" on {resource}")).unwrap_or_default();
        writeln!(
            out,
            "{}{}: {yes} yes, {depends} depends, of {}{others} and {}; {} without an identity of {} own",
            printable(&self.action),
            printable(&on),
            count(service_accounts, "service account"),
            count(node_roles, "node role"),
            count(without_identity, "service account"),
            if without_identity == 1 { "its" } else { "their" },
        )?;
        Ok(())
    }
}

impl Allowed {
    fn row(&self) -> [String; 4] {
        [
            self.answer.name().to_owned(),
            printable(self.subject.as_deref().unwrap_or("nodes")),
            self.identity.to_owned(),
            printable(self.role.as_deref().unwrap_or("unknown")),
        ]
    }
}
