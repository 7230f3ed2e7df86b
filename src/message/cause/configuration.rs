//! What people wrote in the cluster, and what the cluster lacks.

use rolecall_core::finding::{ClusterCause, ConfigurationCause, NameKind, OwnNameFault};
use rolecall_core::fix::HolderName;

use crate::names::{account, holder, metadata_of, service_account};

pub(super) fn sentence(cause: &ConfigurationCause) -> String {
    match cause {
        ConfigurationCause::Misspelled { account, key } => format!(
            "no identity will be injected into pods of {}: its annotation {key} is misspelled",
            service_account(account)
        ),
        ConfigurationCause::Legacy { account, key } => format!(
            "{key} has no effect for {} on EKS, unless kiam or kube2iam runs in the cluster",
            service_account(account)
        ),
        ConfigurationCause::Ambiguous { account } => format!(
            "{} has two roles: its pods get the role of the Pod Identity association, not that of the annotation",
            service_account(account)
        ),
        ConfigurationCause::Misplaced { account, key, place } => format!(
            "the annotation {key} on {} has no effect: it belongs on {}",
            metadata_of(*place),
            service_account(account)
        ),
        ConfigurationCause::AccountMissing { account } => {
            format!("{} does not exist: no pod will be created", service_account(account))
        }
        ConfigurationCause::OwnName { kind, key, holder: on, fault } => {
            let kind = match (kind, on) {
                // Settings are in its tags and in the labels of its containers.
                (_, HolderName::TaskDefinition) => "tag or label",
                (NameKind::Annotation, _) => "annotation",
                (NameKind::Label, _) => "label",
            };
            format!("{kind} {key} of {} has no effect: {}", holder(on), own_name(fault, kind))
        }
        ConfigurationCause::ExemptionEndsSoon { holder: on, until } => {
            format!("the exemption on {} ends on {until}: its findings count again from then on", holder(on))
        }
        ConfigurationCause::ExemptionEnded { holder: on, until } => {
            format!("the exemption on {} ended on {until}: its findings count again", holder(on))
        }
        ConfigurationCause::ExemptionUnreadable { holder: on } => format!(
            "the exemption on {} lifts warnings only: the date in rolecall.dev/ignore-until cannot be read",
            holder(on)
        ),
    }
}

/// Why a label or annotation for rolecall has no effect.
fn own_name(fault: &OwnNameFault, kind: &str) -> String {
    match fault {
        OwnNameFault::OnlyTrueCounts => "only the value \"true\" counts".to_owned(),
        OwnNameFault::OnlyRequiredCounts => "only the value \"required\" counts".to_owned(),
        OwnNameFault::NoSuchRule(name) => format!("there is no rule `{name}`"),
        OwnNameFault::LabelNotAnnotation => "it is a label, not an annotation".to_owned(),
        OwnNameFault::AnnotationNotLabel => "it is an annotation, not a label".to_owned(),
        OwnNameFault::NoSuchAnnotation => format!("rolecall reads no {kind} of this name"),
        OwnNameFault::NoSuchLabel => "rolecall reads no label of this name".to_owned(),
        OwnNameFault::NeitherPodsNorWorkloads => "it names neither pods nor workloads".to_owned(),
        OwnNameFault::OnlyDenyOrAllowCounts => "only the values `deny` and `allow` count".to_owned(),
        OwnNameFault::NotALevel => "the levels are off, chain, fallback and strict".to_owned(),
        OwnNameFault::OnNamespacesOnly => "rolecall reads it on namespaces only".to_owned(),
    }
}

pub(super) fn cluster(cause: &ClusterCause) -> String {
    let pods_of = |associations: usize| match associations {
        1 => "pods of the Pod Identity association".to_owned(),
        many => format!("pods of the {many} Pod Identity associations"),
    };
    match cause {
        ClusterCause::OrphanedAssociation { account: name, role } => {
            let role = role.as_deref().unwrap_or("its role");
            format!(
                "the Pod Identity association for {} names a service account that does not exist: pods of a new service \
                 account with this name would get role {role}",
                account(name)
            )
        }
        ClusterCause::AgentInstalledButNotRunning { associations } => format!(
            "{} are unlikely to get credentials: the add-on eks-pod-identity-agent is installed, but the agent does not run",
            pods_of(*associations)
        ),
        ClusterCause::AgentNotRunning { associations } => {
            format!("{} are unlikely to get credentials: the Pod Identity agent does not run", pods_of(*associations))
        }
        ClusterCause::AgentNotReady { associations } => {
            format!("{} get no credentials: none of the Pod Identity agent's pods is ready", pods_of(*associations))
        }
        ClusterCause::InjectorMissing { accounts } => {
            let whose = match accounts {
                1 => "one service account".to_owned(),
                many => format!("{many} service accounts"),
            };
            format!("new pods of {whose} with an AWS identity will get no credentials: the injector is not registered")
        }
        ClusterCause::NodeRoleWithoutAgent { role } => format!(
            "the Pod Identity agent is not allowed to fetch credentials: the node role {role} lacks the permission"
        ),
    }
}
