//! What an association needs around its role: the role's account, and the agent (failures G1, G15).

use rolecall_iam::RoleArn;

use super::{Subject, fix, missing};
use crate::cluster::Presence;
use crate::finding::{Certainty, Problem};
use crate::fix::AssociationChange;
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
            format!(
                "service account {subject} cannot assume role {}: the association's role belongs to another account than the cluster",
                role.name
            ),
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
        .expected("the cluster's account is", cluster.account)
        .found("the role's account is", role.account)
    })
}

/// The agent is an add-on, or built into the nodes of Auto Mode; it may also be part of a node image, which cannot be seen.
pub(super) fn agent(snapshot: &Snapshot, subject: Subject<'_>, daemon_set: Presence) -> Option<Problem> {
    if daemon_set == Presence::Present || snapshot.cluster.as_ref().is_some_and(|cluster| cluster.auto_mode) {
        return None;
    }
    let Some(addons) = &snapshot.addons else {
        return Some(missing::agent(snapshot, subject, "no list of add-ons: not collected"));
    };
    if addons.iter().any(|addon| **addon == *"eks-pod-identity-agent") {
        return None;
    }
    let installed = addons.iter().map(|addon| &**addon).collect::<Vec<_>>().join(", ");
    // A self-managed DaemonSet may exist: what was not looked for is not missing.
    if daemon_set == Presence::Unknown {
        let others =
            if installed.is_empty() { "no add-on".to_owned() } else { format!("only the add-ons {installed}") };
        return Some(missing::agent(snapshot, subject, &format!("{others}; the cluster's DaemonSets were not read")));
    }
    let problem = Problem::new(
        &rules::POD_IDENTITY_AGENT_MISSING,
        format!("pods of service account {subject} are unlikely to get credentials: the cluster has no eks-pod-identity-agent add-on"),
        fix::install_agent(snapshot),
    )
    .at_most(Certainty::Likely)
    .expected("add-on", "eks-pod-identity-agent")
    .found("the cluster has", if installed.is_empty() { "no add-on".to_owned() } else { installed });
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
        assert_eq!(rule(Presence::Present), None);
        assert_eq!(rule(Presence::Absent), Some("pod-identity-agent-missing"));
    }
}
