//! The field of an object that causes a problem, as data: whoever knows the text of the object finds its line.

use super::cause::{Affected, CannotAssume, Cause, ReferenceCause, RoleCause, RoleRef};
use super::configuration::{ConfigurationCause, NameKind};
use super::credentials::{AgentTokenDoubt, CredentialsCause, IdentityDoubt, KeySource, Platform};
use super::ecs::EcsCause;
use super::evidence::{CredentialsValue, EvidenceValue, Expectation};
use super::injection::{InjectionCause, Preset, TokenVariable};
use super::{CannotTell, Finding, Problem};
use crate::ecs::RoleField;
use crate::fix::{PlaceholderIn, Text, UnresolvedValue};
use crate::workload::AwsUse;

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// An annotation of the object, or of the template of its pods.
    Annotation(Text),
    /// The same of a label.
    Label(Text),
    /// The annotation from which the injector takes the role.
    RoleAnnotation,
    /// The name of the service account of the pods.
    ServiceAccountName,
    /// A variable of a container.
    Variable(Text),
    /// A variable of the container of this name.
    VariableOf {
        /// The container.
        container: Text,
        /// The variable.
        name: Text,
    },
    /// Whatever else a container takes variables from, by the name of the object.
    EnvFrom(Text),
    /// A volume of the pods, by its name.
    Volume(Text),
    /// A mount of a container, by its path.
    Mount(Text),
    /// A field of the specification of the pods.
    Pod(&'static str),
    /// A role of a task definition.
    TaskRole(RoleField),
    /// A field of a custom resource, by its path.
    Path(Text),
}

const ROLE: &str = "AWS_ROLE_ARN";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const AGENT_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const STS_ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"];
const PROXIES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const REQUIRES: &str = "rolecall.dev/requires";
const IGNORE_UNTIL: &str = "rolecall.dev/ignore-until";
const IGNORE: &str = "rolecall.dev/ignore";

impl Finding {
    /// The fields that may cause it. The first one that the object has is the field to show; where it has none, its container
    /// or its name is.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = of_cause(&self.problem.cause);
        fields.splice(0..0, self.problem.found_fields());
        fields.extend(self.problem.expected_fields());
        fields
    }
}

impl Problem {
    /// Fields that the evidence names.
    fn found_fields(&self) -> Vec<Field> {
        let Some(found) = &self.found else { return Vec::new() };
        match &found.value {
            EvidenceValue::Credentials(CredentialsValue::Source(source)) => match source {
                KeySource::OptionalObject => variables(&KEYS),
                KeySource::Half(name) | KeySource::Variable(name) => variables(&[name]),
                KeySource::JavaProperty { variable, .. } => vec![Field::Variable(variable.clone())],
                KeySource::VolumeAt(path) => vec![Field::Mount(path.clone())],
                KeySource::EnvFrom { name, .. } => vec![Field::EnvFrom(name.clone())],
            },
            _ => Vec::new(),
        }
    }

    /// The variables by which containers show that they call AWS.
    fn expected_fields(&self) -> Vec<Field> {
        let value = self.expected.as_ref().map(|expected| &expected.value);
        let Some(EvidenceValue::Credentials(CredentialsValue::Expectation(Expectation::Evidence(uses)))) = value else {
            return Vec::new();
        };
        let field = |(container, found): &(Text, AwsUse)| match found {
            AwsUse::Variable(name) | AwsUse::InVariable(name, _) => {
                Some(Field::VariableOf { container: container.clone(), name: (**name).into() })
            }
            _ => None,
        };
        uses.iter().filter_map(field).collect()
    }
}

fn variables(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| Field::Variable((*name).into())).collect()
}

/// What gives a container its role.
fn role() -> Vec<Field> {
    vec![Field::Variable(ROLE.into()), Field::RoleAnnotation, Field::ServiceAccountName]
}

fn role_of(role_ref: &RoleRef) -> Vec<Field> {
    match role_ref {
        RoleRef::OfTask(field, _) => vec![Field::TaskRole(*field)],
        RoleRef::Named(_) | RoleRef::Own => role(),
        RoleRef::OfAssociation | RoleRef::TargetOfAssociation => vec![Field::ServiceAccountName],
    }
}

fn of_cause(cause: &Cause) -> Vec<Field> {
    match cause {
        Cause::CannotAssume { role, why, .. } => match why {
            CannotAssume::Preset(preset) => of_preset(preset),
            CannotAssume::NotInjected(_) => vec![Field::ServiceAccountName],
            _ => role_of(role),
        },
        Cause::CannotTell { role, why, .. } => match why {
            CannotTell::TokenAudience => variables(&[TOKEN_FILE, ROLE]),
            _ => role_of(role),
        },
        Cause::Role(RoleCause::UnknownOfAssociation { .. }) => vec![Field::ServiceAccountName],
        Cause::Role(_) => role(),
        Cause::Organization { .. } => role(),
        Cause::Target { .. } => vec![Field::ServiceAccountName],
        Cause::Credentials(cause) => of_credentials(cause),
        Cause::Injection(cause) => of_injection(cause),
        Cause::Permission(_) => {
            let mut fields = vec![Field::Annotation(REQUIRES.into())];
            fields.extend(role());
            fields
        }
        Cause::Configuration(cause) => of_configuration(cause),
        Cause::Cluster(_) => Vec::new(),
        Cause::Reference { why, .. } => match why {
            ReferenceCause::Without { path } | ReferenceCause::NamespaceUnknown { path, .. } => {
                vec![Field::Path(path.clone())]
            }
            ReferenceCause::Both { paths } => paths.iter().map(|path| Field::Path(path.clone())).collect(),
            _ => Vec::new(),
        },
        Cause::Ecs(cause) => match cause {
            EcsCause::StaticKeys { .. } => variables(&KEYS),
            EcsCause::OtherCredentials => variables(&[FULL_URI, RELATIVE_URI, TOKEN_FILE, ROLE]),
            EcsCause::NeedsOfExecutionRole { .. } => vec![Field::TaskRole(RoleField::Execution)],
            EcsCause::TaskRoleIsForExecution { .. } => vec![Field::TaskRole(RoleField::Task)],
            EcsCause::AccountUnknown { field, .. } => vec![Field::TaskRole(*field)],
            EcsCause::NoNetwork { .. } => vec![Field::Path("networkMode".into())],
            EcsCause::NoTaskRole { .. } | EcsCause::NoExecutionRole { .. } => Vec::new(),
        },
        Cause::Unresolved { value, affected } => {
            let mut fields = of_value(value);
            if let Affected::Finding(cause) = affected {
                fields.extend(of_cause(cause));
            }
            fields
        }
    }
}

/// The field that holds a value which is not known yet.
fn of_value(value: &UnresolvedValue) -> Vec<Field> {
    match value {
        UnresolvedValue::Placeholder { place, .. } => match place {
            PlaceholderIn::Field(name) => vec![Field::Annotation(name.clone()), Field::Path(name.clone())],
            PlaceholderIn::AccountName => vec![Field::ServiceAccountName],
            PlaceholderIn::Variable(name) => vec![Field::Variable(name.clone())],
            PlaceholderIn::VariableName | PlaceholderIn::Label => Vec::new(),
        },
        UnresolvedValue::AccountNamespace(_) => vec![Field::ServiceAccountName],
        UnresolvedValue::Namespace(_) => Vec::new(),
    }
}

fn of_preset(preset: &Preset) -> Vec<Field> {
    match preset {
        Preset::RelativeUri => variables(&[RELATIVE_URI]),
        Preset::OwnUri | Preset::FullUriWithoutToken | Preset::OtherAudience => variables(&[FULL_URI]),
        Preset::NoSuchToken { variable } | Preset::TokenNotMounted { variable } => match variable {
            TokenVariable::WebIdentity => variables(&[TOKEN_FILE]),
            TokenVariable::PodIdentity => variables(&[AGENT_TOKEN_FILE]),
        },
        Preset::Volume(name) | Preset::VolumeAudience(name) => vec![Field::Volume(name.clone())],
        Preset::ApiServerToken => variables(&[TOKEN_FILE]),
        Preset::Variable => variables(&[ROLE, TOKEN_FILE, FULL_URI, AGENT_TOKEN_FILE]),
        Preset::MountConflict { path, own, .. } => vec![Field::Mount(path.clone()), Field::Volume(own.clone())],
    }
}

fn of_credentials(cause: &CredentialsCause) -> Vec<Field> {
    use CredentialsCause as C;
    match cause {
        C::StaticKeys { .. } => variables(&KEYS),
        C::StaticKeysPossible { .. } | C::Fallback { .. } => Vec::new(),
        C::OwnRole { .. } => variables(&[ROLE, TOKEN_FILE]),
        C::AssumesItself { variable, .. } => vec![Field::Variable(variable.clone())],
        C::AssociationNotUsed { .. }
        | C::NoAssociation { .. }
        | C::AgentNotInstalled { .. }
        | C::AgentUnknown { .. }
        | C::NotConnected { .. } => vec![Field::ServiceAccountName],
        C::TooManyRoles { .. } => role(),
        C::Unsupported { platform, .. } => match platform {
            Platform::FargateScheduler => vec![Field::Pod("schedulerName")],
            Platform::Windows => vec![Field::Pod("os"), Field::Pod("nodeSelector"), Field::Pod("affinity")],
            Platform::FargateProfile(_) => vec![Field::ServiceAccountName],
        },
        C::ThroughProxy { .. } => variables(&PROXIES),
        C::Undecided(doubt) => match doubt {
            IdentityDoubt::OtherCredentialsUri => variables(&[FULL_URI, RELATIVE_URI]),
            IdentityDoubt::OtherSts(_) => variables(&STS_ENDPOINTS),
            IdentityDoubt::RoleReference => variables(&[ROLE]),
            IdentityDoubt::WindowsPathOnLinux | IdentityDoubt::LinuxPathOnWindows => variables(&[TOKEN_FILE]),
            IdentityDoubt::AgentToken(
                AgentTokenDoubt::TokenOfItsOwn | AgentTokenDoubt::FileReference | AgentTokenDoubt::Unseen { .. },
            ) => variables(&[AGENT_TOKEN_FILE, "AWS_CONTAINER_AUTHORIZATION_TOKEN"]),
        },
        C::PodsKeepIdentity { .. } | C::PodsOlderThan { .. } => vec![Field::ServiceAccountName],
    }
}

fn of_injection(cause: &InjectionCause) -> Vec<Field> {
    match cause {
        InjectionCause::EphemeralPreset { why, .. } => of_preset(why),
        InjectionCause::Skipped { key, .. } | InjectionCause::TokenLifetime { key, .. } => {
            vec![Field::Annotation(key.clone()), Field::Label(key.clone())]
        }
        InjectionCause::VolumeLifetime { volume, .. } => vec![Field::Volume(volume.clone())],
    }
}

fn of_configuration(cause: &ConfigurationCause) -> Vec<Field> {
    match cause {
        ConfigurationCause::Misspelled { key, .. }
        | ConfigurationCause::Legacy { key, .. }
        | ConfigurationCause::Misplaced { key, .. } => vec![Field::Annotation(key.clone()), Field::ServiceAccountName],
        ConfigurationCause::Ambiguous { .. } => vec![Field::RoleAnnotation, Field::ServiceAccountName],
        ConfigurationCause::AccountMissing { .. } => vec![Field::ServiceAccountName],
        ConfigurationCause::OwnName { kind, key, .. } => match kind {
            NameKind::Annotation => vec![Field::Annotation(key.clone())],
            NameKind::Label => vec![Field::Label(key.clone())],
        },
        ConfigurationCause::ExemptionEndsSoon { .. }
        | ConfigurationCause::ExemptionEnded { .. }
        | ConfigurationCause::ExemptionUnreadable { .. } => {
            vec![Field::Annotation(IGNORE_UNTIL.into()), Field::Annotation(IGNORE.into())]
        }
    }
}
