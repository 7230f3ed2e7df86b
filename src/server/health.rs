//! `/livez`, `/readyz` and `/metrics`, in clear on a port of their own: probes need no certificate. A thread of their own
//! answers them, whatever the threads that answer reviews do.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::heartbeat;
use super::state::State;

/// The router of the metrics port.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn live(Shared(state): Shared<Arc<State>>) -> (StatusCode, &'static str) {
    if state.heartbeat.age() > heartbeat::NOT_ALIVE {
        return (StatusCode::SERVICE_UNAVAILABLE, "the threads that answer reviews are stuck\n");
    }
    (StatusCode::OK, "ok\n")
}

async fn ready(Shared(state): Shared<Arc<State>>) -> (StatusCode, &'static str) {
    match state.readiness() {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], state.metrics.encode())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use axum::body::Body;
    use axum::http::Request;
    use rolecall_core::decision::Mode;
    use rolecall_core::world::World;
    use tower::ServiceExt;

    use super::*;
    use crate::config::Config;
    use crate::live::WorldState;

    #[tokio::test]
    async fn a_heart_that_stands_still_is_noticed() {
        let config = Config::default();
        let world = World::new(Arc::default(), Default::default(), config.conventions());
        let state = State::new(WorldState::new(world), config.settings(Mode::Enforce), config.limits);
        let mut state = Arc::into_inner(state).unwrap();
        let mut statuses = Vec::new();
        for age in [9, 11, 29, 31] {
            state.heartbeat = heartbeat::Heartbeat::begun(Instant::now() - Duration::from_secs(age));
            let shared = Arc::new(state);
            for path in ["/readyz", "/livez"] {
                let request = Request::get(path).body(Body::empty()).unwrap();
                statuses.push(router(Arc::clone(&shared)).oneshot(request).await.unwrap().status().as_u16());
            }
            state = Arc::into_inner(shared).unwrap();
        }
        assert_eq!(statuses, [200, 200, 503, 200, 503, 200, 503, 503]);
        state.heartbeat.beat();
        assert!(state.heartbeat.age() < Duration::from_secs(1));
    }
}
