//! A Lease, held by one replica at a time (Kubernetes, "Leases"; the rules are those of client-go's leader election: a replica that
//! sees the Lease unchanged for its whole duration, by its own clock, may take it; the resource version decides between two).
//!
//! Not kube-lease-manager 0.13: it compares the clocks of two nodes, and its forced release of a Lease that ran out takes it
//! from a holder that renewed it in the same moment.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::explain;

/// One who stands for a Lease.
#[derive(Clone)]
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("name", &self.name).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Whether the Lease is held, or cannot be had for this reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leadership {
    /// By this replica.
    Leader,
    /// By another.
    Follower,
    /// It is not known.
    Unknown(String),
}

/// What was seen of a Lease that another holds.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Candidate {
    /// Stands for a Lease under a name that no other replica has. A holder that is not heard of for `duration` is replaced.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, duration: Duration) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration,
        }
    }

    /// Tries to take the Lease. The future that comes with the receiver renews it until the receiver is dropped; then it gives
    /// the Lease back and ends.
    pub async fn stand(self) -> (watch::Receiver<Leadership>, impl Future<Output = ()> + Send + 'static) {
        let mut standing = Standing { candidate: self, seen: None, renewed: None };
        let (sender, receiver) = watch::channel(standing.step().await);
        let renewal = async move {
            // Three chances to renew before others may take it.
            let pause = standing.candidate.duration / 3;
            loop {
                tokio::select! {
                    () = sender.closed() => break,
                    () = tokio::time::sleep(pause) => {}
                }
                let held = standing.step().await;
                sender.send_if_modified(|before| {
                    // Another reason for the same is none to begin anything again.
                    let is_news = std::mem::discriminant(before) != std::mem::discriminant(&held);
                    *before = held;
                    is_news
                });
            }
            standing.give_back().await;
        };
        (receiver, renewal)
    }
}

struct Standing {
    candidate: Candidate,
    seen: Option<Seen>,
    renewed: Option<Instant>,
}

impl Standing {
    /// Takes, renews or looks at the Lease once. A renewal that fails leaves the Lease with its holder until it has run out.
    async fn step(&mut self) -> Leadership {
        let asked = Instant::now();
        let attempt = tokio::time::timeout(self.candidate.duration / 3, self.attempt()).await;
        match attempt.unwrap_or_else(|_| Err("the API server did not answer in time".to_owned())) {
            Ok(true) => {
                self.renewed = Some(asked);
                Leadership::Leader
            }
            Ok(false) => {
                self.renewed = None;
                Leadership::Follower
            }
            Err(_) if self.renewed.is_some_and(|renewed| renewed.elapsed() < self.candidate.duration) => {
                Leadership::Leader
            }
            Err(fault) => {
                self.renewed = None;
                Leadership::Unknown(fault)
            }
        }
    }

    /// Whether the Lease is this replica's now.
    async fn attempt(&mut self) -> Result<bool, String> {
        let Candidate { leases, name, identity, duration } = &self.candidate;
        let Some(mut lease) = leases.get_opt(name).await.map_err(|error| explain(&error))? else {
            let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            return decided(leases.create(&PostParams::default(), &lease).await, false);
        };
        let spec = lease.spec.unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder != identity && !holder.is_empty() {
            let version = lease.metadata.resource_version.clone();
            let seen = self.seen.take().filter(|seen| seen.version == version);
            let seen = seen.unwrap_or_else(|| Seen { version, since: Instant::now() });
            let theirs = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let is_over = seen.since.elapsed() >= theirs.map_or(*duration, Duration::from_secs);
            self.seen = Some(seen);
            if !is_over {
                return Ok(false);
            }
        }
        let is_renewal = holder == identity;
        lease.spec = Some(self.spec(Some(spec)));
        decided(leases.replace(name, &PostParams::default(), &lease).await, is_renewal)
    }

    /// The Lease as this replica holds it, after it was like that.
    fn spec(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let Candidate { identity, duration, .. } = &self.candidate;
        let now = MicroTime(Timestamp::now());
        let before = before.unwrap_or_default();
        let is_ours = before.holder_identity.as_deref() == Some(identity);
        LeaseSpec {
            holder_identity: Some(identity.clone()),
            lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
            renew_time: Some(now.clone()),
            acquire_time: if is_ours { before.acquire_time } else { Some(now) },
            lease_transitions: Some(before.lease_transitions.unwrap_or(0).saturating_add(i32::from(!is_ours))),
            ..LeaseSpec::default()
        }
    }

    /// Lets others have it at once.
    async fn give_back(&self) {
        let Candidate { leases, name, identity, .. } = &self.candidate;
        if self.renewed.is_none() {
            return;
        }
        if let Ok(Some(mut lease)) = leases.get_opt(name).await
            && let Some(spec) = lease.spec.as_mut()
            && spec.holder_identity.as_deref() == Some(identity)
        {
            spec.holder_identity = None;
            // Where this fails it runs out by itself.
            let _ = leases.replace(name, &PostParams::default(), &lease).await;
        }
    }
}

/// A write that another came before means that the other has it; of a renewal it says only that the Lease changed.
fn decided(written: Result<Lease, kube::Error>, is_renewal: bool) -> Result<bool, String> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 && !is_renewal => Ok(false),
        Err(error) => Err(explain(&error)),
    }
}
