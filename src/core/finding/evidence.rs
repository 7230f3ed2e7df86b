//! What was expected and what was found, as data.
#![expect(missing_docs, reason = "the texts of `rolecall-message` say what each variant means")]

use super::credentials::{EndpointRef, KeySource, Platform, StaticKeys, TokenDoubt};
use super::ecs::EcsValue;
use super::label::Label;
use super::trust::{Sent, TrustCondition, TrustValue};
use crate::fix::{AccountName, FirstValues, HolderName, List, MetadataOf, PolicyStatement, SnapshotPart, Text};
use crate::identity::Mechanism;
use crate::permission::{Denial, Need, RulingDoubt};
use crate::workload::{AwsUse, Component};

/// A value that was expected or found, and what it is a value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub label: Label,
    pub value: EvidenceValue,
}

/// A value that was expected or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceValue {
    /// As AWS or Kubernetes has it.
    Text(Text),
    /// `"VALUE"`, so that blanks around it are seen.
    Quoted(Text),
    List(List),
    Values(FirstValues),
    /// `KEY: VALUE`
    Entry {
        key: Text,
        value: Text,
    },
    /// `KEY: "VALUE"`
    QuotedEntry {
        key: Text,
        value: Text,
    },
    /// `KEY = VALUE`
    KeyIs {
        key: Text,
        value: Text,
    },
    /// `NAMESPACE/NAME`
    Account(AccountName),
    ServiceAccount(AccountName),
    Nothing,
    /// Only the request to AWS has the value.
    NotKnown,
    Trust(TrustValue),
    Snapshot(SnapshotValue),
    Role(RoleValue),
    Permission(PermissionValue),
    Credentials(CredentialsValue),
    Injection(InjectionValue),
    Configuration(ConfigurationValue),
    Ecs(EcsValue),
}

/// What a snapshot has, or should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotValue {
    Part(SnapshotPart),
    /// The part that was needed was not collected at all.
    NothingOfIt,
    AccountNotCollected,
    OtherRoles,
    NoRoles,
    DescribeAssociation {
        id: Text,
    },
    AssociationWithoutRole,
    AgentAddOnOrDaemonSet,
    AddOnsNotCollected,
    /// Those that are installed; the DaemonSets were not read.
    AddOnsWithoutDaemonSets(List),
    AddOns(List),
    AddOnWithoutDaemonSet,
    NoDaemonSet,
    AgentOnEveryNode,
    AgentPodsReady {
        desired: u64,
    },
    InjectorConfiguration {
        name: Text,
    },
    NoInjectorConfiguration,
    NoNamespace {
        name: Text,
    },
    NoServiceAccount(AccountName),
    /// Of the namespace of the workload.
    NoSuchServiceAccount,
}

/// A role or an OIDC provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleValue {
    Trusting {
        claim: Text,
    },
    OfAssociation,
    TargetOfAssociation,
    NoneOfThatName,
    NoRole,
    NotInSnapshot,
    /// The service account's role: its ARN is not known.
    Its,
    /// The account has no OIDC provider for the cluster's issuer.
    NoProvider,
    /// None is possible.
    Audiences(List),
    CheckedWithinLimit,
    AtMost(usize),
    Count(usize),
    /// The same of different roles and tokens.
    DifferentAtMost(usize),
}

/// What an identity may do, or needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionValue {
    Need(NeedName),
    NeedAndFollowing(NeedName),
    CheckedWithinLimit,
    AllowedNowhere,
    Denial(Denial),
    Doubt(RulingDoubt),
    /// The form of an action's name.
    ServiceAction,
    WhatNodeNeeds,
    /// What a node role allows, and the statement that does.
    NeedsAllowedBy {
        needs: Box<[NeedName]>,
        statement: Option<PolicyStatement>,
    },
}

/// An action, and the resource that it is needed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedName {
    pub action: Text,
    pub resource: Option<Text>,
}

impl From<Need<'_>> for NeedName {
    fn from(need: Need<'_>) -> Self {
        Self { action: need.action.into(), resource: need.resource.map(Text::from) }
    }
}

/// Credentials of a container, or what suggests that it needs some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsValue {
    OfServiceAccount,
    StaticKeys(StaticKeys),
    NoOtherSource,
    Source(KeySource),
    AssociationFor(AccountName),
    /// The cluster has no association for the service account.
    NoAssociation,
    NeitherAnnotationNorAssociation(AccountName),
    LinuxOnEc2,
    Platform(Platform),
    AgentUri,
    /// A credentials URI that comes from a ConfigMap or a Secret.
    UriReference,
    InjectedToken,
    OtherTokenFile,
    AwsEndpoint,
    Endpoint(EndpointRef),
    RoleInManifest,
    /// A role ARN that comes from a ConfigMap, a Secret or a field.
    Reference,
    LinuxPath,
    PathOnDriveC,
    TokenOf(AccountName),
    UnseenToken(TokenDoubt),
    Expectation(Expectation),
}

/// Why an identity is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    Required(RequiredBy),
    /// Needs are declared; none by name where the list is empty.
    Declared(Box<[NeedName]>),
    /// The level expects one for every workload.
    Level,
    /// The level does; AWS itself runs this component with the node's role.
    NodeRoleByDefault(&'static Component),
    /// Containers, and what in them suggests that they call AWS.
    Evidence(Box<[(Text, AwsUse)]>),
}

/// Who says that pods must have an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequiredBy {
    /// `rolecall.dev/identity: required`
    Annotation(HolderName),
    /// `requireIdentity`
    Configuration,
}

/// What the injector adds, or what keeps it from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectionValue {
    NoVariablesOrVolumes,
    NoVariablesOrToken,
    Variables(Mechanism),
    NoneOfThem,
    NoneOfThemAndLabel {
        key: Text,
    },
    Label {
        key: Text,
    },
    NamesContainers {
        key: Text,
    },
    /// A variable without another.
    Without {
        present: &'static str,
        absent: &'static str,
    },
    /// Absent: for the API server.
    TokenFor {
        audience: Option<Text>,
    },
    VolumeAt {
        volume: Text,
        path: Text,
    },
    VolumeWithoutToken {
        volume: Text,
    },
    VolumeWithTokenFor {
        volume: Text,
        audience: Text,
    },
}

/// What people write in annotations and manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigurationValue {
    OnServiceAccount {
        key: Text,
    },
    /// The value of an annotation, and where it is.
    On {
        place: MetadataOf,
        value: Text,
    },
    Lifetime,
    ExpirationRange,
    Expiration {
        seconds: i64,
    },
    DateOrTime,
}

impl From<&str> for EvidenceValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Box<str>> for EvidenceValue {
    fn from(text: &Box<str>) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for EvidenceValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

from_parts!(
    Text => EvidenceValue::Text,
    FirstValues => EvidenceValue::Values,
    TrustValue => EvidenceValue::Trust,
    SnapshotValue => EvidenceValue::Snapshot,
    RoleValue => EvidenceValue::Role,
    PermissionValue => EvidenceValue::Permission,
    CredentialsValue => EvidenceValue::Credentials,
    InjectionValue => EvidenceValue::Injection,
    ConfigurationValue => EvidenceValue::Configuration,
    EcsValue => EvidenceValue::Ecs,
);

impl From<SnapshotPart> for EvidenceValue {
    fn from(part: SnapshotPart) -> Self {
        Self::Snapshot(SnapshotValue::Part(part))
    }
}

impl From<TrustCondition> for EvidenceValue {
    fn from(condition: TrustCondition) -> Self {
        Self::Trust(TrustValue::Condition(condition))
    }
}

impl From<Sent> for EvidenceValue {
    fn from(sent: Sent) -> Self {
        Self::Trust(TrustValue::Sent(sent))
    }
}
