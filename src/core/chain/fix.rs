//! The fixes of links, with the names of the workload and its role in them.

use rolecall_iam::RoleArn;

use super::Subject;
use crate::ecs::RoleField;
use crate::finding::MissingStep;
use crate::fix::{
    AccountName, Advice, Annotated, Associated, AssociationChange, AssociationName, Change, ConditionName,
    ConditionStep, Fix, NotForAccount, Protected, RoleName, StatementEdit, StatementName, TaskDefinitionChange, Text,
    TrustChange, TrustEdit, UndocumentedPrincipal, statement_text,
};
use crate::snapshot::{Association, Issuer, Snapshot};

/// What to put in the place of the ARN of a role that a person has to choose or to create.
pub(crate) const ROLE_ARN: &str = "ROLE_ARN";

/// The cluster's name, or what to put there.
pub(crate) fn cluster_name(snapshot: &Snapshot) -> Text {
    snapshot.cluster.as_ref().map_or("CLUSTER", |cluster| &cluster.name).into()
}

/// Annotates a service account.
pub(crate) fn annotate(subject: Subject<'_>, key: &str, value: &str) -> Change {
    let object = Annotated::Account(subject.into());
    Change::Annotate { object, set: vec![(key.into(), value.into())], remove: Vec::new() }
}

/// Removes an annotation from a service account.
pub(crate) fn remove_annotation(subject: Subject<'_>, key: &str) -> Change {
    Change::Annotate { object: Annotated::Account(subject.into()), set: Vec::new(), remove: vec![key.into()] }
}

/// Moves an annotation's value to another key.
pub(crate) fn move_annotation(subject: Subject<'_>, from: &str, to: &str, value: &str) -> Change {
    let object = Annotated::Account(subject.into());
    Change::Annotate { object, set: vec![(to.into(), value.into())], remove: vec![from.into()] }
}

/// The association of a service account, as commands name it.
pub(crate) fn association_name(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: Option<&Association>,
) -> AssociationName {
    let has = association.and_then(|association| {
        Some(Associated {
            role: association.role_arn.as_ref()?.into(),
            target: association.target_role_arn.as_ref().map(Text::from),
            disable_session_tags: association.disable_session_tags,
            has_policy: association.policy.is_some(),
        })
    });
    AssociationName {
        cluster: cluster_name(snapshot),
        id: association.and_then(|association| association.id.as_ref()).map(Text::from),
        account: subject.into(),
        has,
    }
}

/// Changes an association.
pub(crate) fn update_association(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    change: AssociationChange,
) -> Change {
    Change::UpdateAssociation(association_name(snapshot, subject, Some(association)), change)
}

/// Deletes an association.
pub(crate) fn delete_association(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: Option<&Association>,
) -> Change {
    Change::DeleteAssociation(association_name(snapshot, subject, association))
}

/// Creates an association with a role that a person has to choose. Every pod of the namespace that names no service account
/// uses `default`, and would get its role too: such a workload gets a service account of its own first.
pub(crate) fn create_association(snapshot: &Snapshot, subject: Subject<'_>) -> Fix {
    let account = own_account(subject);
    let create = Change::CreateAssociation { cluster: cluster_name(snapshot), account: account.clone(), role: None };
    if subject.service_account != DEFAULT {
        return create.into();
    }
    Fix::from(Advice::OwnServiceAccount).then(Change::CreateAccount(account)).then(create)
}

/// Connects a service account with a role that names it; `role`: absent where a person has to choose one of several.
pub(crate) fn connect(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    step: MissingStep,
    role: Option<&str>,
    key: &str,
) -> Change {
    match step {
        MissingStep::Annotation => annotate(subject, key, role.unwrap_or("ROLE_ARN")),
        MissingStep::Association => Change::CreateAssociation {
            cluster: cluster_name(snapshot),
            account: subject.into(),
            role: role.map(Text::from),
        },
    }
}

/// The service account of pods that name none (Kubernetes, "Configure Service Accounts for Pods").
const DEFAULT: &str = "default";

/// The service account that is to get a role.
fn own_account(subject: Subject<'_>) -> AccountName {
    let name = if subject.service_account == DEFAULT { "SERVICE_ACCOUNT" } else { subject.service_account };
    AccountName { namespace: subject.namespace.into(), name: name.into() }
}

/// Shows the status and the problems of the Pod Identity agent's add-on.
pub(crate) fn describe_agent(snapshot: &Snapshot) -> Change {
    Change::DescribeAgent { cluster: cluster_name(snapshot) }
}

/// Installs the Pod Identity agent.
pub(crate) fn install_agent(snapshot: &Snapshot) -> Change {
    Change::InstallAgent { cluster: cluster_name(snapshot) }
}

/// Instead of a change to a role that belongs to nodes or to AWS: another role, in the place that names this one.
pub(crate) fn use_another_role(snapshot: &Snapshot, subject: Subject<'_>, arn: &str) -> Fix {
    let is_of_aws = arn.contains("role/aws-service-role/") || arn.contains("role/aws-reserved/");
    let another = || Text::from(ROLE_ARN);
    let instead = match snapshot.association(subject.namespace, subject.service_account).present() {
        Some(association) => {
            let is_target = association.target_role_arn.as_deref() == Some(arn);
            let change =
                if is_target { AssociationChange::Target(another()) } else { AssociationChange::Role(another()) };
            update_association(snapshot, subject, association, change)
        }
        None if subject.is_task_definition() => TaskDefinitionChange::set_role(subject, RoleField::Task, ROLE_ARN),
        None => {
            Change::CreateAssociation { cluster: cluster_name(snapshot), account: own_account(subject), role: None }
        }
    };
    Fix::from(Change::UseAnotherRole {
        role: RoleName::of(arn),
        why: if is_of_aws { Protected::ByAws } else { Protected::NodeRole },
        account: subject.into(),
        instead: Box::new(instead),
    })
}

/// A role of its own for a service account, where the trust policy of another role is not for it on purpose. `instead` has the
/// service account use the new role; `allow` allows it the other one, which is the second choice.
pub(crate) fn own_role_first(
    allow: Fix,
    subject: Subject<'_>,
    shared: RoleArn<'_>,
    why: NotForAccount,
    own_statement: &Change,
    instead: Change,
) -> Fix {
    let (Change::Trust(TrustEdit { change: TrustChange::Add { statement, .. }, .. }), Some(trust @ Change::Trust(_))) =
        (own_statement, allow.steps.first())
    else {
        return allow;
    };
    let statement = statement.clone();
    let own = Change::OwnRole { account: subject.into(), shared: shared.into(), why, statement };
    Fix::from(own).then(instead).or(trust.clone())
}

/// Beside a fix that names a service account whose name is generated: a pattern that its successors match too. It lets others in,
/// so that a person has to choose it.
pub(crate) fn or_pattern(fix: Fix, subject: Subject<'_>, issuer: &Issuer, stem: &str) -> Fix {
    if fix.alternative.is_some() || !matches!(fix.steps.first(), Some(Change::Trust(_))) {
        return fix;
    }
    fix.or(Advice::AllowGenerated { account: subject.into(), key: format!("{issuer}:sub").into(), stem: stem.into() })
}

/// Changes one statement of a role's trust policy.
pub(crate) fn edit_statement(role: RoleArn<'_>, edit: StatementEdit) -> Change {
    Change::Trust(TrustEdit { role: role.into(), change: TrustChange::Statement(edit.into()) })
}

/// Adds a statement to a role's trust policy.
pub(crate) fn add_statement(role: RoleArn<'_>, principal: &str, statement: &serde_json::Value) -> Change {
    let change = TrustChange::Add { principal: principal.into(), statement: statement_text(statement).into() };
    Change::Trust(TrustEdit { role: role.into(), change })
}

/// Has a person narrow a Deny of a role's trust policy.
pub(crate) fn narrow_deny(
    role: RoleArn<'_>,
    statement: StatementName,
    principal: &str,
    account: Option<Subject<'_>>,
) -> Change {
    let change = TrustChange::NarrowDeny { statement, principal: principal.into(), account: account.map(Into::into) };
    Change::Trust(TrustEdit { role: role.into(), change })
}

/// Has a person name everyone who uses a role that is open to all, with the condition that must name them.
pub(crate) fn narrow_open(role: RoleArn<'_>, statement: StatementName, key: &str, subject: &str) -> Change {
    let change = TrustChange::NarrowAllow { statement, key: key.into(), subject: subject.into() };
    Change::Trust(TrustEdit { role: role.into(), change })
}

/// Has a person write a principal in the documented form.
pub(crate) fn replace_principal(role: RoleArn<'_>, from: Option<UndocumentedPrincipal>, to: &str) -> Change {
    let change = TrustChange::ReplacePrincipal { from, to: to.into() };
    Change::Trust(TrustEdit { role: role.into(), change })
}

/// Adds a condition, beside what a statement has.
pub(crate) fn put_condition(operator: &str, key: &str, value: &str) -> ConditionStep {
    ConditionStep::Put { condition: ConditionName::new(operator, key), values: vec![value.into()] }
}
