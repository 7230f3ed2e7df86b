//! The configuration file: one YAML document; every field has a default.

mod levels;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rolecall_core::cluster::Conventions;
use rolecall_core::decision::{Level, Levels, Mode};
use rolecall_core::snapshot::OwnRole;
use rustls::pki_types::ServerName;
use serde::Deserialize;

pub use self::levels::{ExpressionConfig, LevelRuleConfig, OperatorConfig, SelectorConfig, Target};
use crate::certs::Rules;
use crate::review::{IamDetail, Messages, OnError, Settings};
use crate::sources::aws::AwsSettings;

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Level up to which a namespace without the label `rolecall.dev/enforce` refuses.
    pub enforce: Level,
    /// The same for `rolecall.dev/warn`.
    pub warn: Level,
    /// The same for `rolecall.dev/audit`.
    pub audit: Level,
    /// What is denied in a namespace without the label `rolecall.dev/enforce-on`; absent: pods.
    pub enforce_on: Option<Vec<Target>>,
    /// The old name: `true` stands for `enforceOn: [pods, workloads]`.
    pub enforce_workloads: Option<bool>,
    /// Levels by the names and labels of namespaces; the first rule that matches counts.
    pub levels: Vec<LevelRuleConfig>,
    /// Whether annotations of a pod, a template, a workload or a service account lift denials too: `warnings-only` or `allow`.
    pub self_exemptions: SelfExemptions,
    /// What an object that cannot be understood gets where a namespace enforces: `allow` or `deny`.
    pub on_error: OnError,
    /// Namespaces, with `*` and `?`, whose annotations exempt from nothing.
    pub forbid_exemptions_in: Vec<String>,
    /// Seconds after which a snapshot denies no more; absent: a snapshot read from a file never expires.
    pub snapshot_max_age_seconds: Option<i64>,
    /// What requesters are told.
    pub messages: MessagesConfig,
    /// How knowledge of AWS is kept fresh.
    pub refresh: RefreshConfig,
    /// The injector's settings.
    pub injector: InjectorConfig,
    /// Limits of the server.
    pub limits: Limits,
    /// How AWS is read, by `--source aws` and `snapshot`.
    pub aws: AwsSettings,
    /// The cluster that `serve` runs in.
    pub cluster: ClusterConfig,
    /// The certificate that `serve` shows, and the CA that signs it.
    pub certificates: CertificatesConfig,
    /// The reports that `scan --reports` writes.
    pub reports: ReportsConfig,
}

/// What requesters are told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// How much a requester reads about IAM roles: `full`, `own` or `rule`.
    pub iam_detail: IamDetail,
    /// Roles that are namespaces' own, beside those that trust, name or tag a namespace.
    pub own_roles: Vec<OwnRoleConfig>,
    /// The contact that a message names; absent: the platform team.
    pub contact: Option<String>,
}

/// A role that is the own role of namespaces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRoleConfig {
    /// Namespaces, with `*` and `?`.
    pub namespace: String,
    /// Role names or ARNs, with `*` and `?`.
    pub role: String,
}

impl MessagesConfig {
    fn settings(&self) -> Messages {
        let own = |own: &OwnRoleConfig| OwnRole { namespace: own.namespace.clone(), role: own.role.clone() };
        let default = Messages::default();
        Messages {
            iam_detail: self.iam_detail,
            own_roles: self.own_roles.iter().map(own).collect(),
            contact: self.contact.clone().unwrap_or(default.contact),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.own_roles.iter().any(|own| own.namespace.is_empty() || own.role.is_empty()) {
            return Err("messages: ownRoles: namespace and role must not be empty".to_owned());
        }
        match self.contact.as_deref().map(str::trim) {
            Some("") => Err("messages: contact must not be empty".to_owned()),
            Some(contact) if contact.chars().count() > 80 || contact.contains(char::is_control) => {
                Err("messages: contact must be one line of at most 80 characters".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What annotations of those who are checked lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelfExemptions {
    /// Warnings.
    WarningsOnly,
    /// Denials too.
    Allow,
}

/// The certificate that `serve` shows, and the CA that signs it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificatesConfig {
    /// Seconds that a CA lives.
    pub ca_seconds: u64,
    /// Seconds that a leaf lives; it is renewed at half of it.
    pub leaf_seconds: u64,
    /// Seconds from the publication of a CA in the `caBundle` to its first leaf.
    pub settle_seconds: u64,
    /// Seconds between looks at the Secret and at the `caBundle`.
    pub check_seconds: u64,
    /// Seconds between looks at the files of `--tls-cert` and `--tls-key`.
    pub files_seconds: u64,
    /// Names and addresses that a certificate made here has besides those of the Service and of loopback.
    pub names: Vec<String>,
}

/// The reports that `scan --reports` writes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReportsConfig {
    /// Most results of a report; the sums count all.
    pub max_results: usize,
}

impl Default for ReportsConfig {
    fn default() -> Self {
        Self { max_results: 500 }
    }
}

/// The cluster that `serve` runs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Namespace of rolecall's own objects; absent: that of its pod, else `rolecall`.
    pub namespace: Option<String>,
    /// Name of the Service by which the API server calls.
    pub service: String,
    /// Name of the ValidatingWebhookConfiguration whose `caBundle` is kept.
    pub webhook_configuration: String,
    /// Name of the injector's MutatingWebhookConfiguration.
    pub injector_configuration: String,
    /// Milliseconds that a review waits for the event of a service account or namespace that is not known yet, before the
    /// API server is asked for it.
    pub grace_milliseconds: u64,
    /// Seconds after which a replica that collects and is not heard of is replaced.
    pub lease_seconds: u64,
    /// Bytes that one Secret takes of a published snapshot. Kubernetes allows 1 MiB for a whole Secret.
    pub secret_bytes: usize,
    /// Users besides Kubernetes' own controllers that create pods from workloads that exist, such as
    /// `system:serviceaccount:kruise-system:kruise-manager`. They count where a namespace enforces on workloads alone.
    pub controllers: Vec<String>,
    /// Whether denials are written as Events on the owner of the pod.
    pub events: bool,
    /// Hop limit of the nodes' instance metadata (IMDS). With 1, pods without a role get no credentials rather than the
    /// node's role, unless they use the node's network. Absent: what the snapshot says of the nodes, if anything.
    pub imds_hop_limit: Option<u32>,
}

/// How knowledge of AWS is kept fresh.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RefreshConfig {
    /// Seconds from one collection to the next; also between looks at a snapshot that others write. Absent: 600 for
    /// `--source aws`, 30 for a snapshot.
    pub interval_seconds: Option<u64>,
    /// Up to this share of the interval is added or taken away by chance.
    pub jitter: f64,
    /// Seconds for which a link that was read again for a denial serves other reviews too.
    pub remember_seconds: u64,
}

/// The injector's settings; the defaults are those of Amazon EKS.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InjectorConfig {
    /// Prefix of its annotations and labels.
    pub annotation_prefix: String,
    /// Audience of web identity tokens where the service account names none.
    pub audience: String,
    /// Folder where it mounts web identity tokens.
    pub token_mount_path: String,
}

/// Limits of the server.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Longest body of a review, in bytes. What an API server with Kubernetes' own limits sends is smaller
    /// (docs/reliability.md); a longer one is answered by `onError`.
    pub body_bytes: usize,
    /// Bodies of reviews from their first byte until they are answered, all together, in bytes; a quarter of it is for the
    /// small ones.
    pub in_flight_bytes: usize,
    /// Connections at one time to the port of reviews.
    pub connections: u32,
    /// The same to the port of metrics.
    pub metrics_connections: u32,
    /// Seconds that a graceful shutdown waits for reviews under way.
    pub shutdown_seconds: u64,
    /// Seconds that a client may take for its TLS handshake and for a request's header.
    pub handshake_seconds: u64,
    /// Seconds that a would-be denial waits at most for its links to be read again from AWS; mostly the API server's own
    /// timeout ends the wait before.
    pub reread_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        let Levels { enforce, warn, audit } = Levels::default();
        Self {
            enforce,
            warn,
            audit,
            enforce_on: None,
            enforce_workloads: None,
            levels: Vec::new(),
            self_exemptions: SelfExemptions::WarningsOnly,
            on_error: OnError::Allow,
            forbid_exemptions_in: Vec::new(),
            snapshot_max_age_seconds: None,
            messages: MessagesConfig::default(),
            refresh: RefreshConfig::default(),
            injector: InjectorConfig::default(),
            limits: Limits::default(),
            aws: AwsSettings::default(),
            cluster: ClusterConfig::default(),
            certificates: CertificatesConfig::default(),
            reports: ReportsConfig::default(),
        }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            namespace: None,
            service: "rolecall".to_owned(),
            webhook_configuration: "rolecall".to_owned(),
            injector_configuration: "pod-identity-webhook".to_owned(),
            grace_milliseconds: 100,
            lease_seconds: 15,
            secret_bytes: 900 << 10,
            controllers: Vec::new(),
            events: true,
            imds_hop_limit: None,
        }
    }
}

impl ClusterConfig {
    /// Namespace of rolecall's own objects.
    pub fn own_namespace(&self) -> String {
        // Where a pod's service account is mounted (Kubernetes, "Accessing the Kubernetes API from a Pod").
        let mounted = || std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
        let found = self.namespace.clone().or_else(|| std::env::var("POD_NAMESPACE").ok()).or_else(mounted);
        let found = found.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        found.unwrap_or_else(|| "rolecall".to_owned())
    }
}

impl Default for CertificatesConfig {
    fn default() -> Self {
        Self {
            ca_seconds: 31_536_000,
            leaf_seconds: 86_400,
            settle_seconds: 300,
            check_seconds: 30,
            files_seconds: 10,
            names: Vec::new(),
        }
    }
}

impl CertificatesConfig {
    /// How long things live.
    pub fn rules(&self) -> Rules {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Rules { ca: seconds(self.ca_seconds), leaf: seconds(self.leaf_seconds), settle: seconds(self.settle_seconds) }
    }

    fn check(&self) -> Result<(), String> {
        let Self { ca_seconds, leaf_seconds, settle_seconds, check_seconds, files_seconds, .. } = *self;
        if !(30..=315_360_000).contains(&ca_seconds) || !(1..=3_600).contains(&check_seconds) {
            return Err("certificates: caSeconds must be from 30 to 315360000, checkSeconds from 1 to 3600".to_owned());
        }
        if !(1..=3_600).contains(&files_seconds) {
            return Err("certificates: filesSeconds must be from 1 to 3600".to_owned());
        }
        if leaf_seconds < check_seconds.saturating_mul(4) || leaf_seconds > ca_seconds / 3 {
            return Err("certificates: leafSeconds must be at least four times checkSeconds, and at most a third of \
                        caSeconds"
                .to_owned());
        }
        // In the last third of a CA's life the next one has to be made, published, and settled.
        if settle_seconds == 0 || settle_seconds.saturating_add(check_seconds).saturating_mul(3) > ca_seconds / 3 {
            return Err("certificates: settleSeconds must be over 0, and three times settleSeconds and checkSeconds \
                        together at most a third of caSeconds"
                .to_owned());
        }
        match self.names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
            Some(name) => Err(format!("certificates: names: `{name}` is neither a DNS name nor an IP address")),
            None => Ok(()),
        }
    }
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self { interval_seconds: None, jitter: 0.1, remember_seconds: 3 }
    }
}

impl RefreshConfig {
    /// Seconds from one collection from AWS to the next.
    pub fn collect_seconds(&self) -> u64 {
        self.interval_seconds.unwrap_or(600)
    }

    /// Seconds between looks at a snapshot that others write: one conditional request each.
    pub fn poll_seconds(&self) -> u64 {
        self.interval_seconds.unwrap_or(30)
    }
}

impl Default for InjectorConfig {
    fn default() -> Self {
        let eks = Conventions::default();
        Self {
            annotation_prefix: eks.annotation_prefix,
            audience: eks.audience,
            token_mount_path: eks.token_mount_path,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 28 << 20,
            in_flight_bytes: 40 << 20,
            connections: 256,
            metrics_connections: 64,
            shutdown_seconds: 15,
            handshake_seconds: 10,
            reread_seconds: 8,
        }
    }
}

impl Limits {
    /// What of `in_flight_bytes` large reviews may take: three quarters. The rest is for small ones.
    pub fn large_bytes(&self) -> usize {
        self.in_flight_bytes / 4 * 3
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Where the file cannot be read, or a field is unknown or has a wrong value: the message names file, line and field.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Self::parse(&text).map_err(|message| anyhow::anyhow!("{}: {message}", path.display()))
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Where a field is unknown or has a wrong value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut config: Self =
            serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false })
                .map_err(|e| e.to_string())?;
        let limits = config.limits;
        if limits.body_bytes == 0 || limits.large_bytes() < limits.body_bytes {
            return Err(
                "limits: bodyBytes must be over 0, and at most three quarters of inFlightBytes: the rest is for small \
                        reviews"
                    .to_owned(),
            );
        }
        if limits.in_flight_bytes < 1 << 20 {
            return Err("limits: inFlightBytes must be at least 1048576".to_owned());
        }
        if config.snapshot_max_age_seconds.is_some_and(|seconds| seconds < 1) {
            return Err("snapshotMaxAgeSeconds must be at least 1; leave it out for the default".to_owned());
        }
        if !(1..=65_536).contains(&limits.connections) || !(1..=65_536).contains(&limits.metrics_connections) {
            return Err("limits: connections and metricsConnections must be from 1 to 65536".to_owned());
        }
        let refresh = config.refresh;
        if let Some(seconds) = refresh.interval_seconds.filter(|seconds| !(1..=86_400).contains(seconds)) {
            return Err(format!("refresh: intervalSeconds is {seconds}, and must be from 1 to 86400"));
        }
        if !(0.0..=1.0).contains(&refresh.jitter) {
            return Err(format!("refresh: jitter is {}, and must be from 0 to 1", refresh.jitter));
        }
        if refresh.remember_seconds > 60 {
            return Err(format!("refresh: rememberSeconds is {}, and must be at most 60", refresh.remember_seconds));
        }
        if !(1..=30).contains(&config.limits.reread_seconds) {
            return Err(format!("limits: rereadSeconds is {}, and must be from 1 to 30", config.limits.reread_seconds));
        }
        if !(1..=3_600).contains(&config.limits.handshake_seconds) || config.limits.shutdown_seconds > 3_600 {
            return Err("limits: handshakeSeconds must be from 1 to 3600, shutdownSeconds at most 3600".to_owned());
        }
        if config.cluster.grace_milliseconds > 2_000 || !(5..=600).contains(&config.cluster.lease_seconds) {
            return Err("cluster: graceMilliseconds must be at most 2000, leaseSeconds from 5 to 600".to_owned());
        }
        if !(1..=1_000_000).contains(&config.cluster.secret_bytes) {
            return Err("cluster: secretBytes must be from 1 to 1000000".to_owned());
        }
        config.check_levels()?;
        config.messages.check()?;
        config.certificates.check()?;
        if !(1..=10_000).contains(&config.reports.max_results) {
            return Err("reports: maxResults must be from 1 to 10000".to_owned());
        }
        config.aws = config.aws.complete()?;
        Ok(config)
    }

    /// What the judgement needs to know of the injector.
    pub fn conventions(&self) -> Conventions {
        let InjectorConfig { annotation_prefix, audience, token_mount_path } = &self.injector;
        let mut conventions = Conventions::new(annotation_prefix, audience, token_mount_path);
        conventions.imds_hop_limit = self.cluster.imds_hop_limit;
        conventions
    }

    /// What answering a review needs to know.
    pub fn settings(&self, mode: Mode) -> Settings {
        Settings {
            mode,
            levels: self.levels(),
            controllers: self.cluster.controllers.clone(),
            own_namespace: self.cluster.own_namespace(),
            pause: Arc::default(),
            self_exemptions: self.self_exemptions == SelfExemptions::Allow,
            on_error: self.on_error,
            no_exemptions: self.forbid_exemptions_in.clone(),
            snapshot_max_age: self.snapshot_max_age_seconds,
            messages: self.messages.settings(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_levels_bare() {
        let config = Config::parse("enforce: chain\nwarn: off\nonError: deny\n").unwrap();
        assert_eq!((config.enforce, config.warn, config.on_error), (Level::Chain, Level::Off, OnError::Deny));
        assert_eq!(Config::parse("").unwrap().audit, Level::Strict);
    }

    #[test]
    fn a_snapshot_is_looked_at_more_often_than_aws() {
        let seconds = |text: &str| {
            let refresh = Config::parse(text).unwrap().refresh;
            (refresh.collect_seconds(), refresh.poll_seconds())
        };
        assert_eq!(seconds(""), (600, 30));
        assert_eq!(seconds("refresh: {jitter: 0}\n"), (600, 30));
        assert_eq!(seconds("refresh: {intervalSeconds: 120}\n"), (120, 120));
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        for (text, named) in [
            ("enforce: hard\n", "hard"),
            ("enforced: chain\n", "enforced"),
            ("limits: {bodyBytes: 0}\n", "bodyBytes"),
            ("limits: {bodyBytes: many}\n", "line 1"),
            ("limits: {bodyBytes: 40000000}\n", "three quarters"),
            ("limits: {connections: 0}\n", "connections"),
            ("refresh: {intervalSeconds: 0}\n", "intervalSeconds"),
            ("certificates: {caSeconds: 3600, leafSeconds: 3600}\n", "leafSeconds"),
            ("certificates: {caSeconds: 86400, leafSeconds: 3600, settleSeconds: 28800}\n", "settleSeconds"),
            ("messages: {iamDetail: all}\n", "all"),
            ("messages: {ownRoles: [{namespace: '', role: x}]}\n", "ownRoles"),
            ("messages: {contact: ' '}\n", "contact"),
            ("certificates: {names: [hook.example.com, a b]}\n", "`a b`"),
        ] {
            let message = Config::parse(text).unwrap_err();
            assert!(message.contains(named), "{text}: {message}");
        }
    }
}
