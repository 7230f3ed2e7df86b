//! Service accounts and namespaces that are not in the input: from `--manifests`, or from a cluster.

use std::collections::BTreeSet;

use rolecall_core::Known;
use rolecall_core::cluster::{Cluster, Conventions};

use crate::cli::args::CheckArgs;
use crate::cli::cluster_facts::ClusterFacts;
use crate::config::Config;
use crate::sources::{Excluded, Manifests, ReadOptions};

/// What is known besides the input.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Whether it was asked for.
    pub(super) is_given: bool,
    pub(super) manifests: Manifests,
    cluster: Cluster,
    roles: BTreeSet<String>,
    /// What could not be read, one sentence each.
    pub(super) unread: Vec<String>,
}

impl Elsewhere {
    /// Reads it.
    ///
    /// # Errors
    /// Where a manifest or the cluster cannot be read.
    pub(super) fn read(
        args: &CheckArgs,
        config: &Config,
        conventions: &Conventions,
        options: &ReadOptions<'_>,
    ) -> anyhow::Result<Self> {
        if let Some(context) = &args.context {
            let ClusterFacts { cluster, roles, unread } = ClusterFacts::of_context(context, config, conventions)?;
            return Ok(Self { is_given: true, manifests: Manifests::default(), cluster, roles, unread });
        }
        if args.manifests.is_empty() {
            return Ok(Self::default());
        }
        let mut manifests = Manifests::read_but(&args.manifests, options, &Excluded::new(&args.exclude)?, &[])?;
        let cluster = manifests.readable_cluster(conventions);
        manifests.whole()?;
        Ok(Self { is_given: true, manifests, cluster, ..Self::default() })
    }

    /// ARNs of roles that it names.
    pub(super) fn named_roles(&self) -> BTreeSet<String> {
        let mut roles = self.manifests.named_roles();
        roles.extend(self.roles.iter().cloned());
        roles
    }

    /// Joins it with the input, which goes before it.
    pub(super) fn join(&mut self, input: Cluster) -> Cluster {
        if !self.is_given {
            return input;
        }
        let mut joined = std::mem::take(&mut self.cluster);
        for (namespace, accounts) in input.service_accounts {
            joined.service_accounts.entry(namespace).or_default().extend(accounts);
        }
        joined.namespaces.extend(input.namespaces);
        joined.complete &= input.complete;
        joined.agent = match (joined.agent, input.agent) {
            (Known::Present(()), _) | (_, Known::Present(())) => Known::Present(()),
            (of_cluster, _) => of_cluster,
        };
        if joined.injector == Known::Unknown {
            joined.injector = input.injector;
        }
        if !input.objects.is_empty() {
            joined.objects = input.objects;
        }
        joined
    }
}
