//! What is not denied though its namespace enforces: rolecall is paused, or a controller of Kubernetes creates the object and
//! the namespace enforces on workloads alone.

use rolecall_core::decision::{EnforceOn, Level, Mode, Outcome, Policy, decide};
use rolecall_core::workload::Kind;

use super::answer::{Judged, Reviewer};

/// Why something is not denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifted {
    /// rolecall is paused.
    Paused,
    /// A controller creates it from a workload that exists, and the namespace enforces on workloads alone.
    Controlled,
}

impl Lifted {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Paused, Self::Controlled];

    /// The name in metrics, logs and audit annotations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Controlled => "controlled",
        }
    }
}

/// Where Kubernetes' own controllers run that create pods and workloads, each with a service account of its own.
const CONTROLLERS: &str = "system:serviceaccount:kube-system:";
/// The user of a controller manager that has no account for each controller.
const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

/// Whether a controller of workloads asks. Users who create a pod can name any owner in it, also one that exists; the API
/// server vouches for the user. Other controllers (`cluster.controllers`) count for pods alone: what they create ReplicaSets
/// and Jobs from is of a kind that rolecall does not check.
pub(super) fn is_controller(user: &str, kind: Kind, others: &[String]) -> bool {
    let is_account = |account| Kind::ALL.into_iter().any(|kind| kind.controller_account() == Some(account));
    user == CONTROLLER_MANAGER
        || user.strip_prefix(CONTROLLERS).is_some_and(is_account)
        || kind == Kind::Pod && others.iter().any(|other| other == user)
}

impl Reviewer<'_> {
    /// Whether an object of this kind, or a namespace where it is `None`, can be denied for this user by `onError: deny`.
    pub(super) fn can_be_denied(&self, kind: Option<Kind>, namespace: &str, user: &str) -> bool {
        match kind {
            Some(kind) => self.policy(namespace, kind, user).may_deny(kind),
            // The pause lifts no guard of a level.
            None => self.world.namespace_policy(namespace, &self.settings.levels).levels.enforce != Level::Off,
        }
    }

    /// Why an object that is warned about is not denied, and the line that says so.
    pub(super) fn lifted(&self, judged: &Judged<'_>, policy: &Policy, namespace: &str) -> Option<(Lifted, String)> {
        let Policy { levels, enforce_on, is_controlled, .. } = *policy;
        let paused = self.settings.pause.at(self.now);
        if levels.enforce == Level::Off || self.settings.mode != Mode::Enforce || self.withholds() {
            return None;
        }
        let is_spared = is_controlled && judged.judgement.kind == Kind::Pod && !enforce_on.pods;
        if paused.is_none() && !is_spared {
            return None;
        }
        let would_deny = |enforce_on: EnforceOn| {
            let policy = Policy { mode: Mode::Enforce, enforce_on, ..*policy };
            decide(&judged.judgement, judged.before.as_ref(), &policy).outcome == Outcome::Deny
        };
        if let Some(end) = paused
            && would_deny(enforce_on)
        {
            let line = format!("rolecall: paused until {end}: this would have been denied");
            return Some((Lifted::Paused, line));
        }
        let level = levels.enforce;
        let line = format!(
            "rolecall: namespace {namespace} enforces level {level} on workloads only: this pod is not denied because a \
             controller creates it"
        );
        (is_spared && would_deny(EnforceOn::BOTH)).then_some((Lifted::Controlled, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_known_by_their_user() {
        let others = ["system:serviceaccount:argo-rollouts:argo-rollouts".to_owned()];
        for user in [
            "system:serviceaccount:kube-system:replicaset-controller",
            "system:serviceaccount:kube-system:job-controller",
            "system:kube-controller-manager",
        ] {
            assert!(
                is_controller(user, Kind::Pod, &others) && is_controller(user, Kind::ReplicaSet, &others),
                "{user}"
            );
        }
        let other = &others[0];
        assert!(is_controller(other, Kind::Pod, &others) && !is_controller(other, Kind::ReplicaSet, &others));
        for user in [
            "",
            "alice",
            "replicaset-controller",
            "system:serviceaccount:team:replicaset-controller",
            "system:serviceaccount:kube-system:default",
            "system:serviceaccount:kube-system:replicaset-controller2",
        ] {
            assert!(!is_controller(user, Kind::Pod, &others), "{user}");
        }
    }
}
