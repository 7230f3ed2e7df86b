//! Fixes as AWS CLI and kubectl commands.

use rolecall_core::fix::{
    AccountName, Annotated, AssociationChange, AssociationName, Change, PermissionChange, PolicyName, RoleName, Show,
    TrustChange, TrustEdit,
};
use rolecall_core::workload::{Kind, Owner, Renewal};
use serde_json::json;

use super::association::ANY_ROLE;
use super::{jq, owner, task_definition};
use crate::shell::Command;

/// The audience of tokens that the injector asks for by default.
pub(super) const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";

/// The commands of a change; none where a person has to do it.
pub(super) fn of(change: &Change) -> Vec<String> {
    let commands = match change {
        Change::Trust(edit) => vec![trust(edit)],
        Change::CreateProvider { cluster: Some(cluster), audience, .. } if &**audience == DEFAULT_AUDIENCE => vec![
            Command::new("eksctl utils associate-iam-oidc-provider").option("--cluster", cluster).words("--approve"),
        ],
        Change::CreateProvider { account, issuer, audience, cluster } => {
            let command = Command::new("aws iam create-open-id-connect-provider")
                .https_option("--url", issuer)
                .option("--client-id-list", audience);
            vec![in_account(command, account, cluster.is_none())]
        }
        // As JSON, since the AWS CLI loads what a value such as `https://…` names.
        Change::AddClientId { provider, client_id, is_elsewhere, .. } => {
            let command = Command::new("aws iam add-client-id-to-open-id-connect-provider");
            let command = if client_id.contains("://") {
                let input = json!({"OpenIDConnectProviderArn": &**provider, "ClientID": &**client_id});
                command.option("--cli-input-json", input.to_string())
            } else {
                command.option("--open-id-connect-provider-arn", provider).option("--client-id", client_id)
            };
            vec![in_account(command, change.account().unwrap_or_default(), *is_elsewhere)]
        }
        Change::CreateAssociation { cluster, account, role } => {
            vec![create_association(cluster, account, role.as_deref())]
        }
        Change::UseAnotherRole { instead, .. } => return of(instead),
        Change::Through { owner: Owner::File { .. }, change, .. } => return of(change),
        // eksctl writes a service account once, and leaves later changes alone.
        Change::Through { owner: Owner::Eksctl, change, .. } if matches!(**change, Change::Annotate { .. }) => {
            return of(change);
        }
        Change::Through { owner, cluster, others, change } => {
            owner::of(owner, cluster, others.as_deref(), change).into_iter().collect()
        }
        Change::UpdateAssociation(association, change) => vec![update_association(association, change)],
        Change::DeleteAssociation(association) => {
            vec![of_association("aws eks delete-pod-identity-association", association)]
        }
        Change::Annotate { object, set, remove } => vec![annotate(object, set, remove)],
        Change::CreateAccount(AccountName { namespace, name }) => {
            vec![Command::new("kubectl create serviceaccount").option("-n", namespace).word(name)]
        }
        Change::CreateRole { role, .. } => {
            let command = of_role("aws iam create-role", role);
            let command = if &*role.path == "/" { command } else { command.option("--path", &role.path) };
            vec![command.words("--assume-role-policy-document file://new-role-trust.json")]
        }
        Change::OwnRole { statement, .. } => vec![
            Command::new("aws iam create-role --role-name ROLE_NAME")
                .option("--assume-role-policy-document", policy_of(statement)),
        ],
        Change::InstallAgent { cluster } => vec![
            Command::new("aws eks create-addon")
                .option("--cluster-name", cluster)
                .words("--addon-name eks-pod-identity-agent"),
        ],
        Change::DescribeAgent { cluster } => vec![
            Command::new("aws eks describe-addon")
                .option("--cluster-name", cluster)
                .words("--addon-name eks-pod-identity-agent"),
        ],
        Change::AttachPolicy { role, policy } => {
            vec![of_role("aws iam attach-role-policy", role).option("--policy-arn", policy)]
        }
        Change::Permission(change) => permission(change).into_iter().collect(),
        Change::Recreate { kind, namespace, name } => recreate(kind, namespace, name.as_deref()).into_iter().collect(),
        Change::CheckInjector { .. } | Change::ReinvokeInjector => {
            vec![Command::new("kubectl get mutatingwebhookconfigurations -o yaml")]
        }
        Change::RegisterInjector { .. } => vec![Command::new("kubectl get mutatingwebhookconfigurations")],
        Change::CheckAgent => vec![Command::new("kubectl describe daemonset -n kube-system eks-pod-identity-agent")],
        Change::Collect { show, .. } => self::show(show),
        Change::TaskDefinition(change) => task_definition::command(change).into_iter().collect(),
        Change::TryFromPod { .. } | Change::Template(_) | Change::Ask(_) | Change::Manual(_) => Vec::new(),
    };
    commands.into_iter().filter_map(Command::finish).collect()
}

/// A trust policy with one statement.
fn policy_of(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#)
}

/// Begins a command about a role. It never acts on a namesake in the cluster's account.
fn of_role(words: &'static str, role: &RoleName) -> Command {
    in_account(Command::new(words).option("--role-name", &role.name), &role.account, role.is_elsewhere)
}

/// Names the account where it is not the cluster's: the person has a profile for it.
fn in_account(command: Command, account: &str, is_elsewhere: bool) -> Command {
    if is_elsewhere { command.option("--profile", format!("ACCOUNT_{account}")) } else { command }
}

fn get_role(role: &RoleName) -> Command {
    of_role("aws iam get-role", role)
}

/// Reads a trust policy, changes it and writes it back.
fn trust(TrustEdit { role, change }: &TrustEdit) -> Command {
    let read = get_role(role).words("--query Role.AssumeRolePolicyDocument --output json");
    let write = of_role("aws iam update-assume-role-policy", role).words("--policy-document file://trust.json");
    let read = match change {
        TrustChange::Add { statement, .. } => read.jq(&jq::add_statement(statement)),
        TrustChange::Statement(edit) => read.jq(&jq::edit_statement(edit)),
        TrustChange::NarrowDeny { .. } | TrustChange::NarrowAllow { .. } | TrustChange::ReplacePrincipal { .. } => {
            return read.words("> trust.json && ${EDITOR:-vi} trust.json").and(&write);
        }
    };
    read.words("> trust.json").and(&write)
}

fn create_association(cluster: &str, account: &AccountName, role: Option<&str>) -> Command {
    Command::new("aws eks create-pod-identity-association")
        .option("--cluster-name", cluster)
        .option("--namespace", &account.namespace)
        .option("--service-account", &account.name)
        .option("--role-arn", role.unwrap_or(ANY_ROLE))
}

fn of_association(words: &'static str, AssociationName { cluster, id, .. }: &AssociationName) -> Command {
    let id = id.as_deref().unwrap_or("ASSOCIATION_ID");
    Command::new(words).option("--cluster-name", cluster).option("--association-id", id)
}

fn update_association(association: &AssociationName, change: &AssociationChange) -> Command {
    let command = of_association("aws eks update-pod-identity-association", association);
    match change {
        AssociationChange::Role(role) => command.option("--role-arn", role),
        AssociationChange::RoleAndTarget(role, target) => {
            command.option("--role-arn", role).option("--target-role-arn", target)
        }
        AssociationChange::Target(target) => command.option("--target-role-arn", target),
        AssociationChange::SessionTags => command.words("--no-disable-session-tags"),
        AssociationChange::Policy { .. } => command.words("--policy file://policy.json"),
    }
}

fn annotate(
    object: &Annotated,
    set: &[(rolecall_core::fix::Text, rolecall_core::fix::Text)],
    remove: &[rolecall_core::fix::Text],
) -> Command {
    let mut command = match object {
        Annotated::Account(AccountName { namespace, name }) => {
            Command::new("kubectl annotate serviceaccount").option("-n", namespace).word(name)
        }
        Annotated::Namespace(name) => Command::new("kubectl annotate namespace").word(name),
    };
    for (key, value) in set {
        command = command.word(format!("{key}={value}"));
    }
    for key in remove {
        command = command.word(format!("{key}-"));
    }
    if set.is_empty() { command } else { command.words("--overwrite") }
}

fn recreate(kind: &str, namespace: &str, name: Option<&str>) -> Option<Command> {
    let in_namespace = |words| Command::new(words).option("-n", namespace);
    Some(match (Kind::named(kind)?.renewal()?, name) {
        (Renewal::Rollout, name) => {
            let name = name.unwrap_or("NAME");
            in_namespace("kubectl rollout restart").word(format!("{}/{name}", kind.to_ascii_lowercase()))
        }
        (Renewal::NextRun, Some(name)) => {
            in_namespace("kubectl create job").joined_option("--from=cronjob/", name).word(format!("{name}-again"))
        }
        (Renewal::Recreate, Some(name)) => in_namespace("kubectl delete job").word(name),
        (Renewal::DeletePod, Some(name)) => in_namespace("kubectl delete pod").word(name),
        // There is no one command for all of them.
        (Renewal::DeletePods, _) | (_, None) => return None,
    })
}

fn permission(change: &PermissionChange) -> Option<Command> {
    Some(match change {
        PermissionChange::Allow { role, policy, actions, resource } => {
            let actions = match actions.as_slice() {
                [one] => json!(&**one),
                several => several.iter().map(|action| json!(&**action)).collect(),
            };
            let document = json!({
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": actions, "Resource": &**resource},
            });
            of_role("aws iam put-role-policy", role)
                .option("--policy-name", policy)
                .option("--policy-document", document.to_string())
        }
        PermissionChange::NarrowDeny { policy, .. } => match policy {
            PolicyName::Managed(arn) => {
                let version = Command::new("aws iam get-policy")
                    .option("--policy-arn", arn)
                    .words("--query Policy.DefaultVersionId --output text");
                Command::new("aws iam get-policy-version")
                    .option("--policy-arn", arn)
                    .output_of("--version-id", &version)
            }
            PolicyName::Inline(role, policy) => {
                of_role("aws iam get-role-policy", role).option("--policy-name", policy)
            }
            PolicyName::Trust(role) => get_role(role),
            PolicyName::ServiceControl(policy) => {
                Command::new("aws organizations list-policies --filter SERVICE_CONTROL_POLICY")
                    .option("--query", format!("Policies[?Name=='{policy}']"))
            }
            PolicyName::Session(association) => {
                of_association("aws eks describe-pod-identity-association", association)
                    .words("--query association.policy")
            }
        },
        PermissionChange::AllowInBoundary { role, .. } => {
            get_role(role).words("--query Role.PermissionsBoundary.PermissionsBoundaryArn")
        }
        PermissionChange::AllowInServiceControl { account, .. } => {
            Command::new("aws organizations list-policies-for-target")
                .option("--target-id", account)
                .words("--filter SERVICE_CONTROL_POLICY")
        }
        PermissionChange::ExemptFromResourceControl { policy } => {
            Command::new("aws organizations list-policies --filter RESOURCE_CONTROL_POLICY")
                .option("--query", format!("Policies[?Name=='{policy}']"))
        }
        PermissionChange::RemoveNeed | PermissionChange::CorrectNeed { .. } => return None,
    })
}

fn show(show: &Show) -> Vec<Command> {
    match show {
        Show::Issuer { cluster } => vec![
            Command::new("aws eks describe-cluster")
                .option("--name", cluster)
                .words("--query cluster.identity.oidc.issuer"),
        ],
        Show::Providers { .. } => vec![Command::new("aws iam list-open-id-connect-providers")],
        Show::ClientIds { provider } => vec![
            Command::new("aws iam get-open-id-connect-provider")
                .option("--open-id-connect-provider-arn", provider)
                .words("--query ClientIDList"),
        ],
        Show::Role(role) => vec![get_role(role)],
        Show::TrustPolicy(role) => vec![get_role(role).words("--query Role.AssumeRolePolicyDocument")],
        Show::Policies(role) => {
            vec![of_role("aws iam list-role-policies", role), of_role("aws iam list-attached-role-policies", role)]
        }
        Show::Associations { cluster } => {
            vec![Command::new("aws eks list-pod-identity-associations").option("--cluster-name", cluster)]
        }
        Show::Association { cluster, id } => vec![
            Command::new("aws eks describe-pod-identity-association")
                .option("--cluster-name", cluster)
                .option("--association-id", id),
        ],
        Show::Agent { cluster } => vec![
            Command::new("aws eks list-addons").option("--cluster-name", cluster),
            Command::new("kubectl get daemonset -n kube-system eks-pod-identity-agent"),
        ],
        Show::Snapshot => vec![Command::new("rolecall snapshot --cluster CLUSTER -o SRC")],
    }
}
