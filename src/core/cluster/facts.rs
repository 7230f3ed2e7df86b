//! Service accounts and namespaces.

use std::collections::HashMap;

use super::conventions::Conventions;
use super::near_miss::{legacy_annotation, misspelled_annotation};
use super::own_annotations::OwnAnnotations;
use crate::known::Known;
use crate::level::{EnforceOn, Level, LevelAssignment, PartialPolicy, Resolved};
use crate::workload::{Metadata, Objects, Owner};

/// A service account, as far as identity goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The role it is annotated with, untrimmed as the injector leaves it; never empty.
    pub role_arn: Option<Box<str>>,
    /// The audience that its tokens are to have; empty for the API server's.
    pub audience: Option<Box<str>>,
    /// The annotation's text, whatever it is.
    pub token_expiration: Option<Box<str>>,
    /// A key that comes close to the role annotation, with its value.
    pub misspelled: Option<(Box<str>, Box<str>)>,
    /// A kiam or kube2iam annotation, with its value.
    pub legacy: Option<(Box<str>, Box<str>)>,
    /// Annotations for rolecall.
    pub own_annotations: OwnAnnotations,
    /// What it is created from, where a fix may change it.
    pub owner: Option<Box<Owner>>,
}

impl ServiceAccount {
    /// Reads what matters from its metadata.
    pub fn of(metadata: &Metadata<'_>, conventions: &Conventions) -> Self {
        let annotation = |key: &str| metadata.annotations.get(key).filter(|value| !value.is_empty()).map(Into::into);
        let own = |pair: Option<(&str, &str)>| pair.map(|(key, value)| (key.into(), value.into()));
        Self {
            role_arn: annotation(conventions.role_arn_key()),
            // The injector takes an empty audience as it is.
            audience: metadata.annotations.get(conventions.audience_key()).map(Into::into),
            token_expiration: annotation(conventions.token_expiration_key()),
            misspelled: own(misspelled_annotation(metadata, conventions)),
            legacy: own(legacy_annotation(metadata)),
            own_annotations: OwnAnnotations::of(metadata),
            owner: Owner::of(metadata).map(Box::new),
        }
    }

    /// Its owner, where nothing else is known of it: so are most accounts of a cluster that a chart or GitOps created.
    pub fn only_owner(&self) -> Option<&Owner> {
        let Self { role_arn, audience, token_expiration, misspelled, legacy, own_annotations, owner } = self;
        let is_plain = role_arn.is_none()
            && audience.is_none()
            && token_expiration.is_none()
            && misspelled.is_none()
            && legacy.is_none()
            && *own_annotations == OwnAnnotations::default();
        owner.as_deref().filter(|_| is_plain)
    }
}

/// A namespace: its levels and its annotations of `rolecall.dev`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// `rolecall.dev/enforce`
    pub enforce: Option<Level>,
    /// `rolecall.dev/warn`
    pub warn: Option<Level>,
    /// `rolecall.dev/audit`
    pub audit: Option<Level>,
    /// `rolecall.dev/enforce-on`; a value that cannot be read counts as not set.
    pub enforce_on: Option<EnforceOn>,
    /// Its other labels, which the configuration's `levels` may select by.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// A level label whose value is none of the four: the label and its value.
    pub unreadable: Option<(Box<str>, Box<str>)>,
    /// Annotations for rolecall.
    pub own_annotations: OwnAnnotations,
}

impl Namespace {
    /// Reads what matters from its metadata. A level that cannot be read counts as not set, and is remembered.
    pub fn of(metadata: &Metadata<'_>) -> Self {
        let mut unreadable = None;
        let mut level = |key: &str| {
            let value = metadata.labels.get(key)?;
            let level = Level::from_name(value);
            if level.is_none() {
                unreadable = Some((key.into(), value.into()));
            }
            level
        };
        let (enforce, warn, audit) =
            (level("rolecall.dev/enforce"), level("rolecall.dev/warn"), level("rolecall.dev/audit"));
        let enforce_on = metadata.labels.get("rolecall.dev/enforce-on").and_then(EnforceOn::from_label);
        let others = metadata.labels.iter().filter(|(key, _)| !key.starts_with("rolecall.dev/"));
        let labels = others.map(|(key, value)| (key.into(), value.into())).collect();
        Self { enforce, warn, audit, enforce_on, labels, unreadable, own_annotations: OwnAnnotations::of(metadata) }
    }

    /// What is in force for it, and why.
    pub fn resolve(&self, name: &str, assignment: &LevelAssignment) -> Resolved {
        let Self { enforce, warn, audit, enforce_on, .. } = *self;
        let label = |key: &str| self.labels.iter().find(|(known, _)| **known == *key).map(|(_, value)| &**value);
        assignment.resolve(name, label, &PartialPolicy { enforce, warn, audit, enforce_on })
    }
}

/// The cluster's service accounts and namespaces.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// By namespace, then by name.
    pub service_accounts: HashMap<Box<str>, HashMap<Box<str>, ServiceAccount>>,
    /// By name.
    pub namespaces: HashMap<Box<str>, Namespace>,
    /// Whether a service account that is not listed does not exist.
    pub complete: bool,
    /// Whether the DaemonSet of the Pod Identity agent is there.
    pub agent: Presence,
    /// Whether the injector's webhook is registered.
    pub injector: Presence,
    /// What ConfigMaps and SecretProviderClasses say of AWS, where they were read.
    pub objects: Objects,
}

/// Whether something exists, of which no more matters.
pub type Presence = Known<()>;

impl Cluster {
    /// Adds a service account.
    pub fn add_service_account(&mut self, namespace: &str, name: &str, account: ServiceAccount) {
        self.service_accounts.entry(namespace.into()).or_default().insert(name.into(), account);
    }

    /// Adds a namespace.
    pub fn add_namespace(&mut self, name: &str, namespace: Namespace) {
        self.namespaces.insert(name.into(), namespace);
    }
}
