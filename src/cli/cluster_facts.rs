//! What a command knows of a cluster besides AWS: from manifests, or from the API server.

use std::collections::BTreeSet;

use rolecall_core::cluster::{Cluster, Conventions};

use crate::config::Config;

/// Service accounts and namespaces, and the roles that anything names.
#[derive(Debug, Default)]
pub(super) struct ClusterFacts {
    /// The service accounts and namespaces.
    pub(super) cluster: Cluster,
    /// ARNs of roles that an object names.
    pub(super) roles: BTreeSet<String>,
    /// What could not be read, one sentence each.
    pub(super) unread: Vec<String>,
}

#[cfg(not(feature = "kube"))]
impl ClusterFacts {
    /// Refuses: this build knows no cluster.
    pub(super) fn of_context(_: &str, _: &Config, _: &Conventions) -> anyhow::Result<Self> {
        anyhow::bail!("--context: this build has no feature `kube`, which reads clusters; give --manifests")
    }
}

#[cfg(feature = "kube")]
impl ClusterFacts {
    /// Reads the service accounts, namespaces and named roles of a context of the kubeconfig.
    pub(super) fn of_context(context: &str, config: &Config, conventions: &Conventions) -> anyhow::Result<Self> {
        use anyhow::Context;

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the runtime cannot be started")?;
        let client = runtime.block_on(crate::kube::connect(Some(context)))?;
        let scope = crate::scan::Scope { namespaces: Vec::new(), no_exemptions: config.forbid_exemptions_in.clone() };
        let injector = &config.cluster.injector_configuration;
        let bar = super::progress::Bar::of_objects();
        let facts = runtime.block_on(crate::scan::read_facts(&client, &scope, conventions, injector, &bar));
        bar.end();
        let facts = facts?;
        let mut unread = Vec::new();
        for (is_complete, kind) in
            [(facts.cluster.complete, "service accounts"), (facts.namespaces().is_some(), "namespaces")]
        {
            if !is_complete {
                let right = kind.replace(' ', "");
                unread.push(format!(
                    "{kind} of the cluster: those that are not listed are unknown; grant the verb `list` on `{right}`"
                ));
            }
        }
        Ok(Self { cluster: facts.cluster, roles: facts.roles, unread })
    }
}
