//! What a fix changes, in one plain clause without a full stop.

use rolecall_core::finding::bounded;
use rolecall_core::fix::{
    Annotated, AssociationChange, Change, ConditionName, ConditionStep, Contact, NotForAccount, PermissionChange,
    PoliciesOf, Protected, RoleName, Show, StatementChange, TaskDefinitionChange, TemplateChange, Text, TrustChange,
    TrustEdit,
};
use rolecall_core::workload::{Kind, Owner, Renewal};

use super::advice::advice;
use super::task_definition;
use crate::names::{
    account, metadata_of, part, policy_statement, role_place, service_account, statement, undocumented,
};

/// The clause of a change.
pub(super) fn of(change: &Change) -> String {
    match change {
        Change::Trust(TrustEdit { role, change }) => trust(role, change),
        Change::TryFromPod { role, policies } => format!(
            "run `aws sts get-caller-identity` in a pod to see what AWS decides, or {}",
            without_condition(role, *policies)
        ),
        Change::CreateProvider { account, issuer, .. } => {
            format!("create an OIDC provider for the issuer https://{issuer} in account {account}")
        }
        Change::AddClientId { client_id, provider, .. } => {
            format!("add {client_id} to the client IDs of the OIDC provider {provider}")
        }
        Change::CreateAssociation { account, role, .. } => {
            let role = role.as_ref().map_or_else(|| "the role that it needs".to_owned(), |role| format!("role {role}"));
            format!("create a Pod Identity association of {} with {role}", service_account(account))
        }
        Change::UpdateAssociation(association, change) => {
            update_association(&service_account(&association.account), change)
        }
        Change::DeleteAssociation(association) => {
            format!("delete the Pod Identity association of {}", service_account(&association.account))
        }
        Change::Annotate { object, set, remove } => annotate(object, set, remove),
        Change::CreateAccount(account) => format!("create {}", service_account(account)),
        Change::CreateRole { role, place } => format!("create {}, or correct {}", named(role), role_place(*place)),
        Change::OwnRole { account, shared, why, .. } => format!(
            "create a role of its own for {}, with the permissions that it needs: {} {}",
            service_account(account),
            named(shared),
            not_for_account(why),
        ),
        Change::UseAnotherRole { role, why, account, .. } => {
            let why = match why {
                Protected::ByAws => "AWS manages it",
                Protected::NodeRole => "it is a node role",
            };
            format!("give {} another role than {}: {why}", service_account(account), role.name)
        }
        Change::DescribeAgent { .. } => {
            "find out why the agent does not run: look at the status and the health of the add-on eks-pod-identity-agent"
                .to_owned()
        }
        Change::InstallAgent { .. } => "install the add-on eks-pod-identity-agent".to_owned(),
        Change::AttachPolicy { role, policy } => {
            format!("attach {} to {}", policy.rsplit('/').next().unwrap_or(policy), named(role))
        }
        Change::Permission(change) => permission(change),
        Change::Template(change) => template(change),
        Change::TaskDefinition(change) => task_definition::sentence(change),
        Change::Recreate { kind, namespace, name } => recreate(kind, namespace, name.as_deref()),
        Change::CheckInjector { is_registered: true } => {
            "if that does not help, look at the injector's webhook: it did not know the service account's role yet, or did \
             not answer"
                .to_owned()
        }
        Change::CheckInjector { is_registered: false } => {
            "if that does not help, look whether the injector's webhook is registered".to_owned()
        }
        Change::ReinvokeInjector => {
            "set reinvocationPolicy: IfNeeded in the injector's MutatingWebhookConfiguration, so that it sees containers that \
             another webhook adds after it"
                .to_owned()
        }
        Change::RegisterInjector { configuration } => {
            let other = configuration.as_ref().map(|name| {
                format!("; if it has another name than {name}, set cluster.injectorConfiguration")
            });
            format!(
                "register the injector again (EKS has it as pod-identity-webhook in the control plane; elsewhere install \
                 amazon-eks-pod-identity-webhook){}",
                other.unwrap_or_default()
            )
        }
        Change::CheckAgent => "find out why the pods of the Pod Identity agent are not ready".to_owned(),
        Change::Collect { part: missing, show } => collect(&bounded(part(missing)), show),
        Change::Through { owner, change, .. } => through(owner, change),
        Change::Ask(Contact::PlatformTeam) => "ask the platform team".to_owned(),
        Change::Ask(Contact::Named(contact)) => format!("ask {contact}"),
        Change::Manual(what) => bounded(advice(what)),
    }
}

/// How the alternative is introduced.
pub(super) fn or(alternative: &Change) -> &'static str {
    match alternative.inner() {
        Change::Annotate { object: Annotated::Namespace(_), set, .. }
            if set.iter().any(|(key, _)| key.ends_with("/allow-node-role")) =>
        {
            "or, if the node role is intended,"
        }
        Change::Annotate { remove, .. } if remove.iter().any(|key| key.ends_with("/identity")) => {
            "or, if it needs no AWS identity,"
        }
        Change::Recreate { .. } => "if the injector added them,",
        Change::Trust(_) => "or, if that role is meant for it,",
        Change::TaskDefinition(TaskDefinitionChange::AllowInstanceRole) => "or, if the instance's role is intended,",
        _ => "or",
    }
}

pub(super) fn named(RoleName { account, name, .. }: &RoleName) -> String {
    if account.len() == 12 { format!("role {name} (account {account})") } else { format!("role {name}") }
}

/// What settles a condition that cannot be decided.
pub(super) fn without_condition(role: &RoleName, policies: PoliciesOf) -> String {
    let policies = match policies {
        PoliciesOf::Trust => "the trust policy",
        PoliciesOf::Permissions => "the policies",
    };
    format!(
        "allow it without the condition that cannot be decided, in a statement of its own in {policies} of {}",
        named(role)
    )
}

fn joined(values: &[Text]) -> String {
    values.iter().map(|value| &**value).collect::<Vec<_>>().join(", ")
}

fn trust(role: &RoleName, change: &TrustChange) -> String {
    let policy = format!("the trust policy of {}", named(role));
    match change {
        TrustChange::Add { principal, .. } => format!("add to {policy} a statement that allows {principal}"),
        TrustChange::Statement(edit) => {
            let change = match &edit.change {
                StatementChange::SetActions(actions) => format!("replace NotAction by Action {}", joined(actions)),
                StatementChange::AddActions(actions) => format!("allow {}", joined(actions)),
                StatementChange::Conditions(steps) => steps.iter().map(step).collect::<Vec<_>>().join(" and "),
            };
            format!("{change} in {} of {policy}", statement(&edit.statement))
        }
        TrustChange::NarrowDeny { statement: name, principal, account: of } => {
            let of = of.as_ref().map(|of| format!(" for {}", account(of))).unwrap_or_default();
            format!("narrow {} of {policy} so that it does not deny {principal}{of}", statement(name))
        }
        TrustChange::NarrowAllow { statement: name, key, subject } => format!(
            "in {} of {policy}, name every service account that uses the role in a condition StringEquals {key}; {subject} is \
             one of them (whoever is not named loses access)",
            statement(name)
        ),
        TrustChange::ReplacePrincipal { from, to } => {
            let from = from.as_ref().map_or_else(|| "*".to_owned(), |from| bounded(undocumented(from)));
            format!(
                "write `{to}` instead of {from} in {policy}, and name whoever else uses the role (whoever is not named loses \
                 access)"
            )
        }
    }
}

fn condition(ConditionName { operator, key }: &ConditionName) -> String {
    format!("{operator} {key}")
}

fn step(step: &ConditionStep) -> String {
    match step {
        ConditionStep::AddValues { condition, values } if condition.key.ends_with(":sub") => {
            format!("allow subject {}", joined(values))
        }
        ConditionStep::AddValues { condition, values } if condition.key.ends_with(":aud") => {
            format!("allow audience {}", joined(values))
        }
        ConditionStep::AddValues { condition: name, values } => {
            format!("add {} to the condition {}", joined(values), condition(name))
        }
        ConditionStep::Replace { condition: name, old, new } => {
            format!("replace {} by {} in the condition {}", joined(old), joined(new), condition(name))
        }
        ConditionStep::Remove(name) => format!("remove the condition {}", condition(name)),
        ConditionStep::Put { condition: name, values } => {
            format!("add the condition {} = {}", condition(name), joined(values))
        }
        ConditionStep::Move { from, to } if from.key == to.key => {
            format!("use {} instead of {} for {}", to.operator, from.operator, from.key)
        }
        ConditionStep::Move { from, to } => format!("write the key {} instead of {}", to.key, from.key),
    }
}

fn update_association(account: &str, change: &AssociationChange) -> String {
    let association = format!("the Pod Identity association of {account}");
    match change {
        AssociationChange::Role(role) => format!("set the role of {association} to {role}"),
        AssociationChange::RoleAndTarget(role, target) => format!(
            "set the role of {association} to one of the cluster's account ({role}), and its target role to {target}"
        ),
        AssociationChange::Target(role) => format!("set the target role of {association} to {role}"),
        AssociationChange::SessionTags => format!("have {association} send session tags"),
        AssociationChange::Policy { action } => {
            format!("allow {action} in the session policy of {association}, or remove the declared need")
        }
    }
}

fn annotate(object: &Annotated, set: &[(Text, Text)], remove: &[Text]) -> String {
    let object = match object {
        Annotated::Account(account) => service_account(account),
        Annotated::Namespace(name) => format!("namespace {name}"),
    };
    match (set, remove) {
        ([(key, _)], [from]) => format!("rename the annotation {from} of {object} to {key}"),
        ([], removed) => format!("remove the annotation {} from {object}", joined(removed)),
        (set, _) => {
            let set: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("annotate {object} with {}", set.join(", "))
        }
    }
}

fn not_for_account(why: &NotForAccount) -> String {
    match why {
        NotForAccount::OtherNamespaces(namespaces) => {
            let more = if namespaces.count > namespaces.shown.len() { " and others" } else { "" };
            let namespace = if namespaces.count == 1 { "namespace" } else { "namespaces" };
            format!("is for {namespace} {}{more}", joined(&namespaces.shown))
        }
        NotForAccount::Excluded => "excludes it".to_owned(),
    }
}

/// A change, and where to make it.
fn through(owner: &Owner, what: &Change) -> String {
    let change = of(what);
    match owner {
        Owner::File { path, line } => format!("{change}, in {path}:{line}"),
        Owner::Helm(release) => in_source(&change, &format!("Helm release {release}")),
        Owner::ArgoCd(application) => in_source(&change, &format!("Argo CD application {application}")),
        Owner::Kustomization(name) => in_source(&change, &format!("Flux Kustomization {name}")),
        Owner::HelmRelease(name) => in_source(&change, &format!("Flux HelmRelease {name}")),
        Owner::AddOn(name) => through_add_on(&change, name, what),
        Owner::Eksctl if matches!(what, Change::Annotate { .. }) => {
            format!("{change}, and change the configuration of eksctl that created it")
        }
        Owner::Eksctl => format!("{change}, by eksctl, which created it"),
        Owner::CloudFormation(resource) => in_template(&change, &format!("the CloudFormation template, at {resource}")),
        Owner::Terraform(address) => in_template(&change, &format!("the Terraform configuration of {address}")),
    }
}

/// `update-addon` replaces all associations of the add-on, and knows no target role, session policy or tags for them.
fn through_add_on(change: &str, name: &str, what: &Change) -> String {
    match what {
        Change::UpdateAssociation(association, to)
            if !matches!(to, AssociationChange::Role(_))
                || association.has.as_ref().is_some_and(|has| has.target.is_some()) =>
        {
            format!(
                "{change}: the EKS add-on {name} can set nothing but the role of its associations, so remove this one from the \
                 add-on and create one without it"
            )
        }
        Change::CreateAssociation { .. } | Change::UpdateAssociation(..) | Change::DeleteAssociation(_) => format!(
            "{change}, through the EKS add-on {name}, which reverts any other change (update-addon replaces all Pod Identity \
             associations of the add-on: compare with aws eks list-pod-identity-associations first)"
        ),
        _ => format!("{change}, through the EKS add-on {name}, which reverts any other change"),
    }
}

fn in_source(change: &str, owner: &str) -> String {
    format!("{change}, in the values or repository of {owner}: a change in the cluster is reverted")
}

fn in_template(change: &str, template: &str) -> String {
    format!("{change}, in {template}: the next deployment registers the task definition from there")
}

fn recreate(kind: &str, namespace: &str, name: Option<&str>) -> String {
    match (Kind::named(kind).and_then(Kind::renewal), name) {
        (Some(Renewal::Rollout), Some(name)) => format!("restart {kind} {namespace}/{name}"),
        (Some(Renewal::Rollout), None) => {
            format!("restart the workloads of namespace {namespace} that use this service account")
        }
        (Some(Renewal::NextRun), Some(name)) => {
            format!("wait for the next run of {kind} {namespace}/{name}, or start one")
        }
        (Some(Renewal::Recreate), Some(name)) => format!("re-create {kind} {namespace}/{name} after this command"),
        (Some(Renewal::DeletePod), Some(name)) => {
            format!("re-create pod {namespace}/{name}, which has no controller, after this command")
        }
        (Some(Renewal::DeletePod), None) => "delete the pod; its controller re-creates it".to_owned(),
        // Controllers of kinds that rolecall does not know create their pods again too.
        (Some(Renewal::DeletePods) | None, Some(name)) => {
            format!("delete the pods of {kind} {namespace}/{name}; it re-creates them")
        }
        (Some(Renewal::NextRun | Renewal::Recreate | Renewal::DeletePods) | None, None) => {
            "re-create the pods".to_owned()
        }
    }
}

fn permission(change: &PermissionChange) -> String {
    match change {
        PermissionChange::Allow { role, actions, resource, .. } => {
            format!("allow {} on {resource} in a policy of {}", joined(actions), named(role))
        }
        PermissionChange::NarrowDeny { statement, .. } => {
            format!("narrow {}, or remove the declared need", bounded(policy_statement(statement)))
        }
        PermissionChange::AllowInBoundary { role, action } => {
            format!("allow {action} in the permissions boundary of {}, or remove the declared need", named(role))
        }
        PermissionChange::AllowInServiceControl { action, account } => format!(
            "have the organization's administrator allow {action} in the service control policies of account {account}, or \
             remove the declared need"
        ),
        PermissionChange::ExemptFromResourceControl { policy } => format!(
            "have the organization's administrator exempt this identity from the resource control policy {policy}"
        ),
        PermissionChange::RemoveNeed => {
            "remove the declared need: no policy can allow it to the session of a role".to_owned()
        }
        PermissionChange::CorrectNeed { action } => {
            format!("write {action} in rolecall.dev/requires")
        }
    }
}

fn template(change: &TemplateChange) -> String {
    const WEB_IDENTITY: &str = "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE";
    match change {
        TemplateChange::RemoveWebIdentity => format!("remove {WEB_IDENTITY} from the pod template"),
        TemplateChange::RemoveCredentials => {
            "remove the AWS_* credentials variables and volumes from the pod template: the injector adds the whole set"
                .to_owned()
        }
        TemplateChange::RemoveKeys => {
            "remove AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the pod template".to_owned()
        }
        TemplateChange::SetRole { arn } => {
            format!("set AWS_ROLE_ARN to {arn} in the pod template, or remove it and let the injector set it")
        }
        TemplateChange::RemoveVariable { name } => {
            format!("remove the variable {name} from the pod template, or allow the role in its own trust policy")
        }
        TemplateChange::SetVariable { name, value } => format!("set {name}={value} in the pod template"),
        TemplateChange::RemoveLabel { key } => format!("remove the label {key} from the pod template"),
        TemplateChange::SetAnnotation { key, value } => {
            format!("set {key}: \"{value}\" in the annotations of the pod template")
        }
        TemplateChange::RemoveAnnotation { key, place } => {
            format!("remove the annotation {key} from {}: the service account already has a role", metadata_of(*place))
        }
        TemplateChange::InjectContainers { key, container: Some(container) } => {
            format!("remove container {container} from the annotation {key} if it needs the role")
        }
        TemplateChange::InjectContainers { key, container: None } => {
            format!("remove the containers that need AWS from the annotation {key}")
        }
        TemplateChange::MoveMount { volume, path } => {
            format!("mount volume {volume} at another path, or remove it: the injector mounts the token at {path}")
        }
        TemplateChange::SetExpiration { volume, seconds } => {
            format!("set expirationSeconds: {seconds} for the serviceAccountToken of volume {volume}")
        }
        TemplateChange::SelectWindows => {
            "set the node selector kubernetes.io/os: windows: the injector then writes a Windows path".to_owned()
        }
    }
}

fn collect(what: &str, show: &Show) -> String {
    match show {
        Show::Role(_) => {
            format!("add {what} to the accounts that the snapshot collects, or check the role in that account")
        }
        Show::Agent { .. } => "find out whether the Pod Identity agent runs".to_owned(),
        Show::Snapshot => format!("collect the snapshot again, or correct {what}"),
        Show::Providers { issuer, .. } => {
            format!("collect the snapshot with the rights to read {what}, or add them (one must end in {issuer})")
        }
        _ => format!("collect the snapshot with the rights to read {what}, or add {what}"),
    }
}
