//! Which credentials containers get.

use rolecall_core::finding::{
    AgentTokenDoubt, CredentialsCause, Fallback, FallbackCause, IdentityDoubt, MissingStep, NamingRoles, NoMetadata,
    Platform,
};
use rolecall_core::identity::Mechanism;

use crate::evidence::endpoint;
use crate::names::{account, service_account};

pub(super) fn sentence(cause: &CredentialsCause) -> String {
    match cause {
        CredentialsCause::StaticKeys { account } => {
            format!("pods of {} will use static keys: SDKs use them before any role", service_account(account))
        }
        CredentialsCause::StaticKeysPossible { account: name } => {
            format!("static keys may come before the role of {}", account(name))
        }
        CredentialsCause::AssumesItself { account: name, role, variable } => format!(
            "variable {variable} names role {role}, which the pods of {} have already: if the application assumes it, AWS denies \
             that, since the role does not trust itself",
            account(name)
        ),
        CredentialsCause::OwnRole { account } => {
            format!("the container sets its own role, not that of {}", service_account(account))
        }
        CredentialsCause::AssociationNotUsed { account } => format!(
            "the Pod Identity association of {} is not used: SDKs read the web identity variables first",
            service_account(account)
        ),
        CredentialsCause::Unsupported { account, platform: on } => format!(
            "{} cannot use its Pod Identity association on {}: the Pod Identity agent does not run there",
            service_account(account),
            platform(on)
        ),
        CredentialsCause::ThroughProxy { account } => {
            format!("pods of {} will send calls to the Pod Identity agent through the proxy", service_account(account))
        }
        CredentialsCause::NoAssociation { account } => format!(
            "pods of {} get no credentials: they have the Pod Identity variables, but the cluster has no association",
            service_account(account)
        ),
        CredentialsCause::AgentNotInstalled { account } => format!(
            "pods of {} are unlikely to get credentials: the cluster has no eks-pod-identity-agent add-on",
            service_account(account)
        ),
        CredentialsCause::AgentUnknown { account } => format!(
            "cannot tell whether the pods of {} get credentials: it is not known whether the Pod Identity agent runs",
            service_account(account)
        ),
        CredentialsCause::Undecided(why) => {
            format!("rolecall cannot tell which identity the container gets: {}", doubt(why))
        }
        CredentialsCause::TooManyRoles { account: name } => format!(
            "the containers of {} bring more roles and tokens of their own than rolecall checks for one pod",
            account(name)
        ),
        CredentialsCause::PodsKeepIdentity { account } => {
            format!("running pods of {} keep the identity they were created with", service_account(account))
        }
        CredentialsCause::PodsOlderThan { account, mechanism } => {
            let what = match mechanism {
                Mechanism::PodIdentity => "association",
                Mechanism::Irsa => "role annotation",
            };
            let account = service_account(account);
            format!("pods of {account} are older than its {what}: they keep the identity they were created with")
        }
        CredentialsCause::NotConnected { account, roles, to } => {
            let (account, to) = (service_account(account), fallback(to));
            match roles {
                NamingRoles::One { role, by_tags, missing } => format!(
                    "{account} does not get role {role}, whose {} it: {} is missing, so its pods will use {to}",
                    if *by_tags { "tags name" } else { "trust policy names" },
                    match missing {
                        MissingStep::Annotation => "its role annotation",
                        MissingStep::Association => "its Pod Identity association",
                    }
                ),
                NamingRoles::Several(count) => format!(
                    "{account} gets none of the {count} roles that name it: it has neither a role annotation nor a Pod \
                     Identity association, so its pods will use {to}"
                ),
            }
        }
        CredentialsCause::Fallback { account, why, to } => {
            let (account, to) = (service_account(account), fallback(to));
            match why {
                FallbackCause::RequiredSkipped => format!(
                    "{account} must have an IAM identity, and injection is skipped for its containers: its pods will use {to}"
                ),
                FallbackCause::RequiredNotConfigured => {
                    format!("{account} must have an IAM identity, and none is configured: its pods will use {to}")
                }
                FallbackCause::Skipped => format!(
                    "pods of {account} need AWS, but injection is skipped for its containers: they will use {to}"
                ),
                FallbackCause::NoIdentity => format!("{account} has no AWS identity: its pods would use {to}"),
                FallbackCause::NotConfigured => {
                    format!("{account} needs AWS but has no identity configured: its pods will use {to}")
                }
            }
        }
    }
}

/// Why an identity is not known.
fn doubt(why: &IdentityDoubt) -> String {
    match why {
        IdentityDoubt::OtherCredentialsUri => {
            "it takes credentials from a URI that is not the Pod Identity agent's".to_owned()
        }
        IdentityDoubt::OtherSts(address) => {
            format!("the container calls STS at {}, not at AWS", endpoint(address))
        }
        IdentityDoubt::RoleReference => {
            "AWS_ROLE_ARN comes from an object or field that rolecall does not read".to_owned()
        }
        IdentityDoubt::WindowsPathOnLinux => {
            "its token file has a Windows path, and nothing says that the pod runs on Windows".to_owned()
        }
        IdentityDoubt::LinuxPathOnWindows => {
            "the pod runs on Windows, and its token file has a Linux path without a drive".to_owned()
        }
        IdentityDoubt::AgentToken(AgentTokenDoubt::TokenOfItsOwn) => {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN holds a token of its own".to_owned()
        }
        IdentityDoubt::AgentToken(AgentTokenDoubt::FileReference) => {
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE comes from an object that rolecall does not read".to_owned()
        }
        IdentityDoubt::AgentToken(AgentTokenDoubt::Unseen { file }) => {
            format!("rolecall cannot see the token in {file}")
        }
    }
}

/// What pods use instead.
fn fallback(to: &Fallback) -> String {
    match to {
        Fallback::NodeRole(Some(role)) => {
            format!("the node role {role} (or get no credentials if IMDS is blocked)")
        }
        Fallback::NodeRole(None) => "the node role (or get no credentials if IMDS is blocked)".to_owned(),
        Fallback::NoMetadata(why) => {
            let why = match why {
                NoMetadata::Fargate => "Fargate has no node role",
                NoMetadata::HybridNode => "hybrid nodes have no instance metadata",
                NoMetadata::HopLimit => "the nodes keep instance metadata from pods (IMDS hop limit 1)",
            };
            format!("no credentials at all: {why}")
        }
        Fallback::MetadataDisabled => "no credentials at all: AWS_EC2_METADATA_DISABLED is true".to_owned(),
    }
}

/// Where a pod runs.
pub(crate) fn platform(platform: &Platform) -> String {
    match platform {
        Platform::FargateProfile(name) => format!("Fargate profile {name}"),
        Platform::FargateScheduler => "Fargate (its scheduler is fargate-scheduler)".to_owned(),
        Platform::Windows => "Windows".to_owned(),
    }
}
