//! The totals of a report.

use rolecall_core::snapshot::Snapshot;
use serde::Serialize;

/// Totals.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects judged.
    pub resources: usize,
    /// Pods judged; only of a running cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<usize>,
    /// Containers judged.
    pub containers: usize,
    /// Certain findings.
    pub certain: usize,
    /// Likely findings.
    pub likely: usize,
    /// Undecided findings: notes, which do not count.
    pub undecided: usize,
    /// Findings on security that count from a higher level only: shown, and not among the numbers above.
    #[serde(skip_serializing_if = "is_zero")]
    pub below_level: usize,
    /// Containers whose chain is unknown: not a sign of health.
    pub unknown: usize,
    /// Findings hidden by an exemption.
    pub exempted: usize,
    /// Documents and objects that could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: usize,
    /// Objects that are not checked.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: usize,
    /// Findings that the baseline or a comment accepts; they are among the numbers above.
    #[serde(skip_serializing_if = "is_zero")]
    pub accepted: usize,
    /// The level that was asked for.
    pub level: &'static str,
    /// The cluster, where the snapshot names it.
    pub cluster: Option<String>,
    /// When the snapshot was collected.
    pub snapshot_time: Option<String>,
    /// What to know when reading this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What AWS considers and the snapshot does not have: a chain that holds holds as far as what was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_considered: Vec<String>,
}

/// Parts that the snapshot does not have, without which chains stay unknown.
pub(super) fn missing_parts(snapshot: &Snapshot) -> Vec<String> {
    let cluster = snapshot.cluster.as_ref();
    let mut parts = Vec::new();
    let mut note = |absent: bool, part: String| {
        if absent {
            parts.push(format!("the snapshot has no {part}: what depends on it is unknown"));
        }
    };
    note(cluster.is_none(), "cluster".to_owned());
    note(cluster.is_some_and(|cluster| cluster.issuer.is_none()), "cluster.identity.oidc.issuer".to_owned());
    note(snapshot.associations.is_none(), "podIdentityAssociations".to_owned());
    note(snapshot.addons.is_none() && !cluster.is_some_and(|cluster| cluster.auto_mode), "addons".to_owned());
    note(snapshot.accounts.is_empty(), "accounts".to_owned());
    let mut accounts: Vec<_> = snapshot.accounts.iter().collect();
    accounts.sort_by_key(|(id, _)| *id);
    for (id, account) in accounts {
        note(account.roles.is_none(), format!("accounts.{id}.roles"));
        note(account.providers.is_none(), format!("accounts.{id}.oidcProviders"));
    }
    parts
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(super) fn is_zero(count: &usize) -> bool {
    *count == 0
}
