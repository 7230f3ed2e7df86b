//! A typed view of the few fields of Kubernetes objects that the judgement reads (Kubernetes API reference: Pod v1 core,
//! ServiceAccount v1 core and the workload kinds). Everything else is passed over, and texts are borrowed.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny};

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
    #[serde(deserialize_with = "or_default")]
    pub containers: Vec<Container<'a>>,
    /// Init containers, sidecars among them.
    #[serde(deserialize_with = "or_default")]
    pub init_containers: Vec<Container<'a>>,
    /// Ephemeral containers.
    #[serde(deserialize_with = "or_default")]
    pub ephemeral_containers: Vec<Container<'a>>,
    /// Volumes.
    #[serde(deserialize_with = "or_default")]
    pub volumes: Vec<Volume<'a>>,
    /// Node selector.
    pub node_selector: Pairs<'a>,
    /// Scheduler.
    pub scheduler_name: Option<Text<'a>>,
    /// Operating system.
    pub os: Option<Os<'a>>,
}

/// What [`Spec`] is read from. The types do not contain themselves, so no input can nest them deeply.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec<'a> {
    #[serde(borrow)]
    service_account_name: Option<Text<'a>>,
    service_account: Option<Text<'a>>,
    #[serde(deserialize_with = "or_default")]
    containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "or_default")]
    init_containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "or_default")]
    ephemeral_containers: Vec<Container<'a>>,
    #[serde(deserialize_with = "or_default")]
    volumes: Vec<Volume<'a>>,
    node_selector: Pairs<'a>,
    scheduler_name: Option<Text<'a>>,
    os: Option<Os<'a>>,
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
    #[serde(deserialize_with = "or_default")]
    pub command: Vec<Text<'a>>,
    /// Arguments.
    #[serde(deserialize_with = "or_default")]
    pub args: Vec<Text<'a>>,
    /// Environment, one by one.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<EnvVar<'a>>,
    /// Environment, whole objects.
    #[serde(deserialize_with = "or_default")]
    pub env_from: Vec<EnvFrom<'a>>,
    /// Where volumes are mounted.
    #[serde(deserialize_with = "or_default")]
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
    /// It comes from somewhere else.
    #[serde(deserialize_with = "is_there")]
    pub value_from: bool,
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
}

/// A projected volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Projected<'a> {
    /// What it is put together from.
    #[serde(borrow, deserialize_with = "or_default")]
    pub sources: Vec<ProjectedSource<'a>>,
}

/// One source of a projected volume.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedSource<'a> {
    /// A token of the pod's service account.
    #[serde(borrow)]
    pub service_account_token: Option<ServiceAccountToken<'a>>,
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
}

/// A pod's volumes, to be found by name: through a table where they are many.
#[derive(Debug, Default)]
pub struct Volumes<'a> {
    few: &'a [Volume<'a>],
    many: HashMap<&'a str, &'a Volume<'a>>,
}

impl<'a> Volumes<'a> {
    /// The volumes of a pod.
    pub fn of(spec: &'a PodSpec<'a>) -> Self {
        if spec.volumes.len() <= 32 {
            return Self { few: &spec.volumes, many: HashMap::new() };
        }
        Self { few: &[], many: spec.volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect() }
    }

    /// The volume of this name.
    pub fn get(&self, name: &str) -> Option<&'a Volume<'a>> {
        self.few.iter().find(|volume| volume.name.as_str() == name).or_else(|| self.many.get(name).copied())
    }
}

/// Where a token file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSource<'a> {
    /// A projected token for this audience; `None`: the API server's own.
    Projected(Option<&'a str>),
    /// A volume whose content cannot be seen from here.
    Opaque,
    /// No volume is mounted there.
    NotMounted,
    /// The volume that is mounted there holds tokens only, and none of that name.
    NoSuchFile,
}

/// Finds what stands behind a file of a container: the mount with the longest matching folder, and its volume.
pub fn token_source<'a>(volumes: &Volumes<'a>, container: &'a Container<'_>, file: &str) -> TokenSource<'a> {
    let cleaned = clean(file);
    let file = cleaned.as_str();
    let below = |mount: &VolumeMount<'_>| {
        let folder = clean(mount.mount_path.as_str());
        let folder = folder.trim_end_matches('/');
        let rest = file.strip_prefix(folder)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix('/').map(str::len) }
    };
    let mounts = container.volume_mounts.iter();
    let Some((rest, mount)) = mounts.filter_map(|mount| Some((below(mount)?, mount))).min_by_key(|(rest, _)| *rest)
    else {
        return TokenSource::NotMounted;
    };
    let path = file.get(file.len() - rest..).unwrap_or_default();
    let path = match mount.sub_path.as_ref().map(|sub| sub.as_str().trim_end_matches('/')) {
        None | Some("") => path.to_owned(),
        Some(sub) if path.is_empty() => sub.to_owned(),
        Some(sub) => format!("{sub}/{path}"),
    };
    let volume = volumes.get(mount.name.as_str());
    let plain = mount.sub_path_expr.is_none();
    let Some(projected) = volume.and_then(|volume| volume.projected.as_ref()).filter(|_| plain) else {
        return TokenSource::Opaque;
    };
    let mut tokens = projected.sources.iter().map(|source| source.service_account_token.as_ref());
    let found = tokens.clone().flatten().find(|token| token.path.as_str() == path);
    match found {
        Some(token) => TokenSource::Projected(token.audience.as_ref().map(Text::as_str).filter(|a| !a.is_empty())),
        None if tokens.all(|token| token.is_some()) => TokenSource::NoSuchFile,
        None => TokenSource::Opaque,
    }
}

/// A path without doubled slashes and without `.`; and `/run` by its older name, to which most images link it.
fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/");
    if parts.starts_with("run/") { format!("/var/{parts}") } else { format!("/{parts}") }
}

/// Null stands for an absent list or object in what Go writes.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}
