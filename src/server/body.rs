//! Reading a body within limits: one body's length, and the length of all that are being read.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TooLarge,
    Overloaded,
    Broken,
}

/// Bytes taken from the common budget; given back when dropped.
struct Share<'b> {
    budget: &'b AtomicUsize,
    taken: usize,
}

impl Share<'_> {
    fn take(&mut self, bytes: usize, limit: usize) -> Result<(), Refusal> {
        self.taken += bytes;
        let before = self.budget.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > limit { Err(Refusal::Overloaded) } else { Ok(()) }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Reads the whole body. What comes in one frame, as nearly every review does, is not copied.
pub(super) async fn read(
    mut body: Body,
    limit: usize,
    budget: &AtomicUsize,
    budget_limit: usize,
) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLarge);
    }
    let mut share = Share { budget, taken: 0 };
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::Broken)?.into_data() else {
            continue;
        };
        share.take(data.len(), budget_limit)?;
        if share.taken > limit {
            return Err(Refusal::TooLarge);
        }
        match &first {
            None => first = Some(data),
            Some(start) => {
                if rest.is_empty() {
                    rest.extend_from_slice(start);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}
