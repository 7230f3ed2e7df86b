//! A review on its way to an answer: what is known, what has to be asked for first, and the check itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rolecall_core::effort::Stop;
use rolecall_core::judge::Links;
use rolecall_core::snapshot::Issuer;
use rolecall_core::world::{AssociationReading, Change, Unseen};
use tokio::time::Instant;

use super::audit;
use super::budget::Share;
use super::labels::{LookupOutcome, RereadOutcome, StopReason};
use super::pool::INLINE_BYTES;
use super::state::{Confirmation, State};
use crate::live::{Confirming, Rechecked, Rechecks, Requester, Rereads, Unconfirmed, WorldState};
use crate::review::{
    self, Access, Authority, Frame, NamespaceAnswers, NamespaceChange, NextStep, Reply, Standing, Unread,
};

/// What was asked for one review alone.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// What the API server said.
    changes: Vec<Change>,
    /// The service account's association was read from AWS since the review came.
    association: bool,
}

/// How many times links are read for one denial: what was learned may lead to others.
const ROUNDS: usize = 3;

/// How long the preview of a raised level may take.
const MAX_PREVIEW: Duration = Duration::from_secs(1);

/// A review on its way to an answer.
#[derive(Clone)]
pub(super) struct UnderReview {
    state: Arc<State>,
    body: Bytes,
    /// The address that it came from.
    source: Option<IpAddr>,
    start: Instant,
    deadline: Instant,
    /// What was decided is recorded: once, also where a check ends after its deadline.
    is_recorded: Arc<AtomicBool>,
    /// Memory stays counted for as long as the body is held.
    _share: Arc<Share>,
}

/// How far a denial reaches, with a reason that outlives the one who gave it.
#[derive(Clone)]
enum Reach {
    Final,
    Provisional,
    Withheld(Arc<str>),
}

impl Reach {
    fn authority(&self) -> Authority<'_> {
        match self {
            Self::Final => Authority::Final,
            Self::Provisional => Authority::Provisional,
            Self::Withheld(reason) => Authority::Withheld(reason),
        }
    }
}

impl UnderReview {
    pub(super) fn new(
        state: Arc<State>,
        body: Bytes,
        share: Arc<Share>,
        source: Option<IpAddr>,
        deadline: Instant,
    ) -> Self {
        let is_recorded = Arc::new(AtomicBool::new(false));
        Self { state, body, source, start: Instant::now(), deadline, is_recorded, _share: share }
    }

    /// The answer.
    pub(super) async fn answer(&self) -> Reply {
        let asks = self.state.cluster.is_some();
        let asked = Asked::default();
        let first = {
            let world_state = self.state.store.now();
            self.consider_here(&world_state, &asked, &self.reach(&world_state), asks)
        };
        let first = match first {
            NextStep::RunInPool => {
                let world_state = self.state.store.now_full();
                let reach = self.reach(&world_state);
                self.consider_elsewhere(world_state, &asked, reach, asks).await
            }
            other => other,
        };
        match first {
            NextStep::Reply(reply) => reply,
            NextStep::ConfirmDenial { links, is_new_pod } => self.confirm_denial(links, is_new_pod, asked).await,
            NextStep::ResolveUnknown(unseen) => self.resolve_unknown(unseen).await,
            NextStep::AskAboutNamespace(change) => self.ask_about_namespace(&change).await,
            NextStep::RunInPool | NextStep::Stopped => unanswered(),
        }
    }

    fn reach(&self, world_state: &WorldState) -> Reach {
        if !world_state.is_first_hand {
            Reach::Withheld("it has read nothing of AWS yet".into())
        } else if matches!(self.state.confirmation, Confirmation::Nothing) && self.state.cluster.is_none() {
            Reach::Final
        } else {
            Reach::Provisional
        }
    }

    /// Checks over what is known, and what was asked for this review alone: here where that is short, else elsewhere.
    async fn consider(&self, world_state: &Arc<WorldState>, asked: &Asked, reach: Reach) -> NextStep {
        match self.consider_here(world_state, asked, &reach, false) {
            NextStep::RunInPool => self.consider_elsewhere(Arc::clone(world_state), asked, reach, false).await,
            considered => considered,
        }
    }

    fn consider_here(&self, world_state: &WorldState, asked: &Asked, reach: &Reach, asks: bool) -> NextStep {
        if self.body.len() > INLINE_BYTES {
            return NextStep::RunInPool;
        }
        let standing = Standing { authority: reach.authority(), asks, inline: true, stop: None };
        self.check(world_state, asked, standing)
    }

    /// Checks on a thread for what may take long; past the deadline the review passes with a warning.
    async fn consider_elsewhere(
        &self,
        world_state: Arc<WorldState>,
        asked: &Asked,
        reach: Reach,
        asks: bool,
    ) -> NextStep {
        let (this, asked) = (self.clone(), asked.clone());
        let check = move |stop: &Stop| {
            let standing = Standing { authority: reach.authority(), asks, inline: false, stop: Some(stop) };
            let considered = this.check(&world_state, &asked, standing);
            if matches!(considered, NextStep::Stopped) {
                let has_time = Instant::now() < this.deadline;
                let reason = if has_time { StopReason::ClientLeft } else { StopReason::Deadline };
                this.state.metrics.check_stopped(reason);
            }
            considered
        };
        match self.state.pool.run(self.body.len(), self.deadline, check).await {
            Some(NextStep::Stopped) | None => NextStep::Reply(self.late()),
            Some(considered) => considered,
        }
    }

    /// The answer of one that could not be checked in time.
    fn late(&self) -> Reply {
        let Some(frame) = Frame::of(&self.body) else {
            return unanswered();
        };
        self.state.unread(&frame, Unread::Late, |record| self.observe(record))
    }

    fn check(&self, world_state: &WorldState, asked: &Asked, standing: Standing<'_>) -> NextStep {
        let WorldState { world, snapshot_time, .. } = world_state;
        let (settings, now) = (&self.state.settings, Timestamp::now());
        let observe = |record: &review::Record<'_>| self.observe(record);
        if asked.changes.is_empty() && !asked.association {
            return review::consider(world, snapshot_time, settings, &self.body, now, standing, observe);
        }
        let mut world = world.with(asked.changes.iter().cloned());
        if asked.association {
            world.association_reading = AssociationReading::After;
        }
        review::consider(&world, snapshot_time, settings, &self.body, now, standing, observe)
    }

    fn observe(&self, record: &review::Record<'_>) {
        if self.is_recorded.swap(true, Ordering::Relaxed) {
            return;
        }
        let duration = self.start.elapsed();
        self.state.metrics.observe(record, duration);
        audit::write(record, self.state.settings.mode, duration);
        let notices = self.state.cluster.as_ref().and_then(|cluster| cluster.notices.as_ref());
        if let Some(notices) = notices.filter(|_| record.kind.is_some() && !record.dry_run) {
            notices.decided(record, &self.body);
        }
    }

    /// Waits for the cluster, or asks it, for what is not known of it yet; then judges.
    async fn resolve_unknown(&self, unseen: Unseen) -> Reply {
        let Some(cluster) = &self.state.cluster else {
            return unanswered();
        };
        let sought = cluster.lookups.seek(&self.state.store, unseen, self.source, self.deadline).await;
        let world_state = self.state.store.now_full();
        let (asked, reach) = match sought {
            Ok(changes) => {
                self.state.metrics.lookup(if changes.is_empty() {
                    LookupOutcome::Watched
                } else {
                    LookupOutcome::Asked
                });
                (Asked { changes, association: false }, self.reach(&world_state))
            }
            Err(sentence) => {
                self.state.metrics.lookup(LookupOutcome::Failed);
                (Asked::default(), Reach::Withheld(sentence.into()))
            }
        };
        match self.consider(&world_state, &asked, reach).await {
            NextStep::ConfirmDenial { links, is_new_pod } => self.confirm_denial(links, is_new_pod, asked).await,
            other => conclude(other),
        }
    }

    /// Reads again what a would-be denial rests on, and judges again.
    async fn confirm_denial(&self, links: Links, is_new_pod: bool, mut asked: Asked) -> Reply {
        if let Some(cluster) = &self.state.cluster {
            let (namespace, account) = &links.subject;
            match cluster.lookups.read_again(namespace, account, self.source, self.deadline).await {
                Ok(changes) => {
                    let is_gone = |change: &Change| matches!(change, Change::ServiceAccount { account: None, .. });
                    // Kubernetes creates no pod without its service account: invented ones cost no call to AWS.
                    if is_new_pod && changes.iter().any(is_gone) {
                        asked.changes.extend(changes);
                        let reason = format!("service account {namespace}/{account} does not exist");
                        return self.withhold(&reason, &asked).await;
                    }
                    asked.changes.extend(changes);
                }
                Err(sentence) => {
                    self.state.metrics.lookup(LookupOutcome::Failed);
                    return self.withhold(&sentence, &asked).await;
                }
            }
        }
        match &self.state.confirmation {
            Confirmation::Links(rereads) => self.reread(rereads, links, asked).await,
            Confirmation::Snapshot(rechecks) => self.recheck(rechecks, &asked).await,
            Confirmation::Nothing => self.settle(&asked).await.unwrap_or_else(|reply| reply),
        }
    }

    /// The denial over what is known now, or the other answer.
    async fn settle(&self, asked: &Asked) -> Result<Reply, Reply> {
        let world_state = self.state.store.now_full();
        let considered = self.consider(&world_state, asked, Reach::Provisional).await;
        self.deny(&world_state, asked, considered).await
    }

    /// Asks for the shared snapshot again and judges by what is there now.
    async fn recheck(&self, rechecks: &Rechecks, asked: &Asked) -> Reply {
        let metrics = &self.state.metrics;
        let (why, sentence) = match rechecks.ask(self.deadline).await {
            Rechecked::Unchanged => {
                let stands = self.settle(asked).await;
                metrics.reread(if stands.is_ok() { RereadOutcome::Confirmed } else { RereadOutcome::Changed });
                return stands.unwrap_or_else(|reply| reply);
            }
            Rechecked::Changed => {
                metrics.reread(RereadOutcome::Changed);
                return self.settle(asked).await.unwrap_or_else(|reply| reply);
            }
            Rechecked::Unreadable(fault) => {
                (Unconfirmed::Unreadable, format!("the snapshot could not be asked for again: {fault}"))
            }
            Rechecked::Late => {
                let sentence = "there was no answer in time whether the snapshot has changed";
                (Unconfirmed::Late, sentence.to_owned())
            }
        };
        metrics.reread(RereadOutcome::Unconfirmed(why));
        self.withhold(&sentence, asked).await
    }

    /// Reads the links of a would-be denial from AWS and judges again, until a denial rests on nothing else.
    async fn reread(&self, rereads: &Rereads, mut links: Links, mut asked: Asked) -> Reply {
        let state = &self.state;
        let mut withheld = "what the denial depends on changes faster than it can be re-read from AWS".to_owned();
        let mut changed = false;
        for _ in 0..ROUNDS {
            let issuer = issuer(&state.store.now());
            let requester = Requester { source: self.source, namespace: links.subject.0.clone() };
            match rereads.confirm(&links, issuer.as_ref(), &requester, self.deadline).await {
                Confirming::Read { reread, asked: at, links: read } => {
                    let (world_state, news) = state.store.merge(reread, at);
                    changed |= news;
                    asked.association |= read.new_association;
                    // The provider of another issuer was not asked for.
                    let is_other = self::issuer(&world_state) != issuer;
                    match self.consider(&world_state, &asked, Reach::Provisional).await {
                        NextStep::ConfirmDenial { links: next, .. } if is_other || !next.are_among(&read) => {
                            links = next.and(&read)
                        }
                        considered => {
                            let stands = self.deny(&world_state, &asked, considered).await;
                            let confirmed = stands.is_ok() && !changed;
                            state.metrics.reread(if confirmed {
                                RereadOutcome::Confirmed
                            } else {
                                RereadOutcome::Changed
                            });
                            return stands.unwrap_or_else(|reply| reply);
                        }
                    }
                }
                Confirming::Failed(why, sentence) => {
                    state.metrics.reread(RereadOutcome::Unconfirmed(why));
                    withheld = sentence;
                    break;
                }
            }
        }
        self.withhold(&withheld, &asked).await
    }

    /// The denial that a provisional one becomes, where it stands in the eyes of the watch too: of the watch and the API
    /// server's own word either may be the newer. Otherwise the other answer.
    async fn deny(&self, world_state: &Arc<WorldState>, asked: &Asked, considered: NextStep) -> Result<Reply, Reply> {
        if let NextStep::Reply(reply) = considered {
            return Err(reply);
        }
        let watched = asked.changes.iter().any(|change| world_state.world.contradicts(change));
        let of_the_watch = Asked { changes: Vec::new(), association: asked.association };
        if watched && let NextStep::Reply(reply) = self.consider(world_state, &of_the_watch, Reach::Provisional).await {
            return Err(reply);
        }
        Ok(conclude(self.consider(world_state, asked, Reach::Final).await))
    }

    /// The answer without a denial, for this reason. Where the deadline has passed while others were asked, judging takes half
    /// of the time that the deadline leaves to the API server's own ([`super::router::deadline`]): no finding is lost.
    async fn withhold(&self, reason: &str, asked: &Asked) -> Reply {
        let world_state = self.state.store.now_full();
        let deadline = self.deadline + self.deadline.duration_since(self.start) / 8;
        let this = Self { deadline, ..self.clone() };
        conclude(this.consider(&world_state, asked, Reach::Withheld(reason.into())).await)
    }

    /// Asks whether the user may lower what is asked of a namespace, and what a raised level would deny.
    async fn ask_about_namespace(&self, change: &NamespaceChange) -> Reply {
        let Some(cluster) = &self.state.cluster else {
            return unanswered();
        };
        let mut answers = NamespaceAnswers::default();
        if let Some(lowering) = &change.lowering {
            let asking = cluster.access.may_lower(lowering.user.clone(), lowering.namespace.clone());
            let late = |_| Access::Unknown("the API server did not answer in time".to_owned());
            answers.access = Some(tokio::time::timeout_at(self.deadline, asking).await.unwrap_or_else(late));
        }
        let settings = &self.state.settings;
        // Exemptions that the user may not add must not show by what they hide.
        let may_see = matches!(answers.access, None | Some(Access::Granted));
        if let (Some(raise), Some(previewer), true) = (&change.raise, &cluster.previewer, may_see) {
            let end = self.deadline.min(Instant::now() + MAX_PREVIEW);
            answers.preview = Some(previewer.preview(raise, settings, end).await);
        }
        review::answer_namespace(settings, change, &self.body, &answers, |record| self.observe(record))
    }
}

/// The cluster's issuer as it is known.
fn issuer(world_state: &WorldState) -> Option<Issuer> {
    world_state.world.snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.clone())
}

fn conclude(considered: NextStep) -> Reply {
    match considered {
        NextStep::Reply(reply) => reply,
        NextStep::ConfirmDenial { .. }
        | NextStep::ResolveUnknown(_)
        | NextStep::AskAboutNamespace(_)
        | NextStep::RunInPool
        | NextStep::Stopped => unanswered(),
    }
}

/// No way leads here; a failure of the webhook's own leaves the API server to its failure policy.
fn unanswered() -> Reply {
    Reply { status: 500, body: b"a denial was left unconfirmed\n".to_vec() }
}
