//! The kinds that rolecall judges.

use std::fmt;

use serde::Serialize;

/// A kind that rolecall judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of that name")]
pub enum Kind {
    CronJob,
    DaemonSet,
    Deployment,
    Job,
    Pod,
    PodTemplate,
    ReplicaSet,
    ReplicationController,
    ServiceAccount,
    StatefulSet,
}

impl Kind {
    /// Every kind, with its API group.
    pub const ALL: [(&'static str, Self); 10] = [
        ("batch", Self::CronJob),
        ("apps", Self::DaemonSet),
        ("apps", Self::Deployment),
        ("batch", Self::Job),
        ("", Self::Pod),
        ("", Self::PodTemplate),
        ("apps", Self::ReplicaSet),
        ("", Self::ReplicationController),
        ("", Self::ServiceAccount),
        ("apps", Self::StatefulSet),
    ];

    /// The kind of this name in this API group.
    pub fn from_group(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(g, k)| *g == group && k.name() == kind).map(|(_, kind)| kind)
    }

    /// The kind of an object with this `apiVersion` (`GROUP/VERSION`, or `VERSION` in the core group).
    pub fn from_api_version(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::from_group(group, kind)
    }

    /// The name, as Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CronJob => "CronJob",
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::PodTemplate => "PodTemplate",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::ServiceAccount => "ServiceAccount",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
