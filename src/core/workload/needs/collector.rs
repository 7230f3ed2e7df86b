//! Collects the evidence in one container.

use std::collections::HashMap;

use super::super::endpoint::Elsewhere;
use super::super::object::{Container, EnvVar};
use super::super::objects::ConfigMap;
use super::command::{cli_service, has_unsigned, program, signed};
use super::component::{is_end, repository};
use super::config::{self, FileUse, address_of_value};
use super::own_keys::{OwnKeys, brings_keys, is_for_browsers};
use super::text::{AwsAddress, address_in, is_off};
use super::variable::{
    Value, chooses_s3, has_word, is_beside_stores, is_database, known_services, rclone_credentials, signs_in_with_iam,
    use_of_variable,
};
use super::{AwsUse, ConfigMaps, Found, MAX_USES, stores_in};

/// Images that do nothing but call AWS.
const IMAGES: [&str; 2] = ["amazon/aws-cli", "aws-cli/aws-cli"];

/// Stock images of servers that have no SDK of AWS.
const WEB_SERVERS: [&str; 6] = ["nginx", "nginx-unprivileged", "httpd", "apache", "haproxy", "varnish"];

/// Values of variables that are read as files.
const MAX_FILES: usize = 8;

/// Collects the evidence in a container's own fields and in its ConfigMaps.
pub(super) struct Collector<'c> {
    pub container: &'c Container<'c>,
    pub maps: &'c ConfigMaps<'c>,
    /// Variables of access keys that Secrets bring.
    pub secrets: Vec<String>,
}

impl Collector<'_> {
    pub(super) fn collect(&self, found: &mut Found) {
        let mut all = Found::default();
        self.variables(&mut all);
        self.arguments(&mut all);
        self.files(&mut all);
        if let Some(image) = &self.container.image
            && IMAGES.iter().any(|known| is_end(repository(image.as_str()), known))
            && (all.has_command() || !has_unsigned(self.arguments_of()))
        {
            all.note(AwsUse::Image(image.as_str().into()));
        }
        if all.0.is_empty() {
            return;
        }
        // Most containers have no evidence, so that the search for another store and for keys comes last.
        let keys = self.own_keys();
        let mut elsewhere = Elsewhere::of(self.container);
        for (name, address) in stores_in(self.maps) {
            elsewhere.add(&name, address);
        }
        for file in self.files_in_variables() {
            file.store.iter().for_each(|address| elsewhere.add("S3_ENDPOINT", address));
        }
        elsewhere.add_keys(&keys);
        let has_store = elsewhere.has_store();
        let is_elsewhere = |address: &AwsAddress| {
            (has_store && address.is_of_s3())
                || (keys.has("S3") && address.takes_s3_keys())
                || (keys.has("BEDROCK") && *address == AwsAddress::Setting("bedrock/"))
        };
        all.0.retain(|found| match found {
            AwsUse::Component(_) | AwsUse::SecretProvider { .. } => true,
            _ if elsewhere.all || keys.all => false,
            AwsUse::Variable(name) if is_beside_stores(name) => true,
            AwsUse::Variable(name) => {
                self.takes_credentials(name) && !elsewhere.takes(name) && !elsewhere.may_take(name)
            }
            AwsUse::Command(service) => !(has_store && matches!(*service, "s3" | "s3api")),
            AwsUse::Image(_) => !has_store,
            AwsUse::InVariable(_, address)
            | AwsUse::InArgument(address)
            | AwsUse::InConfigMap { found: address, .. } => !is_elsewhere(address),
        });
        // A stock web server has no SDK: the region is for what it says of itself.
        let is_region = |found: &AwsUse| matches!(found, AwsUse::Variable(name) if matches!(&**name, "AWS_REGION" | "AWS_DEFAULT_REGION"));
        if self.is_web_server() && all.0.iter().all(is_region) {
            return;
        }
        all.0.into_iter().for_each(|one| found.note(one));
    }

    fn is_web_server(&self) -> bool {
        let image = self.container.image.as_ref().map(|image| repository(image.as_str()));
        image.is_some_and(|image| WEB_SERVERS.iter().any(|known| is_end(image, known)))
    }

    fn arguments_of(&self) -> impl Iterator<Item = &str> + Clone {
        self.container.command.iter().chain(&self.container.args).map(|text| text.as_str())
    }

    /// The values of its variables, as far as they are known and not optional.
    fn set_variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.container.env.iter().filter_map(|variable| {
            let source = variable.value_from.as_ref();
            let value = variable.value.as_ref().map(|value| value.as_str()).filter(|_| source.is_none());
            let is_set = match source {
                Some(source) => !source.is_optional(),
                None => value.is_some_and(|value| !is_off(value)),
            };
            is_set.then_some((variable.name.as_str(), value))
        })
    }

    /// Values of variables that are whole files.
    fn files_in_variables(&self) -> impl Iterator<Item = FileUse> {
        let values = self.set_variables().filter_map(|(_, value)| value);
        values.filter(|value| config::is_file(value)).take(MAX_FILES).map(|value| config::read("", value))
    }

    /// Keys that it takes under names of its own, or in values.
    fn own_keys(&self) -> OwnKeys {
        let of_maps: Vec<(String, Option<&str>, bool)> = self
            .maps
            .iter()
            .flat_map(|used| used.variables())
            .filter(|(_, entry)| !entry.value.as_deref().is_some_and(is_off))
            .map(|(name, entry)| (name, entry.value.as_deref(), entry.brings_keys))
            .collect();
        let names = self.set_variables().map(|(name, _)| name);
        let names = names.chain(of_maps.iter().map(|(name, ..)| name.as_str()));
        let mut keys = OwnKeys::among(names.chain(self.secrets.iter().map(String::as_str)));
        for (name, value) in self.set_variables() {
            keys.add_of_variable(name, value.unwrap_or("?"));
        }
        for (name, value, brings_keys) in &of_maps {
            keys.add_of_variable(name, value.unwrap_or("?"));
            if *brings_keys {
                keys.services.push("S3");
            }
        }
        if brings_keys(&self.arguments_of().collect::<Vec<_>>().join(" ")) {
            keys.services.push("S3");
        }
        keys
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
                Value::Text(text) => address_of_value(text),
                Value::Unknown => None,
            };
            let name = variable.name.as_str();
            // It lists what is called without a proxy, by any pod.
            if name.eq_ignore_ascii_case("NO_PROXY") || is_for_browsers(name) {
                continue;
            }
            if let Some(one) = self.use_of_variable(name, value, address) {
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
                if let Some(one) = self.use_of_variable(&name, value, entry.address) {
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

    /// What a variable says; some say something beside others only.
    fn use_of_variable(&self, name: &str, value: Value<'_>, address: Option<AwsAddress>) -> Option<AwsUse> {
        use_of_variable(name, value, address).or_else(|| {
            let Value::Text(text) = value else { return None };
            let is_found = (chooses_s3(name, text) && self.has_bucket())
                || (signs_in_with_iam(name, text) && self.has_value(is_database));
            is_found.then(|| AwsUse::Variable(name.into()))
        })
    }

    /// Whether a variable names a bucket.
    fn has_bucket(&self) -> bool {
        let is_bucket = |name: &str| name.split(['_', '.']).any(|word| word.eq_ignore_ascii_case("bucket"));
        self.set_variables().any(|(name, _)| is_bucket(name))
            || self.maps.iter().flat_map(|used| used.variables()).any(|(name, _)| is_bucket(&name))
    }

    fn has_value(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.set_variables().any(|(_, value)| value.is_some_and(&is_it))
            || self
                .maps
                .iter()
                .flat_map(|used| used.variables())
                .any(|(_, entry)| entry.value.as_deref().is_some_and(&is_it))
    }

    fn arguments(&self, found: &mut Found) {
        // A public bucket is read without credentials.
        let arguments: Vec<&str> =
            if has_unsigned(self.arguments_of()) { signed(self.arguments_of()) } else { self.arguments_of().collect() };
        let of = |text: &&str| address_in(text);
        arguments.iter().filter_map(of).for_each(|address| found.note(AwsUse::InArgument(address)));
        if let Some(service) = cli_service(arguments.iter().copied()) {
            found.note(AwsUse::Command(service));
        }
        if let Some(program) = program(arguments.iter().copied()) {
            found.note(AwsUse::InArgument(program));
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
fn is_seen(seen: &HashMap<&str, &ConfigMap>, source: &super::super::ValueFrom<'_>) -> bool {
    let reference = source.config_map_key_ref.as_ref();
    reference.is_some_and(|reference| {
        let map = seen.get(reference.name.as_str());
        map.is_some_and(|map| map.entry(reference.key.as_str()).is_some())
    })
}

/// Variables that are looked at in any case.
const MAX_VARIABLES: usize = 1_000;
