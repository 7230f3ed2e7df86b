//! The cluster that a report is about.

use rolecall_core::snapshot::ClusterInfo;
use serde::Serialize;

/// The cluster of a report: with it the reports of many clusters can be told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedCluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The account of its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region of its ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl ReportedCluster {
    pub(super) fn of(cluster: &ClusterInfo) -> Self {
        let place = cluster.location();
        Self {
            name: cluster.name.to_string(),
            arn: cluster.arn.as_deref().map(str::to_owned),
            account: place.as_ref().map(|arn| arn.account.to_owned()),
            region: place.as_ref().map(|arn| arn.region.to_owned()),
        }
    }
}
