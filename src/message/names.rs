//! How statements, policies, roles and objects are named in every text.

use rolecall_core::ecs::RoleField;
use rolecall_core::finding::{NeedName, RequiredBy, RoleRef, TrustCondition, TrustConditions, bounded, distinct};
use rolecall_core::fix::{
    AccountName, FirstValues, HolderName, List, MetadataOf, PolicyRef, PolicyStatement, RolePlace, SnapshotPart,
    StatementName, UndocumentedEntry, UndocumentedPrincipal,
};
use rolecall_core::workload::Kind;
use rolecall_iam::PolicyKind;

/// Service principal of EKS Pod Identity.
pub(crate) const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

/// `1 pod`, `2 pods`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Service principal of ECS tasks.
pub(crate) const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";

/// `carts/carts-sa`; a task definition by its family, a controller by its project.
pub(crate) fn account(of: &AccountName) -> String {
    let AccountName { namespace, name } = of;
    if of.is_task_definition() {
        format!("task definition {name}")
    } else if of.is_controller() {
        format!("the controller of {name}")
    } else {
        format!("{namespace}/{name}")
    }
}

/// `service account carts/carts-sa`, `task definition carts`, `the controller of KEDA`
pub(crate) fn service_account(of: &AccountName) -> String {
    let is_service_account = !of.is_task_definition() && !of.is_controller();
    if is_service_account { format!("service account {}", account(of)) } else { account(of) }
}

pub(crate) fn role(role: &RoleRef) -> String {
    match role {
        RoleRef::Named(name) => format!("role {name}"),
        RoleRef::Own => "its role".to_owned(),
        RoleRef::OfAssociation => "role of its association".to_owned(),
        RoleRef::TargetOfAssociation => "role that its association targets".to_owned(),
        RoleRef::OfTask(RoleField::Task, name) => format!("task role {name}"),
        RoleRef::OfTask(RoleField::Execution, name) => format!("execution role {name}"),
    }
}

/// Where a role's ARN is written.
pub(crate) fn role_place(place: RolePlace) -> &'static str {
    match place {
        RolePlace::Annotation => "the service account's annotation",
        RolePlace::Association => "the association's roleArn",
        RolePlace::Target => "the association's targetRoleArn",
        RolePlace::Variable => "the container's AWS_ROLE_ARN",
        RolePlace::Field => "the role field of the object",
        RolePlace::TaskDefinition(RoleField::Task) => "the task definition's taskRoleArn",
        RolePlace::TaskDefinition(RoleField::Execution) => "the task definition's executionRoleArn",
    }
}

/// `statement 2 ("AllowEks")`
pub(crate) fn statement(StatementName { number, sid }: &StatementName) -> String {
    match sid {
        Some(sid) => bounded(format!("statement {number} (\"{sid}\")")),
        None => format!("statement {number}"),
    }
}

/// The name of a policy as a person says it: the last part of a managed policy's ARN.
fn short(name: &str) -> &str {
    if name.starts_with("arn:") { name.rsplit('/').next().unwrap_or(name) } else { name }
}

/// `inline policy reads`, `managed policy AmazonS3ReadOnlyAccess`, `permissions boundary developers`.
pub(crate) fn policy(kind: PolicyKind, name: &str) -> String {
    match kind {
        PolicyKind::Identity if name.starts_with("arn:") => format!("managed policy {}", short(name)),
        PolicyKind::Identity => format!("inline policy {name}"),
        PolicyKind::Boundary => format!("permissions boundary {}", short(name)),
        PolicyKind::Session => format!("the session policy of association {name}"),
        PolicyKind::ServiceControl => format!("service control policy {name}"),
        PolicyKind::Resource => name.to_owned(),
    }
}

/// A policy that was not read.
pub(crate) fn unread(kind: PolicyKind, name: &str) -> String {
    match kind {
        PolicyKind::Identity => format!("{}, which was not read", short(name)),
        kind => format!("{}, which was not read", policy(kind, name)),
    }
}

/// `statement 2 (Sid NoWrites) of managed policy Guard`; statements are counted from 1, as people do.
pub fn policy_statement(named: &PolicyStatement) -> String {
    let PolicyStatement { statement: StatementName { number, sid }, policy: of } = named;
    let of = policy(of.kind, &of.name);
    match sid {
        Some(sid) => format!("statement {number} (Sid {sid}) of {of}"),
        None => format!("statement {number} of {of}"),
    }
}

/// A principal as a policy has it.
pub(crate) fn undocumented(UndocumentedPrincipal { is_negated, entry }: &UndocumentedPrincipal) -> String {
    let name = if *is_negated { "NotPrincipal" } else { "Principal" };
    match entry {
        UndocumentedEntry::Federated(text) => format!("`{name}: {{\"Federated\": \"{text}\"}}`"),
        UndocumentedEntry::Service(text) => format!("`{name}: {{\"Service\": \"{text}\"}}`"),
        UndocumentedEntry::Session(text) => {
            format!("`{name}: {{\"AWS\": \"{text}\"}}`, a session whose name EKS chooses,")
        }
        UndocumentedEntry::Everyone => format!("`{name}: \"*\"`"),
    }
}

/// `StringEquals KEY = VALUE, VALUE`
pub(crate) fn condition(TrustCondition { operator, key, values: wanted }: &TrustCondition) -> String {
    format!("{operator} {key} = {}", values(wanted))
}

pub(crate) fn conditions(TrustConditions(all): &TrustConditions, separator: &str) -> String {
    all.iter().map(condition).collect::<Vec<_>>().join(separator)
}

pub(crate) fn list(list: &List) -> String {
    list.iter().collect::<Vec<_>>().join(", ")
}

/// At most three values, and how many more there are.
pub(crate) fn values(FirstValues { shown, count }: &FirstValues) -> String {
    first_three(shown.iter().map(|value| distinct(value).into_owned()), *count)
}

/// The same of their texts.
pub(crate) fn first_three(shown: impl Iterator<Item = String>, count: usize) -> String {
    let shown = shown.collect::<Vec<_>>().join(", ");
    match count {
        0 => "nothing".to_owned(),
        1..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}

/// `s3:GetObject on arn:aws:s3:::bucket/*`
pub(crate) fn need(NeedName { action, resource }: &NeedName) -> String {
    match resource {
        Some(resource) => format!("{action} on {resource}"),
        None => action.to_string(),
    }
}

pub(crate) fn needs(needs: &[NeedName]) -> String {
    needs.iter().map(need).collect::<Vec<_>>().join(", ")
}

/// A part of a snapshot.
pub(crate) fn part(part: &SnapshotPart) -> String {
    match part {
        SnapshotPart::Issuer => "the cluster's OIDC issuer".to_owned(),
        SnapshotPart::Providers(account) => format!("the OIDC providers of account {account}"),
        SnapshotPart::ClientIds(provider) => format!("the client IDs (audiences) of {provider}"),
        SnapshotPart::TrustPolicy(role) => format!("the trust policy of role {role}"),
        SnapshotPart::Permissions { role, policies } => {
            let named = |PolicyRef { kind, name }: &PolicyRef| match kind {
                PolicyKind::Identity => name.to_string(),
                kind => policy(*kind, name),
            };
            let policies = policies.iter().map(named).collect::<Vec<_>>().join(", ");
            let policies = if policies.is_empty() { "policies" } else { &policies };
            format!("the permissions of role {role} ({policies})")
        }
        SnapshotPart::AssociationRole(id) => format!("the roleArn of Pod Identity association {id}"),
        SnapshotPart::Associations => "the cluster's Pod Identity associations".to_owned(),
        SnapshotPart::Account(account) => format!("account {account}"),
        SnapshotPart::RoleOf(account) => format!("this role of account {account}"),
        SnapshotPart::RolesOf(account) => format!("the roles of account {account}"),
        SnapshotPart::Agent => "it".to_owned(),
        SnapshotPart::Entry => "this entry".to_owned(),
    }
}

pub(crate) fn holder(holder: &HolderName) -> String {
    match holder {
        HolderName::Object(Kind::Pod) => "the pod".to_owned(),
        HolderName::Object(Kind::ServiceAccount) => "the service account".to_owned(),
        HolderName::Object(kind) => format!("the {kind}"),
        HolderName::Template(kind) => format!("the pod template of the {kind}"),
        HolderName::Account(name) => service_account(name),
        HolderName::Namespace(name) => format!("namespace {name}"),
        HolderName::TaskDefinition => "the task definition".to_owned(),
    }
}

pub(crate) fn metadata_of(place: MetadataOf) -> String {
    match place {
        MetadataOf::PodTemplate => "the pod template".to_owned(),
        MetadataOf::JobTemplate => "the job template".to_owned(),
        MetadataOf::Object(kind) => format!("the {kind}"),
    }
}

/// Who says that pods must have an identity.
pub(crate) fn required_by(by: &RequiredBy) -> String {
    match by {
        RequiredBy::Annotation(on) => format!("rolecall.dev/identity: required is set on {}", holder(on)),
        RequiredBy::Configuration => "requireIdentity in the configuration of rolecall selects its pods".to_owned(),
    }
}
