//! Any bytes as a snapshot: an error that names a place, or a snapshot over which a workload can be judged.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rolecall_core::cluster::{Cluster, Conventions, ServiceAccount};
use rolecall_core::judge::{Circumstances, judge_workload};
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Object, Stage, Workload};
use rolecall_core::world::World;

const ACCOUNT: &str = r#"{"metadata": {"name": "carts", "namespace": "carts", "annotations": {"eks.amazonaws.com/role-arn":
    "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo", "rolecall.dev/requires": "dynamodb:Query"}}}"#;
const DEPLOYMENT: &str = r#"{"metadata": {"name": "carts", "namespace": "carts"}, "spec": {"template": {"spec":
    {"serviceAccountName": "carts", "containers": [{"name": "carts"}]}}}}"#;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(snapshot) = Snapshot::parse(text) else {
        return;
    };
    let conventions = Conventions::default();
    let account: Object<'_> = serde_json::from_str(ACCOUNT).unwrap();
    let mut cluster = Cluster { complete: true, ..Cluster::default() };
    for name in ["carts", "carts-pi"] {
        cluster.add_service_account("carts", name, ServiceAccount::of(&account.metadata, &conventions));
    }
    let world = World::new(Arc::new(snapshot), cluster, conventions);
    for deployment in [DEPLOYMENT.to_owned(), DEPLOYMENT.replace(r#": "carts", "containers"#, r#": "carts-pi", "containers"#)] {
        let object: Object<'_> = serde_json::from_str(&deployment).unwrap();
        let workload = Workload::of(&object, Kind::Deployment, Stage::Predicted, "carts").unwrap();
        judge_workload(&world, &workload, Circumstances { now: None, exemptions: true });
    }
});
