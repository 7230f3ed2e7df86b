//! The cases of `tests/cases` through this crate alone: fast enough to hold it against mutations. `tests/cases.rs` of the
//! program runs them through the library, the router and the binary.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;

use serde_json::{Value, json};

fn set(values: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

#[test]
fn every_case_is_judged_as_expected() {
    let mut failures = Vec::new();
    for case in common::cases() {
        let (mut findings, mut workloads, mut identities) = (Vec::new(), Vec::new(), Vec::new());
        case.judge(&case.world(&case.snapshot), |kind, name, judgement, _| {
            for finding in &judgement.findings {
                let one = |container: Value| {
                    json!({"kind": kind.name(), "name": name, "rule": finding.rule(), "container": container,
                        "certainty": finding.problem.certainty.name()})
                };
                if finding.containers.is_empty() {
                    findings.push(one(Value::Null));
                }
                findings.extend(finding.containers.iter().map(|container| one(container.as_str().into())));
            }
            workloads.extend(judgement.containers.iter().map(|container| {
                let role = container.role.as_deref().filter(|role| rolecall_iam::RoleArn::parse(role).is_ok());
                json!({"kind": kind.name(), "name": name, "container": container.name, "role": role,
                    "identity": container.identity.name(), "chain": container.chain.name()})
            }));
            identities.extend(judgement.identities.iter().map(|identity| {
                let role = identity.role.as_deref().filter(|role| rolecall_iam::RoleArn::parse(role).is_ok());
                let account = identity.service_account.map(|(namespace, name)| json!({"namespace": namespace, "name": name}));
                json!({"kind": kind.name(), "name": name, "path": identity.path, "serviceAccount": account, "role": role,
                    "chain": identity.chain.name()})
            }));
        });
        let expected = |name: &str| match case.expected[name].as_array() {
            Some(all) => set(all.iter().cloned()),
            // Most cases have no custom resource.
            None if name == "identities" => BTreeSet::new(),
            None => panic!("{}: expected.json has no list of {name}", case.name),
        };
        let all = [("findings", set(findings)), ("workloads", set(workloads)), ("identities", set(identities))];
        for (what, found) in all {
            if found != expected(what) {
                failures.push(format!("{}: {what}: expected {:#?}, found {found:#?}", case.name, expected(what)));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}
