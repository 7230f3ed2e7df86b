//! A chain that is unknown always has a finding that names what is missing or undecidable, and what is missing never breaks
//! a chain.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::sync::OnceLock;

use common::Case;
use proptest::prelude::*;
use rolecall_core::chain::{Chain, State, Subject};
use rolecall_core::finding::{CannotTell, Cause, Certainty, CredentialsCause, Note, Problem, RoleCause};
use rolecall_core::fix::{Change, SnapshotPart};
use rolecall_core::world::World;
use serde_json::Value;

fn all_cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(common::cases)
}

/// The service accounts that a case names, in manifests or in associations.
fn subjects(case: &Case) -> Vec<(String, String)> {
    let mut subjects: Vec<(String, String)> = Vec::new();
    for input in &case.inputs {
        if input.kind == Some(rolecall_core::workload::Kind::ServiceAccount) {
            let object = input.object();
            subjects.push((common::namespace_of(&object).to_owned(), object.metadata.display_name()));
        }
    }
    for association in case.snapshot["podIdentityAssociations"].as_array().into_iter().flatten() {
        let text = |name: &str| association[name].as_str().unwrap_or_default().to_owned();
        subjects.push((text("namespace"), text("serviceAccount")));
    }
    subjects.sort();
    subjects.dedup();
    subjects
}

fn chain_of(world: &World, (namespace, service_account): &(String, String)) -> Option<Chain> {
    world.plan(Subject { namespace, service_account }).chain.clone()
}

/// The state of a chain is that of its problems.
fn holds_together(chain: &Chain) -> Result<(), String> {
    let surest = chain.problems.iter().map(|problem| problem.certainty).max();
    let state = match surest {
        None => State::Holds,
        Some(Certainty::Certain) => State::Broken,
        Some(Certainty::Likely | Certainty::Undecided) => State::Unknown,
    };
    if state != chain.state {
        return Err(format!("{:?} with {:#?}", chain.state, chain.problems));
    }
    Ok(())
}

/// A container whose chain is unknown because the plan's is. What a container's own variables and volumes leave open is not
/// among this: `judge` says it by itself.
fn follows_the_plan(case: &Case, world: &World) -> Result<(), String> {
    let mut result = Ok(());
    case.judge(world, |kind, name, judgement, workload| {
        let Some(workload) = workload else { return };
        let plan = world.plan(Subject { namespace: workload.namespace, service_account: workload.service_account() });
        let Some(chain) = plan.chain.as_ref().filter(|chain| chain.state == State::Unknown) else { return };
        let by_plan = judgement.containers.iter().any(|container| {
            container.chain == State::Unknown
                && container.identity.mechanism().is_some()
                && container.role.as_deref() == plan.role_arn.as_deref()
        });
        let findings = || judgement.findings.iter().chain(&judgement.exempted);
        let named = |rule: &str| {
            findings().any(|finding| finding.rule() == rule || finding.notes.iter().any(|note| says(note, rule)))
        };
        // A token that cannot be seen, or variables that lead elsewhere, are a cause whatever the plan lacks.
        let by_container = ["irsa-trust-undecided", "identity-undecided", "injection-preset"].into_iter().any(named);
        if by_plan && !by_container && !chain.problems.iter().any(|problem| named(problem.rule.name)) {
            let rules: Vec<&str> = findings().map(|finding| finding.rule()).collect();
            result = Err(format!("{}: {kind} {name}: unknown by {:?}, findings {rules:?}", case.name, chain.problems));
        }
    });
    result
}

fn says(note: &Note, rule: &str) -> bool {
    match note {
        Note::Also(also) => also.problem.rule.name == rule,
        Note::FromWarningsOnly { rule: hidden } => *hidden == rule,
        Note::Exempted { .. } | Note::NodeRoleAllowed | Note::Further | Note::Reference(_) => false,
    }
}

#[test]
fn no_case_has_an_unknown_chain_without_a_cause() {
    let mut unknown = 0;
    for case in all_cases() {
        let world = case.world(&case.snapshot);
        for subject in subjects(case) {
            let Some(chain) = chain_of(&world, &subject) else { continue };
            unknown += usize::from(chain.state == State::Unknown);
            holds_together(&chain).unwrap_or_else(|e| panic!("{}: {subject:?}: {e}", case.name));
        }
        follows_the_plan(case, &world).unwrap();
    }
    assert!(unknown > 50, "only {unknown} unknown chains");
}

/// Takes a field out; it may be gone already.
fn remove(snapshot: &mut Value, pointer: &str) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    if let Some(Value::Object(fields)) = snapshot.pointer_mut(parent) {
        fields.remove(field);
    }
}

/// Each missing part is named.
#[test]
fn the_missing_part_is_named() {
    let account = "/accounts/111122223333";
    let irsa = ("carts".to_owned(), "carts".to_owned());
    let pod_identity = ("carts".to_owned(), "carts-pi".to_owned());
    let case = all_cases().iter().find(|case| case.name == "irsa-trust/healthy-sub-and-aud").unwrap();
    let id = || "111122223333".into();
    let base = common::base();
    let provider = base["accounts"]["111122223333"]["oidcProviders"][0]["Arn"].as_str().unwrap();
    let table = [
        (&irsa, "/cluster".to_owned(), SnapshotPart::Issuer),
        (&irsa, "/cluster/identity".to_owned(), SnapshotPart::Issuer),
        (&irsa, "/accounts".to_owned(), SnapshotPart::Account(id())),
        (&irsa, account.to_owned(), SnapshotPart::Account(id())),
        (&irsa, format!("{account}/roles"), SnapshotPart::RolesOf(id())),
        (&irsa, format!("{account}/oidcProviders"), SnapshotPart::Providers(id())),
        (&irsa, format!("{account}/oidcProviders/0/ClientIDList"), SnapshotPart::ClientIds(provider.into())),
        (
            &irsa,
            format!("{account}/roles/0/AssumeRolePolicyDocument"),
            SnapshotPart::TrustPolicy("eks-workshop-carts-dynamo".into()),
        ),
        (
            &pod_identity,
            format!("{account}/roles/1/AssumeRolePolicyDocument"),
            SnapshotPart::TrustPolicy("carts-pod-identity".into()),
        ),
        (&pod_identity, format!("{account}/roles"), SnapshotPart::RolesOf(id())),
        (
            &pod_identity,
            "/podIdentityAssociations/0/roleArn".to_owned(),
            SnapshotPart::AssociationRole("a-carts0pi".into()),
        ),
        (&pod_identity, "/addons".to_owned(), SnapshotPart::Agent),
    ];
    for (subject, pointer, missing) in table {
        let mut snapshot = common::base();
        assert_eq!(chain_of(&case.world(&snapshot), subject).unwrap().state, State::Holds);
        remove(&mut snapshot, &pointer);
        let world = case.world(&snapshot);
        let Some(chain) = chain_of(&world, subject) else { panic!("{pointer}: no chain") };
        assert_eq!(chain.state, State::Unknown, "{pointer}");
        let is_named = |problem: &Problem| {
            let why = match &problem.cause {
                Cause::CannotTell { why: CannotTell::NotCollected(part), .. } => Some(part.clone()),
                Cause::Role(RoleCause::UnknownOfAssociation { association, .. }) => {
                    Some(SnapshotPart::AssociationRole(association.clone()))
                }
                Cause::Credentials(CredentialsCause::AgentUnknown { .. }) => Some(SnapshotPart::Agent),
                _ => None,
            };
            let collects = |change: &Change| matches!(change, Change::Collect { part, .. } if *part == missing);
            why.as_ref() == Some(&missing) && problem.fix.steps.iter().any(collects)
        };
        assert!(chain.problems.iter().any(is_named), "{pointer}: {:#?}", chain.problems);
        assert!(
            chain.problems.iter().all(|problem| problem.certainty == Certainty::Undecided),
            "{pointer}: {:#?}",
            chain.problems
        );
    }
}

/// What a collector may lack the rights for: the pointers to those parts of a snapshot.
fn parts(snapshot: &Value) -> Vec<String> {
    let mut parts: Vec<String> =
        ["/cluster", "/cluster/identity", "/addons", "/nodeRoles", "/accounts"].map(str::to_owned).to_vec();
    for (index, _) in snapshot["podIdentityAssociations"].as_array().into_iter().flatten().enumerate() {
        parts.push(format!("/podIdentityAssociations/{index}/roleArn"));
    }
    for (id, account) in snapshot["accounts"].as_object().into_iter().flatten() {
        parts.push(format!("/accounts/{id}"));
        parts.extend(["roles", "policies", "oidcProviders"].map(|part| format!("/accounts/{id}/{part}")));
        let count = |part: &str| account[part].as_array().map_or(0, Vec::len);
        for index in 0..count("roles") {
            let of_role = ["AssumeRolePolicyDocument", "RolePolicyList", "AttachedManagedPolicies", "Tags"];
            parts.extend(of_role.map(|part| format!("/accounts/{id}/roles/{index}/{part}")));
        }
        parts.extend(
            (0..count("oidcProviders")).map(|index| format!("/accounts/{id}/oidcProviders/{index}/ClientIDList")),
        );
    }
    parts
}

proptest! {
    #![proptest_config(common::many(500))]

    #[test]
    fn what_is_missing_is_named_and_breaks_nothing(
        case in any::<prop::sample::Index>(),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let case = case.get(all_cases());
        let mut snapshot = case.snapshot.clone();
        let parts = parts(&snapshot);
        let removed: Vec<&String> = removed.iter().map(|index| index.get(&parts)).collect();
        for pointer in &removed {
            remove(&mut snapshot, pointer);
        }
        let (before, after) = (case.world(&case.snapshot), case.world(&snapshot));
        for subject in subjects(case) {
            let Some(chain) = chain_of(&after, &subject) else { continue };
            let told = holds_together(&chain);
            prop_assert!(told.is_ok(), "{}: {subject:?} without {removed:?}: {told:?}", case.name);
            let Some(full) = chain_of(&before, &subject) else { continue };
            if full.state != State::Broken {
                prop_assert!(
                    chain.state != State::Broken,
                    "{}: {subject:?}: broken by the lack of {removed:?}: {:#?}", case.name, chain.problems
                );
            }
        }
        let told = follows_the_plan(case, &after);
        prop_assert!(told.is_ok(), "without {removed:?}: {told:?}");
    }
}
