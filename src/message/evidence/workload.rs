//! Values of pods and containers, and of what people wrote in manifests.

use rolecall_core::finding::{
    ConfigurationValue, CredentialsValue, Expectation, InjectionValue, KeySource, StaticKeys, TokenDoubt,
};
use rolecall_core::identity::Mechanism;
use rolecall_core::workload::{AwsAddress, AwsUse, Component};

use super::endpoint;
use crate::cause::platform;
use crate::names::{account, metadata_of, needs, required_by, service_account};

pub(super) fn credentials(value: &CredentialsValue) -> String {
    match value {
        CredentialsValue::OfServiceAccount => "an identity of the service account".to_owned(),
        CredentialsValue::StaticKeys(keys) => {
            let variables = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            match keys {
                StaticKeys::ForStore(address) => format!("{variables}, for {}", endpoint(address)),
                StaticKeys::ClearText => format!("{variables}, in clear text"),
                StaticKeys::Reference => variables.to_owned(),
            }
        }
        CredentialsValue::NoOtherSource => "no other source of credentials".to_owned(),
        CredentialsValue::Source(found) => source(found),
        CredentialsValue::AssociationFor(name) => format!("an association for {}", account(name)),
        CredentialsValue::NoAssociation => "none for it".to_owned(),
        CredentialsValue::NeitherAnnotationNorAssociation(name) => {
            format!("{} has neither the role annotation nor an association", account(name))
        }
        CredentialsValue::LinuxOnEc2 => "Linux on EC2".to_owned(),
        CredentialsValue::Platform(on) => platform(on),
        CredentialsValue::AgentUri => "the agent's URI".to_owned(),
        CredentialsValue::UriReference => "a URI from an object".to_owned(),
        CredentialsValue::InjectedToken => "the token that the injector mounts".to_owned(),
        CredentialsValue::OtherTokenFile => "another token file".to_owned(),
        CredentialsValue::AwsEndpoint => "an endpoint of AWS".to_owned(),
        CredentialsValue::Endpoint(address) => endpoint(address).to_owned(),
        CredentialsValue::RoleInManifest => "a role ARN in the manifest".to_owned(),
        CredentialsValue::Reference => "a reference".to_owned(),
        CredentialsValue::LinuxPath => "a Linux path".to_owned(),
        CredentialsValue::PathOnDriveC => "a path on drive C:".to_owned(),
        CredentialsValue::TokenOf(name) => format!("a token of {}", service_account(name)),
        CredentialsValue::UnseenToken(doubt) => unseen_token(doubt),
        CredentialsValue::Expectation(why) => expectation(why),
    }
}

fn source(source: &KeySource) -> String {
    match source {
        KeySource::OptionalObject => "access keys from an object that may be absent (optional: true)".to_owned(),
        KeySource::Half(variable) => format!("{variable} without its other half"),
        KeySource::Variable(name) => (*name).to_owned(),
        KeySource::JavaProperty { property, variable } => format!("{property} in {variable}"),
        KeySource::VolumeAt(path) => format!("a volume at {path}"),
        KeySource::EnvFrom { kind, name, may_be_absent: true } => {
            format!("envFrom {kind} {name}, which may be absent")
        }
        KeySource::EnvFrom { kind, name, may_be_absent: false } => format!("envFrom {kind} {name}"),
    }
}

fn unseen_token(doubt: &TokenDoubt) -> String {
    match doubt {
        TokenDoubt::FileReference => {
            "AWS_WEB_IDENTITY_TOKEN_FILE comes from an object that rolecall does not read".to_owned()
        }
        TokenDoubt::InVolume { file, volume } => format!(
            "rolecall cannot see whose token {file} is: it is in volume {volume}, whose content rolecall does not see"
        ),
        TokenDoubt::NotMounted { file } => format!(
            "rolecall cannot see whose token {file} is: no volume is mounted there, so it comes from the image or the process"
        ),
    }
}

fn expectation(why: &Expectation) -> String {
    match why {
        Expectation::Required(by) => required_by(by),
        Expectation::Declared(declared) => {
            let what = if declared.is_empty() { "AWS".to_owned() } else { needs(declared) };
            format!("it declares that it needs {what}")
        }
        Expectation::Level => "this level expects an AWS identity for every workload".to_owned(),
        Expectation::NodeRoleByDefault(component) => format!(
            "this level expects an AWS identity for every workload; AWS runs {} with the node's role by default ({})",
            component.name, component.source
        ),
        Expectation::Evidence(found) => {
            let texts = found.iter().map(|(container, found)| format!("{container}: {}", aws_use(found)));
            texts.collect::<Vec<_>>().join("; ")
        }
    }
}

fn aws_address(address: AwsAddress) -> String {
    match address {
        AwsAddress::Arn => "an ARN".to_owned(),
        AwsAddress::S3 => "an s3:// address".to_owned(),
        AwsAddress::Endpoint | AwsAddress::S3Endpoint => "an AWS endpoint".to_owned(),
        AwsAddress::Scheme(scheme) => format!("an {scheme}:// address"),
        AwsAddress::Setting(name) => format!("a setting of an AWS SDK ({name})"),
        AwsAddress::Plugin(name) => format!("a plugin that calls AWS ({name})"),
        AwsAddress::Call(name) => format!("a call to AWS ({name})"),
        AwsAddress::S3Settings => "settings of an S3 store in an AWS region".to_owned(),
    }
}

/// What a component needs: the policy that AWS documents for it, else actions, and where that is documented.
fn component_needs(component: &Component) -> String {
    match (component.policy, component.actions) {
        (Some(policy), _) => {
            let name = policy.rsplit('/').next().unwrap_or(policy);
            format!("AWS managed policy {name} ({})", component.source)
        }
        (None, []) => format!("a role of its own ({})", component.source),
        (None, actions) => {
            let first: Vec<&str> = actions.iter().copied().take(3).collect();
            let more = if actions.len() > 3 { " and more" } else { "" };
            format!("{}{more} ({})", first.join(", "), component.source)
        }
    }
}

fn aws_use(found: &AwsUse) -> String {
    match found {
        AwsUse::Component(component) => format!("it is {}, which needs {}", component.name, component_needs(component)),
        AwsUse::SecretProvider { class, is_seen: true } => {
            format!("a volume reads AWS secrets with the pod's identity (SecretProviderClass {class}, provider aws)")
        }
        AwsUse::SecretProvider { class, is_seen: false } => {
            format!(
                "a volume probably reads AWS secrets with the pod's identity (by the name of SecretProviderClass {class})"
            )
        }
        AwsUse::Variable(name) => format!("{name} is set"),
        AwsUse::InVariable(name, held) => format!("{name} holds {}", aws_address(*held)),
        AwsUse::InArgument(held) => format!("an argument holds {}", aws_address(*held)),
        AwsUse::Command(service) => format!("its command calls `aws {service}`"),
        AwsUse::InConfigMap { name, key, found } => {
            format!("ConfigMap {name} (key {key}) holds {}", aws_address(*found))
        }
        AwsUse::Image(image) => format!("its image is {image}"),
    }
}

pub(super) fn injection(value: &InjectionValue) -> String {
    match value {
        InjectionValue::NoVariablesOrVolumes => {
            "no AWS_* credentials variables or volumes in the pod template".to_owned()
        }
        InjectionValue::NoVariablesOrToken => "no AWS_* credentials variables, or a token where they point".to_owned(),
        InjectionValue::Variables(Mechanism::PodIdentity) => {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI and its token file".to_owned()
        }
        InjectionValue::Variables(Mechanism::Irsa) => "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(),
        InjectionValue::NoneOfThem => "none of them".to_owned(),
        InjectionValue::NoneOfThemAndLabel { key } => format!("none of them, and the label {key}"),
        InjectionValue::Label { key } => format!("the pod has the label {key}"),
        InjectionValue::NamesContainers { key } => format!("the pod's annotation {key} names its containers"),
        InjectionValue::Without { present, absent } => format!("{present} without {absent}"),
        InjectionValue::TokenFor { audience } => {
            format!("a token for {}", audience.as_deref().unwrap_or("the API server"))
        }
        InjectionValue::VolumeAt { volume, path } => format!("volume {volume} at {path}"),
        InjectionValue::VolumeWithoutToken { volume } => {
            format!("a volume {volume} without a service account token")
        }
        InjectionValue::VolumeWithTokenFor { volume, audience } => {
            format!("a volume {volume} with a token for {audience}")
        }
    }
}

pub(super) fn configuration(value: &ConfigurationValue) -> String {
    match value {
        ConfigurationValue::OnServiceAccount { key } => format!("{key} on the service account"),
        ConfigurationValue::On { place, value } => format!("{}: {value}", metadata_of(*place)),
        ConfigurationValue::Lifetime => "a number of seconds from 600 to 86400".to_owned(),
        ConfigurationValue::ExpirationRange => "expirationSeconds from 600 to 4294967296".to_owned(),
        ConfigurationValue::Expiration { seconds } => format!("expirationSeconds: {seconds}"),
        ConfigurationValue::DateOrTime => "YYYY-MM-DD or an RFC 3339 time".to_owned(),
    }
}
