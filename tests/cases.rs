//! Every case through the library, the router and the binary: each must say what `expected.json` says.
//!
//! A case is a folder `tests/cases/FAMILY/CASE` with `input.yaml`, or `review.json` and `cluster.yaml`; a merge patch
//! `snapshot.json` over `tests/cases/base.json`; and `expected.json`. Where a manifest leaves something open, such as a
//! placeholder, `check` in it has what the binary says instead: an admitted object leaves nothing open. `identities` are those
//! that custom resources name; no webhook sees these.
//!
//! A case of Amazon ECS has `task-definition.json`, `template.yaml` of CloudFormation or `plan.json` of Terraform, and goes through
//! library and binary.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use rolecall::config::{Config, Limits, SelfExemptions};
use rolecall::live::WorldState;
use rolecall::server::{State, router};
use rolecall::sources::{Manifests, namespace_of, task_definition_placeholder};
use rolecall_core::decision::{Level, Mode};
use rolecall_core::judge::{
    Circumstances, JudgedContainer, Judgement, Referring, ServiceAccountChange, judge_references,
    judge_service_account, judge_task_definition, judge_workload,
};
use rolecall_core::rules::Trait;
use rolecall_core::snapshot::Snapshot;
use rolecall_core::workload::{Kind, Stage, Workload};
use rolecall_core::world::World;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    why: String,
    findings: Vec<Finding>,
    workloads: Vec<Container>,
    #[serde(default)]
    identities: Vec<Identity>,
    check: Option<Checked>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    findings: Vec<Finding>,
    workloads: Vec<Container>,
}

impl Expected {
    fn of_check(&self) -> (&[Finding], &[Container]) {
        match &self.check {
            Some(checked) => (&checked.findings, &checked.workloads),
            None => (&self.findings, &self.workloads),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Finding {
    kind: String,
    name: String,
    rule: String,
    certainty: String,
    container: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Container {
    kind: String,
    name: String,
    container: String,
    identity: String,
    role: Option<String>,
    chain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    kind: String,
    name: String,
    path: String,
    service_account: Option<Account>,
    role: Option<String>,
    chain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Account {
    namespace: Option<String>,
    name: String,
}

struct Case {
    name: String,
    folder: PathBuf,
    snapshot: Value,
    expected: Expected,
}

impl Case {
    fn load(folder: &Path) -> Self {
        let name = folder.strip_prefix(common::test_file("cases")).unwrap().display().to_string();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
        let snapshot = common::case_snapshot(folder);
        let expected = read("expected.json").unwrap_or_else(|| panic!("{name} has no expected.json"));
        let expected = serde_json::from_str(&expected).unwrap_or_else(|e| panic!("{name}: {e}"));
        Self { name, folder: folder.to_owned(), snapshot, expected }
    }

    fn paths(&self) -> Vec<String> {
        common::case_paths(&self.folder)
    }

    fn manifests(&self) -> Manifests {
        Manifests::load(&self.paths()).unwrap_or_else(|e| panic!("{}: {e:#}", self.name))
    }

    fn world(&self) -> World {
        let snapshot = Snapshot::parse(&self.snapshot.to_string()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let conventions = Config::default().conventions();
        World::new(Arc::new(snapshot), self.manifests().cluster(&conventions).unwrap(), conventions)
    }
}

fn cases() -> Vec<Case> {
    let folders = common::case_folders();
    assert!(folders.len() > 50, "only {} cases were found", folders.len());
    folders.iter().map(|folder| Case::load(folder)).collect()
}

/// Runs a check over every case and tells all that differ.
fn for_every_case(check: impl Fn(&Case) -> Result<(), String>) {
    let cases = cases();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|e| format!("{} ({}):\n{e}", case.name, case.expected.why)))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n\n"));
}

fn compare<T: Ord + std::fmt::Debug + Clone>(what: &str, expected: &[T], found: &[T]) -> Result<(), String> {
    let expected: BTreeSet<&T> = expected.iter().collect();
    let found: BTreeSet<&T> = found.iter().collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    Err(format!("{what}: missing {missing:#?}\n  surplus {surplus:#?}"))
}

/// What the library says of every object of a case.
fn judge<T>(case: &Case, world: &World, mut see: impl FnMut(Kind, &str, &Judgement<'_>, bool) -> T) -> Vec<T> {
    let circumstances = Circumstances { now: None, exemptions: true };
    let manifests = case.manifests();
    let mut seen = Vec::new();
    for manifest in &manifests.objects {
        let Some(kind) = manifest.kind else { continue };
        let object = manifest.object().unwrap();
        let (namespace, name) = (namespace_of(&object), object.metadata.display_name());
        let stage = if manifest.admitted { Stage::Admitted } else { Stage::Predicted };
        if kind == Kind::ServiceAccount {
            let change = ServiceAccountChange { namespace, name: &name, metadata: &object.metadata, before: None };
            seen.push(see(kind, &name, &judge_service_account(world, &change, circumstances), manifest.admitted));
        } else {
            let workload = Workload::of(&object, kind, stage, namespace).unwrap();
            seen.push(see(kind, &name, &judge_workload(world, &workload, circumstances), manifest.admitted));
        }
    }
    for manifest in &manifests.custom {
        let (reading, metadata) = (manifest.reading(), manifest.metadata().unwrap());
        let namespace = manifest.kind.namespace(&metadata);
        let referring = Referring { kind: manifest.kind, namespace, metadata: &metadata, reading: &reading };
        let kind = Kind::Custom(manifest.kind.kind);
        seen.push(see(kind, &metadata.display_name(), &judge_references(world, &referring, circumstances), false));
    }
    seen
}

fn findings_of(kind: &str, name: &str, findings: &[rolecall_core::finding::Finding]) -> Vec<Finding> {
    let one = |finding: &rolecall_core::finding::Finding, container: Option<&String>| Finding {
        kind: kind.to_owned(),
        name: name.to_owned(),
        rule: finding.rule().to_owned(),
        certainty: finding.problem.certainty.name().to_owned(),
        container: container.cloned(),
    };
    let mut all = Vec::new();
    for finding in findings {
        if finding.containers.is_empty() {
            all.push(one(finding, None));
        }
        all.extend(finding.containers.iter().map(|container| one(finding, Some(container))));
    }
    all
}

fn containers_of(kind: &str, name: &str, containers: &[JudgedContainer<'_>]) -> Vec<Container> {
    let one = |container: &JudgedContainer<'_>| Container {
        kind: kind.to_owned(),
        name: name.to_owned(),
        container: container.name.to_owned(),
        identity: container.identity.name().to_owned(),
        role: container
            .role
            .as_ref()
            .filter(|role| rolecall_iam::RoleArn::parse(role).is_ok())
            .map(|role| role.to_string()),
        chain: container.chain.name().to_owned(),
    };
    containers.iter().map(one).collect()
}

/// What the library says of the task definitions of a case.
fn judge_task_definitions(case: &Case, world: &World) -> Vec<(Vec<Finding>, Vec<Container>, bool)> {
    let circumstances = Circumstances { now: None, exemptions: true };
    let mut judged = Vec::new();
    for manifest in &case.manifests().task_definitions {
        let definition = manifest.definition().unwrap();
        let of = judge_task_definition(&world.snapshot, &definition, task_definition_placeholder, circumstances);
        let (kind, name) = ("TaskDefinition", definition.display_name());
        let exempted = !of.exempted.is_empty();
        judged.push((findings_of(kind, &name, &of.findings), containers_of(kind, &name, &of.containers), exempted));
    }
    judged
}

#[test]
fn the_library_agrees() {
    for_every_case(|case| {
        let world = case.world();
        let mut judged = judge(case, &world, |kind, name, judgement, _| {
            let identities: Vec<Identity> = judgement
                .identities
                .iter()
                .map(|identity| Identity {
                    kind: kind.name().to_owned(),
                    name: name.to_owned(),
                    path: identity.path.to_owned(),
                    service_account: identity.service_account.map(|(namespace, name)| Account {
                        namespace: namespace.map(str::to_owned),
                        name: name.to_owned(),
                    }),
                    role: identity
                        .role
                        .as_ref()
                        .filter(|role| rolecall_iam::RoleArn::parse(role).is_ok())
                        .map(|role| role.to_string()),
                    chain: identity.chain.name().to_owned(),
                })
                .collect();
            let exempted = !judgement.exempted.is_empty();
            let (kind, containers) = (kind.name(), &judgement.containers);
            (findings_of(kind, name, &judgement.findings), containers_of(kind, name, containers), identities, exempted)
        });
        let of_tasks = judge_task_definitions(case, &world).into_iter();
        judged.extend(of_tasks.map(|(findings, containers, exempted)| (findings, containers, Vec::new(), exempted)));
        // What is unknown is said: no chain of an identity is unknown without a finding.
        for (findings, containers, identities, exempted) in &judged {
            let unknown = identities.iter().find(|identity| identity.chain != "holds");
            if let Some(identity) = unknown.filter(|_| findings.is_empty() && !exempted) {
                return Err(format!("the chain of {} does not hold, and no finding says why", identity.path));
            }
            let has_identity = |container: &&Container| {
                ["irsa", "pod-identity", "static-keys", "task-role"].contains(&&*container.identity)
            };
            let unknown = containers.iter().filter(has_identity).find(|container| container.chain == "unknown");
            if let Some(container) = unknown.filter(|_| findings.is_empty()) {
                return Err(format!("the chain of {} is unknown, and no finding says why", container.container));
            }
        }
        let findings: Vec<Finding> = judged.iter().flat_map(|(findings, ..)| findings.clone()).collect();
        let containers: Vec<Container> = judged.iter().flat_map(|(_, containers, ..)| containers.clone()).collect();
        let identities: Vec<Identity> = judged.into_iter().flat_map(|(.., identities, _)| identities).collect();
        compare("findings", &case.expected.findings, &findings)?;
        compare("workloads", &case.expected.workloads, &containers)?;
        compare("identities", &case.expected.identities, &identities)
    });
}

#[test]
fn the_binary_agrees() {
    let directory = common::TempDir::new("cases");
    for_every_case(|case| {
        let snapshot = directory.file("snapshot.json", &case.snapshot.to_string());
        let mut arguments = vec!["check".to_owned()];
        arguments.extend(case.paths());
        let options = ["--source", snapshot.to_str().unwrap(), "--level", "strict", "--format", "json"];
        arguments.extend(options.map(str::to_owned));
        let output = common::rolecall(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let report: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let list = |name: &str| report[name].as_array().unwrap().clone();
        let findings: Vec<Finding> = list("findings")
            .iter()
            .map(|f| Finding {
                kind: text(&f["resource"]["kind"]).unwrap(),
                name: text(&f["resource"]["name"]).unwrap(),
                rule: text(&f["rule"]).unwrap(),
                certainty: text(&f["certainty"]).unwrap(),
                container: text(&f["container"]),
            })
            .collect();
        let containers: Vec<Container> = list("workloads")
            .iter()
            .map(|w| Container {
                kind: text(&w["resource"]["kind"]).unwrap(),
                name: text(&w["resource"]["name"]).unwrap(),
                container: text(&w["container"]).unwrap(),
                identity: text(&w["identity"]).unwrap(),
                role: text(&w["role"]),
                chain: text(&w["chain"]).unwrap(),
            })
            .collect();
        let (expected, expected_containers) = case.expected.of_check();
        compare("findings", expected, &findings)?;
        compare("workloads", expected_containers, &containers)?;
        let named = report["identities"].as_array().cloned().unwrap_or_default();
        let identities: Vec<Identity> = named
            .into_iter()
            .map(|mut identity| {
                (identity["kind"], identity["name"]) =
                    (identity["resource"]["kind"].clone(), identity["resource"]["name"].clone());
                serde_json::from_value(identity).unwrap()
            })
            .collect();
        compare("identities", &case.expected.identities, &identities)?;
        let counts = expected.iter().any(|finding| finding.certainty != "undecided");
        match (output.status.code(), counts) {
            (Some(1), true) | (Some(0), false) => Ok(()),
            (code, _) => Err(format!("exit code {code:?}")),
        }
    });
}

#[tokio::test]
async fn the_router_agrees() {
    let mut failures = Vec::new();
    let mut answered = 0;
    for case in cases() {
        for object in reviews_of(&case) {
            answered += 1;
            if let Err(e) = ask_router(&case, &object).await {
                failures.push(format!("{}: {e}", case.name));
            }
        }
    }
    assert!(answered > 50, "only {answered} reviews");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

struct Asked {
    kind: Kind,
    name: String,
    review: Value,
}

/// A review for each object: as recorded, or made from a manifest. A Pod's manifest is none that a webhook ever sees.
fn reviews_of(case: &Case) -> Vec<Asked> {
    let mut asked = Vec::new();
    // No webhook sees a task definition.
    let is_of_ecs =
        |file: &String| ["definition.json", "template.yaml", "plan.json"].iter().any(|end| file.ends_with(end));
    for file in case.paths().into_iter().filter(|file| !is_of_ecs(file)) {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.ends_with("review.json") {
            let review: Value = serde_json::from_str(&text).unwrap();
            let kind = Kind::from_group(
                review["request"]["kind"]["group"].as_str().unwrap_or_default(),
                review["request"]["kind"]["kind"].as_str().unwrap(),
            );
            if let Some(kind) = kind {
                let name = review["request"]["object"]["metadata"]["name"].as_str().unwrap_or("?").to_owned();
                asked.push(Asked { kind, name, review });
            }
            continue;
        }
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for document in documents {
            let api_version = document["apiVersion"].as_str().unwrap_or_default();
            let kind = Kind::from_api_version(api_version, document["kind"].as_str().unwrap_or_default());
            let Some(kind) = kind.filter(|kind| *kind != Kind::Pod) else { continue };
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            let mut object = document.clone();
            if object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = "default".into();
            }
            let name = object["metadata"]["name"].as_str().unwrap_or("?").to_owned();
            asked.push(Asked { kind, name, review: common::review((group, kind.name()), "CREATE", &object, None) });
        }
    }
    asked
}

async fn ask_router(case: &Case, asked: &Asked) -> Result<(), String> {
    let findings: Vec<&Finding> = case
        .expected
        .findings
        .iter()
        .filter(|finding| finding.kind == asked.kind.name() && finding.name == asked.name)
        .collect();
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();

    let mut config = Config { warn: Level::Strict, ..Config::default() };
    let answer = post(case, &config, Mode::Enforce, &asked.review).await;
    let annotations = &answer["response"]["auditAnnotations"];
    let found: BTreeSet<&str> =
        annotations["rules"].as_str().unwrap_or_default().split(',').filter(|rule| !rule.is_empty()).collect();
    if found != rules {
        return Err(format!("{} {}: expected rules {rules:?}, found {found:?}", asked.kind, asked.name));
    }
    if answer["response"]["allowed"] != true {
        return Err("refused where nothing enforces".to_owned());
    }
    if answer["response"]["warnings"].as_array().is_some_and(|w| !w.is_empty()) == rules.is_empty() {
        return Err(format!("warnings {} for rules {rules:?}", answer["response"]["warnings"]));
    }

    // At `strict`, all but undecided findings refuse; at `chain`, only certain ones of that level.
    // What a case exempts by itself is hidden there: tests/attacks has what it is without that.
    let self_exemptions = SelfExemptions::Allow;
    config = Config { enforce: Level::Strict, enforce_workloads: Some(true), self_exemptions, ..Config::default() };
    let answer = post(case, &config, Mode::Enforce, &asked.review).await;
    let never_denies = |f: &Finding| rolecall_core::rules::find(&f.rule).unwrap().has(Trait::NeverDenies);
    let refusing = findings.iter().any(|f| f.certainty != "undecided" && !never_denies(f));
    if answer["response"]["allowed"] != !refusing {
        return Err(format!("{} {} at strict: {answer}", asked.kind, asked.name));
    }
    let answer = post(case, &config, Mode::Audit, &asked.review).await;
    if answer["response"]["allowed"] != true || !answer["response"]["warnings"].is_null() {
        return Err(format!("{} {} in audit mode: {answer}", asked.kind, asked.name));
    }
    Ok(())
}

async fn post(case: &Case, config: &Config, mode: Mode, review: &Value) -> Value {
    // Verdicts are compared here, not times: a slow machine has as long as it needs.
    let limits = Limits { reread_seconds: 120, ..config.limits };
    let state = State::new(WorldState::new(case.world()), config.settings(mode), limits);
    let request = Request::post("/validate?timeout=120s").body(Body::from(review.to_string())).unwrap();
    let response = router(state).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 200, "{}: {}", case.name, String::from_utf8_lossy(&body));
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    answer
}
