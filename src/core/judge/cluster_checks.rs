//! What concerns a cluster as a whole: associations without a service account, the agent and its rights, the injector.

use rolecall_iam::{RoleArn, Verdict};

use crate::chain::{Subject, fix};
use crate::finding::{ClusterCause, EvidenceValue, Finding, Label, PermissionValue, Problem, Remark, SnapshotValue};
use crate::fix::{AccountName, Change, RoleName};
use crate::permission::{self, Actor, Need, Session, ask_need};
use crate::rules;
use crate::snapshot::Association;
use crate::world::World;

/// What an association names and the cluster does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The namespace, and so the service account.
    Namespace,
    /// The service account.
    ServiceAccount,
}

/// An association for a service account that does not exist. `near`: one that exists and may be meant.
pub fn orphaned_association(
    world: &World,
    subject: Subject<'_>,
    association: &Association,
    absent: Absent,
    near: Option<(&str, &str)>,
) -> Finding {
    let found = match absent {
        Absent::Namespace => SnapshotValue::NoNamespace { name: subject.namespace.into() },
        Absent::ServiceAccount => SnapshotValue::NoServiceAccount(subject.into()),
    };
    let role = association.role_arn.as_deref().map(|arn| arn.rsplit('/').next().unwrap_or(arn).into());
    Finding::of_workload(
        Problem::new(
            &rules::ASSOCIATION_ORPHANED,
            ClusterCause::OrphanedAssociation { account: subject.into(), role },
            fix::delete_association(&world.snapshot, subject, Some(association)),
        )
        .expected(Label::AssociationNames, EvidenceValue::Account(subject.into()))
        .found(Label::ClusterHas, found)
        .hint(near.map(|(namespace, name)| Remark::SimilarAccount {
            account: AccountName { namespace: namespace.into(), name: name.into() },
        })),
    )
}

/// How the Pod Identity agent was found; its DaemonSet where there is none on Auto Mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentFault {
    /// There is no DaemonSet.
    Missing,
    /// None of this many pods is ready.
    Down(u64),
}

/// The name of the agent's add-on.
const AGENT: &str = "eks-pod-identity-agent";

/// The cluster has associations and nothing that hands out their credentials.
pub fn agent_fault(world: &World, associations: usize, fault: AgentFault) -> Finding {
    let mut addons = world.snapshot.addons.iter().flatten();
    let (cause, fix, found) = match fault {
        // To create the add-on again would fail.
        AgentFault::Missing if addons.any(|addon| **addon == *AGENT) => (
            ClusterCause::AgentInstalledButNotRunning { associations },
            fix::describe_agent(&world.snapshot),
            SnapshotValue::AddOnWithoutDaemonSet,
        ),
        AgentFault::Missing => (
            ClusterCause::AgentNotRunning { associations },
            fix::install_agent(&world.snapshot),
            SnapshotValue::NoDaemonSet,
        ),
        AgentFault::Down(desired) => (
            ClusterCause::AgentNotReady { associations },
            Change::CheckAgent,
            SnapshotValue::AgentPodsReady { desired },
        ),
    };
    Finding::of_workload(
        Problem::new(&rules::POD_IDENTITY_AGENT_MISSING, cause, fix)
            .expected(Label::Expected, SnapshotValue::AgentOnEveryNode)
            .found(Label::ClusterHas, found),
    )
}

/// The cluster has service accounts with an identity, and no injector that would give it to their pods.
pub fn injector_missing(configuration: &str, accounts: usize) -> Finding {
    Finding::of_workload(
        Problem::new(
            &rules::INJECTOR_MISSING,
            ClusterCause::InjectorMissing { accounts },
            Change::RegisterInjector { configuration: Some(configuration.into()) },
        )
        .expected(Label::Expected, SnapshotValue::InjectorConfiguration { name: configuration.into() })
        .found(Label::ClusterHas, SnapshotValue::NoInjectorConfiguration),
    )
}

/// The action that the agent does as its node.
const AGENT_ACTION: &str = "eks-auth:AssumeRoleForPodIdentity";

/// The node roles whose policies, as far as they were read, do not let the agent work.
pub fn node_roles_without_agent(world: &World) -> Vec<Finding> {
    let snapshot = &*world.snapshot;
    let subject = Subject { namespace: "kube-system", service_account: "eks-pod-identity-agent" };
    let cluster = snapshot.cluster.as_ref().and_then(|cluster| cluster.arn.as_deref());
    let need = Need { action: AGENT_ACTION, resource: cluster };
    let mut findings = Vec::new();
    for arn in snapshot.node_roles.iter().flatten() {
        let Some(role) = snapshot.role(arn) else { continue };
        let answer = ask_need(Actor { snapshot, role, subject, session: Session::Node }, need);
        if !matches!(answer.verdict, Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied) {
            continue;
        }
        let Some((_, _, ruling)) = answer.deciding() else { continue };
        let (partition, name) = RoleArn::parse(arn).map_or(("aws", &**arn), |arn| (arn.partition, arn.name));
        findings.push(Finding::of_workload(
            Problem::new(
                &rules::NODE_ROLE_AGENT,
                ClusterCause::NodeRoleWithoutAgent { role: name.into() },
                Change::AttachPolicy {
                    role: RoleName::of(arn),
                    policy: format!("arn:{partition}:iam::aws:policy/AmazonEKSWorkerNodePolicy").into(),
                },
            )
            .expected(Label::AgentNeeds, AGENT_ACTION)
            .found(Label::Found, PermissionValue::Denial(permission::denial(ruling))),
        ));
    }
    findings
}

/// The service account that an orphaned association may mean: the same name in a namespace that differs by a typo, or a
/// name that differs by a typo in the same namespace.
pub fn near_account<'a>(
    subject: Subject<'_>,
    accounts: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<(&'a str, &'a str)> {
    let close = |a: &str, b: &str| strsim::damerau_levenshtein(a, b) <= 2;
    let near = accounts.filter(|(namespace, name)| {
        (*name == subject.service_account && close(namespace, subject.namespace))
            || (*namespace == subject.namespace && close(name, subject.service_account))
    });
    near.min()
}
