//! Token buckets: every call waits for its service's and its own.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::settings::Rate;

/// The buckets of one set of credentials' account, shared by refreshing and re-reading.
#[derive(Debug)]
pub(super) struct Budget {
    buckets: BTreeMap<String, DefaultDirectRateLimiter>,
}

impl Budget {
    /// Full buckets.
    pub(super) fn new(rates: &BTreeMap<String, Rate>) -> Self {
        let bucket = |rate: &Rate| {
            let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate.per_second))?;
            Some(RateLimiter::direct(quota.allow_burst(NonZeroU32::new(rate.burst)?)))
        };
        // What has no quota (a rate of 0, refused by the settings) has no bucket.
        let buckets = rates.iter().filter_map(|(api, rate)| Some((api.clone(), bucket(rate)?)));
        Self { buckets: buckets.collect() }
    }

    /// Waits for a token for a call such as `iam:GetRole`. Tokens come to those who wait in no particular order.
    pub(super) async fn take(&self, call: &str) {
        let service = call.split(':').next().unwrap_or_default();
        for api in [call, service] {
            if let Some(bucket) = self.buckets.get(api) {
                bucket.until_ready().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_waits_for_both_buckets() {
        let rates = [("iam", 1000.0, 10), ("iam:GetRole", 20.0, 1)]
            .map(|(api, per_second, burst)| (api.to_owned(), Rate { per_second, burst }));
        let budget = Budget::new(&rates.into());
        let start = std::time::Instant::now();
        for _ in 0..3 {
            budget.take("iam:GetRole").await;
        }
        assert!(start.elapsed() >= Duration::from_millis(95), "two tokens at 20 a second: {:?}", start.elapsed());
        budget.take("eks:DescribeCluster").await;
    }
}
