//! Events about denials and warnings, where `kubectl describe`, Argo CD and dashboards show them.
//!
//! The threads that answer only put a notice into a queue. A task of its own looks the object up a moment later, since it
//! does not exist while it is admitted, and writes one Event for each object, rule and generation. Repeats are counted.
//! Queue, table and calls are bounded; what is given up is counted in `rolecall_events_total`, and the audit annotations have
//! it all.
//!
//! Events are written through the core API. `events.k8s.io/v1` allows neither `count` nor `firstTimestamp` and
//! `lastTimestamp` (`k8s.io/kubernetes`, `pkg/apis/core/validation/events.go`), which Argo CD and most dashboards show.

mod target;
mod waiting;
mod writer;

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use kube::Client;
use rolecall_core::decision::Outcome;
use rolecall_core::workload::Kind;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use self::target::{Looked, Target};
use self::waiting::{Counted, Due, Key, Waiting};
use self::writer::Writer;
use super::explain;
use crate::config::EventsConfig;
use crate::review::{ImpossibleObject, Notice, NoticeSink, Record};

/// Notices between the threads that answer and the task that writes; more are given up.
const QUEUE: usize = 128;
/// How long the API server may take for one call.
const PATIENCE: Duration = Duration::from_secs(5);
/// An object is looked up so long after its review: by then the API server has stored it.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// It is looked up a second time so long after that.
const NEXT_LOOK: Duration = Duration::from_secs(10);

/// Sees what becomes of Events.
pub trait Writing: Send + Sync + std::fmt::Debug {
    /// `written`; `counted` where one was there; `limited` where it was given up for want of room; `unverified` where no
    /// such object exists; `forbidden` where a right is missing; `failed` where the API server did not take it.
    fn event(&self, outcome: &'static str);
}

/// Takes what was decided and hands it to the writer.
#[derive(Debug)]
pub struct EventQueue {
    sender: Sender<Notice>,
    settings: EventsConfig,
    seen: Arc<dyn Writing>,
}

impl NoticeSink for EventQueue {
    fn decided(&self, record: &Record<'_>, body: &[u8]) {
        let is_wanted = match record.decision {
            Outcome::Deny => self.settings.denials,
            Outcome::Warn => self.settings.warnings && !record.warned.is_empty(),
            Outcome::Allow => false,
        };
        if !is_wanted {
            return;
        }
        // A place first: what is given up costs nothing.
        match self.sender.try_reserve() {
            Ok(place) => match Notice::of(record, body) {
                Ok(Some(notice)) => place.send(notice),
                Ok(None) => {}
                Err(ImpossibleObject) => self.seen.event("unverified"),
            },
            Err(_) => self.seen.event("limited"),
        }
    }
}

/// A queue, and what writes its Events for as long as it is polled. It ends where the queue is dropped.
pub fn events(
    client: Client,
    settings: EventsConfig,
    instance: Option<String>,
    seen: Arc<dyn Writing>,
) -> (EventQueue, impl Future<Output = ()> + Send) {
    let (sender, receiver) = channel(QUEUE);
    let queue = EventQueue { sender, settings, seen: Arc::clone(&seen) };
    let calls = Calls::new(client, settings.calls_per_second);
    let repeat = Duration::from_secs(settings.repeat_seconds);
    let task = Task { writer: Writer::new(instance), calls, seen };
    (queue, task.run(receiver, repeat))
}

/// What became of a call that brought no answer to use.
#[derive(Debug)]
enum Fault {
    /// A right is missing.
    Forbidden,
    /// It may work later.
    Failed,
    /// It never will, as in a namespace that is being deleted.
    Refused,
}

/// The API server, asked no faster than the configuration says.
struct Calls {
    client: Client,
    limit: DefaultDirectRateLimiter,
    clock: DefaultClock,
    /// Rights that were reported as missing.
    missing: HashSet<String>,
}

impl Calls {
    fn new(client: Client, per_second: u32) -> Self {
        let per_second = std::num::NonZeroU32::new(per_second).unwrap_or(std::num::NonZeroU32::MIN);
        let limit = RateLimiter::direct(Quota::per_second(per_second));
        Self { client, limit, clock: DefaultClock::default(), missing: HashSet::new() }
    }

    /// Waits for its turn, then for the answer. A not-found or a conflict is an answer.
    async fn call<T>(
        &mut self,
        right: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<kube::Result<T>, Fault> {
        while let Err(wait) = self.limit.check() {
            tokio::time::sleep(wait.wait_time_from(self.clock.now())).await;
        }
        let Ok(answer) = tokio::time::timeout(PATIENCE, call).await else {
            return Err(Fault::Failed);
        };
        match answer {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                if causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating") {
                    return Err(Fault::Refused);
                }
                if self.missing.insert(right.to_owned()) {
                    let error = explain(&kube::Error::Api(status));
                    tracing::warn!(target: "rolecall::kube", right, error, "a right for Events is missing; it is said once, and the Events that need it are not written");
                }
                Err(Fault::Forbidden)
            }
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {
                Ok(Err(kube::Error::Api(status)))
            }
            Err(error) => {
                tracing::warn!(target: "rolecall::kube", right, error = explain(&error), "a call for an Event failed");
                let is_lasting = matches!(&error, kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429);
                Err(if is_lasting { Fault::Refused } else { Fault::Failed })
            }
            Ok(answer) => Ok(Ok(answer)),
        }
    }
}

/// Looks objects up, and writes.
struct Task {
    writer: Writer,
    calls: Calls,
    seen: Arc<dyn Writing>,
}

/// What became of an object that was due.
struct Settled {
    what: What,
    /// Notes about the service account of its pods.
    of_account: Option<(Key, Vec<Counted>)>,
}

enum What {
    /// Its Events were written.
    Written(Key),
    /// It is due again later.
    Again(Due),
    /// Nothing is written of it.
    GivenUp(Key),
}

impl Task {
    async fn run(mut self, mut notices: Receiver<Notice>, repeat: Duration) {
        let mut waiting = Waiting::new(repeat);
        let seen = Arc::clone(&self.seen);
        let mut taken = Vec::with_capacity(QUEUE);
        loop {
            let count = match waiting.take_due(Instant::now()) {
                Some(due) => {
                    let mut writing = pin!(self.write(due));
                    // Notices are taken while the API server is waited for: the queue is short, and denials come in bursts.
                    loop {
                        tokio::select! {
                            biased;
                            settled = &mut writing => {
                                settle(&mut waiting, settled, &*seen);
                                break;
                            }
                            count = notices.recv_many(&mut taken, QUEUE) => {
                                if count == 0 {
                                    return;
                                }
                                taken.drain(..).for_each(|notice| take(&mut waiting, notice, &*seen));
                            }
                        }
                    }
                    continue;
                }
                None => {
                    let next = waiting.next_due();
                    let due = async {
                        match next {
                            Some(due) => tokio::time::sleep_until(due).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        count = notices.recv_many(&mut taken, QUEUE) => count,
                        () = due => continue,
                    }
                }
            };
            if count == 0 {
                return;
            }
            taken.drain(..).for_each(|notice| take(&mut waiting, notice, &*seen));
        }
    }

    /// Looks an object up and writes its Events.
    async fn write(&mut self, due: Due) -> Settled {
        match target::look(&mut self.calls, &due).await {
            Ok(Looked::Found(target)) => self.write_to(due, &target).await,
            Ok(Looked::Absent) if due.attempts == 0 && !due.key.is_denial => Settled::again(due),
            Ok(Looked::Absent) => self.give_up(due, "unverified"),
            Err(Fault::Failed) if due.attempts < 2 => Settled::again(due),
            Err(Fault::Forbidden) => self.give_up(due, "forbidden"),
            Err(Fault::Failed | Fault::Refused) => self.give_up(due, "failed"),
        }
    }

    fn give_up(&self, due: Due, outcome: &'static str) -> Settled {
        due.notes.iter().for_each(|_| self.seen.event(outcome));
        Settled { what: What::GivenUp(due.key), of_account: None }
    }

    async fn write_to(&mut self, mut due: Due, target: &Target) -> Settled {
        let mut of_account = Vec::new();
        let mut unwritten = Vec::new();
        for counted in std::mem::take(&mut due.notes) {
            if counted.note.is_of_account && due.key.kind != Kind::ServiceAccount {
                of_account.push(counted.clone());
            }
            match self.writer.write(&mut self.calls, target, due.key.is_denial, &counted).await {
                Ok(outcome) => self.seen.event(outcome),
                Err(Fault::Failed) if due.attempts < 2 => unwritten.push(counted),
                Err(Fault::Forbidden) => self.seen.event("forbidden"),
                Err(Fault::Failed | Fault::Refused) => self.seen.event("failed"),
            }
        }
        let of_account = due.key.service_account().filter(|_| !of_account.is_empty()).map(|key| (key, of_account));
        let what =
            if unwritten.is_empty() { What::Written(due.key) } else { What::Again(Due { notes: unwritten, ..due }) };
        Settled { what, of_account }
    }
}

impl Settled {
    fn again(due: Due) -> Self {
        Self { what: What::Again(due), of_account: None }
    }
}

fn take(waiting: &mut Waiting, notice: Notice, seen: &dyn Writing) {
    // A denied pod's controller exists.
    let delay = if notice.is_denial { Duration::ZERO } else { FIRST_LOOK };
    if !waiting.add(notice.into(), Instant::now() + delay) {
        seen.event("limited");
    }
}

fn settle(waiting: &mut Waiting, Settled { what, of_account }: Settled, seen: &dyn Writing) {
    let now = Instant::now();
    match what {
        What::Written(key) => waiting.written(&key, now),
        What::Again(due) => waiting.again(due, now + NEXT_LOOK),
        What::GivenUp(key) => waiting.forget(&key),
    }
    // The service account is one for many workloads: it waits in a place of its own, where they are counted together.
    if let Some((key, notes)) = of_account
        && !waiting.add_counted(key, None, notes, now)
    {
        seen.event("limited");
    }
}
