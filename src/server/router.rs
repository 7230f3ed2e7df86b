//! `POST /validate`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use rolecall_core::chain::Links;
use rolecall_core::decision::Outcome;
use rolecall_core::snapshot::Issuer;
use rolecall_core::world::{AssociationReading, Change, Unseen};
use tokio::time::Instant;

use super::audit;
use super::body::{self, Refusal};
use super::state::{Confirmation, State};
use crate::config::Limits;
use crate::live::{Confirming, Knowledge, Rechecked, Rechecks, Rereads, Unconfirmed};
use crate::review::{self, Access, Authority, Considered, Denial, Lowering, Reply, Standing};

/// The router of the review port.
pub fn router(state: Arc<State>) -> Router {
    Router::new().route("/validate", post(validate)).with_state(state)
}

async fn validate(Shared(state): Shared<Arc<State>>, uri: Uri, body: Body) -> Response {
    let came = Instant::now();
    let limits = &state.limits;
    let reading = body::read(body, limits.body_bytes, &state.in_flight, limits.in_flight_bytes);
    // Nobody may hold the common budget by sending slowly.
    match tokio::time::timeout(Duration::from_secs(limits.handshake_seconds), reading).await {
        Ok(Ok(body)) => judge(&state, &uri, came, &body).await,
        Ok(Err(refusal)) => refuse(&state, refusal),
        Err(_) => refuse(&state, Refusal::Broken),
    }
}

async fn judge(state: &State, uri: &Uri, came: Instant, body: &[u8]) -> Response {
    let review = UnderReview { state, body, start: Instant::now(), deadline: deadline(uri, came, &state.limits) };
    let first = {
        let knowledge = state.keeper.now();
        review.consider(&knowledge, &Asked::default(), review.standing(&knowledge))
    };
    let reply = match first {
        Considered::Reply(reply) => reply,
        Considered::Confirm(links) => review.confirmed(links, Asked::default()).await,
        Considered::Seek(unseen) => review.sought(unseen).await,
        Considered::Guard(lowering) => review.guarded(&lowering).await,
    };
    respond_with(reply)
}

/// What was asked for one review alone.
#[derive(Debug, Default)]
struct Asked {
    /// What the API server said.
    changes: Vec<Change>,
    /// The service account's association was read from AWS since the review came.
    association: bool,
}

/// How many times links are read for one denial: what was learned may lead to others.
const ROUNDS: usize = 3;

/// A review on its way to an answer.
struct UnderReview<'r> {
    state: &'r State,
    body: &'r [u8],
    start: Instant,
    deadline: Instant,
}

impl UnderReview<'_> {
    fn standing(&self, knowledge: &Knowledge) -> Standing<'static> {
        let asks = self.state.cluster.is_some();
        let authority = if !knowledge.is_first_hand {
            Authority::Withheld("it has read nothing of AWS yet")
        } else if matches!(self.state.confirmation, Confirmation::Nothing) && !asks {
            Authority::Final
        } else {
            Authority::Provisional
        };
        Standing { authority, asks }
    }

    /// Judges over what is known, and what was asked for this review alone.
    fn consider(&self, knowledge: &Knowledge, asked: &Asked, standing: Standing<'_>) -> Considered {
        let Knowledge { world, snapshot_time, .. } = knowledge;
        let (settings, now) = (&self.state.settings, Timestamp::now());
        let observe = |record: &review::Record<'_>| self.observe(record);
        if asked.changes.is_empty() && !asked.association {
            return review::consider(world, snapshot_time, settings, self.body, now, standing, observe);
        }
        let mut world = world.with(asked.changes.iter().cloned());
        if asked.association {
            world.association_reading = AssociationReading::After;
        }
        review::consider(&world, snapshot_time, settings, self.body, now, standing, observe)
    }

    fn observe(&self, record: &review::Record<'_>) {
        let duration = self.start.elapsed();
        self.state.metrics.observe(record, duration);
        audit::write(record, self.state.settings.mode, duration);
        let denials = self.state.cluster.as_ref().and_then(|cluster| cluster.denials.as_ref());
        if let Some(denials) = denials
            && record.decision == Outcome::Deny
            && record.kind.is_some()
            && !record.dry_run
        {
            denials.denied(Denial::of(record, self.body));
        }
    }

    /// Waits for the cluster, or asks it, for what is not known of it yet; then judges.
    async fn sought(&self, unseen: Unseen) -> Reply {
        let Some(cluster) = &self.state.cluster else {
            return unanswered();
        };
        let sought = cluster.lookups.seek(&self.state.keeper, unseen, self.deadline).await;
        let knowledge = self.state.keeper.now_full();
        let asks = false;
        let (considered, asked) = match sought {
            Ok(changes) => {
                self.state.metrics.lookup(if changes.is_empty() { "watched" } else { "asked" });
                let standing = Standing { asks, ..self.standing(&knowledge) };
                let asked = Asked { changes, association: false };
                (self.consider(&knowledge, &asked, standing), asked)
            }
            Err(sentence) => {
                self.state.metrics.lookup("failed");
                let authority = Authority::Withheld(&sentence);
                let asked = Asked::default();
                (self.consider(&knowledge, &asked, Standing { authority, asks }), asked)
            }
        };
        match considered {
            Considered::Confirm(links) => self.confirmed(links, asked).await,
            other => finally(other),
        }
    }

    /// Reads again what a would-be denial rests on, and judges again.
    async fn confirmed(&self, links: Links, mut asked: Asked) -> Reply {
        if let Some(cluster) = &self.state.cluster {
            let (namespace, account) = &links.subject;
            match cluster.lookups.read_anew(namespace, account, self.deadline).await {
                Ok(changes) => asked.changes.extend(changes),
                Err(sentence) => {
                    self.state.metrics.lookup("failed");
                    return self.withheld(&sentence, &asked);
                }
            }
        }
        match &self.state.confirmation {
            Confirmation::Links(rereads) => self.reread(rereads, links, asked).await,
            Confirmation::Snapshot(rechecks) => self.rechecked(rechecks, &asked).await,
            Confirmation::Nothing => self.settled(&asked).unwrap_or_else(|reply| reply),
        }
    }

    /// The denial over what is known now, or the other answer.
    fn settled(&self, asked: &Asked) -> Result<Reply, Reply> {
        let knowledge = self.state.keeper.now_full();
        let considered = self.consider(&knowledge, asked, PROVISIONAL);
        self.denied(&knowledge, asked, considered)
    }

    /// Asks for the shared snapshot again and judges by what is there now.
    async fn rechecked(&self, rechecks: &Rechecks, asked: &Asked) -> Reply {
        let metrics = &self.state.metrics;
        let (why, sentence) = match rechecks.ask(self.deadline).await {
            Rechecked::Unchanged => {
                let stands = self.settled(asked);
                metrics.reread(if stands.is_ok() { "confirmed" } else { "changed" });
                return stands.unwrap_or_else(|reply| reply);
            }
            Rechecked::Changed => {
                metrics.reread("changed");
                return self.settled(asked).unwrap_or_else(|reply| reply);
            }
            Rechecked::Unreadable(fault) => {
                (Unconfirmed::Unreadable, format!("the snapshot could not be asked for again: {fault}"))
            }
            Rechecked::Late => {
                let sentence = "there was no answer in time whether the snapshot has changed";
                (Unconfirmed::Late, sentence.to_owned())
            }
        };
        metrics.reread(why.name());
        self.withheld(&sentence, asked)
    }

    /// Reads the links of a would-be denial from AWS and judges again, until a denial rests on nothing else.
    async fn reread(&self, rereads: &Rereads, mut links: Links, mut asked: Asked) -> Reply {
        let state = self.state;
        let mut withheld = "its links change faster than they can be read anew from AWS".to_owned();
        let mut changed = false;
        for _ in 0..ROUNDS {
            let issuer = issuer(&state.keeper.now());
            match rereads.confirm(&links, issuer.as_ref(), self.deadline).await {
                Confirming::Read { reread, asked: at, links: read } => {
                    let (knowledge, news) = state.keeper.learn(reread, at);
                    changed |= news;
                    asked.association |= read.new_association;
                    // The provider of another issuer was not asked for.
                    let is_other = self::issuer(&knowledge) != issuer;
                    match self.consider(&knowledge, &asked, PROVISIONAL) {
                        Considered::Confirm(next) if is_other || !next.are_among(&read) => links = next.and(&read),
                        considered => {
                            let stands = self.denied(&knowledge, &asked, considered);
                            let confirmed = stands.is_ok() && !changed;
                            state.metrics.reread(if confirmed { "confirmed" } else { "changed" });
                            return stands.unwrap_or_else(|reply| reply);
                        }
                    }
                }
                Confirming::Failed(why, sentence) => {
                    state.metrics.reread(why.name());
                    withheld = sentence;
                    break;
                }
            }
        }
        self.withheld(&withheld, &asked)
    }

    /// The denial that a provisional one becomes, where it stands in the eyes of the watch too: of the watch and the API
    /// server's own word either may be the newer. Otherwise the other answer.
    fn denied(&self, knowledge: &Knowledge, asked: &Asked, considered: Considered) -> Result<Reply, Reply> {
        if let Considered::Reply(reply) = considered {
            return Err(reply);
        }
        let watched = asked.changes.iter().any(|change| knowledge.world.contradicts(change));
        let of_the_watch = Asked { changes: Vec::new(), association: asked.association };
        if watched && let Considered::Reply(reply) = self.consider(knowledge, &of_the_watch, PROVISIONAL) {
            return Err(reply);
        }
        let standing = Standing { authority: Authority::Final, asks: false };
        Ok(finally(self.consider(knowledge, asked, standing)))
    }

    fn withheld(&self, reason: &str, asked: &Asked) -> Reply {
        let knowledge = self.state.keeper.now_full();
        let standing = Standing { authority: Authority::Withheld(reason), asks: false };
        finally(self.consider(&knowledge, asked, standing))
    }

    /// Asks whether the user may lower what is asked of a namespace.
    async fn guarded(&self, lowering: &Lowering) -> Reply {
        let Some(cluster) = &self.state.cluster else {
            return unanswered();
        };
        let asking = cluster.access.may_lower(lowering.user.clone(), lowering.namespace.clone());
        let late = |_| Access::Unknown("the API server did not answer in time".to_owned());
        let access = tokio::time::timeout_at(self.deadline, asking).await.unwrap_or_else(late);
        review::guarded(&self.state.settings, lowering, self.body, &access, |record| self.observe(record))
    }
}

/// The cluster's issuer as it is known.
fn issuer(knowledge: &Knowledge) -> Option<Issuer> {
    knowledge.world.snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.clone())
}

/// A denial is to be confirmed; the cluster was asked already.
const PROVISIONAL: Standing<'static> = Standing { authority: Authority::Provisional, asks: false };

fn finally(considered: Considered) -> Reply {
    match considered {
        Considered::Reply(reply) => reply,
        Considered::Confirm(_) | Considered::Seek(_) | Considered::Guard(_) => unanswered(),
    }
}

/// No way leads here; a failure of the webhook's own leaves the API server to its failure policy.
fn unanswered() -> Reply {
    Reply { status: 500, body: b"a denial was left unconfirmed\n".to_vec() }
}

/// Until when an answer is of use: the API server's `?timeout=` less a margin, and never longer than the configuration
/// says (Kubernetes, "Dynamic Admission Control": timeouts).
pub fn deadline(uri: &Uri, came: Instant, limits: &Limits) -> Instant {
    let longest = Duration::from_secs(limits.reread_seconds);
    let asked = uri.query().and_then(|query| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == "timeout").and_then(|(_, value)| go_duration(value))
    });
    // A fifth for the way there and back and a second judgement.
    let usable = asked.unwrap_or(Duration::from_secs(5)).mul_f64(0.8);
    came + usable.min(longest)
}

/// A duration of whole units as Go writes it: `5s`, `500ms`, `1m30s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(end);
        let number: f64 = number.parse().ok()?;
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn respond_with(reply: Reply) -> Response {
    let (status, content_type) = match reply.status {
        200 => (StatusCode::OK, HeaderValue::from_static("application/json")),
        400 => (StatusCode::BAD_REQUEST, HeaderValue::from_static("text/plain; charset=utf-8")),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, HeaderValue::from_static("text/plain; charset=utf-8")),
    };
    respond(status, content_type, reply.body)
}

fn refuse(state: &State, refusal: Refusal) -> Response {
    let limit = state.limits.body_bytes;
    let (status, error, line) = match refusal {
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("the body is over {limit} bytes; limits.bodyBytes sets the limit\n"),
        ),
        Refusal::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many bodies are being read at once; limits.inFlightBytes sets the limit\n".to_owned(),
        ),
        Refusal::Broken => {
            (StatusCode::BAD_REQUEST, "broken-body", "the body broke off, or came too slowly\n".to_owned())
        }
    };
    state.metrics.fault(error);
    tracing::warn!(target: "rolecall::server", error, "a review was not read");
    respond(status, HeaderValue::from_static("text/plain; charset=utf-8"), line.into_bytes())
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_leaves_a_margin() {
        let came = Instant::now();
        let limits = Limits { reread_seconds: 8, ..Limits::default() };
        for (query, milliseconds) in [
            ("?timeout=5s", 4_000),
            ("?timeout=500ms", 400),
            ("?timeout=1m30s", 8_000),
            ("?other=1&timeout=1.5s", 1_200),
            ("", 4_000),
            ("?timeout=soon", 4_000),
            ("?timeout=", 4_000),
            ("?timeout=5", 4_000),
        ] {
            let uri: Uri = format!("/validate{query}").parse().unwrap();
            assert_eq!(deadline(&uri, came, &limits) - came, Duration::from_millis(milliseconds), "{query}");
        }
    }
}
