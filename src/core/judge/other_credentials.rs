//! Credentials that may come before a container's identity and cannot be seen from here: variables from objects, profiles,
//! and the shared files (AWS SDKs and Tools Reference Guide, "Standardized credential providers").

use super::Gathering;
use super::container::One;
use crate::finding::{Certainty, CredentialsCause, CredentialsValue, EndpointRef, KeySource, Label, Problem};
use crate::fix::Advice;
use crate::identity::{CredentialEnv, ExpandedTexts, Identity, Value};
use crate::rules;
use crate::workload::{Container, Endpoint, EnvFrom, clean_path, other_store};

impl One<'_, '_, '_> {
    /// Reports what may bring static keys.
    pub(super) fn possible_keys(&self, identity: Identity, gathering: &mut Gathering<'_>) {
        if identity == Identity::StaticKeys {
            return;
        }
        let Some((found, certainty)) = source(self.container, &self.env) else {
            return;
        };
        if certainty == Certainty::Undecided && !matches!(identity, Identity::Irsa | Identity::PodIdentity) {
            return;
        }
        gathering.add_for(
            self.name(),
            Problem::new(
                &rules::STATIC_KEYS_POSSIBLE,
                CredentialsCause::StaticKeysPossible { account: self.scene.subject.into() },
                Advice::CheckForKeys(rules::STATIC_KEYS_POSSIBLE.name),
            )
            .at_most(certainty)
            .expected(Label::Expected, CredentialsValue::NoOtherSource)
            .found(Label::ContainerHas, CredentialsValue::Source(found)),
        );
    }
}

/// Whether credentials may come from what cannot be seen here.
pub(super) fn may_bring_keys(container: &Container<'_>) -> bool {
    let expanded = ExpandedTexts::of(container);
    let env = CredentialEnv::of(container, &expanded);
    !container.env_from.is_empty() || env.replaces_metadata() || source(container, &env).is_some()
}

/// Whether the container was given credentials in another way, as far as its own texts say.
pub(super) fn brings_other_credentials(container: &Container<'_>) -> bool {
    let expanded = ExpandedTexts::of(container);
    let env = CredentialEnv::of(container, &expanded);
    // Keys from an object that may be absent are meant to be used all the same.
    let is_meant = |(source, certainty): (KeySource, Certainty)| {
        certainty >= Certainty::Likely || source == KeySource::OptionalObject
    };
    env.replaces_metadata() || source(container, &env).is_some_and(is_meant)
}

/// A source of credentials whose content is not read, and how much its name says.
fn source(container: &Container<'_>, env: &CredentialEnv<'_>) -> Option<(KeySource, Certainty)> {
    let set = |value: Option<Value<'_>>| value.is_some_and(Value::is_set);
    let keys = [env.access_key_id, env.secret_access_key];
    // Keys of another store are no identity of AWS.
    let at_most = if other_store(container).is_some() { Certainty::Undecided } else { Certainty::Likely };
    if keys.contains(&Some(Value::Optional)) {
        return Some((KeySource::OptionalObject, Certainty::Undecided));
    }
    if set(env.access_key_id) != set(env.secret_access_key) {
        let present = if set(env.access_key_id) { "AWS_ACCESS_KEY_ID" } else { "AWS_SECRET_ACCESS_KEY" };
        return Some((KeySource::Half(present), at_most));
    }
    // Names that some SDKs read besides (AWS SDK for Go v2, `config/env_config.go`; AWS SDK for Java 1.x).
    let alternates = ["AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_CREDENTIAL_PROFILES_FILE"];
    let mut variables = container.env.iter().map(|variable| variable.name.as_str());
    if let Some(name) = variables.find_map(|name| alternates.into_iter().find(|other| *other == name)) {
        return Some((KeySource::Variable(name), at_most));
    }
    let named = [
        (env.profile, "AWS_PROFILE"),
        (env.shared_credentials_file, "AWS_SHARED_CREDENTIALS_FILE"),
        (env.config_file, "AWS_CONFIG_FILE"),
    ];
    if let Some((_, name)) = named.into_iter().find(|(value, _)| set(*value)) {
        return Some((KeySource::Variable(name), Certainty::Likely));
    }
    if let Some((property, variable)) = env.java_property() {
        let (property, variable) = (property.into(), variable.into());
        return Some((KeySource::JavaProperty { property, variable }, Certainty::Likely));
    }
    let mut mounts = container.volume_mounts.iter().map(|mount| mount.mount_path.as_str());
    if let Some(path) = mounts.find(|path| is_credentials_folder(path) || is_home(path, env)) {
        return Some((KeySource::VolumeAt(path.into()), Certainty::Likely));
    }
    let mut mounts = container.volume_mounts.iter().map(|mount| mount.mount_path.as_str());
    let at_home = mounts.find(|path| is_usual_home(path, env));
    let objects = container.env_from.iter().filter_map(source_name);
    let object = objects.max_by_key(|(_, certainty)| *certainty);
    let object = object.map(|(object, certainty)| (object, certainty.min(at_most)));
    object.or_else(|| Some((KeySource::VolumeAt(at_home?.into()), Certainty::Undecided)))
}

/// The folder where SDKs look for the shared files.
fn is_credentials_folder(path: &str) -> bool {
    let path = clean_path(path);
    path.ends_with("/.aws") || path.contains("/.aws/")
}

/// Whether a volume covers the home folder that the container names, and so its `.aws`.
fn is_home(path: &str, env: &CredentialEnv<'_>) -> bool {
    let home = env.home.and_then(Value::literal).unwrap_or_default().trim_end_matches('/');
    let path = path.trim_end_matches('/');
    !home.is_empty() && home.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a volume covers a folder that images often have as their home, in a container that names none: the images
/// themselves are not read.
fn is_usual_home(path: &str, env: &CredentialEnv<'_>) -> bool {
    let path = clean_path(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    env.home.is_none() && matches!(parts.as_slice(), ["root"] | ["home" | "Users"] | ["home" | "Users", _])
}

/// Where `envFrom` takes variables from, and how much its name says. Names inside are not looked up: reading Secrets is a
/// high price for it.
fn source_name(source: &EnvFrom<'_>) -> Option<(KeySource, Certainty)> {
    let (kind, named) = match (&source.secret_ref, &source.config_map_ref) {
        (Some(named), _) => ("Secret", named),
        (None, Some(named)) => ("ConfigMap", named),
        (None, None) => return None,
    };
    let prefix = source.prefix.as_ref().map(|prefix| prefix.as_str()).unwrap_or_default();
    if !"AWS_".starts_with(prefix) && !prefix.starts_with("AWS_") {
        return None;
    }
    let name = named.name.as_str();
    let folded = name.to_ascii_lowercase();
    let suggests_keys = folded
        .split(['-', '.', '_'])
        .any(|word| matches!(word, "aws" | "s3" | "iam" | "amazon" | "dynamodb" | "sqs" | "sns"))
        || ["credential", "access-key", "accesskey", "awskey"].iter().any(|word| folded.contains(word));
    let source = |may_be_absent| KeySource::EnvFrom { kind, name: name.into(), may_be_absent };
    match (kind, suggests_keys) {
        // Where the object is absent the container starts without it.
        (_, true) if named.optional => Some((source(true), Certainty::Undecided)),
        (_, true) => Some((source(false), Certainty::Likely)),
        ("Secret", false) => Some((source(false), Certainty::Undecided)),
        _ => None,
    }
}

impl From<&Endpoint<'_>> for EndpointRef {
    fn from(endpoint: &Endpoint<'_>) -> Self {
        match endpoint {
            Endpoint::Other(address) => Self::Address((&**address).into()),
            Endpoint::Unknown => Self::Unknown,
        }
    }
}
