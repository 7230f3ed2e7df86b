//! Does a workload call AWS at all? Most pods never do; the evidence is listed so that a person can judge it.

mod block;
mod collector;
mod command;
mod component;
mod components;
mod config;
mod flow;
mod own_keys;
mod plugins;
mod setting;
mod text;
mod variable;

use std::cell::{Cell, OnceCell};

use super::object::{ConfigMapSource, Container, EnvVar, VolumeMount};
use super::objects::{ConfigMap, Entry, Objects};
use super::token_file::Volumes;
use super::{Workload, clean_path};
use crate::text::Text;
use collector::Collector;
pub use component::{Component, ComponentRole, Served, Sibling, Sign};
use component::{Surroundings, repository};
pub use components::components;
pub(super) use config::{FileUse, address_of_value, read as file_use};
pub(super) use own_keys::{OwnKeys, brings_keys, is_half_key};
pub use text::AwsAddress;
pub(super) use text::is_region;
pub(super) use variable::{names_service, services_in};

/// What in a container suggests that it calls AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsUse {
    /// It is a component that calls AWS.
    Component(&'static Component),
    /// The driver of one of its volumes reads secrets from AWS with the pod's identity.
    SecretProvider {
        /// The SecretProviderClass.
        class: Text,
        /// Whether the class was seen, or only its name.
        is_seen: bool,
    },
    /// A variable is set.
    Variable(Text),
    /// A variable holds an address of AWS.
    InVariable(Text, AwsAddress),
    /// An argument holds an address of AWS.
    InArgument(AwsAddress),
    /// Its command calls this service through the AWS CLI.
    Command(&'static str),
    /// A ConfigMap that it mounts or takes variables from.
    InConfigMap {
        /// The ConfigMap.
        name: Text,
        /// The key.
        key: Text,
        /// What it holds.
        found: AwsAddress,
    },
    /// Its image does nothing but call AWS.
    Image(Text),
}

/// Most pieces of evidence for a container.
const MAX_USES: usize = 4;

/// The driver whose volumes hold secrets (Secrets Store CSI driver, "Usage").
const SECRETS_STORE: &str = "secrets-store.csi.k8s.io";

/// What in a workload suggests that its containers call AWS.
#[derive(Debug)]
pub struct Evidence<'w> {
    workload: &'w Workload<'w>,
    volumes: &'w Volumes<'w>,
    objects: &'w Objects,
    /// Containers of the pod that tell what those beside them do.
    siblings: OnceCell<u8>,
    /// How many keys of ConfigMaps may still be looked at.
    keys_left: Cell<usize>,
}

/// Keys of ConfigMaps that are looked at for one workload, each for each use.
const MAX_USED_KEYS: usize = 200_000;

/// Access keys of Secrets that are looked at for a container.
const MAX_SECRET_KEYS: usize = 64;

/// The evidence in one container, as it is collected.
#[derive(Default)]
struct Found(Vec<AwsUse>);

impl Found {
    fn note(&mut self, found: AwsUse) {
        if self.0.len() < MAX_USES && !self.0.contains(&found) {
            self.0.push(found);
        }
    }

    fn has_command(&self) -> bool {
        self.0.iter().any(|found| matches!(found, AwsUse::Command(_) | AwsUse::InArgument(_)))
    }
}

/// What in a container suggests that it calls AWS, where nothing beside it is known.
pub fn uses_in(container: &Container<'_>) -> Vec<AwsUse> {
    let mut found = Found::default();
    Collector { container, maps: &Vec::new(), secrets: Vec::new() }.collect(&mut found);
    found.0
}

impl<'w> Evidence<'w> {
    /// Evidence in a workload and in the objects that it refers to, as far as they were seen.
    pub fn of(workload: &'w Workload<'w>, volumes: &'w Volumes<'w>, objects: &'w Objects) -> Self {
        Self { workload, volumes, objects, siblings: OnceCell::new(), keys_left: Cell::new(MAX_USED_KEYS) }
    }

    /// What in the container suggests that it calls AWS with an identity of its own. What the injector adds is no evidence;
    /// credentials variables are.
    pub fn uses(&self, container: &'w Container<'w>) -> Vec<AwsUse> {
        let maps = self.config_maps(container);
        let component = self.component(container, &maps);
        if component.is_some_and(|component| component.role != ComponentRole::Own)
            || self.mounts_credentials(container)
            || self.vault_brings_keys()
        {
            return Vec::new();
        }
        let mut found = Found::default();
        component.into_iter().for_each(|component| found.note(AwsUse::Component(component)));
        self.secret_providers(container, &mut found);
        let secrets = self.secrets(container);
        Collector { container, maps: &maps, secrets }.collect(&mut found);
        found.0
    }

    /// The component that the container is, where AWS runs it with the node's role.
    pub fn on_node_by_default(&self, container: &'w Container<'w>) -> Option<&'static Component> {
        let component = self.component(container, &self.config_maps(container))?;
        (component.role == ComponentRole::Node).then_some(component)
    }

    fn component(&self, container: &Container<'_>, maps: &ConfigMaps<'_>) -> Option<&'static Component> {
        let image = repository(container.image.as_ref()?.as_str());
        let mut of_image = components().filter(|component| component.has_image(image)).peekable();
        of_image.peek()?;
        let surroundings = Surroundings {
            siblings: self.siblings(),
            served: self.objects.served(),
            is_config_seen: !maps.is_empty(),
            is_configured: maps.iter().any(|used| used.files().any(|entry| entry.file.found.is_some()))
                && stores_in(maps).is_empty(),
        };
        of_image.find(|component| component.has_signs(container, surroundings))
    }

    fn siblings(&self) -> u8 {
        let spec = self.workload.spec;
        let all = spec.init_containers.iter().chain(&spec.containers);
        let images = || all.filter_map(|container| container.image.as_ref().map(|image| image.as_str()));
        *self.siblings.get_or_init(|| Sibling::among(images()))
    }

    /// Whether a Secret brings a file of credentials, which the container names, or which is where SDKs look for one.
    fn mounts_credentials(&self, container: &Container<'_>) -> bool {
        let is_required = |mount: &VolumeMount<'_>| {
            let volume = self.volumes.get(mount.name.as_str());
            volume.and_then(|volume| volume.secret.as_ref()).is_some_and(|secret| !secret.optional)
        };
        let is_home = |mount: &&VolumeMount<'_>| {
            let folder = clean_path(mount.mount_path.as_str());
            ["/.aws", "/.aws/credentials"].iter().any(|end| folder.ends_with(end))
        };
        if container.volume_mounts.iter().filter(is_home).any(is_required) {
            return true;
        }
        let is_file = |variable: &&EnvVar<'_>| variable.name.as_str() == "AWS_SHARED_CREDENTIALS_FILE";
        let Some(file) = container.env.iter().rfind(is_file).and_then(|variable| variable.value.as_ref()) else {
            return false;
        };
        let file = clean_path(file.as_str());
        let covers = |mount: &&VolumeMount<'_>| {
            let folder = clean_path(mount.mount_path.as_str());
            file.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        container.volume_mounts.iter().find(covers).is_some_and(is_required)
    }

    fn vault_brings_keys(&self) -> bool {
        let annotations = &self.workload.pod_metadata.annotations.0;
        annotations.iter().any(|(key, value)| own_keys::vault_brings_keys(key.as_str(), value.as_str()))
    }

    /// Variables of access keys that Secrets bring which were seen.
    fn secrets(&self, container: &Container<'_>) -> Vec<String> {
        let names = container.env_from.iter().filter_map(|source| {
            let secret = source.secret_ref.as_ref()?;
            let keys = self.objects.access_keys(self.workload.namespace, secret.name.as_str())?;
            let prefix = source.prefix.as_ref().map_or("", |prefix| prefix.as_str());
            Some(keys.iter().map(move |key| format!("{prefix}{key}")))
        });
        names.flatten().take(MAX_SECRET_KEYS).collect()
    }

    /// Volumes of the Secrets Store CSI driver, which reads secrets with the identity of the pod (AWS Secrets Manager User Guide,
    /// "Use AWS Secrets and Configuration Provider CSI").
    fn secret_providers(&self, container: &Container<'_>, found: &mut Found) {
        for mount in &container.volume_mounts {
            let volume = self.volumes.get(mount.name.as_str());
            let csi = volume.and_then(|volume| volume.csi.as_ref()).filter(|csi| csi.driver.as_str() == SECRETS_STORE);
            let Some(class) = csi.and_then(|csi| csi.volume_attributes.get("secretProviderClass")) else { continue };
            let provider = self.objects.secret_provider(self.workload.namespace, class);
            let is_aws = match provider {
                Some(provider) => provider == "aws",
                None => class.split(['-', '.']).any(|word| matches!(word, "aws" | "ascp")),
            };
            if is_aws {
                found.note(AwsUse::SecretProvider { class: class.into(), is_seen: provider.is_some() });
            }
        }
    }

    /// The ConfigMaps of a container that were seen.
    fn config_maps(&self, container: &'w Container<'w>) -> ConfigMaps<'w> {
        if self.objects.is_empty() {
            return Vec::new();
        }
        let namespace = self.workload.namespace;
        let map = |name: &'w str| Some((name, self.objects.config_map(namespace, name)?));
        // What is beyond the limit is not looked at.
        let may_look = |keys: usize| {
            let left = self.keys_left.get().checked_sub(keys);
            left.inspect(|left| self.keys_left.set(*left)).is_some()
        };
        let whole = container.env_from.iter().filter_map(|source| {
            let (name, map) = map(source.config_map_ref.as_ref()?.name.as_str())?;
            let prefix = source.prefix.as_ref().map_or("", |prefix| prefix.as_str());
            if !may_look(map.entries.len()) {
                return None;
            }
            Some(UsedConfigMap { name, map, usage: Usage::Variables { prefix } })
        });
        let keys = container.env.iter().filter_map(|variable| {
            let reference = variable.value_from.as_ref()?.config_map_key_ref.as_ref()?;
            let (name, map) = map(reference.name.as_str())?;
            let usage = Usage::Variable { variable: variable.name.as_str(), key: reference.key.as_str() };
            if !may_look(1) {
                return None;
            }
            Some(UsedConfigMap { name, map, usage })
        });
        let files = container.volume_mounts.iter().flat_map(|mount| {
            let volume = self.volumes.get(mount.name.as_str());
            let own = volume.and_then(|volume| volume.config_map.as_ref());
            let projected = volume.and_then(|volume| volume.projected.as_ref());
            let sources = projected.into_iter().flat_map(|projected| &projected.sources);
            let sources = own.into_iter().chain(sources.filter_map(|source| source.config_map.as_ref()));
            let sub_path = mount.sub_path.as_ref().map(|path| path.as_str()).filter(|path| !path.is_empty());
            sources.filter_map(move |source| {
                let (name, map) = map(source.name.as_str())?;
                if !may_look(map.entries.len() * source.items.len().max(1)) {
                    return None;
                }
                Some(UsedConfigMap { name, map, usage: Usage::Files { source, sub_path } })
            })
        });
        whole.chain(keys).chain(files).collect()
    }
}

type ConfigMaps<'w> = Vec<UsedConfigMap<'w>>;

/// A ConfigMap and how a container uses it.
struct UsedConfigMap<'w> {
    name: &'w str,
    map: &'w ConfigMap,
    usage: Usage<'w>,
}

enum Usage<'w> {
    /// All of it, as variables.
    Variables { prefix: &'w str },
    /// A key, as a variable.
    Variable { variable: &'w str, key: &'w str },
    /// Keys, as files.
    Files { source: &'w ConfigMapSource<'w>, sub_path: Option<&'w str> },
}

impl<'w> UsedConfigMap<'w> {
    /// The keys that are files of the container.
    fn files(&self) -> impl Iterator<Item = &'w Entry> {
        let usage = match &self.usage {
            Usage::Files { source, sub_path } => Some((*source, *sub_path)),
            _ => None,
        };
        self.map.entries.iter().filter(move |entry| {
            usage.is_some_and(|(source, sub_path)| {
                let item = source.items.iter().find(|item| item.key.as_str() == &*entry.key);
                let path = item.map_or(&*entry.key, |item| item.path.as_str());
                (source.items.is_empty() || item.is_some())
                    && sub_path.is_none_or(|sub_path| path.starts_with(sub_path))
            })
        })
    }

    /// The variables that it sets, with their values.
    fn variables(&self) -> impl Iterator<Item = (String, &'w Entry)> {
        let of_key = match self.usage {
            Usage::Variable { variable, key } => self.map.entry(key).map(|entry| (variable.to_owned(), entry)),
            _ => None,
        };
        let prefix = match self.usage {
            Usage::Variables { prefix } => Some(prefix),
            _ => None,
        };
        let all = prefix
            .into_iter()
            .flat_map(|prefix| self.map.entries.iter().map(move |entry| (format!("{prefix}{}", entry.key), entry)));
        of_key.into_iter().chain(all)
    }
}

/// Endpoints of other stores in a container's ConfigMaps, with the names of their variables.
fn stores_in<'w>(maps: &ConfigMaps<'w>) -> Vec<(String, &'w str)> {
    let of_map = |used: &UsedConfigMap<'w>| {
        let files = used.files().filter_map(|entry| Some(("S3_ENDPOINT".to_owned(), entry.file.store.as_deref()?)));
        let variables = used.variables().filter_map(|(name, entry)| {
            let value = entry.value.as_deref().filter(|value| super::endpoint::names_other_store(&name, value))?;
            Some((name, value))
        });
        files.chain(variables).take(MAX_STORES).collect::<Vec<_>>()
    };
    maps.iter().flat_map(of_map).take(MAX_STORES).collect()
}

/// Endpoints of other stores that are looked at.
const MAX_STORES: usize = 8;
