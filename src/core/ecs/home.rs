//! The account and the region in which a task definition is registered.

use rolecall_iam::{Arn, RoleArn};

use super::TaskDefinition;
use crate::snapshot::{ClusterInfo, Snapshot};

/// Where a task definition is registered, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// The account.
    pub account: Option<&'a str>,
    /// The region.
    pub region: Option<&'a str>,
    /// Account and region are not those of its own ARN.
    pub is_assumed: bool,
}

impl<'a> Home<'a> {
    /// From the ARN of the task definition. Before it is registered: that of the snapshot's cluster, else the only account of
    /// the snapshot.
    pub fn of(definition: &'a TaskDefinition<'_>, snapshot: &'a Snapshot) -> Self {
        let own = definition.arn().and_then(Arn::parse).filter(|arn| rolecall_iam::is_account_id(arn.account));
        if let Some(arn) = own {
            return Self {
                partition: arn.partition,
                account: Some(arn.account),
                region: Some(arn.region).filter(|region| !region.is_empty()),
                is_assumed: false,
            };
        }
        let place = snapshot.cluster.as_ref().and_then(ClusterInfo::location);
        if let Some(place) = place.filter(|place| rolecall_iam::is_account_id(place.account)) {
            return Self {
                partition: place.partition,
                account: Some(place.account),
                region: Some(place.region).filter(|region| !region.is_empty()),
                is_assumed: true,
            };
        }
        let mut accounts = snapshot.accounts.keys();
        let account = accounts.next().filter(|_| accounts.next().is_none()).map(|account| &**account);
        Self { partition: partition(definition), account, region: None, is_assumed: true }
    }
}

/// The partition of a role that the task definition names.
fn partition<'a>(definition: &'a TaskDefinition<'_>) -> &'a str {
    let roles = [definition.task_role(), definition.execution_role()];
    let mut parsed = roles.into_iter().flatten().filter_map(|role| RoleArn::parse(role).ok());
    parsed.next().map_or("aws", |role| role.partition)
}
