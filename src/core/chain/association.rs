//! What an association needs around its role: the role's account, and the agent (failures G1, G15).

use rolecall_iam::RoleArn;

use super::{Subject, cannot_assume, fix, missing};
use crate::cluster::Presence;
use crate::finding::{CannotAssume, Certainty, CredentialsCause, Label, Problem, SnapshotValue};
use crate::fix::{AssociationChange, List};
use crate::rules;
use crate::snapshot::{Association, Snapshot};

/// The role must be one of the cluster's own account (Amazon EKS User Guide, "Assign an IAM role to a Kubernetes service
/// account").
pub(super) fn account(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    association: &Association,
    role_arn: &str,
) -> Option<Problem> {
    let cluster = snapshot.cluster.as_ref()?.location()?;
    let role = RoleArn::parse(role_arn).ok()?;
    (role.account != cluster.account).then(|| {
        Problem::new(
            &rules::POD_IDENTITY_ROLE_ACCOUNT,
            cannot_assume(subject, role.name, CannotAssume::AssociationOfOtherAccount),
            fix::update_association(
                snapshot,
                subject,
                association,
                AssociationChange::RoleAndTarget(
                    format!("arn:{}:iam::{}:role/ROLE_OF_THIS_ACCOUNT", role.partition, cluster.account).into(),
                    role_arn.into(),
                ),
            ),
        )
        .expected(Label::ClusterAccount, cluster.account)
        .found(Label::RoleAccount, role.account)
    })
}

/// The agent is an add-on, or built into the nodes of Auto Mode; it may also be part of a node image, which cannot be seen.
pub(super) fn agent(snapshot: &Snapshot, subject: Subject<'_>, daemon_set: Presence) -> Option<Problem> {
    if daemon_set.is_present() || snapshot.cluster.as_ref().is_some_and(|cluster| cluster.auto_mode) {
        return None;
    }
    let Some(addons) = &snapshot.addons else {
        return Some(missing::agent(snapshot, subject, SnapshotValue::AddOnsNotCollected));
    };
    if addons.iter().any(|addon| **addon == *"eks-pod-identity-agent") {
        return None;
    }
    let installed: List = addons.iter().collect();
    // A self-managed DaemonSet may exist: what was not looked for is not missing.
    if daemon_set.is_unknown() {
        return Some(missing::agent(snapshot, subject, SnapshotValue::AddOnsWithoutDaemonSets(installed)));
    }
    let problem = Problem::new(
        &rules::POD_IDENTITY_AGENT_MISSING,
        CredentialsCause::AgentNotInstalled { account: subject.into() },
        fix::install_agent(snapshot),
    )
    .at_most(Certainty::Likely)
    .expected(Label::AddOn, "eks-pod-identity-agent")
    .found(Label::ClusterHas, SnapshotValue::AddOns(installed));
    Some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_missing_only_where_its_daemon_set_was_looked_for() {
        let snapshot = Snapshot::parse(r#"{"addons": []}"#).unwrap();
        let subject = Subject { namespace: "carts", service_account: "carts" };
        let rule = |presence| agent(&snapshot, subject, presence).map(|problem| problem.rule.name);
        assert_eq!(rule(Presence::Unknown), Some("not-collected"));
        assert_eq!(rule(Presence::Present(())), None);
        assert_eq!(rule(Presence::Absent), Some("pod-identity-agent-missing"));
    }
}
