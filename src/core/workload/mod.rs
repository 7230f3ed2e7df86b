//! Workloads: who is this, which service account, which containers, what does it need.

mod controller;
mod endpoint;
mod expand;
mod kind;
pub(crate) mod list;
mod name;
mod needs;
mod object;
mod objects;
mod owner;
mod text;
mod token_file;

pub use controller::Controller;
pub use endpoint::{Endpoint, configured_endpoint, other_store};
pub use expand::literal as expanded_value;
pub use kind::{Kind, PodPath, Renewal};
pub use list::within_bytes;
pub use name::is_object_name;
pub use needs::{AwsAddress, AwsUse, Component, ComponentRole, Evidence, Served, Sibling, Sign, components, uses_in};
pub use object::{
    Container, EnvFrom, EnvVar, Metadata, Object, PodSpec, ProjectedSource, ServiceAccountToken, Spec, Template,
    ValueFrom, Volume, VolumeMount,
};
pub use objects::Objects;
pub use owner::Owner;
pub use text::{Pairs, Text};
pub use token_file::{
    TokenContent, TokenMount, TokenSource, Volumes, clean as clean_path, is_windows_path, token_source,
};

/// Whether mutation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A Pod as it reached the validating webhooks: what the injector did is there.
    Admitted,
    /// A template or a manifest: what the injector will do must be predicted.
    Predicted,
}

/// A workload to judge: a Pod, or what has a pod template.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'o> {
    /// The kind of the object.
    pub kind: Kind,
    /// Whether mutation is over.
    pub stage: Stage,
    /// The namespace the pods run in.
    pub namespace: &'o str,
    /// The metadata of the object.
    pub metadata: &'o Metadata<'o>,
    /// The metadata of the pods.
    pub pod_metadata: &'o Metadata<'o>,
    /// The metadata of a CronJob's jobs.
    pub job_metadata: Option<&'o Metadata<'o>>,
    /// The pods' specification.
    pub spec: &'o PodSpec<'o>,
    /// It stands for a static pod of a node and cannot use a service account. Every user can write the annotation that says so:
    /// where it is known who creates the pod, that decides.
    pub is_mirror: bool,
}

impl<'o> Workload<'o> {
    /// The workload in an object; `None` where its kind has no pods or the pods' specification is absent.
    pub fn of(object: &'o Object<'o>, kind: Kind, stage: Stage, namespace: &'o str) -> Option<Self> {
        let metadata = &object.metadata;
        let (pod_metadata, spec) = match kind.pod_path()? {
            PodPath::Spec => (metadata, &object.spec.as_ref()?.pod),
            PodPath::Template => object.template.as_deref()?.parts()?,
            PodPath::SpecTemplate => object.spec.as_ref()?.template.as_deref()?.parts()?,
            PodPath::JobTemplate => {
                object.spec.as_ref()?.job_template.as_deref()?.spec.as_ref()?.template.as_ref()?.parts()?
            }
        };
        let stage = if kind == Kind::Pod { stage } else { Stage::Predicted };
        let job_template = object.spec.as_ref().and_then(|spec| spec.job_template.as_deref());
        let job_metadata = job_template.map(|template| &template.metadata);
        let is_mirror = kind == Kind::Pod && metadata.annotations.get(MIRROR).is_some();
        Some(Self { kind, stage, namespace, metadata, pod_metadata, job_metadata, spec, is_mirror })
    }

    /// The service account's name; `default` where none is named. `serviceAccount` is the deprecated alias.
    pub fn service_account(&self) -> &'o str {
        let named = [&self.spec.service_account_name, &self.spec.service_account];
        named.into_iter().flatten().map(Text::as_str).find(|name| !name.is_empty()).unwrap_or("default")
    }

    /// Whether both can run on the same nodes only, as far as the view goes: an update may narrow a pod that scheduling gates
    /// hold.
    pub fn has_placement_of(&self, other: &Workload<'_>) -> bool {
        self.spec.node_selector == other.spec.node_selector && self.spec.affinity == other.spec.affinity
    }

    /// Whether the pods are Windows pods, where there is no Pod Identity agent: by the node selector, required node
    /// affinity or `spec.os`.
    pub fn is_windows(&self) -> bool {
        let os = self.spec.os.as_ref().and_then(|os| os.name.as_ref());
        os.is_some_and(|name| name.as_str() == "windows")
            || OS_LABELS.iter().any(|label| self.required_node_label(label) == Some("windows"))
            || self.required_node_label("node.kubernetes.io/windows-build").is_some()
    }

    /// Whether the injector takes the pods for Windows pods and writes Windows paths: it looks at the node selector only
    /// (amazon-eks-pod-identity-webhook, `pkg/handler/handler.go`).
    pub fn has_windows_node_selector(&self) -> bool {
        OS_LABELS.iter().any(|label| self.spec.node_selector.get(label) == Some("windows"))
    }

    /// The value that a node's label must have for the pods to run there; `None` where several are accepted.
    pub fn required_node_label(&self, key: &str) -> Option<&str> {
        if let Some(value) = self.spec.node_selector.get(key) {
            return Some(value);
        }
        let affinity = self.spec.affinity.as_deref()?.node_affinity.as_ref()?.required.as_ref()?;
        let mut terms = affinity.node_selector_terms.iter();
        let other = |excluded: &str| match excluded {
            "linux" if OS_LABELS.contains(&key) => Some("windows"),
            "windows" if OS_LABELS.contains(&key) => Some("linux"),
            _ => None,
        };
        let first = terms.next()?.only_value(key, other)?;
        terms.all(|term| term.only_value(key, other) == Some(first)).then_some(first)
    }
}

/// The annotation of mirror pods (Kubernetes, "Well-Known Labels, Annotations and Taints").
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Labels of a node that name its operating system (Kubernetes, "Well-Known Labels, Annotations and Taints").
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];
