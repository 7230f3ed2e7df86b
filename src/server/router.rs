//! `POST /validate`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;

use super::audit;
use super::body::{self, Refusal};
use super::state::State;
use crate::review;

/// The router of the review port.
pub fn router(state: Arc<State>) -> Router {
    Router::new().route("/validate", post(validate)).with_state(state)
}

async fn validate(Shared(state): Shared<Arc<State>>, body: Body) -> Response {
    let limits = &state.limits;
    let reading = body::read(body, limits.body_bytes, &state.in_flight, limits.in_flight_bytes);
    // Nobody may hold the common budget by sending slowly.
    match tokio::time::timeout(Duration::from_secs(limits.handshake_seconds), reading).await {
        Ok(Ok(body)) => judge(&state, &body),
        Ok(Err(refusal)) => refuse(&state, refusal),
        Err(_) => refuse(&state, Refusal::Broken),
    }
}

fn judge(state: &State, body: &[u8]) -> Response {
    let start = Instant::now();
    let knowledge = state.knowledge.load();
    let observe = |record: &review::Record<'_>| {
        let duration = start.elapsed();
        state.metrics.observe(record, duration);
        audit::write(record, state.settings.mode, duration);
    };
    let reply =
        review::answer(&knowledge.world, &knowledge.snapshot_time, &state.settings, body, Timestamp::now(), observe);
    let (status, content_type) = match reply.status {
        200 => (StatusCode::OK, HeaderValue::from_static("application/json")),
        _ => (StatusCode::BAD_REQUEST, HeaderValue::from_static("text/plain; charset=utf-8")),
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
