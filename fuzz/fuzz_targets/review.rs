//! Any bytes as an AdmissionReview, against the cluster and the snapshot of the tests: an answer, never a panic.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use rolecall::config::Config;
use rolecall::review::{self, Settings};
use rolecall::sources::{Manifests, read_snapshot};
use rolecall_core::decision::Mode;
use rolecall_core::world::World;

static WEBHOOK: LazyLock<(World, Settings)> = LazyLock::new(|| {
    let config = Config::default();
    let conventions = config.conventions();
    let mut manifests = Manifests::default();
    manifests.add("cluster.yaml", include_bytes!("../../tests/fixtures/cluster.yaml").to_vec()).unwrap();
    let cluster = manifests.cluster(&conventions).unwrap();
    let snapshot = read_snapshot(include_str!("../../tests/fixtures/snapshot.json"), None).unwrap();
    (World::new(Arc::new(snapshot), cluster, conventions), config.settings(Mode::Enforce))
});

fuzz_target!(|body: &[u8]| {
    let (world, settings) = &*WEBHOOK;
    review::answer(world, "2026-11-24T17:26:52Z", settings, body, Timestamp::UNIX_EPOCH, |_| {});
});
