//! `POST /validate`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::body::{Frame as BodyFrame, SizeHint};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::audit;
use super::body::{self, Refusal};
use super::budget::Share;
use super::connection::Source;
use super::state::State;
use super::under_review::UnderReview;
use crate::config::Limits;
use crate::review::{Fault, Frame, Reply, Unread};

/// The router of the review port.
pub fn router(state: Arc<State>) -> Router {
    Router::new().route("/validate", post(validate)).with_state(state)
}

async fn validate(
    Shared(state): Shared<Arc<State>>,
    source: Option<Extension<Source>>,
    uri: Uri,
    body: Body,
) -> Response {
    let came = Instant::now();
    let limits = &state.limits;
    let deadline = deadline(&uri, came, limits);
    let patience = came + Duration::from_secs(limits.handshake_seconds);
    match body::read(body, limits.body_bytes, &state.budget, deadline, patience).await {
        Ok((body, share)) => {
            let share = Arc::new(share);
            let source = source.and_then(|Extension(Source(address))| address);
            let review = UnderReview::new(Arc::clone(&state), body, Arc::clone(&share), source, deadline);
            let reply = review.answer().await;
            drop(review);
            // Of the memory the answer needs its own length; all of it where a check still holds the body.
            let share = Arc::try_unwrap(share).map(|mut share| {
                share.keep(reply.body.len());
                Arc::new(share)
            });
            respond_with(reply, Some(share.unwrap_or_else(|share| share)))
        }
        Err(refusal) => refuse(&state, came, refusal),
    }
}

/// Until when an answer is of use: the API server's `?timeout=` less a margin, and never longer than the configuration
/// says (Kubernetes, "Dynamic Admission Control": timeouts).
pub fn deadline(uri: &Uri, came: Instant, limits: &Limits) -> Instant {
    let longest = Duration::from_secs(limits.reread_seconds);
    let asked = uri.query().and_then(|query| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == "timeout").and_then(|(_, value)| duration(value))
    });
    // A fifth for the way there and back and a second judgement.
    let usable = asked.unwrap_or(Duration::from_secs(5)).mul_f64(0.8);
    came + usable.min(longest)
}

/// A duration as Go writes it: `5s`, `500ms`, `1m30s`.
fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok())
}

fn respond_with(reply: Reply, share: Option<Arc<Share>>) -> Response {
    let (status, content_type) = match reply.status {
        200 => (StatusCode::OK, HeaderValue::from_static("application/json")),
        400 => (StatusCode::BAD_REQUEST, HeaderValue::from_static("text/plain; charset=utf-8")),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, HeaderValue::from_static("text/plain; charset=utf-8")),
    };
    respond(status, content_type, reply.body, share)
}

/// The answer to a review that was not read: an AdmissionResponse where its start says who is to be answered.
fn refuse(state: &State, came: Instant, refusal: Refusal) -> Response {
    let limit = state.limits.body_bytes;
    let (why, start) = match refusal {
        Refusal::TooLarge(start) => (Unread::TooLarge(limit), start),
        Refusal::Overloaded(start) => (Unread::Overloaded, start),
        Refusal::Broken => {
            let line = "the body broke off, or came too slowly\n".to_owned();
            return refuse_plainly(state, StatusCode::BAD_REQUEST, Fault::BrokenBody, line);
        }
    };
    if let Some(frame) = Frame::of(&start) {
        let observe = |record: &crate::review::Record<'_>| {
            state.metrics.observe(record, came.elapsed());
            audit::write(record, state.settings.mode, came.elapsed());
        };
        return respond_with(state.unread(&frame, why, observe), None);
    }
    match why {
        Unread::TooLarge(limit) => {
            let line = format!("the body is over {limit} bytes; limits.bodyBytes sets the limit\n");
            refuse_plainly(state, StatusCode::PAYLOAD_TOO_LARGE, Fault::TooLarge, line)
        }
        _ => {
            let line = "too many reviews at once; limits.inFlightBytes sets the limit\n".to_owned();
            refuse_plainly(state, StatusCode::SERVICE_UNAVAILABLE, Fault::Overloaded, line)
        }
    }
}

fn refuse_plainly(state: &State, status: StatusCode, fault: Fault, line: String) -> Response {
    state.metrics.fault(fault);
    let error = fault.name();
    tracing::warn!(target: "rolecall::server", error, "a review was not read");
    respond(status, HeaderValue::from_static("text/plain; charset=utf-8"), line.into_bytes(), None)
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Vec<u8>, share: Option<Arc<Share>>) -> Response {
    let mut response = Response::new(Body::new(Answer { bytes: Some(body.into()), _share: share }));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// An answer, whose memory stays counted until it was taken.
struct Answer {
    bytes: Option<Bytes>,
    _share: Option<Arc<Share>>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<BodyFrame<Bytes>, Self::Error>>> {
        Poll::Ready(self.get_mut().bytes.take().map(|bytes| Ok(BodyFrame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
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
