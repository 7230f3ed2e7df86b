//! A typed view of the few fields of Kubernetes objects that the judgement reads (Kubernetes API reference: Pod v1 core,
//! ServiceAccount v1 core and the workload kinds). Everything else is passed over, and texts are borrowed.

use serde::de::{Deserialize, Deserializer};

use super::list::list;
use super::text::{Pairs, Text};

/// An object of any kind that rolecall judges.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object<'a> {
    /// `GROUP/VERSION`
    #[serde(borrow)]
    pub api_version: Option<Text<'a>>,
    /// The kind.
    pub kind: Option<Text<'a>>,
    /// Metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// A pod's own specification, or that of a workload with its template.
    pub spec: Option<Spec<'a>>,
    /// A PodTemplate's template.
    pub template: Option<Box<Template<'a>>>,
}

/// Object metadata.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata<'a> {
    /// Empty where the API server is to make one from `generate_name`.
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    /// A prefix.
    pub generate_name: Option<Text<'a>>,
    /// The namespace.
    pub namespace: Option<Text<'a>>,
    /// Labels.
    pub labels: Pairs<'a>,
    /// Annotations.
    pub annotations: Pairs<'a>,
}

impl Metadata<'_> {
    /// What to call the object: its name, else `GENERATENAME*`, else `?`.
    pub fn display_name(&self) -> String {
        let filled = |text: &Option<Text<'_>>| text.as_ref().map(|t| t.as_str().to_owned()).filter(|t| !t.is_empty());
        filled(&self.name)
            .or_else(|| filled(&self.generate_name).map(|prefix| prefix + "*"))
            .unwrap_or_else(|| "?".to_owned())
    }
}

/// The specification of a pod, or of a workload: one view for both, so that one pass reads either.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(from = "WireSpec")]
pub struct Spec<'a> {
    /// A pod's own fields.
    #[serde(borrow)]
    pub pod: PodSpec<'a>,
    /// A workload's pods.
    pub template: Option<Box<Template<'a>>>,
    /// A CronJob's jobs.
    pub job_template: Option<Box<JobTemplate<'a>>>,
}

/// A template of pods.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Template<'a> {
    /// Metadata of the pods.
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Specification of the pods.
    pub spec: Option<PodSpec<'a>>,
}

impl<'a> Template<'a> {
    pub(super) fn parts(&self) -> Option<(&Metadata<'a>, &PodSpec<'a>)> {
        Some((&self.metadata, self.spec.as_ref()?))
    }
}

/// A template of jobs.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct JobTemplate<'a> {
    /// Metadata of the jobs.
    #[serde(borrow, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Specification of the jobs.
    pub spec: Option<JobSpec<'a>>,
}

/// The specification of a job.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct JobSpec<'a> {
    /// The job's pods.
    #[serde(borrow)]
    pub template: Option<Template<'a>>,
}

/// The specification of a pod.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec<'a> {
    /// The service account.
    #[serde(borrow)]
    pub service_account_name: Option<Text<'a>>,
    /// Its deprecated alias.
    pub service_account: Option<Text<'a>>,
    /// Containers.
    #[serde(deserialize_with = "list")]
    pub containers: Vec<Container<'a>>,
    /// Init containers, sidecars among them.
    #[serde(deserialize_with = "list")]
    pub init_containers: Vec<Container<'a>>,
    /// Ephemeral containers.
    #[serde(deserialize_with = "list")]
    pub ephemeral_containers: Vec<Container<'a>>,
    /// Volumes.
    #[serde(deserialize_with = "list")]
    pub volumes: Vec<Volume<'a>>,
    /// Node selector.
    pub node_selector: Pairs<'a>,
    /// Scheduler.
    pub scheduler_name: Option<Text<'a>>,
    /// Operating system.
    pub os: Option<Os<'a>>,
    /// Affinity.
    pub affinity: Option<Box<Affinity<'a>>>,
    /// The pod uses the node's network, and so reaches IMDS whatever the hop limit.
    #[serde(deserialize_with = "or_default")]
    pub host_network: bool,
    /// `false`: the default token is not mounted.
    pub automount_service_account_token: Option<bool>,
}

/// What [`Spec`] is read from. The types do not contain themselves, so no input can nest them deeply.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec<'a> {
    #[serde(borrow)]
    service_account_name: Option<Text<'a>>,
    service_account: Option<Text<'a>>,
    #[serde(deserialize_with = "list")]
    containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "list")]
    init_containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "list")]
    ephemeral_containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "list")]
    volumes: Vec<Volume<'a>>,
    node_selector: Pairs<'a>,
    scheduler_name: Option<Text<'a>>,
    os: Option<Os<'a>>,
    affinity: Option<Box<Affinity<'a>>>,
    #[serde(deserialize_with = "or_default")]
    host_network: bool,
    automount_service_account_token: Option<bool>,
    template: Option<Box<Template<'a>>>,
    job_template: Option<Box<JobTemplate<'a>>>,
}

impl<'a> From<WireSpec<'a>> for Spec<'a> {
    fn from(wire: WireSpec<'a>) -> Self {
        Self {
            pod: PodSpec {
                service_account_name: wire.service_account_name,
                service_account: wire.service_account,
                containers: wire.containers,
                init_containers: wire.init_containers,
                ephemeral_containers: wire.ephemeral_containers,
                volumes: wire.volumes,
                node_selector: wire.node_selector,
                scheduler_name: wire.scheduler_name,
                os: wire.os,
                affinity: wire.affinity,
                host_network: wire.host_network,
                automount_service_account_token: wire.automount_service_account_token,
            },
            template: wire.template,
            job_template: wire.job_template,
        }
    }
}

/// `spec.os`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Os<'a> {
    /// `linux` or `windows`.
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
}

/// `spec.affinity`, as far as it says on which nodes a pod can run.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity<'a> {
    /// Affinity to nodes.
    #[serde(borrow)]
    pub node_affinity: Option<NodeAffinity<'a>>,
}

/// `spec.affinity.nodeAffinity`
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAffinity<'a> {
    /// What a node must have.
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector<'a>>,
}

/// A node selector: one of its terms must match.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector<'a> {
    /// The terms.
    #[serde(borrow, deserialize_with = "list")]
    pub node_selector_terms: Vec<NodeSelectorTerm<'a>>,
}

/// A term of a node selector: all its expressions must match.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm<'a> {
    /// Expressions on labels.
    #[serde(borrow, deserialize_with = "list")]
    pub match_expressions: Vec<NodeSelectorRequirement<'a>>,
}

impl NodeSelectorTerm<'_> {
    /// The only value that the term accepts for a label; `other` is the value that remains where one is excluded, if there
    /// are but two.
    pub(super) fn only_value<'t>(&'t self, key: &str, other: impl Fn(&str) -> Option<&'t str>) -> Option<&'t str> {
        self.match_expressions.iter().find_map(|expression| match expression.values.as_slice() {
            [value, rest @ ..] if expression.key.as_str() == key && rest.iter().all(|same| same == value) => {
                match expression.operator.as_str() {
                    "In" => Some(value.as_str()),
                    "NotIn" => other(value.as_str()),
                    _ => None,
                }
            }
            _ => None,
        })
    }
}

/// An expression on a node's label.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct NodeSelectorRequirement<'a> {
    /// The label.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub operator: Text<'a>,
    /// The values for it.
    #[serde(deserialize_with = "list")]
    pub values: Vec<Text<'a>>,
}

/// A container of any sort.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its image.
    pub image: Option<Text<'a>>,
    /// Entry point.
    #[serde(deserialize_with = "list")]
    pub command: Vec<Text<'a>>,
    /// Arguments.
    #[serde(deserialize_with = "list")]
    pub args: Vec<Text<'a>>,
    /// Environment, one by one.
    #[serde(deserialize_with = "list")]
    pub env: Vec<EnvVar<'a>>,
    /// Environment, whole objects.
    #[serde(deserialize_with = "list")]
    pub env_from: Vec<EnvFrom<'a>>,
    /// Where volumes are mounted.
    #[serde(deserialize_with = "list")]
    pub volume_mounts: Vec<VolumeMount<'a>>,
}

/// An environment variable.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its literal value.
    pub value: Option<Text<'a>>,
    /// The object or field that its value comes from.
    pub value_from: Option<ValueFrom<'a>>,
}

/// Where a variable's value comes from, as far as it tells whether the variable is set, and to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom<'a> {
    secret_key_ref: Option<Optional>,
    /// A key of a ConfigMap.
    #[serde(borrow)]
    pub config_map_key_ref: Option<KeyReference<'a>>,
    file_key_ref: Option<Optional>,
}

/// A reference that may lead nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
struct Optional {
    optional: Option<bool>,
}

/// A key of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct KeyReference<'a> {
    /// The object.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The key.
    pub key: Text<'a>,
    optional: Option<bool>,
}

impl ValueFrom<'_> {
    /// Whether the container starts without the variable where the object or its key does not exist (Kubernetes API
    /// reference, `EnvVarSource`).
    pub fn is_optional(&self) -> bool {
        let others = [self.secret_key_ref, self.file_key_ref];
        others.into_iter().flatten().any(|reference| reference.optional == Some(true))
            || self.config_map_key_ref.as_ref().is_some_and(|reference| reference.optional == Some(true))
    }
}

/// A whole object as environment.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom<'a> {
    /// Put before every name in it.
    #[serde(borrow)]
    pub prefix: Option<Text<'a>>,
    /// A Secret.
    pub secret_ref: Option<Named<'a>>,
    /// A ConfigMap.
    pub config_map_ref: Option<Named<'a>>,
}

/// A reference by name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Named<'a> {
    /// The name.
    #[serde(borrow, alias = "secretName")]
    pub name: Text<'a>,
    /// The container starts without the object where it does not exist.
    #[serde(deserialize_with = "or_default")]
    pub optional: bool,
}

/// Where a volume is mounted.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount<'a> {
    /// The volume.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The folder in the container.
    pub mount_path: Text<'a>,
    /// Only a part of the volume.
    pub sub_path: Option<Text<'a>>,
    /// The same, with variables in it.
    pub sub_path_expr: Option<Text<'a>>,
}

/// A volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// A projected volume.
    pub projected: Option<Projected<'a>>,
    /// A Secret.
    pub secret: Option<Named<'a>>,
    /// A ConfigMap.
    pub config_map: Option<ConfigMapSource<'a>>,
    /// A CSI driver's volume.
    pub csi: Option<CsiSource<'a>>,
}

/// A CSI driver's volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiSource<'a> {
    /// The driver.
    #[serde(borrow)]
    pub driver: Text<'a>,
    /// Its own settings.
    pub volume_attributes: Pairs<'a>,
}

/// A ConfigMap as files.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ConfigMapSource<'a> {
    /// The name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// These keys only; all where there are none.
    #[serde(deserialize_with = "list")]
    pub items: Vec<KeyToPath<'a>>,
}

/// A key as a file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct KeyToPath<'a> {
    /// The key.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// The file below the mount.
    pub path: Text<'a>,
}

/// A projected volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Projected<'a> {
    /// What it is put together from.
    #[serde(borrow, deserialize_with = "list")]
    pub sources: Vec<ProjectedSource<'a>>,
}

/// One source of a projected volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource<'a> {
    /// A token of the pod's service account.
    #[serde(borrow)]
    pub service_account_token: Option<ServiceAccountToken<'a>>,
    /// A ConfigMap.
    pub config_map: Option<ConfigMapSource<'a>>,
}

/// A projected token.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccountToken<'a> {
    /// The API server's own where absent.
    #[serde(borrow)]
    pub audience: Option<Text<'a>>,
    /// The file below the mount.
    pub path: Text<'a>,
    /// How long it is valid; the API server's default where absent.
    #[serde(deserialize_with = "whole_number")]
    pub expiration_seconds: Option<i64>,
}

/// A whole number; what is none counts as absent, since the API server refuses it anyway.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_i64())
}

/// Null stands for an absent list or object in what Go writes.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
