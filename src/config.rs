//! The configuration file: one YAML document; every field has a default.

mod cluster;
mod commands;
mod error;
mod events;
mod levels;
mod pod_templates;
mod would_deny;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rolecall_certs::Lifetimes;
use rolecall_core::cluster::{Conventions, IdentitySelector};
use rolecall_core::custom::PodSource;
use rolecall_core::decision::{Level, Levels, Mode};
use rolecall_core::rules::DocsUrl;
use rolecall_core::snapshot::OwnRole;
use rolecall_message::fix::Format;
use rustls::pki_types::ServerName;
use serde::Deserialize;

pub use self::cluster::ClusterConfig;
pub use self::commands::{CheckConfig, ScanConfig};
pub use self::error::ConfigError;
pub use self::events::EventsConfig;
pub use self::levels::{ExpressionConfig, LevelRuleConfig, OperatorConfig, SelectorConfig, Target};
pub use self::pod_templates::PodTemplateConfig;
pub use self::would_deny::WouldDenyConfig;
use crate::review::{IamDetail, Messages, OnError, Settings};
use crate::sources::aws::{AwsSettings, InvalidField};

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
    /// Pods that must have an identity, as with the annotation `rolecall.dev/identity: required`.
    pub require_identity: Vec<RequireIdentityConfig>,
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
    /// What requesters may read.
    pub messages: MessagesConfig,
    /// How what is known of AWS is kept fresh.
    pub refresh: RefreshConfig,
    /// The injector's settings.
    pub injector: InjectorConfig,
    /// Limits of the server.
    pub limits: Limits,
    /// How AWS is read, by `--source aws` and `snapshot`.
    pub aws: AwsSettings,
    /// The cluster that `serve` runs in.
    pub cluster: ClusterConfig,
    /// The Kubernetes Events that `serve` writes.
    pub events: EventsConfig,
    /// The count of workloads that a level would deny, for a dashboard.
    pub would_deny: WouldDenyConfig,
    /// The certificate that `serve` shows, and the CA that signs it.
    pub certificates: CertificatesConfig,
    /// The reports that `scan --reports` writes.
    pub reports: ReportsConfig,
    /// Custom resources that describe pods, besides those that rolecall knows.
    pub pod_templates: Vec<PodTemplateConfig>,
    /// Defaults of the options of `check`.
    pub check: CheckConfig,
    /// Defaults of the options of `scan`.
    pub scan: ScanConfig,
}

/// What requesters may read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// How much a requester reads about IAM roles: `full`, `own` or `rule`.
    pub iam_detail: IamDetail,
    /// Roles that are namespaces' own, beside those that trust, name or tag a namespace.
    pub own_roles: Vec<OwnRoleConfig>,
    /// The contact that a message names; absent: the platform team.
    pub contact: Option<String>,
    /// How `check`, `scan` and `can-i` write fixes: `cli`, `terraform`, `eksctl` or `cloudformation`; absent: `cli`.
    pub fix_format: Option<String>,
    /// Where the pages of the rules are published; absent: messages have no address. `serve`, `check` and `scan` print it.
    pub docs_url: Option<DocsUrl>,
}

/// Pods that must have an identity: those that match all parts. At least one part is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequireIdentityConfig {
    /// Namespaces, with `*` and `?`.
    pub namespaces: Vec<String>,
    /// Names of service accounts, with `*` and `?`.
    pub service_accounts: Vec<String>,
    /// Labels of the pods, with their values.
    pub pod_labels: BTreeMap<String, String>,
}

impl RequireIdentityConfig {
    fn selector(&self) -> IdentitySelector {
        IdentitySelector {
            namespaces: self.namespaces.clone(),
            service_accounts: self.service_accounts.clone(),
            pod_labels: self.pod_labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
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
            docs_url: self.docs_url.clone(),
        }
    }

    fn check(&self) -> Result<(), InvalidField> {
        if self.own_roles.iter().any(|own| own.namespace.is_empty() || own.role.is_empty()) {
            return Err(InvalidField::new("messages.ownRoles", "namespace and role must not be empty"));
        }
        if let Some(format) = self.fix_format.as_deref().filter(|name| Format::from_name(name).is_none()) {
            let known = Format::ALL.map(Format::name).join(", ");
            let problem = format!("`{}` must be one of {known}", format.escape_debug());
            return Err(InvalidField::new("messages.fixFormat", problem));
        }
        let problem = match self.contact.as_deref().map(str::trim) {
            Some("") => "must not be empty",
            Some(contact) if contact.chars().count() > 80 || contact.contains(char::is_control) => {
                "must be one line of at most 80 characters"
            }
            _ => return Ok(()),
        };
        Err(InvalidField::new("messages.contact", problem))
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

/// How what is known of AWS is kept fresh.
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
            require_identity: Vec::new(),
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
            events: EventsConfig::default(),
            would_deny: WouldDenyConfig::default(),
            certificates: CertificatesConfig::default(),
            reports: ReportsConfig::default(),
            pod_templates: Vec::new(),
            check: CheckConfig::default(),
            scan: ScanConfig::default(),
        }
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
    /// How long CAs and leaves are valid.
    pub fn lifetimes(&self) -> Lifetimes {
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Lifetimes {
            ca_seconds: seconds(self.ca_seconds),
            leaf_seconds: seconds(self.leaf_seconds),
            settle_seconds: seconds(self.settle_seconds),
        }
    }

    fn check(&self) -> Result<(), InvalidField> {
        let Self { ca_seconds, leaf_seconds, settle_seconds, check_seconds, files_seconds, .. } = *self;
        InvalidField::check("certificates.caSeconds", ca_seconds, 30..=315_360_000)?;
        InvalidField::check("certificates.checkSeconds", check_seconds, 1..=3_600)?;
        InvalidField::check("certificates.filesSeconds", files_seconds, 1..=3_600)?;
        if leaf_seconds < check_seconds.saturating_mul(4) || leaf_seconds > ca_seconds / 3 {
            let problem = format!(
                "is {leaf_seconds}, and must be at least four times checkSeconds ({check_seconds}) and at most a third of \
                 caSeconds ({ca_seconds})"
            );
            return Err(InvalidField::new("certificates.leafSeconds", problem));
        }
        // In the last third of a CA's life the next one has to be created, published, and settled.
        if settle_seconds == 0 || settle_seconds.saturating_add(check_seconds).saturating_mul(3) > ca_seconds / 3 {
            let problem = format!(
                "is {settle_seconds}, and must be over 0; three times settleSeconds and checkSeconds ({check_seconds}) \
                 together must be at most a third of caSeconds ({ca_seconds})"
            );
            return Err(InvalidField::new("certificates.settleSeconds", problem));
        }
        match self.names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
            Some(name) => {
                let problem = format!("`{name}` is neither a DNS name nor an IP address");
                Err(InvalidField::new("certificates.names", problem))
            }
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

    fn check(&self) -> Result<(), InvalidField> {
        if let Some(seconds) = self.interval_seconds {
            InvalidField::check("refresh.intervalSeconds", seconds, 1..=86_400)?;
        }
        InvalidField::check("refresh.jitter", self.jitter, 0.0..=1.0)?;
        InvalidField::check("refresh.rememberSeconds", self.remember_seconds, 0..=60)
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
    fn check(&self) -> Result<(), InvalidField> {
        if self.in_flight_bytes < 1 << 20 {
            let problem = format!("is {}, and must be at least 1048576", self.in_flight_bytes);
            return Err(InvalidField::new("limits.inFlightBytes", problem));
        }
        if self.body_bytes == 0 || self.large_bytes() < self.body_bytes {
            let problem = format!(
                "is {}, and must be over 0 and at most three quarters of inFlightBytes ({}): the rest is for small reviews",
                self.body_bytes, self.in_flight_bytes
            );
            return Err(InvalidField::new("limits.bodyBytes", problem));
        }
        InvalidField::check("limits.connections", self.connections, 1..=65_536)?;
        InvalidField::check("limits.metricsConnections", self.metrics_connections, 1..=65_536)?;
        InvalidField::check("limits.rereadSeconds", self.reread_seconds, 1..=30)?;
        InvalidField::check("limits.handshakeSeconds", self.handshake_seconds, 1..=3_600)?;
        InvalidField::check("limits.shutdownSeconds", self.shutdown_seconds, 0..=3_600)
    }

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
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Where a field is unknown or has a wrong value.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut config: Self =
            serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false })
                .map_err(|error| ConfigError::Syntax(error.to_string()))?;
        config.limits.check()?;
        config.refresh.check()?;
        config.cluster.check()?;
        if config.require_identity.iter().any(|required| required.selector().is_empty()) {
            let problem = "each entry must set namespaces, serviceAccounts or podLabels";
            return Err(InvalidField::new("requireIdentity", problem).into());
        }
        config.check_levels()?;
        config.messages.check()?;
        config.events.check()?;
        config.would_deny.check()?;
        config.certificates.check()?;
        config.pod_templates.iter().try_for_each(PodTemplateConfig::check)?;
        InvalidField::check("reports.maxResults", config.reports.max_results, 1..=10_000)?;
        if let Some(seconds) = config.snapshot_max_age_seconds.filter(|seconds| *seconds < 1) {
            let problem = format!("is {seconds}, and must be at least 1; leave it out for the default");
            return Err(InvalidField::new("snapshotMaxAgeSeconds", problem).into());
        }
        config.aws = config.aws.complete()?;
        Ok(config)
    }

    /// What the judgement needs to know of the injector.
    pub fn conventions(&self) -> Conventions {
        let InjectorConfig { annotation_prefix, audience, token_mount_path } = &self.injector;
        let mut conventions = Conventions::new(annotation_prefix, audience, token_mount_path);
        conventions.imds_hop_limit = self.cluster.imds_hop_limit;
        conventions.require_identity = self.require_identity.iter().map(RequireIdentityConfig::selector).collect();
        conventions
    }

    /// Custom resources that describe pods, besides those that rolecall knows.
    pub fn pod_sources(&self) -> Vec<&'static PodSource> {
        self.pod_templates.iter().map(PodTemplateConfig::source).collect()
    }

    /// How a report writes fixes; `asked` is what the command line says.
    pub fn fix_format(&self, asked: Option<Format>) -> Format {
        asked.or_else(|| Format::from_name(self.messages.fix_format.as_deref()?)).unwrap_or(Format::Cli)
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
            ("limits: {connections: 0}\n", "limits.connections: is 0, and must be from 1 to 65536"),
            ("limits: {metricsConnections: 65537}\n", "limits.metricsConnections: is 65537"),
            ("limits: {handshakeSeconds: 0}\n", "limits.handshakeSeconds: is 0"),
            ("limits: {shutdownSeconds: 3601}\n", "limits.shutdownSeconds: is 3601"),
            ("snapshotMaxAgeSeconds: -1\n", "snapshotMaxAgeSeconds: is -1, and must be at least 1"),
            ("cluster: {graceMilliseconds: 2001}\n", "cluster.graceMilliseconds: is 2001"),
            ("cluster: {leaseSeconds: 4}\n", "cluster.leaseSeconds: is 4"),
            ("refresh: {jitter: 1.5}\n", "refresh.jitter: is 1.5, and must be from 0 to 1"),
            ("certificates: {caSeconds: 29}\n", "certificates.caSeconds: is 29"),
            ("certificates: {checkSeconds: 0}\n", "certificates.checkSeconds: is 0"),
            ("refresh: {intervalSeconds: 0}\n", "intervalSeconds"),
            ("certificates: {caSeconds: 3600, leafSeconds: 3600}\n", "leafSeconds"),
            ("certificates: {caSeconds: 86400, leafSeconds: 3600, settleSeconds: 28800}\n", "settleSeconds"),
            ("requireIdentity: [{}]\n", "requireIdentity"),
            ("requireIdentity: [{podLabel: {a: b}}]\n", "podLabel"),
            ("messages: {iamDetail: all}\n", "all"),
            ("messages: {ownRoles: [{namespace: '', role: x}]}\n", "ownRoles"),
            ("messages: {contact: ' '}\n", "contact"),
            ("messages: {fixFormat: pulumi}\n", "fixFormat"),
            ("messages: {docsUrl: docs.example.com}\n", "http or https URL"),
            ("events: {callsPerSecond: 0}\n", "callsPerSecond"),
            ("events: {repeatSeconds: 0}\n", "repeatSeconds"),
            ("wouldDeny: {intervalSeconds: 5}\n", "wouldDeny.intervalSeconds"),
            ("wouldDeny: {level: off}\n", "wouldDeny.level"),
            ("cluster: {events: false}\n", "events"),
            ("certificates: {names: [hook.example.com, a b]}\n", "`a b`"),
        ] {
            let message = Config::parse(text).unwrap_err().to_string();
            assert!(message.contains(named), "{text}: {message}");
        }
    }
}
