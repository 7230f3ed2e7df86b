//! What keeps the world fresh: AWS itself, or a snapshot that others write.

#[cfg(feature = "aws")]
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
#[cfg(feature = "aws")]
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
#[cfg(feature = "aws")]
use jiff::Timestamp;
use rolecall_core::snapshot::Snapshot;

use crate::live::{Asked, Collection, Collector};
use crate::sources::{SnapshotSource, read_snapshot};

/// When the parts of a snapshot were read, as far as it says.
pub(super) fn parts(snapshot: &Snapshot) -> Vec<(&'static str, i64)> {
    let oldest = [snapshot.collected_at, snapshot.oldest_part].into_iter().flatten().min();
    oldest.map(|time| ("all", time.as_second())).into_iter().collect()
}

/// A snapshot that another process writes: looked at again, read where it has changed.
#[derive(Debug)]
pub(super) struct Shared {
    place: tokio::sync::Mutex<SharedPlace>,
    cluster: Option<String>,
}

/// Where a shared snapshot lies, and what became of it at the last look.
#[derive(Debug)]
struct SharedPlace {
    source: SnapshotSource,
    /// Why the text that lies there was of no use. While it is the same, "unchanged" means this and not what is known.
    fault: Option<String>,
    /// A hash of the text that is known: places that cannot say "unchanged" send it again.
    known: Option<u64>,
    hasher: RandomState,
}

impl Shared {
    pub(super) fn new(source: SnapshotSource, cluster: Option<String>) -> Self {
        Self {
            place: tokio::sync::Mutex::new(SharedPlace {
                source,
                fault: None,
                known: None,
                hasher: RandomState::new(),
            }),
            cluster,
        }
    }

    async fn poll(&self) -> Result<Option<Collection>, String> {
        let mut place = self.place.lock().await;
        let name = place.source.name().to_owned();
        let Some(fetched) = place.source.poll().await.map_err(|error| format!("{error:#}"))? else {
            return place.fault.clone().map_or(Ok(None), Err);
        };
        let hash = place.hasher.hash_one(&fetched.text);
        if place.known == Some(hash) {
            place.fault = None;
            return Ok(None);
        }
        // Until it was read to its end it counts as unread, also where this is cancelled.
        place.fault = Some(format!("{name}: the snapshot was not read to its end"));
        // Thousands of policies take a while to compile: not on the threads that answer reviews.
        let cluster = self.cluster.clone();
        let read = tokio::task::spawn_blocking(move || read_snapshot(&fetched.text, cluster.as_deref())).await;
        let read = read.map_err(|error| error.to_string()).and_then(|read| read);
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(fault) => {
                let fault = format!("{name}: {fault}");
                place.fault = Some(fault.clone());
                return Err(fault);
            }
        };
        (place.fault, place.known) = (None, Some(hash));
        let parts = parts(&snapshot);
        Ok(Some(Collection { snapshot: Some(snapshot), is_usable: true, parts, failures: Vec::new() }))
    }
}

impl Collector for Shared {
    fn collect(&self, _: Asked) -> BoxFuture<'_, Option<Collection>> {
        async move {
            self.poll().await.unwrap_or_else(|fault| {
                Some(Collection { failures: vec![("snapshot".to_owned(), fault)], ..Collection::default() })
            })
        }
        .boxed()
    }
}

#[cfg(feature = "aws")]
pub(super) use from_aws::{Counting, FromAws};

#[cfg(feature = "aws")]
mod from_aws {
    use super::{
        Arc, Asked, BTreeSet, BoxFuture, Collection, Collector, FutureExt, Mutex, PoisonError, Timestamp, read_snapshot,
    };
    use crate::live::{ClusterPart, LinkReader, ReadRole};
    use crate::server::Metrics;
    use crate::sources::aws::{Aws, Collected, Observer, Outcome, Part, Unseen, Wanted};

    /// AWS itself.
    #[derive(Debug)]
    pub(in crate::run) struct FromAws {
        aws: Arc<Aws>,
        /// Roles that manifests name beside the service accounts.
        also: BTreeSet<String>,
        before: Mutex<Option<Arc<Collected>>>,
    }

    impl FromAws {
        pub(in crate::run) fn new(aws: Aws, also: BTreeSet<String>) -> Self {
            Self { aws: Arc::new(aws), also, before: Mutex::default() }
        }
    }

    /// Counts calls.
    #[derive(Debug)]
    pub(in crate::run) struct Counting(pub(in crate::run) Arc<Metrics>);

    impl Observer for Counting {
        fn call(&self, call: &str, outcome: Outcome, duration: std::time::Duration) {
            let outcome = match outcome {
                Outcome::Answered => "answered",
                Outcome::Throttled => "throttled",
                Outcome::Refused => "refused",
                Outcome::Failed => "failed",
                Outcome::Lost => "lost",
            };
            self.0.aws_call(call, outcome, duration);
        }
    }

    impl Collector for FromAws {
        fn collect(&self, asked: Asked) -> BoxFuture<'_, Option<Collection>> {
            async move { Some(self.collect_document(asked).await.0) }.boxed()
        }
    }

    impl FromAws {
        /// Collects; with the snapshot's document, where there is something to make one of.
        pub(in crate::run) fn collect_document(&self, asked: Asked) -> BoxFuture<'_, (Collection, Option<String>)> {
            async move {
                let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut roles = asked.roles;
                roles.extend(self.also.iter().cloned());
                let wanted = Wanted { roles, policies: asked.policies };
                let collected = Arc::new(self.aws.collect(&wanted, before.as_deref(), &Unseen).await);
                let parts = ages(&collected);
                let is_usable = collected.cluster.value.is_some();
                let mut collection = Collection { snapshot: None, is_usable, parts, failures: Vec::new() };
                let taken = Arc::clone(&collected);
                // Thousands of roles take a while: not on the threads that answer reviews.
                let read = tokio::task::spawn_blocking(move || {
                    let document = taken.document();
                    let failures = Collected::failures_in(&document);
                    let read = is_usable.then(|| {
                        let text = document.to_string();
                        read_snapshot(&text, None).map(|snapshot| (snapshot, text))
                    });
                    (failures, read)
                });
                let read = match read.await {
                    Ok((failures, read)) => {
                        collection.failures = failures;
                        read
                    }
                    Err(error) => Some(Err(error.to_string())),
                };
                let mut document = None;
                match read {
                    Some(Ok((snapshot, text))) => {
                        collection.snapshot = Some(snapshot);
                        document = Some(text);
                    }
                    Some(Err(fault)) => {
                        collection.is_usable = false;
                        collection.failures.push(("snapshot".to_owned(), fault));
                    }
                    None => {}
                }
                if is_usable {
                    *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(collected);
                }
                (collection, document)
            }
            .boxed()
        }
    }

    /// When the oldest of each part was read.
    fn ages(collected: &Collected) -> Vec<(&'static str, i64)> {
        let of = |time: Option<Timestamp>| time.map(Timestamp::as_second);
        fn read_at<T>(part: &Part<T>) -> Option<Timestamp> {
            part.read_at.filter(|_| part.value.is_some())
        }
        let accounts = || collected.accounts.values();
        let roles = accounts().flat_map(|account| account.roles.values()).filter_map(read_at).min();
        let whole = accounts().flat_map(|account| account.whole.values()).copied().min();
        let providers = accounts().filter_map(|account| read_at(&account.oidc_providers)).min();
        let ages = [
            ("cluster", of(read_at(&collected.cluster))),
            ("addons", of(read_at(&collected.addons))),
            ("associations", of(read_at(&collected.associations))),
            ("node-roles", of(read_at(&collected.node_roles))),
            ("fargate-profiles", of(read_at(&collected.fargate_profiles))),
            ("roles", of(roles)),
            ("roles-whole", of(whole)),
            ("oidc-providers", of(providers)),
        ];
        ages.into_iter().filter_map(|(part, time)| Some((part, time?))).collect()
    }

    impl LinkReader for FromAws {
        fn role(&self, arn: String, policies: bool) -> BoxFuture<'static, Result<ReadRole, String>> {
            let aws = Arc::clone(&self.aws);
            async move {
                let (role, policies) =
                    aws.role_and_policies(&arn, policies).await.map_err(|error| error.to_string())?;
                Ok(ReadRole { role, policies })
            }
            .boxed()
        }

        fn associations(
            &self,
            namespace: String,
            account: String,
        ) -> BoxFuture<'static, Result<Vec<serde_json::Value>, String>> {
            let aws = Arc::clone(&self.aws);
            async move { aws.associations(&namespace, &account).await.map_err(|error| error.to_string()) }.boxed()
        }

        fn provider(
            &self,
            account: String,
            issuer_url: String,
        ) -> BoxFuture<'static, Result<Option<serde_json::Value>, String>> {
            let aws = Arc::clone(&self.aws);
            async move { aws.provider(&account, &issuer_url).await.map_err(|error| error.to_string()) }.boxed()
        }

        fn part(&self, part: ClusterPart) -> BoxFuture<'static, Result<Option<serde_json::Value>, String>> {
            let aws = Arc::clone(&self.aws);
            async move {
                let read = match part {
                    ClusterPart::Cluster => aws.describe_cluster().await,
                    ClusterPart::Addons => aws.read_addons(&Unseen).await.map(serde_json::Value::Array),
                    ClusterPart::FargateProfiles => {
                        aws.read_fargate_profiles(&Unseen).await.map(serde_json::Value::Array)
                    }
                };
                read.map(Some).map_err(|error| error.to_string())
            }
            .boxed()
        }
    }
}
