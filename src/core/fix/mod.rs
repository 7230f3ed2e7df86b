//! What to change so that a link holds: typed operations with the values of this workload, of its service account and of the
//! role. How they read as a sentence, as commands or as Terraform is `rolecall-message`'s.

mod advice;
mod names;
mod permission;
mod show;
mod source;
mod task_definition;
mod template;
mod trust;

use std::sync::Arc;

pub use advice::{Advice, PlaceholderIn, UnresolvedValue};
pub use names::{
    HolderName, MetadataOf, PolicyRef, PolicyStatement, SnapshotPart, StatementName, UndocumentedEntry,
    UndocumentedPrincipal,
};
pub use permission::{PermissionChange, PolicyName};
pub use show::Show;
pub use source::{AddOnAssociation, Owners};
pub use task_definition::TaskDefinitionChange;
pub use template::TemplateChange;
pub(crate) use trust::statement_text;
pub use trust::{ConditionName, ConditionStep, RoleName, StatementChange, StatementEdit, TrustChange, TrustEdit};

use crate::ecs::RoleField;
use crate::subject::Subject;
pub use crate::text::{CUT, FirstValues, List, Text};
use crate::workload::Owner;

/// What fixes a problem: steps to take in this order, or another way to end the finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What to do; the first is the fix, those behind it complete it.
    pub steps: Vec<Change>,
    /// What to do instead, where that is what was meant.
    pub alternative: Option<Box<Change>>,
}

impl Fix {
    pub(crate) fn then(mut self, change: impl Into<Change>) -> Self {
        self.steps.push(change.into());
        self
    }

    pub(crate) fn then_all(mut self, fix: Self) -> Self {
        self.steps.extend(fix.steps);
        self
    }

    pub(crate) fn or(mut self, change: impl Into<Change>) -> Self {
        self.alternative = Some(Box::new(change.into()));
        self
    }

    /// Whether it gives access that did not exist: a person should know before it is carried out.
    pub fn grants_access(&self) -> bool {
        self.steps.iter().any(Change::grants_access)
    }

    /// Marks what acts in another account than the cluster's: its commands name the account.
    pub(crate) fn mark_other_accounts(&mut self, home: &str) {
        for change in self.steps.iter_mut().chain(self.alternative.as_deref_mut()) {
            for role in change.roles_mut() {
                role.is_elsewhere = *role.account != *home && rolecall_iam::is_account_id(&role.account);
            }
            if let Change::AddClientId { provider, is_elsewhere, .. } = change {
                *is_elsewhere = rolecall_iam::Arn::parse(provider).is_some_and(|arn| arn.account != home);
            }
        }
    }

    /// Names another namespace wherever it names this one: commands must not act on an assumed namespace.
    pub fn rename_namespace(&mut self, from: &str, to: &str) {
        let subject = |namespace: &str| format!("system:serviceaccount:{namespace}:");
        let (from_subject, to_subject) = (subject(from), subject(to));
        for change in self.steps.iter_mut().chain(self.alternative.as_deref_mut()) {
            for name in change.namespaces_mut() {
                if **name == *from {
                    *name = to.into();
                }
            }
            // It is the association of the assumed namespace, and so are those beside it.
            let inner = match &mut *change {
                Change::Through { change, others, .. } => {
                    *others = None;
                    &mut **change
                }
                other => other,
            };
            if let Change::UpdateAssociation(association, _) | Change::DeleteAssociation(association) = inner {
                association.id = None;
            }
            change.texts_of_policies_mut(&mut |text| {
                if text.contains(&from_subject) {
                    *text = text.replace(&from_subject, &to_subject);
                }
            });
        }
    }
}

impl<C: Into<Change>> From<C> for Fix {
    fn from(change: C) -> Self {
        Self { steps: vec![change.into()], alternative: None }
    }
}

/// A service account, or a task definition of ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// Its namespace; see [`Subject`] for a task definition and a controller.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

impl AccountName {
    fn subject(&self) -> Subject<'_> {
        Subject { namespace: &self.namespace, service_account: &self.name }
    }

    /// Whether it is a task definition: a service account always has a namespace.
    pub fn is_task_definition(&self) -> bool {
        self.subject().is_task_definition()
    }

    /// Whether it is a controller whose service account is not known.
    pub fn is_controller(&self) -> bool {
        self.subject().is_controller()
    }
}

impl From<Subject<'_>> for AccountName {
    fn from(subject: Subject<'_>) -> Self {
        Self { namespace: subject.namespace.into(), name: subject.service_account.into() }
    }
}

/// An association, as commands and resources name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationName {
    /// The cluster; `CLUSTER` where its name is not known.
    pub cluster: Text,
    /// `a-…`; absent where it was not read.
    pub id: Option<Text>,
    /// Whose it is.
    pub account: AccountName,
    /// What it has, where that was read: a resource that replaces it must keep the rest.
    pub has: Option<Associated>,
}

/// What an association has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Associated {
    /// Its role.
    pub role: Text,
    /// Its target role.
    pub target: Option<Text>,
    /// It sends no session tags.
    pub disable_session_tags: bool,
    /// It has a session policy, whose text is not kept.
    pub has_policy: bool,
}

/// A change to an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssociationChange {
    /// Another role.
    Role(Text),
    /// Another role, and a target role in another account.
    RoleAndTarget(Text, Text),
    /// Another target role.
    Target(Text),
    /// Send session tags.
    SessionTags,
    /// Allow an action in the session policy.
    Policy {
        /// The action.
        action: Text,
    },
}

/// What carries annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotated {
    /// A service account.
    Account(AccountName),
    /// A namespace.
    Namespace(Text),
}

/// How a trust policy shows that a role is not for a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotForAccount {
    /// It is for service accounts of these namespaces only.
    OtherNamespaces(FirstValues),
    /// It excludes the service account, by a Deny or by a negated condition.
    Excluded,
}

/// Why a role must not be given to workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protected {
    /// AWS manages it: a service-linked role, or one of IAM Identity Center.
    ByAws,
    /// The nodes use it.
    NodeRole,
}

/// Where a role's ARN is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePlace {
    /// The service account's annotation.
    Annotation,
    /// The association's `roleArn`.
    Association,
    /// The association's `targetRoleArn`.
    Target,
    /// The container's `AWS_ROLE_ARN`.
    Variable,
    /// A field of a custom resource.
    Field,
    /// A field of a task definition.
    TaskDefinition(RoleField),
}

/// Who may change what a requester may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// Where the configuration names none.
    PlatformTeam,
    /// As the configuration names it.
    Named(Text),
}

/// Policies of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoliciesOf {
    /// Its trust policy.
    Trust,
    /// Those of what it may do.
    Permissions,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Edit a role's trust policy.
    Trust(TrustEdit),
    /// Find out what an undecided condition of a trust policy does, or remove it.
    TryFromPod {
        /// The role.
        role: RoleName,
        /// The policies that have the condition.
        policies: PoliciesOf,
    },
    /// Create the OIDC provider of the cluster's issuer in an account.
    CreateProvider {
        /// The role's account.
        account: Text,
        /// The issuer, without `https://`.
        issuer: Text,
        /// The audience of the tokens.
        audience: Text,
        /// The cluster's name, where it is in the same account.
        cluster: Option<Text>,
    },
    /// Add a client ID, which is an audience, to an OIDC provider.
    AddClientId {
        /// The provider's ARN.
        provider: Text,
        /// The audience to add.
        client_id: Text,
        /// All audiences with it.
        client_ids: Vec<Text>,
        /// It is of another account than the cluster.
        is_elsewhere: bool,
    },
    /// Create a Pod Identity association.
    CreateAssociation {
        /// The cluster; `CLUSTER` where its name is not known.
        cluster: Text,
        /// For this service account.
        account: AccountName,
        /// With this role; absent where a person has to choose one.
        role: Option<Text>,
    },
    /// Update a Pod Identity association.
    UpdateAssociation(AssociationName, AssociationChange),
    /// Delete a Pod Identity association.
    DeleteAssociation(AssociationName),
    /// Set or remove annotations.
    Annotate {
        /// Of this object.
        object: Annotated,
        /// Keys and values to set.
        set: Vec<(Text, Text)>,
        /// Keys to remove.
        remove: Vec<Text>,
    },
    /// Create a service account.
    CreateAccount(AccountName),
    /// Create the role, or correct its ARN.
    CreateRole {
        /// The role that does not exist.
        role: RoleName,
        /// Where its ARN is written.
        place: RolePlace,
    },
    /// Create a role for a service account alone, and give it its ARN by the step behind this one.
    OwnRole {
        /// The service account.
        account: AccountName,
        /// The role that is for others.
        shared: RoleName,
        /// How its trust policy shows that.
        why: NotForAccount,
        /// The statement of the new role's trust policy, as JSON.
        statement: Box<str>,
    },
    /// Use another role than a protected one.
    UseAnotherRole {
        /// The role not to use.
        role: RoleName,
        /// Why.
        why: Protected,
        /// The service account.
        account: AccountName,
        /// How to give it another: a new association, or a change of its own.
        instead: Box<Change>,
    },
    /// Install the Pod Identity agent.
    InstallAgent {
        /// The cluster; `CLUSTER` where its name is not known.
        cluster: Text,
    },
    /// Find out why the agent does not run, although its add-on is installed.
    DescribeAgent {
        /// The cluster; `CLUSTER` where its name is not known.
        cluster: Text,
    },
    /// Attach a managed policy to a role.
    AttachPolicy {
        /// The role.
        role: RoleName,
        /// The policy's ARN.
        policy: Text,
    },
    /// Change what a role may do.
    Permission(PermissionChange),
    /// Change the pod template.
    Template(TemplateChange),
    /// Change a task definition of ECS.
    TaskDefinition(TaskDefinitionChange),
    /// Re-create pods.
    Recreate {
        /// The owner's kind; `Pod` where the pod has none, or its controller is not known.
        kind: Text,
        /// Its namespace.
        namespace: Text,
        /// Its name; absent where a command cannot name it.
        name: Option<Text>,
    },
    /// Look at the injector's configuration, where re-creating pods did not help.
    CheckInjector {
        /// It is known to be registered: it was late or did not answer.
        is_registered: bool,
    },
    /// Have the injector called again for what other webhooks add after it.
    ReinvokeInjector,
    /// Register the injector again.
    RegisterInjector {
        /// The name under which rolecall looks for it, where that may be wrong.
        configuration: Option<Text>,
    },
    /// Find out why the agent's pods are not ready.
    CheckAgent,
    /// Collect what the snapshot does not contain.
    Collect {
        /// What is missing.
        part: SnapshotPart,
        /// What shows it.
        show: Show,
    },
    /// Make a change where the object comes from.
    Through {
        /// What the object comes from.
        owner: Owner,
        /// The cluster's name; `CLUSTER` where it is not known.
        cluster: Text,
        /// The other associations of an add-on, all of which a change of one replaces; `None` where not all are known.
        others: Option<Box<[AddOnAssociation]>>,
        /// What to change.
        change: Box<Change>,
    },
    /// Ask a contact that may change it.
    Ask(Contact),
    /// What only a person can do.
    Manual(Advice),
}

impl Change {
    /// Whether it gives access that did not exist.
    pub fn grants_access(&self) -> bool {
        match self {
            Self::Trust(TrustEdit { change, .. }) => match change {
                TrustChange::Add { .. } | TrustChange::NarrowDeny { .. } => true,
                TrustChange::Statement(edit) => match &edit.change {
                    StatementChange::SetActions(_) | StatementChange::AddActions(_) => true,
                    // What only asks for more takes access away.
                    StatementChange::Conditions(steps) => {
                        !steps.iter().all(|step| matches!(step, ConditionStep::Put { .. }))
                    }
                },
                TrustChange::NarrowAllow { .. } | TrustChange::ReplacePrincipal { .. } => false,
            },
            Self::CreateProvider { .. }
            | Self::AddClientId { .. }
            | Self::CreateAssociation { .. }
            | Self::UpdateAssociation(..)
            | Self::UseAnotherRole { .. }
            | Self::AttachPolicy { .. }
            | Self::Template(TemplateChange::SetRole { .. })
            | Self::TaskDefinition(TaskDefinitionChange::SetRole { .. }) => true,
            Self::Annotate { object: Annotated::Account(_), set, .. } => {
                set.iter().any(|(key, _)| key.ends_with("/role-arn"))
            }
            Self::Permission(change) => change.grants_access(),
            Self::Through { change, .. } => change.grants_access(),
            Self::Manual(Advice::AllowGenerated { .. }) => true,
            _ => false,
        }
    }

    /// The roles that its commands act on.
    fn roles_mut(&mut self) -> Vec<&mut RoleName> {
        match self {
            Self::Trust(TrustEdit { role, .. })
            | Self::TryFromPod { role, .. }
            | Self::AttachPolicy { role, .. }
            | Self::CreateRole { role, .. }
            | Self::Collect { show: Show::Role(role) | Show::TrustPolicy(role) | Show::Policies(role), .. } => {
                vec![role]
            }
            Self::Permission(change) => change.role_mut().into_iter().collect(),
            Self::UseAnotherRole { instead: change, .. } | Self::Through { change, .. } => change.roles_mut(),
            _ => Vec::new(),
        }
    }

    /// The account of AWS in which it acts, where that is known.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Trust(TrustEdit { role, .. })
            | Self::TryFromPod { role, .. }
            | Self::AttachPolicy { role, .. }
            | Self::CreateRole { role, .. } => Some(&*role.account),
            Self::CreateProvider { account, .. } => Some(&**account),
            Self::AddClientId { provider, .. } => rolecall_iam::Arn::parse(provider).map(|arn| arn.account),
            Self::Permission(change) => change.account(),
            Self::UseAnotherRole { instead: change, .. } | Self::Through { change, .. } => change.account(),
            Self::TaskDefinition(TaskDefinitionChange::SetRole { arn, .. }) => {
                rolecall_iam::Arn::parse(arn).map(|arn| arn.account)
            }
            _ => None,
        }
        .filter(|account| account.len() == 12)
    }

    /// The cluster in which it acts, where that is known.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::CreateProvider { cluster, .. } => cluster.as_deref(),
            Self::CreateAssociation { cluster, .. }
            | Self::InstallAgent { cluster }
            | Self::DescribeAgent { cluster } => Some(&**cluster),
            Self::UpdateAssociation(association, _) | Self::DeleteAssociation(association) => {
                Some(&*association.cluster)
            }
            Self::Through { owner: Owner::AddOn(_) | Owner::Eksctl, cluster, .. } => Some(&**cluster),
            Self::UseAnotherRole { instead: change, .. } | Self::Through { change, .. } => change.cluster(),
            _ => None,
        }
        .filter(|cluster| *cluster != "CLUSTER")
    }

    fn namespaces_mut(&mut self) -> Vec<&mut Text> {
        match self {
            Self::Through { change, .. } => change.namespaces_mut(),
            Self::Manual(Advice::AllowGenerated { account, .. } | Advice::SendSessionTags { account, .. }) => {
                vec![&mut account.namespace]
            }
            Self::UseAnotherRole { account, instead, .. } => {
                let mut names = instead.namespaces_mut();
                names.push(&mut account.namespace);
                names
            }
            Self::CreateAssociation { account, .. }
            | Self::OwnRole { account, .. }
            | Self::CreateAccount(account)
            | Self::Annotate { object: Annotated::Account(account), .. } => vec![&mut account.namespace],
            Self::UpdateAssociation(association, _) | Self::DeleteAssociation(association) => {
                vec![&mut association.account.namespace]
            }
            Self::Annotate { object: Annotated::Namespace(namespace), .. } | Self::Recreate { namespace, .. } => {
                vec![namespace]
            }
            _ => Vec::new(),
        }
    }

    /// Texts of a trust policy, in which the namespace is a part of a subject.
    fn texts_of_policies_mut(&mut self, change: &mut dyn FnMut(&mut String)) {
        let mut text = |text: &mut Text| {
            let mut changed = text.to_string();
            change(&mut changed);
            *text = changed.into();
        };
        let edit = match self {
            Self::Trust(edit) => edit,
            Self::OwnRole { statement, .. } => {
                let mut json = statement.to_string();
                change(&mut json);
                *statement = json.into();
                return;
            }
            _ => return,
        };
        match &mut edit.change {
            TrustChange::Add { principal, statement } => {
                text(principal);
                let mut json = statement.to_string();
                change(&mut json);
                *statement = json.into();
            }
            TrustChange::Statement(edit) => {
                let edit = Arc::make_mut(edit);
                let StatementChange::Conditions(steps) = &mut edit.change else { return };
                for step in steps {
                    if let ConditionStep::AddValues { values, .. }
                    | ConditionStep::Put { values, .. }
                    | ConditionStep::Replace { new: values, .. } = step
                    {
                        values.iter_mut().for_each(&mut text);
                    }
                }
                let mut json = edit.after.to_string();
                change(&mut json);
                edit.after = json.into();
            }
            TrustChange::NarrowDeny { principal, .. } => text(principal),
            TrustChange::NarrowAllow { subject, .. } => text(subject),
            TrustChange::ReplacePrincipal { .. } => {}
        }
    }
}

from_parts!(
    TrustEdit => Change::Trust,
    PermissionChange => Change::Permission,
    TemplateChange => Change::Template,
    Advice => Change::Manual,
);
