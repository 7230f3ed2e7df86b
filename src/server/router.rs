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
            let knowledge = state.keeper.now_full();
            respond_with(confirmed(state, &knowledge, &links, deadline(uri, came, &state.limits), body, start).await)
        }
    }
}

/// Reads the links of a would-be denial anew, and judges again.
async fn confirmed(
    state: &State,
    knowledge: &Knowledge,
    links: &Links,
    deadline: Instant,
    body: &[u8],
    start: Instant,
) -> Reply {
    let issuer = knowledge.world.snapshot.cluster.as_ref().and_then(|cluster| cluster.issuer.as_ref());
    let confirming = match &state.rereads {
        Some(rereads) => rereads.confirm(links, issuer, deadline).await,
        None => return unanswered(),
    };
    let considered = match confirming {
        Confirming::Read { reread, asked } => match knowledge.learn(&reread) {
            None => {
                state.metrics.reread("confirmed");
                consider(state, knowledge, Authority::Final, body, start)
            }
            Some(learned) => {
                state.keeper.learn(reread, asked);
                let considered = consider(state, &learned, Authority::Final, body, start);
                state.metrics.reread("changed");
                considered
            }
        },
        Confirming::Failed(why, sentence) => {
            state.metrics.reread(why.name());
            consider(state, knowledge, Authority::Withheld(&sentence), body, start)
        }
    };
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
