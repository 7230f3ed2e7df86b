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
use rolecall_core::world::{Change, Unseen};
use tokio::time::Instant;

use super::audit;
use super::body::{self, Refusal};
use super::state::State;
use crate::config::Limits;
use crate::live::{Confirming, Knowledge, Rereads};
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
        review.consider(&knowledge, &[], review.standing(&knowledge))
    };
    let reply = match first {
        Considered::Reply(reply) => reply,
        Considered::Confirm(links) => review.confirmed(links, Vec::new()).await,
        Considered::Seek(unseen) => review.sought(unseen).await,
        Considered::Guard(lowering) => review.guarded(&lowering).await,
    };
    respond_with(reply)
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
        } else if self.state.rereads.is_some() || asks {
            Authority::Provisional
        } else {
            Authority::Final
        };
        Standing { authority, asks }
    }

    /// Judges over what is known, and what was asked for this review alone.
    fn consider(&self, knowledge: &Knowledge, asked: &[Change], standing: Standing<'_>) -> Considered {
        let Knowledge { world, snapshot_time, .. } = knowledge;
        let (settings, now) = (&self.state.settings, Timestamp::now());
        let observe = |record: &review::Record<'_>| self.observe(record);
        if asked.is_empty() {
            return review::consider(world, snapshot_time, settings, self.body, now, standing, observe);
        }
        let world = world.with(asked.iter().cloned());
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
            Ok(asked) => {
                self.state.metrics.lookup(if asked.is_empty() { "watched" } else { "asked" });
                let standing = Standing { asks, ..self.standing(&knowledge) };
                (self.consider(&knowledge, &asked, standing), asked)
            }
            Err(sentence) => {
                self.state.metrics.lookup("failed");
                let authority = Authority::Withheld(&sentence);
                (self.consider(&knowledge, &[], Standing { authority, asks }), Vec::new())
            }
        };
        match considered {
            Considered::Confirm(links) => self.confirmed(links, asked).await,
            other => finally(other),
        }
    }

    /// Reads the links of a would-be denial anew and judges again, until a denial rests on nothing else.
    async fn confirmed(&self, links: Links, mut asked: Vec<Change>) -> Reply {
        if let Some(cluster) = &self.state.cluster {
            let (namespace, account) = &links.subject;
            match cluster.lookups.read_anew(namespace, account, self.deadline).await {
                Ok(change) => asked.push(change),
                Err(sentence) => {
                    self.state.metrics.lookup("failed");
                    return self.withheld(&sentence, &asked);
                }
            }
        }
        match &self.state.rereads {
            Some(rereads) => self.reread(rereads, links, asked).await,
            None => {
                let knowledge = self.state.keeper.now_full();
                let considered = self.consider(&knowledge, &asked, PROVISIONAL);
                self.denied(&knowledge, &asked, considered).unwrap_or_else(|reply| reply)
            }
        }
    }

    async fn reread(&self, rereads: &Rereads, mut links: Links, asked: Vec<Change>) -> Reply {
        let state = self.state;
        let mut withheld = "its links change faster than they can be read anew from AWS".to_owned();
        let mut changed = false;
        for _ in 0..ROUNDS {
            let issuer = state.keeper.now().world.snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.clone());
            match rereads.confirm(&links, issuer.as_ref(), self.deadline).await {
                Confirming::Read { reread, asked: at, links: read } => {
                    let (knowledge, news) = state.keeper.learn(reread, at);
                    changed |= news;
                    match self.consider(&knowledge, &asked, PROVISIONAL) {
                        Considered::Confirm(next) if !next.are_among(&read) => links = next.and(&read),
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
    fn denied(&self, knowledge: &Knowledge, asked: &[Change], considered: Considered) -> Result<Reply, Reply> {
        if let Considered::Reply(reply) = considered {
            return Err(reply);
        }
        let watched = asked.iter().any(|change| knowledge.world.contradicts(change));
        if watched && let Considered::Reply(reply) = self.consider(knowledge, &[], PROVISIONAL) {
            return Err(reply);
        }
        let standing = Standing { authority: Authority::Final, asks: false };
        Ok(finally(self.consider(knowledge, asked, standing)))
    }

    fn withheld(&self, reason: &str, asked: &[Change]) -> Reply {
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
