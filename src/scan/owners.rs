//! What owns what: pods and what stands between fold into what a person wrote.

use std::borrow::Cow;
use std::collections::HashMap;

use rolecall_core::workload::Kind;

/// What a person wrote: a Deployment rather than its ReplicaSets, a CronJob rather than its Jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its namespace; empty for what belongs to the cluster.
    pub namespace: String,
    /// Its kind, which may be one that rolecall does not judge.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
}

impl Owner {
    /// An owner.
    pub fn new(namespace: &str, kind: impl Into<Cow<'static, str>>, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), kind: kind.into(), name: name.to_owned() }
    }
}

type KindAndName = (Box<str>, Box<str>);
type ByName<T> = HashMap<Box<str>, HashMap<Box<str>, T>>;

/// What stands between pods and owners.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// What controls ReplicaSets and Jobs, and nothing where nothing does.
    between: HashMap<Kind, ByName<Option<KindAndName>>>,
    /// Deployments and CronJobs: the API server lists kind after kind, so that a pod may belong to what came in between.
    tops: ByName<()>,
}

impl Owners {
    /// Learns of a workload.
    pub(super) fn add(&mut self, namespace: &str, kind: Kind, name: &str, controller: Option<(&str, &str)>) {
        if kind.folds_into().is_some() {
            let controller = controller.map(|(kind, name)| (kind.into(), name.into()));
            let names = self.between.entry(kind).or_default().entry(namespace.into()).or_default();
            names.insert(name.into(), controller);
        } else if is_top(kind) {
            self.tops.entry(namespace.into()).or_default().insert(name.into(), ());
        }
    }

    /// The owner of an object.
    pub(super) fn top(&self, namespace: &str, (kind, name): (Kind, &str), controller: Option<(&str, &str)>) -> Owner {
        let (kind, name) = match controller {
            Some(controller) if kind == Kind::Pod => self.above(namespace, controller),
            Some(controller) if kind.folds_into().is_some() => controller,
            // What controls other kinds is an operator's; people know the workload.
            _ => (kind.name(), name),
        };
        Owner::new(namespace, static_kind(kind), name)
    }

    /// What is above a pod's controller, where that is a ReplicaSet or a Job.
    fn above<'o>(&'o self, namespace: &str, (kind, name): (&'o str, &'o str)) -> (&'o str, &'o str) {
        let known = Kind::named(kind).and_then(|kind| Some((kind, kind.folds_into()?)));
        let Some((between, top)) = known else {
            return (kind, name);
        };
        let names = self.between.get(&between).and_then(|by_name| by_name.get(namespace));
        match names.and_then(|names| names.get(name)) {
            Some(Some((kind, name))) => (kind, name),
            Some(None) => (kind, name),
            // Too new to be listed, or not readable: both are named after what made them.
            None => match name.rsplit_once('-') {
                Some((prefix, _)) if self.tops.get(namespace).is_some_and(|names| names.contains_key(prefix)) => {
                    (top.name(), prefix)
                }
                _ => (kind, name),
            },
        }
    }
}

/// Whether another kind folds into this one.
fn is_top(kind: Kind) -> bool {
    Kind::ALL.into_iter().any(|other| other.folds_into() == Some(kind))
}

fn static_kind(kind: &str) -> Cow<'static, str> {
    Kind::named(kind).map_or_else(|| Cow::Owned(kind.to_owned()), |kind| Cow::Borrowed(kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_pods_into_what_a_person_wrote() {
        let mut owners = Owners::default();
        owners.add("shop", Kind::Deployment, "carts", None);
        owners.add("shop", Kind::ReplicaSet, "carts-7d9f", Some(("Deployment", "carts")));
        owners.add("shop", Kind::ReplicaSet, "alone", None);
        owners.add("shop", Kind::ReplicaSet, "blue-5f", Some(("Rollout", "blue")));
        owners.add("shop", Kind::Job, "nightly-28", Some(("CronJob", "nightly")));
        let pod = |controller| {
            let owner = owners.top("shop", (Kind::Pod, "p"), controller);
            format!("{}/{}", owner.kind, owner.name)
        };
        assert_eq!(pod(Some(("ReplicaSet", "carts-7d9f"))), "Deployment/carts");
        assert_eq!(pod(Some(("ReplicaSet", "carts-new"))), "Deployment/carts");
        assert_eq!(pod(Some(("ReplicaSet", "other-new"))), "ReplicaSet/other-new");
        assert_eq!(pod(Some(("ReplicaSet", "alone"))), "ReplicaSet/alone");
        assert_eq!(pod(Some(("ReplicaSet", "blue-5f"))), "Rollout/blue");
        assert_eq!(pod(Some(("Job", "nightly-28"))), "CronJob/nightly");
        assert_eq!(pod(Some(("StatefulSet", "db"))), "StatefulSet/db");
        assert_eq!(pod(None), "Pod/p");
        let set = owners.top("shop", (Kind::ReplicaSet, "blue-5f"), Some(("Rollout", "blue")));
        assert_eq!((&*set.kind, &*set.name), ("Rollout", "blue"));
        let operated = owners.top("shop", (Kind::Deployment, "carts"), Some(("Shop", "shop")));
        assert_eq!((&*operated.kind, &*operated.name), ("Deployment", "carts"));
    }
}
