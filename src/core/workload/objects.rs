//! What ConfigMaps and SecretProviderClasses say of AWS, which Secrets bring access keys, and for which service accounts controllers
//! request tokens, where that can be seen: in the input of `check`, or in the cluster of a `scan`.
//! Kept is what matters for that, and not their content.

use std::collections::{HashMap, HashSet};

use super::needs::{AwsAddress, FileUse, Served, address_of_value, brings_keys, file_use, is_half_key};

/// Most keys of a ConfigMap that are read.
const MAX_KEYS: usize = 1_024;
/// Most bytes of a ConfigMap that are read: the API server accepts no larger one (Kubernetes, "ConfigMaps").
const MAX_BYTES: usize = 1 << 20;
/// Longest value that is kept, as that of a variable.
const MAX_VALUE: usize = 256;

type ByName<T> = HashMap<Box<str>, HashMap<Box<str>, T>>;

/// What was seen, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    config_maps: ByName<ConfigMap>,
    providers: ByName<Box<str>>,
    /// Keys of Secrets that are named as access keys are.
    access_keys: ByName<Vec<Box<str>>>,
    /// Which custom resources have their controllers call AWS, as bits.
    served: u8,
    /// Service accounts by namespace and name; by an empty namespace those of any.
    of_controllers: HashMap<Box<str>, HashSet<Box<str>>>,
}

/// A ConfigMap.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigMap {
    pub entries: Vec<Entry>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Box<str>,
    /// The value; `None` where it is too long to be kept.
    pub value: Option<Box<str>>,
    /// What the value holds, as that of a variable.
    pub address: Option<AwsAddress>,
    /// Whether the value has access keys in it.
    pub brings_keys: bool,
    /// What it says as a file.
    pub file: FileUse,
}

impl ConfigMap {
    fn of<'d>(data: impl IntoIterator<Item = (&'d str, &'d str)>) -> Self {
        let mut left = MAX_BYTES;
        let mut entries = Vec::new();
        for (key, value) in data.into_iter().take(MAX_KEYS) {
            let Some(rest) = left.checked_sub(value.len()) else { continue };
            left = rest;
            entries.push(Entry {
                key: key.into(),
                value: (value.len() <= MAX_VALUE).then(|| value.into()),
                address: address_of_value(value),
                brings_keys: brings_keys(value),
                file: file_use(key, value),
            });
        }
        // Sorted, for `entry`.
        entries.sort_by(|a: &Entry, b: &Entry| a.key.cmp(&b.key));
        Self { entries }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| (*entry.key).cmp(key)).ok()?;
        self.entries.get(at)
    }
}

impl Objects {
    /// Adds a ConfigMap.
    pub fn add_config_map<'d>(
        &mut self,
        namespace: &str,
        name: &str,
        data: impl IntoIterator<Item = (&'d str, &'d str)>,
    ) {
        self.config_maps.entry(namespace.into()).or_default().insert(name.into(), ConfigMap::of(data));
    }

    /// Adds a SecretProviderClass of the Secrets Store CSI driver.
    pub fn add_secret_provider(&mut self, namespace: &str, name: &str, provider: &str) {
        self.providers.entry(namespace.into()).or_default().insert(name.into(), provider.into());
    }

    /// Adds the names of a Secret's keys. Those are kept that are named as access keys are.
    pub fn add_secret<'d>(&mut self, namespace: &str, name: &str, keys: impl IntoIterator<Item = &'d str>) {
        let keys: Vec<Box<str>> =
            keys.into_iter().take(MAX_KEYS).filter(|key| is_half_key(key)).map(Box::from).collect();
        if !keys.is_empty() {
            self.access_keys.entry(namespace.into()).or_default().entry(name.into()).or_default().extend(keys);
        }
    }

    /// Notes a custom resource that has its controller call AWS with the controller's own identity.
    pub fn add_served(&mut self, served: Served) {
        self.served |= served.bit();
    }

    pub(super) fn served(&self) -> u8 {
        self.served
    }

    /// Adds a service account whose token a controller requests for AWS; without a namespace, that of any may be meant.
    pub fn add_of_controller(&mut self, namespace: Option<&str>, account: &str) {
        self.of_controllers.entry(namespace.unwrap_or_default().into()).or_default().insert(account.into());
    }

    /// Whether a controller requests tokens of this service account for AWS, or may.
    pub fn is_of_controller(&self, namespace: &str, account: &str) -> bool {
        let has = |namespace: &str| self.of_controllers.get(namespace).is_some_and(|names| names.contains(account));
        has(namespace) || has("")
    }

    /// Whether nothing was seen that says something of workloads.
    pub fn is_empty(&self) -> bool {
        self.config_maps.is_empty() && self.providers.is_empty() && self.access_keys.is_empty()
    }

    pub(super) fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(namespace)?.get(name)
    }

    pub(super) fn access_keys(&self, namespace: &str, secret: &str) -> Option<&[Box<str>]> {
        self.access_keys.get(namespace)?.get(secret).map(Vec::as_slice)
    }

    pub(super) fn secret_provider(&self, namespace: &str, name: &str) -> Option<&str> {
        self.providers.get(namespace)?.get(name).map(|provider| &**provider)
    }
}
