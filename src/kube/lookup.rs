//! Single objects, asked for when a review cannot wait for their event.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::{Namespace as KubeNamespace, ServiceAccount as KubeServiceAccount};
use kube::{Api, Client};
use rolecall_core::cluster::{Conventions, Namespace, ServiceAccount};
use rolecall_core::workload::is_object_name;

use super::{explain, watch};
use crate::live::ClusterReader;

/// Reads single objects from the API server: metadata only.
#[derive(Clone)]
pub struct FromCluster {
    client: Client,
    conventions: Conventions,
}

impl std::fmt::Debug for FromCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FromCluster")
    }
}

impl FromCluster {
    /// Reads through a client, by the injector's conventions.
    pub fn new(client: Client, conventions: Conventions) -> Self {
        Self { client, conventions }
    }
}

impl ClusterReader for FromCluster {
    fn service_account(
        &self,
        namespace: String,
        name: String,
    ) -> BoxFuture<'static, Result<Option<ServiceAccount>, String>> {
        let Self { client, conventions } = self.clone();
        async move {
            // No object has such a name.
            if !is_object_name(&namespace) || !is_object_name(&name) {
                return Ok(None);
            }
            let found = Api::<KubeServiceAccount>::namespaced(client, &namespace).get_metadata_opt(&name).await;
            let found = found.map_err(|error| explain(&error))?;
            Ok(found.map(|object| watch::service_account(&object.metadata, &conventions)))
        }
        .boxed()
    }

    fn namespace(&self, name: String) -> BoxFuture<'static, Result<Option<Namespace>, String>> {
        let client = self.client.clone();
        async move {
            if !is_object_name(&name) {
                return Ok(None);
            }
            let found = Api::<KubeNamespace>::all(client).get_metadata_opt(&name).await;
            Ok(found.map_err(|error| explain(&error))?.map(|object| watch::namespace(&object.metadata)))
        }
        .boxed()
    }
}
