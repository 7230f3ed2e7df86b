//! The kinds that rolecall judges, and what the program must know of each.

use std::fmt;

use serde::{Serialize, Serializer};

/// A kind that rolecall judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A custom resource of this kind. None reaches the webhook.
    Custom(&'static str),
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where an object has the specification of its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPath {
    /// It is a pod.
    Spec,
    /// In a template of its own.
    Template,
    /// In the template of its specification.
    SpecTemplate,
    /// In the template of its jobs.
    JobTemplate,
}

impl PodPath {
    /// The path in an object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Template => "template.spec",
            Self::SpecTemplate => "spec.template.spec",
            Self::JobTemplate => "spec.jobTemplate.spec.template.spec",
        }
    }
}

/// How the pods of an object are replaced by new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// `kubectl rollout restart` applies.
    Rollout,
    /// Its next run creates new ones, and one can be started by hand.
    NextRun,
    /// It is deleted and created again: its template cannot be changed.
    Recreate,
    /// It is a pod: it is deleted, and created again where no controller does so.
    DeletePod,
    /// Its pods are deleted, and it creates others.
    DeletePods,
}

/// What the program must know of a kind.
struct Facts {
    api_version: &'static str,
    name: &'static str,
    plural: &'static str,
    pod_path: Option<PodPath>,
    renewal: Option<Renewal>,
    folds_into: Option<Kind>,
    controller: Option<&'static str>,
}

impl Facts {
    const fn new(api_version: &'static str, name: &'static str, plural: &'static str) -> Self {
        Self { api_version, name, plural, pod_path: None, renewal: None, folds_into: None, controller: None }
    }

    const fn pods(self, path: PodPath) -> Self {
        Self { pod_path: Some(path), ..self }
    }

    const fn renewed_by(self, renewal: Renewal) -> Self {
        Self { renewal: Some(renewal), ..self }
    }

    const fn folds_into(self, kind: Kind) -> Self {
        Self { folds_into: Some(kind), ..self }
    }

    /// The service account of the kind's controller (Kubernetes, `pkg/controller`, names of `cmd/kube-controller-manager`).
    const fn run_by(self, controller: &'static str) -> Self {
        Self { controller: Some(controller), ..self }
    }
}

impl Kind {
    /// Every kind that Kubernetes itself has.
    pub const ALL: [Self; 10] = [
        Self::CronJob,
        Self::DaemonSet,
        Self::Deployment,
        Self::Job,
        Self::Pod,
        Self::PodTemplate,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::ServiceAccount,
        Self::StatefulSet,
    ];

    const fn facts(self) -> Facts {
        use PodPath::{JobTemplate, Spec, SpecTemplate, Template};
        use Renewal::{DeletePod, DeletePods, NextRun, Recreate, Rollout};
        let (apps, batch, core) = ("apps/v1", "batch/v1", "v1");
        match self {
            Self::CronJob => Facts::new(batch, "CronJob", "cronjobs")
                .pods(JobTemplate)
                .renewed_by(NextRun)
                .run_by("cronjob-controller"),
            Self::DaemonSet => Facts::new(apps, "DaemonSet", "daemonsets")
                .pods(SpecTemplate)
                .renewed_by(Rollout)
                .run_by("daemon-set-controller"),
            Self::Deployment => Facts::new(apps, "Deployment", "deployments")
                .pods(SpecTemplate)
                .renewed_by(Rollout)
                .run_by("deployment-controller"),
            Self::Job => Facts::new(batch, "Job", "jobs")
                .pods(SpecTemplate)
                .renewed_by(Recreate)
                .folds_into(Self::CronJob)
                .run_by("job-controller"),
            Self::Pod => Facts::new(core, "Pod", "pods").pods(Spec).renewed_by(DeletePod),
            Self::PodTemplate => Facts::new(core, "PodTemplate", "podtemplates").pods(Template),
            Self::ReplicaSet => Facts::new(apps, "ReplicaSet", "replicasets")
                .pods(SpecTemplate)
                .renewed_by(DeletePods)
                .folds_into(Self::Deployment)
                .run_by("replicaset-controller"),
            Self::ReplicationController => Facts::new(core, "ReplicationController", "replicationcontrollers")
                .pods(SpecTemplate)
                .renewed_by(DeletePods)
                .run_by("replication-controller"),
            Self::ServiceAccount => Facts::new(core, "ServiceAccount", "serviceaccounts"),
            Self::StatefulSet => Facts::new(apps, "StatefulSet", "statefulsets")
                .pods(SpecTemplate)
                .renewed_by(Rollout)
                .run_by("statefulset-controller"),
            // Where its controller creates pods, they are described there (`custom::DescribedPods::object`).
            Self::Custom(name) => Facts::new("", name, "").pods(SpecTemplate),
        }
    }

    /// The kind of this name, whatever its API group.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is the kind of a custom resource.
    pub fn is_custom(self) -> bool {
        matches!(self, Self::Custom(_))
    }

    /// The kind of this name in this API group.
    pub fn from_group(group: &str, name: &str) -> Option<Self> {
        Self::named(name).filter(|kind| kind.group() == group)
    }

    /// The kind of an object with this `apiVersion` (`GROUP/VERSION`, or `VERSION` in the core group).
    pub fn from_api_version(api_version: &str, name: &str) -> Option<Self> {
        Self::from_group(split(api_version).0, name)
    }

    /// The name, as Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// `GROUP/VERSION`, or `VERSION` in the core group.
    pub const fn api_version(self) -> &'static str {
        self.facts().api_version
    }

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        split(self.api_version()).0
    }

    /// The version in its group.
    pub fn version(self) -> &'static str {
        split(self.api_version()).1
    }

    /// The resource, as in URLs and rights.
    pub const fn plural(self) -> &'static str {
        self.facts().plural
    }

    /// Where it has the specification of its pods; `None` where it has no pods.
    pub const fn pod_path(self) -> Option<PodPath> {
        self.facts().pod_path
    }

    /// How its pods are replaced by new ones; `None` where it creates none.
    pub const fn renewal(self) -> Option<Renewal> {
        self.facts().renewal
    }

    /// What people write instead: an object of this kind that is controlled by one of that kind repeats its template.
    pub const fn folds_into(self) -> Option<Self> {
        self.facts().folds_into
    }

    /// Name of the service account in `kube-system` that its controller runs with.
    pub const fn controller_account(self) -> Option<&'static str> {
        self.facts().controller
    }
}

/// Group and version.
fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
