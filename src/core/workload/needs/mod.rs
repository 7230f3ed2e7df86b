//! Does a workload call AWS at all? Most pods never do; the evidence is listed so that a person can judge it.

mod component;
mod components;
mod config;
mod text;
mod variable;

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use super::endpoint::Elsewhere;
use super::object::{ConfigMapSource, Container, EnvVar, VolumeMount};
use super::objects::{ConfigMap, Entry, Objects};
use super::token_file::Volumes;
use super::{Workload, clean_path};
use crate::text::Text;
pub use component::{Component, ComponentRole, Sibling, Sign};
use component::{Surroundings, is_end, repository};
pub use components::components;
pub(super) use config::{FileUse, read as file_use};
pub use text::AwsAddress;
pub(super) use text::{address_in, is_region};
use text::{cli_service, is_off};
use variable::{Value, has_word, is_beside_stores, known_services, rclone_credentials, use_of_variable};
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

/// Images that do nothing but call AWS.
const IMAGES: [&str; 2] = ["amazon/aws-cli", "aws-cli/aws-cli"];

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

/// The evidence in one container, as it is collected.
#[derive(Default)]
struct Found(Vec<AwsUse>);

impl Found {
    fn note(&mut self, found: AwsUse) {
        if self.0.len() < MAX_USES && !self.0.contains(&found) {
            self.0.push(found);
        }
    }
}

/// What in a container suggests that it calls AWS, where nothing beside it is known.
pub fn uses_in(container: &Container<'_>) -> Vec<AwsUse> {
    let mut found = Found::default();
    Collector { container, maps: &Vec::new() }.collect(&mut found);
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
        if component.is_some_and(|component| component.role != ComponentRole::Own) || self.mounts_credentials(container)
        {
            return Vec::new();
        }
        let mut found = Found::default();
        component.into_iter().for_each(|component| found.note(AwsUse::Component(component)));
        self.secret_providers(container, &mut found);
        Collector { container, maps: &maps }.collect(&mut found);
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

    /// Whether the container names a file of credentials that a Secret brings: its SDK takes those.
    fn mounts_credentials(&self, container: &Container<'_>) -> bool {
        let is_file = |variable: &&EnvVar<'_>| variable.name.as_str() == "AWS_SHARED_CREDENTIALS_FILE";
        let Some(file) = container.env.iter().rfind(is_file).and_then(|variable| variable.value.as_ref()) else {
            return false;
        };
        let file = clean_path(file.as_str());
        let covers = |mount: &&VolumeMount<'_>| {
            let folder = clean_path(mount.mount_path.as_str());
            file.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mount = container.volume_mounts.iter().find(covers);
        let volume = mount.and_then(|mount| self.volumes.get(mount.name.as_str()));
        volume.and_then(|volume| volume.secret.as_ref()).is_some_and(|secret| !secret.optional)
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

/// Collects the evidence in a container's own fields and in its ConfigMaps.
struct Collector<'c> {
    container: &'c Container<'c>,
    maps: &'c ConfigMaps<'c>,
}

impl Collector<'_> {
    fn collect(&self, found: &mut Found) {
        let mut all = Found::default();
        self.variables(&mut all);
        self.arguments(&mut all);
        self.files(&mut all);
        if let Some(image) = &self.container.image
            && IMAGES.iter().any(|known| is_end(repository(image.as_str()), known))
        {
            all.note(AwsUse::Image(image.as_str().into()));
        }
        if all.0.is_empty() {
            return;
        }
        // Most containers have no evidence, so that the search for another store comes last.
        let mut elsewhere = Elsewhere::of(self.container);
        for (name, address) in stores_in(self.maps) {
            elsewhere.add(&name, address);
        }
        let has_store = elsewhere.has_store();
        all.0.retain(|found| match found {
            AwsUse::Component(_) | AwsUse::SecretProvider { .. } => true,
            _ if elsewhere.all => false,
            AwsUse::Variable(name) if is_beside_stores(name) => true,
            AwsUse::Variable(name) => {
                self.takes_credentials(name) && !elsewhere.takes(name) && !elsewhere.may_take(name)
            }
            AwsUse::Command(service) => !(has_store && matches!(*service, "s3" | "s3api")),
            AwsUse::Image(_) => !has_store,
            AwsUse::InVariable(_, address)
            | AwsUse::InArgument(address)
            | AwsUse::InConfigMap { found: address, .. } => !(has_store && address.is_of_s3()),
        });
        all.0.into_iter().for_each(|one| found.note(one));
    }

    /// Whether a remote of rclone takes credentials from where it runs; true of any other variable.
    fn takes_credentials(&self, name: &str) -> bool {
        let Some([from_environment, key]) = rclone_credentials(name) else { return true };
        let is_set = |name: &str| {
            self.container.env.iter().any(|variable| {
                let value = variable.value.as_ref().map(|value| value.as_str());
                variable.name.as_str() == name
                    && (variable.value_from.is_some() || value.is_some_and(|text| !is_off(text)))
            })
        };
        is_set(&from_environment) && !is_set(&key)
    }

    fn variables(&self, found: &mut Found) {
        let mut switched_off: Option<Vec<&str>> = None;
        let seen: HashMap<&str, &ConfigMap> = self.maps.iter().map(|used| (used.name, used.map)).collect();
        for (index, variable) in self.container.env.iter().enumerate() {
            let source = variable.value_from.as_ref();
            // An object that may not exist says nothing about what the container does.
            if source.is_some_and(|source| source.is_optional()) || source.is_some_and(|source| is_seen(&seen, source))
            {
                continue;
            }
            let value = match &variable.value {
                _ if source.is_some() => Value::Unknown,
                Some(text) => Value::Text(text.as_str()),
                None => Value::Text(""),
            };
            let address = match value {
                Value::Text(text) => address_in(text),
                Value::Unknown => None,
            };
            let name = variable.name.as_str();
            // It lists what is called without a proxy, by any pod.
            if name.eq_ignore_ascii_case("NO_PROXY") {
                continue;
            }
            if let Some(one) = use_of_variable(name, value, address) {
                let off = switched_off.get_or_insert_with(|| self.switched_off());
                // The rest of a list that was switched off as a whole.
                if !matches!(one, AwsUse::Variable(_)) || !off.iter().any(|word| has_word(name, word)) {
                    found.note(one);
                }
            }
            if index >= MAX_VARIABLES && found.0.len() >= MAX_USES {
                break;
            }
        }
        for used in self.maps {
            for (name, entry) in used.variables() {
                let value = entry.value.as_deref().map_or(Value::Unknown, Value::Text);
                if let Some(one) = use_of_variable(&name, value, entry.address) {
                    found.note(one);
                }
            }
        }
    }

    /// Services that variables such as `S3_ENABLED=false` and `USE_S3=false` switch off; `S3_USE_PATH_STYLE` sets an option.
    fn switched_off(&self) -> Vec<&'static str> {
        let is_switch = |variable: &&EnvVar<'_>| {
            let value = variable.value.as_ref().map(|value| value.as_str());
            value.is_some_and(|value| !value.is_empty() && is_off(value))
        };
        let services = |name: &str| {
            let mut words = name.rsplit('_');
            let (last, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let switched = match (last, before) {
                ("ENABLED" | "ENABLE" | "ACTIVE", service) | (service, "USE" | "ENABLE") => service,
                _ => "",
            };
            known_services().filter(|word| *word == switched).collect::<Vec<_>>()
        };
        let mut off: Vec<&'static str> = Vec::new();
        for variable in self.container.env.iter().filter(is_switch) {
            for service in services(variable.name.as_str()) {
                if !off.contains(&service) {
                    off.push(service);
                }
            }
        }
        off
    }

    fn arguments(&self, found: &mut Found) {
        let arguments = || self.container.command.iter().chain(&self.container.args).map(|text| text.as_str());
        arguments().filter_map(address_in).for_each(|address| found.note(AwsUse::InArgument(address)));
        if let Some(service) = cli_service(arguments()) {
            // A public bucket is read without credentials.
            if !arguments().any(|argument| argument.contains("--no-sign-request")) {
                found.note(AwsUse::Command(service));
            }
        }
    }

    fn files(&self, found: &mut Found) {
        for used in self.maps {
            for entry in used.files() {
                if let Some(address) = entry.file.found {
                    let (name, key) = (used.name.into(), (&entry.key).into());
                    found.note(AwsUse::InConfigMap { name, key, found: address });
                }
            }
        }
    }
}

/// Whether the value comes from a ConfigMap that was seen: it is read there.
fn is_seen(seen: &HashMap<&str, &ConfigMap>, source: &super::ValueFrom<'_>) -> bool {
    let reference = source.config_map_key_ref.as_ref();
    reference.is_some_and(|reference| {
        let map = seen.get(reference.name.as_str());
        map.is_some_and(|map| map.entry(reference.key.as_str()).is_some())
    })
}

/// Variables that are looked at in any case.
const MAX_VARIABLES: usize = 1_000;
