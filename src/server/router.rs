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
use tokio::time::Instant;

use super::audit;
use super::body::{self, Refusal};
use super::state::State;
use crate::config::Limits;
use crate::live::{Confirming, Knowledge};
use crate::review::{self, Authority, Considered, Reply};

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
    let start = Instant::now();
    let first = {
        let knowledge = state.keeper.now();
        let authority = if !knowledge.is_first_hand {
            Authority::Withheld("it has read nothing of AWS yet")
        } else if state.rereads.is_some() {
            Authority::Provisional
        } else {
            Authority::Final
        };
        consider(state, &knowledge, authority, body, start)
    };
    match first {
        Considered::Reply(reply) => respond_with(reply),
        Considered::Confirm(links) => {
            respond_with(confirmed(state, links, deadline(uri, came, &state.limits), body, start).await)
        }
    }
}

/// How many times links are read for one denial: what was learned may lead to others.
const ROUNDS: usize = 3;

/// Reads the links of a would-be denial anew and judges again, until a denial rests on nothing else.
async fn confirmed(state: &State, mut links: Links, deadline: Instant, body: &[u8], start: Instant) -> Reply {
    let Some(rereads) = &state.rereads else {
        return unanswered();
    };
    let mut withheld = "its links change faster than they can be read anew from AWS".to_owned();
    let mut changed = false;
    for _ in 0..ROUNDS {
        let issuer = state.keeper.now().world.snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.clone());
        match rereads.confirm(&links, issuer.as_ref(), deadline).await {
            Confirming::Read { reread, asked, links: read } => {
                let (knowledge, news) = state.keeper.learn(reread, asked);
                changed |= news;
                match consider(state, &knowledge, Authority::Provisional, body, start) {
                    Considered::Reply(reply) => {
                        state.metrics.reread("changed");
                        return reply;
                    }
                    Considered::Confirm(next) if next.are_among(&read) => {
                        state.metrics.reread(if changed { "changed" } else { "confirmed" });
                        return finally(consider(state, &knowledge, Authority::Final, body, start));
                    }
                    Considered::Confirm(next) => links = next.and(&read),
                }
            }
            Confirming::Failed(why, sentence) => {
                state.metrics.reread(why.name());
                withheld = sentence;
                break;
            }
        }
    }
    let knowledge = state.keeper.now_full();
    finally(consider(state, &knowledge, Authority::Withheld(&withheld), body, start))
}

fn finally(considered: Considered) -> Reply {
    match considered {
        Considered::Reply(reply) => reply,
        Considered::Confirm(_) => unanswered(),
    }
}

fn consider(state: &State, knowledge: &Knowledge, authority: Authority<'_>, body: &[u8], start: Instant) -> Considered {
    let observe = |record: &review::Record<'_>| {
        let duration = start.elapsed();
        state.metrics.observe(record, duration);
        audit::write(record, state.settings.mode, duration);
    };
    let Knowledge { world, snapshot_time, .. } = knowledge;
    review::consider(world, snapshot_time, &state.settings, body, Timestamp::now(), authority, observe)
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
