//! Any bytes as a manifest: objects or an error, and never a panic of rolecall's own. What is read can be judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::sources::Manifests;
use rolecall_core::cluster::Conventions;

fuzz_target!(|bytes: &[u8]| {
    let mut manifests = Manifests::default();
    if manifests.add("input.yaml", bytes).is_ok() {
        for manifest in &manifests.objects {
            let _ = manifest.object();
        }
        let _ = manifests.cluster(&Conventions::default());
    }
});
