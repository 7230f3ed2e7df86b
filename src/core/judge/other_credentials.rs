//! Credentials that may come before a container's identity and cannot be seen from here: variables from objects, profiles,
//! and the shared files (AWS SDKs and Tools Reference Guide, "Standardized credential providers").

use super::Gathering;
use super::container::One;
use crate::finding::{Certainty, Problem};
use crate::identity::{CredentialEnv, ExpandedTexts, Identity, Value};
use crate::rules;
use crate::workload::{Container, Endpoint, EnvFrom, other_store};

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
                format!("static keys may come before the role of {}", self.scene.subject),
                format!(
                    "make sure that it brings no AWS keys, then annotate the namespace rolecall.dev/ignore: {} (on the workload it lifts warnings only)",
                    rules::STATIC_KEYS_POSSIBLE.name
                ),
            )
            .at_most(certainty)
            .expected("expected", "no other source of credentials")
            .found("the container has", found),
        );
    }
}

/// Whether credentials may come from what cannot be seen here.
pub(super) fn may_bring_keys(container: &Container<'_>) -> bool {
    let expanded = ExpandedTexts::of(container);
    let env = CredentialEnv::of(container, &expanded);
    !container.env_from.is_empty() || env.replaces_metadata() || source(container, &env).is_some()
}

/// A source of credentials whose content is not read, and how much its name says.
fn source(container: &Container<'_>, env: &CredentialEnv<'_>) -> Option<(String, Certainty)> {
    let set = |value: Option<Value<'_>>| value.is_some_and(Value::is_set);
    let keys = [env.access_key_id, env.secret_access_key];
    // Keys of another store are no identity of AWS.
    let at_most = if other_store(container).is_some() { Certainty::Undecided } else { Certainty::Likely };
    if keys.contains(&Some(Value::Optional)) {
        return Some((
            "access keys from an object that may be absent (optional: true)".to_owned(),
            Certainty::Undecided,
        ));
    }
    if set(env.access_key_id) != set(env.secret_access_key) {
        let present = if set(env.access_key_id) { "AWS_ACCESS_KEY_ID" } else { "AWS_SECRET_ACCESS_KEY" };
        return Some((format!("{present} without its other half"), at_most));
    }
    let named = [
        (env.profile, "AWS_PROFILE"),
        (env.shared_credentials_file, "AWS_SHARED_CREDENTIALS_FILE"),
        (env.config_file, "AWS_CONFIG_FILE"),
    ];
    if let Some((_, name)) = named.into_iter().find(|(value, _)| set(*value)) {
        return Some((name.to_owned(), Certainty::Likely));
    }
    if let Some((property, variable)) = env.java_property() {
        return Some((format!("{property} in {variable}"), Certainty::Likely));
    }
    let mut mounts = container.volume_mounts.iter().map(|mount| mount.mount_path.as_str());
    if let Some(path) = mounts.find(|path| is_credentials_folder(path) || is_home(path, env)) {
        return Some((format!("a volume at {path}"), Certainty::Likely));
    }
    let objects = container.env_from.iter().filter_map(source_name);
    let (object, certainty) = objects.max_by_key(|(_, certainty)| *certainty)?;
    Some((format!("envFrom {object}"), certainty.min(at_most)))
}

/// The folder where SDKs look for the shared files.
fn is_credentials_folder(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    path.ends_with("/.aws") || path.contains("/.aws/")
}

/// Whether a volume covers the home folder that the container names, and so its `.aws`.
fn is_home(path: &str, env: &CredentialEnv<'_>) -> bool {
    let home = env.home.and_then(Value::literal).unwrap_or_default().trim_end_matches('/');
    let path = path.trim_end_matches('/');
    !home.is_empty() && home.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where `envFrom` takes variables from, and how much its name says. Names inside are not looked up: reading Secrets is a
/// high price for it.
fn source_name(source: &EnvFrom<'_>) -> Option<(String, Certainty)> {
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
    match (kind, suggests_keys) {
        // Where the object is absent the container starts without it.
        (_, true) if named.optional => Some((format!("{kind} {name}, which may be absent"), Certainty::Undecided)),
        (_, true) => Some((format!("{kind} {name}"), Certainty::Likely)),
        ("Secret", false) => Some((format!("{kind} {name}"), Certainty::Undecided)),
        _ => None,
    }
}

/// An endpoint in a message.
pub(super) fn endpoint_text<'e>(endpoint: &'e Endpoint<'_>) -> &'e str {
    match endpoint {
        Endpoint::Other(address) => address,
        Endpoint::Unknown => "an endpoint that the manifest does not tell",
    }
}
