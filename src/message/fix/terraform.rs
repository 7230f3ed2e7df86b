//! Fixes as Terraform of the `aws` and `kubernetes` providers; OpenTofu reads the same.

use rolecall_core::fix::{AccountName, Annotated, Change, PermissionChange, RoleName, Text, TrustChange, TrustEdit};
use rolecall_core::workload::Owner;
use serde_json::Value;

use super::association::Resource;
use super::hcl::{Block, list, name, string, texts};
use super::task_definition;
use crate::names::statement;

/// The configuration of a change; `None` where Terraform has nothing for it.
pub(super) fn of(change: &Change) -> Option<String> {
    let block = match change {
        Change::Trust(edit) => return trust(edit),
        Change::CreateProvider { account, issuer, audience, cluster } => {
            let block = provider(issuer, [audience.to_string()]);
            let place =
                if cluster.is_none() { format!("# In account {}.\n", one_line(account)) } else { String::new() };
            return Some(format!("{place}{}", block.text()));
        }
        Change::AddClientId { provider: arn, client_ids, .. } => {
            let issuer = arn.split_once(":oidc-provider/").map_or(&**arn, |(_, issuer)| issuer);
            let block = provider(issuer, client_ids.iter().map(Text::to_string));
            return Some(format!("# Change the resource of the provider {}.\n{}", one_line(arn), block.text()));
        }
        Change::Through { owner: Owner::File { .. } | Owner::Terraform(_), change, .. } => return of(change),
        Change::CreateAssociation { .. } | Change::UseAnotherRole { .. } | Change::UpdateAssociation(..) => {
            return Resource::of(change).map(|resource| association(&resource));
        }
        Change::Annotate { object, set, remove } if !set.is_empty() => {
            let removed =
                remove.iter().map(|key| format!("# Remove the annotation {} where it is set.\n", one_line(key)));
            return Some(format!("{}{}", removed.collect::<String>(), annotations(object, set).text()));
        }
        Change::CreateAccount(account) => {
            Block::new("resource", &["kubernetes_service_account_v1", &name(&[&account.namespace, &account.name])])
                .block(metadata(account))
        }
        Change::OwnRole { account, statement, .. } => return own_role(account, statement),
        Change::InstallAgent { cluster } => Block::new("resource", &["aws_eks_addon", "eks_pod_identity_agent"])
            .attribute("cluster_name", string(cluster))
            .attribute("addon_name", string("eks-pod-identity-agent")),
        Change::AttachPolicy { role, policy } => {
            let short = policy.rsplit('/').next().unwrap_or(policy);
            Block::new("resource", &["aws_iam_role_policy_attachment", &name(&[&role.name, short])])
                .attribute("role", string(&role.name))
                .attribute("policy_arn", string(policy))
        }
        Change::TaskDefinition(change) => task_definition::terraform(change)?,
        Change::Permission(PermissionChange::Allow { role, policy, actions, resource }) => {
            return Some(allow(role, policy, actions, resource));
        }
        _ => return None,
    };
    Some(block.text())
}

fn provider(issuer: &str, client_ids: impl IntoIterator<Item = String>) -> Block {
    Block::new("resource", &["aws_iam_openid_connect_provider", "cluster"])
        .attribute("url", string(&format!("https://{issuer}")))
        .attribute("client_id_list", list(client_ids))
}

fn association(resource: &Resource<'_>) -> String {
    let AccountName { namespace, name: service_account } = resource.account;
    let mut block = Block::new("resource", &["aws_eks_pod_identity_association", &name(&[namespace, service_account])])
        .attribute("cluster_name", string(resource.cluster))
        .attribute("namespace", string(namespace))
        .attribute("service_account", string(service_account))
        .attribute("role_arn", string(resource.role));
    if let Some(target) = resource.target {
        block = block.attribute("target_role_arn", string(target));
    }
    if resource.disable_session_tags {
        block = block.attribute("disable_session_tags", "true");
    }
    let place = if resource.exists { "# Change the resource of the association; it exists already.\n" } else { "" };
    format!("{place}{}", block.text())
}

fn metadata(account: &AccountName) -> Block {
    Block::new("metadata", &[])
        .attribute("name", string(&account.name))
        .attribute("namespace", string(&account.namespace))
}

fn annotations(object: &Annotated, set: &[(Text, Text)]) -> Block {
    let entries = set.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let resource = |parts: &[&str]| Block::new("resource", &["kubernetes_annotations", &name(parts)]);
    let block = match object {
        Annotated::Account(account) => resource(&[&account.namespace, &account.name])
            .attribute("api_version", string("v1"))
            .attribute("kind", string("ServiceAccount"))
            .block(metadata(account)),
        Annotated::Namespace(namespace) => resource(&[namespace])
            .attribute("api_version", string("v1"))
            .attribute("kind", string("Namespace"))
            .block(Block::new("metadata", &[]).attribute("name", string(namespace))),
    };
    block.map("annotations", entries)
}

/// A permission as a policy of the role.
fn allow(role: &RoleName, policy: &str, actions: &[Text], resource: &str) -> String {
    let resource_name = name(&[&role.name, policy]);
    let document = Block::new("data", &["aws_iam_policy_document", &resource_name]).block(
        Block::new("statement", &[])
            .attribute("effect", string("Allow"))
            .attribute("actions", list(actions.iter().map(Text::to_string)))
            .attribute("resources", list([resource.to_owned()])),
    );
    let attached = Block::new("resource", &["aws_iam_role_policy", &resource_name])
        .attribute("name", string(policy))
        .attribute("role", string(&role.name))
        .attribute("policy", format!("data.aws_iam_policy_document.{resource_name}.json"));
    format!("{}\n\n{}", document.text(), attached.text())
}

/// The statement of a trust policy, as the role's `assume_role_policy` takes it.
fn trust(TrustEdit { role, change }: &TrustEdit) -> Option<String> {
    let (statement, what) = match change {
        TrustChange::Add { statement, .. } => (statement, "Add this statement to".to_owned()),
        TrustChange::Statement(edit) => {
            (&edit.after, format!("Replace {} with this one in", one_line(&statement(&edit.statement))))
        }
        TrustChange::NarrowDeny { .. } | TrustChange::NarrowAllow { .. } | TrustChange::ReplacePrincipal { .. } => {
            return None;
        }
    };
    let statement: Value = serde_json::from_str(statement).ok()?;
    let document = Block::new("data", &["aws_iam_policy_document", &name(&[&role.name, "trust"])])
        .block(statement_block(&statement));
    Some(format!("# {what} the assume_role_policy of role {}.\n{}", one_line(&role.name), document.text()))
}

/// A role for a service account alone.
fn own_role(AccountName { namespace, name: of }: &AccountName, statement: &str) -> Option<String> {
    let statement: Value = serde_json::from_str(statement).ok()?;
    let trust = name(&[namespace, of, "trust"]);
    let document = Block::new("data", &["aws_iam_policy_document", &trust]).block(statement_block(&statement));
    let role = Block::new("resource", &["aws_iam_role", &name(&[namespace, of])])
        .attribute("name", string("ROLE_NAME"))
        .attribute("assume_role_policy", format!("data.aws_iam_policy_document.{trust}.json"));
    Some(format!("{}\n\n{}", document.text(), role.text()))
}

/// A text in a comment, which a line break would end.
fn one_line(text: &str) -> String {
    rolecall_core::finding::printable(text)
}

fn statement_block(statement: &Value) -> Block {
    let mut block = Block::new("statement", &[]);
    if let Some(sid) = statement["Sid"].as_str() {
        block = block.attribute("sid", string(sid));
    }
    block = block.attribute("effect", string(statement["Effect"].as_str().unwrap_or("Allow")));
    for (element, attribute) in [("Action", "actions"), ("NotAction", "not_actions")] {
        if statement.get(element).is_some() {
            block = block.attribute(attribute, list(texts(statement.get(element))));
        }
    }
    for (element, header) in [("Principal", "principals"), ("NotPrincipal", "not_principals")] {
        match statement.get(element) {
            Some(Value::Object(kinds)) => {
                for (kind, names) in kinds {
                    block = block.block(principals(header, kind, texts(Some(names))));
                }
            }
            Some(Value::String(everyone)) => {
                block = block.block(principals(header, everyone, vec![everyone.clone()]));
            }
            _ => {}
        }
    }
    for (operator, conditions) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in conditions.as_object().into_iter().flatten() {
            block = block.block(
                Block::new("condition", &[])
                    .attribute("test", string(operator))
                    .attribute("variable", string(key))
                    .attribute("values", list(texts(Some(values)))),
            );
        }
    }
    block
}

fn principals(header: &str, kind: &str, names: Vec<String>) -> Block {
    Block::new(header, &[]).attribute("type", string(kind)).attribute("identifiers", list(names))
}
