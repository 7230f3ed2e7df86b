//! Who looks on: metrics count calls, and a terminal shows how far a collection is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// How one attempt at a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// AWS answered.
    Answered,
    /// AWS said that there were too many calls.
    Throttled,
    /// AWS refused, for another reason than its load.
    Refused,
    /// AWS failed: a status from 500 on.
    Failed,
    /// No answer, or none that can be read.
    Lost,
}

/// Called for every attempt at a call, retries included.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// `call` is such as `iam:GetRole`; `duration` runs from sending to the end of the answer.
    fn call(&self, call: &str, outcome: Outcome, duration: Duration);
}

/// Called with the progress of a collection.
pub trait Progress: Send + Sync {
    /// A part begins, with so many things to read; 0 where that is not known.
    fn begin(&self, part: &str, things: usize);
    /// One of them was read, well or badly.
    fn step(&self);
}

/// Without an observer.
#[derive(Debug, Clone, Copy)]
pub struct Unseen;

impl Observer for Unseen {
    fn call(&self, _: &str, _: Outcome, _: Duration) {}
}

impl Progress for Unseen {
    fn begin(&self, _: &str, _: usize) {}
    fn step(&self) {}
}

/// Reports attempts to the observer, from within the SDK, which alone knows of them.
#[derive(Debug, Clone)]
pub(super) struct Attempts(pub(super) Arc<dyn Observer>);

#[derive(Debug)]
struct Began(Instant);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Began(Instant::now()));
        Ok(())
    }

    /// The SDK takes XML that ends in the middle of a list for a short list. A role that stood behind would pass for one that
    /// does not exist.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_xml = bag.load::<Metadata>().is_some_and(|metadata| metadata.service() != "EKS");
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default();
        if is_xml && response.status().is_success() && !body.trim_ascii_end().ends_with(b"Response>") {
            return Err("the answer's XML ends early".into());
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // An attempt that was never sent, for want of credentials, is no call.
        let (Some(metadata), Some(Began(began))) = (bag.load::<Metadata>(), bag.load::<Began>()) else {
            return Ok(());
        };
        let outcome = match context.response() {
            None => Outcome::Lost,
            Some(response) => {
                let body = response.body().bytes().unwrap_or_default();
                outcome(response.status().as_u16(), body, matches!(context.output_or_error(), Some(Ok(_))))
            }
        };
        self.0.call(&format!("{}:{}", metadata.service().to_lowercase(), metadata.name()), outcome, began.elapsed());
        Ok(())
    }
}

fn outcome(status: u16, body: &[u8], understood: bool) -> Outcome {
    let says = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
    match status {
        200..=299 if understood => Outcome::Answered,
        200..=299 => Outcome::Lost,
        429 => Outcome::Throttled,
        400 | 503 if says(b"Throttling") || says(b"TooManyRequests") || says(b"RequestLimitExceeded") => {
            Outcome::Throttled
        }
        500.. => Outcome::Failed,
        _ => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_throttles_from_refusals() {
        for (status, body, understood, expected) in [
            (200, "", true, Outcome::Answered),
            (200, "<html>", false, Outcome::Lost),
            (400, "<Code>Throttling</Code>", false, Outcome::Throttled),
            (429, "", false, Outcome::Throttled),
            (403, "<Code>AccessDenied</Code>", false, Outcome::Refused),
            (503, "", false, Outcome::Failed),
        ] {
            assert_eq!(outcome(status, body.as_bytes(), understood), expected, "{status} {body}");
        }
    }
}
