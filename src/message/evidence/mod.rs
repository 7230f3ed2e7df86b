//! What was expected and what was found.

mod ecs;
mod label;
mod workload;

use rolecall_core::finding::{
    DenyGrounds, EndpointRef, Evidence, EvidenceValue, PermissionValue, RoleValue, Sent, SnapshotValue, TrustValue,
    bounded, distinct,
};
use rolecall_core::fix::AccountName;

pub use label::label;

use crate::names::{
    account, condition, conditions, first_three, list, need, needs, part, policy_statement, service_account, statement,
    values,
};
use crate::permission::{denial, doubt};

/// A value that was expected or found.
pub fn value(evidence: &Evidence) -> String {
    bounded(text(&evidence.value))
}

fn text(value: &EvidenceValue) -> String {
    match value {
        EvidenceValue::Text(text) => distinct(text).into_owned(),
        EvidenceValue::Quoted(text) => format!("{:?}", &**text),
        EvidenceValue::List(all) => list(all),
        EvidenceValue::Values(some) => values(some),
        EvidenceValue::Entry { key, value } => format!("{key}: {}", distinct(value)),
        EvidenceValue::QuotedEntry { key, value } => format!("{key}: {:?}", &**value),
        EvidenceValue::KeyIs { key, value } => format!("{key} = {value}"),
        EvidenceValue::Account(name) => account(name),
        EvidenceValue::ServiceAccount(name) => service_account(name),
        EvidenceValue::Nothing => "nothing".to_owned(),
        EvidenceValue::NotKnown => "its value is not known".to_owned(),
        EvidenceValue::Trust(value) => trust(value),
        EvidenceValue::Snapshot(value) => snapshot(value),
        EvidenceValue::Role(value) => role(value),
        EvidenceValue::Permission(value) => permission(value),
        EvidenceValue::Credentials(value) => workload::credentials(value),
        EvidenceValue::Injection(value) => workload::injection(value),
        EvidenceValue::Configuration(value) => workload::configuration(value),
        EvidenceValue::Ecs(value) => ecs::text(value),
    }
}

fn trust(value: &TrustValue) -> String {
    match value {
        TrustValue::NoDeny => "no Deny that applies".to_owned(),
        TrustValue::NoDenyOf { action } => format!("no Deny of {action} that applies"),
        TrustValue::NoStatementThatDenies { action } => format!("no statement that denies {action}"),
        TrustValue::Denies { statement: name, grounds } => {
            let name = statement(name);
            match grounds {
                DenyGrounds::NotNamed => format!("{name} denies it"),
                DenyGrounds::Unconditional => format!("{name} denies it unconditionally"),
                DenyGrounds::Where { is_not_principal, conditions: all } => {
                    let principal = is_not_principal.then(|| "the principal is not one of NotPrincipal".to_owned());
                    let all = Some(conditions(all, " and ")).filter(|all| !all.is_empty());
                    let grounds: Vec<String> = principal.into_iter().chain(all).collect();
                    format!("{name} denies it where {}", grounds.join(" and "))
                }
            }
        }
        TrustValue::PolicyDenies { statement: name, policy, conditions: all } => match all.0.is_empty() {
            true => format!("{} of {policy}", statement(name)),
            false => format!("{} of {policy}: {}", statement(name), conditions(all, "; ")),
        },
        TrustValue::Statement(name) => statement(name),
        TrustValue::Actions { is_negated, actions } => {
            format!("{} {}", if *is_negated { "NotAction" } else { "Action" }, values(actions))
        }
        TrustValue::Condition(one) => condition(one),
        TrustValue::Conditions(all) => conditions(all, "; "),
        TrustValue::FirstConditions { shown, count } => first_three(shown.iter().map(condition), *count),
        TrustValue::Sent(value) => sent(value),
        TrustValue::SourceArn(Some(at_best)) => format!("at best {}", sent(at_best)),
        TrustValue::SourceArn(None) => {
            "no such ARN, as users report who compared it with the ARN of an association".to_owned()
        }
        TrustValue::Principals(names) => match names.count {
            0 => "no principal".to_owned(),
            _ => values(names),
        },
        TrustValue::ActionFor { action, principal } => format!("{action} for {principal}"),
        TrustValue::EksActions { first, second: Some(second) } => format!("{first} and {second}"),
        TrustValue::EksActions { first, second: None } => first.to_string(),
        TrustValue::TokenNotReadable => "the token cannot be read".to_owned(),
        TrustValue::EmptyAudience { account: name, key } => {
            format!("{} has an empty annotation {key}: its tokens are for the API server", account(name))
        }
    }
}

fn sent(value: &Sent) -> String {
    match value {
        Sent::Nothing => "nothing: the request does not carry this key".to_owned(),
        Sent::Unknown => "a value that admission cannot know".to_owned(),
        Sent::Values(some) => values(some),
    }
}

fn snapshot(value: &SnapshotValue) -> String {
    let add_ons = "no add-on".to_owned();
    match value {
        SnapshotValue::Part(named) => part(named),
        SnapshotValue::NothingOfIt => "nothing of it: not collected".to_owned(),
        SnapshotValue::AccountNotCollected => "nothing of that account: not collected".to_owned(),
        SnapshotValue::OtherRoles => "the roles that were named when it was collected, not this one".to_owned(),
        SnapshotValue::NoRoles => "other parts of it, but no roles".to_owned(),
        SnapshotValue::DescribeAssociation { id } => format!("DescribePodIdentityAssociation of {id}"),
        SnapshotValue::AssociationWithoutRole => {
            "the association without its roleArn, as ListPodIdentityAssociations returns it".to_owned()
        }
        SnapshotValue::AgentAddOnOrDaemonSet => "the add-on eks-pod-identity-agent, or its DaemonSet".to_owned(),
        SnapshotValue::AddOnsNotCollected => "no list of add-ons: not collected".to_owned(),
        SnapshotValue::AddOnsWithoutDaemonSets(installed) => {
            let installed = Some(list(installed)).filter(|names| !names.is_empty());
            let others = installed.map_or(add_ons, |names| format!("only the add-ons {names}"));
            format!("{others}; the cluster's DaemonSets were not read")
        }
        SnapshotValue::AddOns(installed) => Some(list(installed)).filter(|names| !names.is_empty()).unwrap_or(add_ons),
        SnapshotValue::AddOnWithoutDaemonSet => {
            "the add-on, and no DaemonSet kube-system/eks-pod-identity-agent".to_owned()
        }
        SnapshotValue::NoDaemonSet => "no DaemonSet kube-system/eks-pod-identity-agent".to_owned(),
        SnapshotValue::AgentOnEveryNode => "an agent on every node".to_owned(),
        SnapshotValue::AgentPodsReady { desired } => format!("0 of {desired} ready"),
        SnapshotValue::InjectorConfiguration { name } => format!("MutatingWebhookConfiguration {name}"),
        SnapshotValue::NoInjectorConfiguration => "none of that name, or one without webhooks".to_owned(),
        SnapshotValue::NoNamespace { name } => format!("no namespace {name}"),
        SnapshotValue::NoServiceAccount(AccountName { namespace, name }) => {
            format!("no service account {name} in namespace {namespace}")
        }
        SnapshotValue::NoSuchServiceAccount => "no such service account".to_owned(),
    }
}

fn role(value: &RoleValue) -> String {
    match value {
        RoleValue::Trusting { claim } => format!("a role that trusts {claim}"),
        RoleValue::OfAssociation => "the association's role".to_owned(),
        RoleValue::TargetOfAssociation => "the association's target role".to_owned(),
        RoleValue::NoneOfThatName => "no role of that name".to_owned(),
        RoleValue::NoRole => "no role".to_owned(),
        RoleValue::NotInSnapshot => "a role that is not in the snapshot".to_owned(),
        RoleValue::Its => "its role".to_owned(),
        RoleValue::NoProvider => "none for it".to_owned(),
        RoleValue::Audiences(all) if all.is_empty() => "no audience".to_owned(),
        RoleValue::Audiences(all) => list(all),
        RoleValue::CheckedWithinLimit => "roles that can be checked within the limit for one object".to_owned(),
        RoleValue::AtMost(count) => format!("at most {count} roles"),
        RoleValue::Count(count) => format!("{count} roles"),
        RoleValue::DifferentAtMost(count) => format!("at most {count} different roles and tokens"),
    }
}

fn permission(value: &PermissionValue) -> String {
    match value {
        PermissionValue::Need(one) => need(one),
        PermissionValue::NeedAndFollowing(from) => format!("{} and what follows it", need(from)),
        PermissionValue::CheckedWithinLimit => "needs that can be checked within the limit for one object".to_owned(),
        PermissionValue::AllowedNowhere => "allow it nowhere".to_owned(),
        PermissionValue::Denial(why) => denial(why),
        PermissionValue::Doubt(why) => doubt(why),
        PermissionValue::ServiceAction => "SERVICE:ACTION of the Service Authorization Reference".to_owned(),
        PermissionValue::WhatNodeNeeds => "what the node needs".to_owned(),
        PermissionValue::NeedsAllowedBy { needs: all, statement } => {
            let by = statement.as_ref().map_or_else(|| "its policies".to_owned(), policy_statement);
            format!("{} by {by}", needs(all))
        }
    }
}

/// An endpoint that is not one of AWS's.
pub(crate) fn endpoint(endpoint: &EndpointRef) -> &str {
    match endpoint {
        EndpointRef::Address(address) => address,
        EndpointRef::Unknown => "an endpoint that the manifest does not tell",
    }
}
