//! What may be behind a problem.

use rolecall_core::finding::{
    Hint, IssuerDifference, NameDifference, OnOutageOrLevel, OtherTrust, Remark, RolePurpose, SubjectDifference, Typo,
    bounded,
};
use rolecall_core::fix::Text;

use crate::names::{ECS_TASKS, POD_IDENTITY, account, required_by, service_account};
use crate::permission::unlisted_key;

const PREFIX: &str = "rolecall.dev/";

/// What may be behind a problem, without a full stop.
pub fn hint(hint: &Hint) -> String {
    bounded(match hint {
        Hint::Typo(found) => typo(found),
        Hint::Remark(known) => remark(known),
    })
}

/// The same with what introduces it.
pub fn hint_line(of: &Hint) -> String {
    format!("{}: {}", if of.is_typo() { "likely typo" } else { "hint" }, hint(of))
}

fn typo(typo: &Typo) -> String {
    match typo {
        Typo::Role { written, meant } => format!("role `{written}` should be `{meant}`"),
        Typo::KeyIsArn => "the key is the provider's ARN; it must be its address only".to_owned(),
        Typo::KeyHasScheme => "the key begins with https://; it must not".to_owned(),
        Typo::KeyHasSlash => "the key has a slash before its claim; it must not".to_owned(),
        Typo::KeyWithoutClaim { claim } => {
            format!("the key is the issuer alone; it must end in the claim, `:{claim}`")
        }
        Typo::Issuer(difference) => issuer(difference),
        Typo::ProviderIsAddress => "the principal is the provider's address; it must be its ARN".to_owned(),
        Typo::ProviderSpelling => {
            "the provider's ARN is written differently: https://, a slash at its end or another partition".to_owned()
        }
        Typo::ProviderOfAccount { account, own } => {
            format!("the provider is one of account {account}; it must be one of the role's own account, {own}")
        }
        Typo::SubjectHasBlank => "the subject in the policy begins or ends with a blank".to_owned(),
        Typo::SubjectHasHidden => "the subject in the policy has blanks or characters that do not show".to_owned(),
        Typo::SubjectCase => "the case differs: `sub` is case-sensitive".to_owned(),
        Typo::SubjectIsAudience => "that is an audience: `sub` and `aud` are swapped".to_owned(),
        Typo::AudienceIsSubject => "that is a subject: `sub` and `aud` are swapped".to_owned(),
        Typo::SubjectForm => "a subject must have the form system:serviceaccount:NAMESPACE:NAME".to_owned(),
        Typo::SubjectSwapped => "namespace and name are swapped".to_owned(),
        Typo::Subject(difference) => subject(difference),
        Typo::Value { should_be } => format!("the value should be \"{should_be}\""),
        Typo::LabelValue { should_be } => {
            let value = match should_be {
                OnOutageOrLevel::Deny => "deny",
                OnOutageOrLevel::Level(level) => level.name(),
            };
            format!("the value should be `{value}`")
        }
        Typo::Rule { written, meant } => format!("`{written}` should be `{meant}`"),
        Typo::OwnName { written, meant } => format!("{PREFIX}{written} should be {PREFIX}{meant}"),
    }
}

fn remark(remark: &Remark) -> String {
    match remark {
        Remark::NoSuchClaim { claim } => format!("an EKS token has no `{claim}` claim that IAM reads"),
        Remark::OtherIssuer { address } => format!("{address} is not this cluster's issuer"),
        Remark::Issuer(difference) => issuer(difference),
        Remark::Subject(difference) => subject(difference),
        Remark::SimilarProvider { address } => {
            format!("the account has a provider for https://{address}, which is similar")
        }
        Remark::UseOperator { operator, instead_of } => {
            format!("{instead_of} compares `*` and `?` as they are written; {operator} reads them as wildcards")
        }
        Remark::RoleIsFor(purpose) => match purpose {
            RolePurpose::PodIdentity => "the role's trust policy is for Pod Identity, and the pods use IRSA".to_owned(),
            RolePurpose::PodIdentityOfPods => {
                "the role's trust policy is for Pod Identity, which gives credentials to pods and not to tokens"
                    .to_owned()
            }
            RolePurpose::Irsa => "the role's trust policy is for IRSA; Pod Identity needs another statement".to_owned(),
            RolePurpose::EcsTasks => "the role's trust policy is for ECS tasks".to_owned(),
            RolePurpose::Ec2 => "the role's trust policy is for EC2 instances".to_owned(),
            RolePurpose::Lambda => "the role's trust policy is for Lambda functions".to_owned(),
        },
        Remark::NoSessionTags => "the association disables session tags, so EKS sends none".to_owned(),
        Remark::PodIdentityService => format!("the service principal of Pod Identity is {POD_IDENTITY}"),
        Remark::RoleTrusts(other) => format!("{}; ECS tasks need {ECS_TASKS}", role_trusts(*other)),
        Remark::EcsClusterNotSupported => {
            "AWS supports no condition on aws:SourceArn that names more than account and region of ECS tasks".to_owned()
        }
        Remark::ExecutionRoleIsNotForContainers { role } => {
            format!("executionRoleArn {role} is for the ECS agent: containers cannot use it")
        }
        Remark::ActsOn { action, pattern } => format!("{action} acts on {pattern}"),
        Remark::UnlistedKey(key) => unlisted_key(key),
        Remark::SimilarAccount { account: name } => format!("{} exists and may be meant", account(name)),
        Remark::UnusedIdentity { account: other, role } => {
            let other = service_account(other);
            format!(
                "{other} has {}, and no checked workload uses it: is serviceAccountName right?",
                a_role(role.as_ref())
            )
        }
        Remark::AssociationWithoutAccount { account: other, role } => format!(
            "the association with {} is for {}, and no such service account was read: is its name right?",
            a_role(role.as_ref()),
            account(other)
        ),
        Remark::Namesake { account: other, role } => {
            format!("its namesake {} has {}: is the namespace right?", account(other), a_role(role.as_ref()))
        }
        Remark::MayBeMeant { role } => {
            format!(
                "role {role} names this service account and may be meant; it is not known whether its pods could assume it"
            )
        }
        Remark::MustHaveIdentity(by) => format!("{}: the pod must not start without it", required_by(by)),
        Remark::IsLabel { name } => format!("set it as a label of the namespace: {PREFIX}{name}"),
        Remark::IsAnnotation { name } => format!("set it as an annotation: {PREFIX}{name}"),
        Remark::EnforceOnValues => "write `pods`, `workloads` or `pods.workloads`".to_owned(),
    }
}

/// A role by its name, where that was read.
fn a_role(role: Option<&Text>) -> String {
    role.map_or_else(|| "a role".to_owned(), |role| format!("role {role}"))
}

/// What a role is for.
fn role_trusts(other: OtherTrust) -> &'static str {
    match other {
        OtherTrust::Ec2 => "the role is for EC2 instances",
        OtherTrust::EcsService => "ecs.amazonaws.com is the service principal of ECS itself",
        OtherTrust::Ssm => "the role is for instances that Systems Manager manages, such as those of ECS Anywhere",
        OtherTrust::Lambda => "the role is for Lambda functions",
        OtherTrust::PodIdentity => "the role is for EKS Pod Identity",
        OtherTrust::EksService => "the role is for EKS clusters",
        OtherTrust::Irsa => "the role is for EKS service accounts (IRSA)",
    }
}

/// How an issuer differs from the cluster's.
fn issuer(difference: &IssuerDifference) -> String {
    match difference {
        IssuerDifference::Case => "it differs from the cluster's issuer in case".to_owned(),
        IssuerDifference::Transposed => "`oidc.eks` and the region are transposed in the host".to_owned(),
        IssuerDifference::Region { found, own } => format!("the region is {found}, the cluster is in {own}"),
        IssuerDifference::Host { found, own } => format!("the host is {found}, the cluster's is {own}"),
        IssuerDifference::Id { edits } => {
            format!("the issuer's ID differs in {edits} character{}", if *edits == 1 { "" } else { "s" })
        }
        IssuerDifference::OtherCluster { found, own } => {
            format!("it is the issuer of another cluster: {found}; this cluster has {own}")
        }
    }
}

/// How a subject differs from the service account's.
fn subject(SubjectDifference { namespace, name }: &SubjectDifference) -> String {
    let part = |what: &str, difference: &NameDifference| match difference {
        NameDifference::Typo { found, own } => format!("{what} `{found}` should be `{own}`"),
        NameDifference::Other { found } => format!("the policy names another {what}: `{found}`"),
    };
    let parts = [("namespace", namespace), ("name", name)];
    let texts = parts.into_iter().filter_map(|(what, difference)| Some(part(what, difference.as_ref()?)));
    texts.collect::<Vec<_>>().join("; ")
}
