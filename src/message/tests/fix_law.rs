//! The law of fixes, on generated worlds: after the printed edit of a trust policy is carried out, the finding is gone, only
//! the named service account gains access, and every identity that could assume the role before still can.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../core/tests/common/mod.rs"]
mod common;
#[path = "../../../tests/common/jq.rs"]
mod jq;
#[path = "../../../tests/common/users.rs"]
mod users;

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use rolecall_core::Known;
use rolecall_core::chain::{self, Audience, Chain, RoleSource, Subject};
use rolecall_core::effort::Effort;
use rolecall_core::finding::Problem;
use rolecall_core::snapshot::Snapshot;
use rolecall_message::fix::steps;
use serde_json::{Value, json};
use users::User;

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const OLD: &str = "oidc.eks.us-west-2.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
const ROLE: &str = "arn:aws:iam::111122223333:role/shared";
const TARGET: &str = "arn:aws:iam::111122223333:role/target";
const CLUSTER: &str = "arn:aws:eks:us-west-2:111122223333:cluster/shop";
const OTHER_CLUSTER: &str = "arn:aws:eks:us-west-2:111122223333:cluster/other";
const SUBJECT: Subject<'static> = Subject { namespace: "carts", service_account: "carts" };

fn provider(issuer: &str) -> String {
    format!("arn:aws:iam::111122223333:oidc-provider/{issuer}")
}

/// One value of a list, alone or in a list.
fn some(values: &'static [&'static str], most: usize) -> impl Strategy<Value = Value> {
    subsequence(values.to_vec(), 1..=most)
        .prop_map(|values| if let [one] = *values { one.into() } else { values.into() })
}

const SUBJECTS: &[&str] = &[
    "system:serviceaccount:carts:carts",
    "system:serviceaccount:carts:other",
    "system:serviceaccount:carts:cart",
    "system:serviceaccount:cart:carts",
    "system:serviceaccount:orders:other",
    "system:serviceaccount:carts:*",
    "system:serviceaccount:orders:*",
    "system:serviceaccount:carts:carts-*",
    "system:serviceaccount:carts:carts ",
    "sts.amazonaws.com",
    "*",
];
const POSITIVE: &[&str] = &[
    "StringEquals",
    "StringEquals",
    "StringLike",
    "StringEqualsIgnoreCase",
    "ForAnyValue:StringEquals",
    "ForAllValues:StringLike",
    "StringEqualsIfExists",
];

/// A condition: operator, key and values.
type Triple = (String, String, Value);

fn key(claim: &'static str) -> impl Strategy<Value = String> {
    let right = format!("{ISSUER}:{claim}");
    prop_oneof![
        6 => Just(right.clone()),
        1 => Just(format!("https://{right}")),
        1 => Just(format!("{ISSUER}/:{claim}")),
        1 => Just(format!("arn:aws:iam::111122223333:oidc-provider/{right}")),
        1 => Just(format!("{OLD}:{claim}")),
    ]
}

fn on_subject() -> impl Strategy<Value = Option<Triple>> {
    let operator = prop_oneof![8 => select(POSITIVE), 1 => Just("StringNotEquals"), 1 => Just("StringNotLike")];
    prop_oneof![
        1 => Just(None),
        8 => (operator, key("sub"), some(SUBJECTS, 3)).prop_map(|(o, k, v)| Some((o.to_owned(), k, v))),
    ]
}

fn on_audience() -> impl Strategy<Value = Option<Triple>> {
    let values = some(&["sts.amazonaws.com", "another-audience", "sts.*", "system:serviceaccount:carts:carts"], 2);
    prop_oneof![
        1 => Just(None),
        4 => Just(Some(("StringEquals".to_owned(), format!("{ISSUER}:aud"), "sts.amazonaws.com".into()))),
        2 => (select(POSITIVE), key("aud"), values).prop_map(|(o, k, v)| Some((o.to_owned(), k, v))),
    ]
}

fn further() -> impl Strategy<Value = Option<Triple>> {
    let of = |operator: &str, key: String, value: Value| Just(Some((operator.to_owned(), key, value)));
    prop_oneof![
        8 => Just(None),
        1 => of("Bool", "aws:MultiFactorAuthPresent".into(), "true".into()),
        1 => of("StringEquals", "aws:PrincipalOrgID".into(), "o-example".into()),
        1 => of("StringEquals", "aws:RequestTag/team".into(), "shop".into()),
        1 => of("IpAddress", "aws:SourceIp".into(), "10.0.0.0/8".into()),
        1 => of("StringLike", format!("{OLD}:sub"), "system:serviceaccount:carts:*".into()),
        1 => of("StringNotEquals", format!("{OLD}:sub"), "system:serviceaccount:carts:*".into()),
        1 => of("Null", format!("{ISSUER}:sub"), "true".into()),
        1 => of("StringEquals", "aws:SourceAccount".into(), "111122223333".into()),
        1 => of("StringEquals", ISSUER.into(), "system:serviceaccount:carts:carts".into()),
    ]
}

fn conditions(triples: impl IntoIterator<Item = Option<Triple>>) -> Value {
    let mut conditions = json!({});
    for (operator, key, values) in triples.into_iter().flatten() {
        conditions[operator][key] = values;
    }
    conditions
}

fn web_identity() -> impl Strategy<Value = Value> {
    let principals = prop_oneof![
        6 => Just(json!({"Federated": provider(ISSUER)})),
        2 => Just(json!({"Federated": [provider(ISSUER), provider(OLD)]})),
        1 => Just(json!({"Federated": provider(OLD)})),
        1 => Just(json!({"Federated": provider(ISSUER), "AWS": "arn:aws:iam::111122223333:role/ci"})),
        1 => Just(json!({"Federated": ISSUER})),
        1 => Just(json!({"Federated": "*"})),
    ];
    let actions = prop_oneof![
        8 => Just(("Action", json!("sts:AssumeRoleWithWebIdentity"))),
        1 => Just(("Action", json!(["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"]))),
        1 => Just(("Action", json!("sts:AssumeRole"))),
        1 => Just(("Action", json!(["sts:AssumeRole", "sts:TagSession"]))),
        1 => Just(("NotAction", json!("sts:AssumeRoleWithWebIdentity"))),
    ];
    (principals, actions, on_subject(), on_subject(), on_audience(), further(), 0..4_u8).prop_map(
        |(principals, (element, actions), subject, second, audience, further, twice)| {
            let second = second.filter(|_| twice == 0);
            json!({"Effect": "Allow", "Principal": principals, element: actions,
                   "Condition": conditions([audience, second, subject, further])})
        },
    )
}

fn of_pods() -> impl Strategy<Value = Value> {
    let tag = |tag: &str, values: &'static [&'static str]| {
        let key = format!("aws:RequestTag/{tag}");
        let operator =
            select(&["StringEquals", "StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists"][..]);
        prop_oneof![
            2 => Just(None),
            3 => (operator, some(values, 2)).prop_map(move |(o, v)| Some((o.to_owned(), key.clone(), v))),
        ]
    };
    let principals = prop_oneof![
        6 => Just(json!({"Service": "pods.eks.amazonaws.com"})),
        1 => Just(json!({"Service": ["pods.eks.amazonaws.com", "ec2.amazonaws.com"]})),
        1 => Just(json!({"Service": "eks.amazonaws.com"})),
        1 => Just(json!({"Service": "*"})),
    ];
    let actions = prop_oneof![
        5 => Just(("Action", json!(["sts:AssumeRole", "sts:TagSession"]))),
        2 => Just(("Action", json!("sts:AssumeRole"))),
        1 => Just(("Action", json!("sts:TagSession"))),
        1 => Just(("NotAction", json!("sts:TagSession"))),
    ];
    let namespaces = tag("kubernetes-namespace", &["carts", "cart", "orders", "*"]);
    let names = tag("kubernetes-service-account", &["carts", "other", "carts*"]);
    let clusters = tag("eks-cluster-arn", &[CLUSTER, OTHER_CLUSTER, "arn:aws:eks:*:111122223333:cluster/*"]);
    let more = prop_oneof![
        8 => Just(None),
        1 => Just(Some(("StringEquals".to_owned(), "aws:PrincipalOrgID".to_owned(), json!("o-example")))),
        1 => Just(Some(("StringEquals".to_owned(), "aws:RequestTag/team".to_owned(), json!("shop")))),
        1 => Just(Some(("StringEquals".to_owned(), "aws:SourceAccount".to_owned(), json!("999999999999")))),
        1 => Just(Some(("StringEquals".to_owned(), "aws:PrincipalTag/kubernetes-namespace".to_owned(), json!("carts")))),
    ];
    (principals, actions, namespaces, names, clusters, more).prop_map(|(principals, (element, actions), one, two, three, more)| {
        json!({"Effect": "Allow", "Principal": principals, element: actions, "Condition": conditions([one, two, three, more])})
    })
}

fn of_others() -> impl Strategy<Value = Value> {
    let role = "arn:aws:iam::111122223333:role/ci";
    let of = |principal: Value, actions: Value, condition: Value| {
        Just(json!({"Effect": "Allow", "Principal": principal, "Action": actions, "Condition": condition}))
    };
    prop_oneof![
        of(json!({"Service": "ec2.amazonaws.com"}), json!("sts:AssumeRole"), json!({})),
        of(json!({"Service": ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com"]}), json!("sts:AssumeRole"), json!({})),
        of(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!("sts:AssumeRole"), json!({})),
        of(json!({"AWS": role}), json!(["sts:AssumeRole", "sts:TagSession"]), json!({})),
        of(json!({"AWS": role}), json!("sts:AssumeRole"), json!({"StringEquals": {"sts:ExternalId": "x"}})),
        of(json!({"AWS": ROLE}), json!("sts:AssumeRole"), json!({})),
        of(
            json!({"AWS": ROLE}),
            json!(["sts:AssumeRole", "sts:TagSession"]),
            json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}})
        ),
        of(json!("*"), json!("sts:AssumeRole"), json!({"StringEquals": {"aws:PrincipalOrgID": "o-example"}})),
        of(json!("*"), json!("sts:AssumeRoleWithWebIdentity"), json!({})),
        of(
            json!({"AWS": "*"}),
            json!("sts:*"),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/c*"}})
        ),
    ]
}

fn denies() -> impl Strategy<Value = Value> {
    let of = |principal: Value, condition: Value| {
        Just(json!({"Effect": "Deny", "Principal": principal, "Action": "sts:*", "Condition": condition}))
    };
    prop_oneof![
        of(
            json!({"Federated": provider(ISSUER)}),
            json!({"StringLike": {format!("{ISSUER}:sub"): "system:serviceaccount:orders:*"}})
        ),
        of(
            json!({"Service": "pods.eks.amazonaws.com"}),
            json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}})
        ),
        of(json!("*"), json!({"Bool": {"aws:SecureTransport": "false"}})),
    ]
}

fn trust() -> impl Strategy<Value = Value> {
    let statement = prop_oneof![5 => web_identity(), 5 => of_pods(), 3 => of_others(), 1 => denies()];
    prop::collection::vec(statement, 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

/// A role with its users, and another that it may lead on to.
#[derive(Clone)]
struct Case {
    trust: Value,
    target: Value,
    is_tagged: bool,
    has_target: bool,
    is_node_role: bool,
    /// Another service account has the role too, and its association sends no session tags.
    has_untagged_namesake: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (trust(), trust(), 0..3_u8, 0..3_u8, 0..12_u8, any::<bool>()).prop_map(
        |(trust, target, tags, second, node, other)| Case {
            has_untagged_namesake: other,
            trust,
            target,
            is_tagged: tags > 0,
            has_target: second == 0,
            is_node_role: node == 0,
        },
    )
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trust, target, is_tagged, has_target, is_node_role, has_untagged_namesake } = self;
        write!(f, "{trust}\ntarget {has_target} {target}\ntagged {is_tagged}, node role {is_node_role}, ")?;
        write!(f, "another without tags {has_untagged_namesake}")
    }
}

impl Case {
    fn snapshot(&self) -> Value {
        let mut snapshot = common::base();
        let mut association = json!({"clusterName": "shop", "namespace": "carts", "serviceAccount": "carts",
            "associationId": "a-law", "roleArn": ROLE, "disableSessionTags": !self.is_tagged});
        if self.has_target {
            association["targetRoleArn"] = TARGET.into();
        }
        snapshot["podIdentityAssociations"].as_array_mut().unwrap().push(association);
        if self.has_untagged_namesake {
            let other = json!({"clusterName": "shop", "namespace": "orders", "serviceAccount": "other",
                "associationId": "a-other", "roleArn": ROLE, "disableSessionTags": true});
            snapshot["podIdentityAssociations"].as_array_mut().unwrap().push(other);
        }
        if self.is_node_role {
            snapshot["nodeRoles"].as_array_mut().unwrap().push(ROLE.into());
        }
        let roles = snapshot["accounts"]["111122223333"]["roles"].as_array_mut().unwrap();
        let policy = json!([{"PolicyName": "assume", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": TARGET}]}}]);
        for (arn, name, trust) in [(ROLE, "shared", &self.trust), (TARGET, "target", &self.target)] {
            roles.push(json!({"RoleName": name, "Arn": arn, "AssumeRolePolicyDocument": trust,
                "RolePolicyList": policy, "AttachedManagedPolicies": [], "Tags": []}));
        }
        snapshot
    }

    fn trust_mut(&mut self, role: &str) -> &mut Value {
        if role == "target" { &mut self.target } else { &mut self.trust }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Irsa,
    PodIdentity,
}

fn walk(case: &Case, way: Way) -> Chain {
    let snapshot = Snapshot::parse(&case.snapshot().to_string()).unwrap();
    let effort = Effort::unlimited();
    match way {
        Way::Irsa => {
            let source = RoleSource::Annotation("eks.amazonaws.com/role-arn");
            chain::irsa(&snapshot, SUBJECT, ROLE, Audience::Is("sts.amazonaws.com"), source, &effort)
        }
        Way::PodIdentity => {
            let association = snapshot.association("carts", "carts").present().unwrap();
            chain::pod_identity(&snapshot, SUBJECT, association, Known::Present(()), &effort)
        }
    }
}

/// What is wrong and whose role it is about.
fn identity(problem: &Problem) -> (&'static str, Option<String>) {
    (problem.rule.name, problem.about.as_ref().map(|about| about.arn.to_string()))
}

/// The role and the program of a printed edit.
fn edit(command: &str) -> Option<(&str, String)> {
    let (_, rest) = command.split_once("aws iam get-role --role-name ")?;
    let (role, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("| jq '")?;
    let (program, _) = rest.split_once("' > trust.json")?;
    Some((role, program.replace(r"'\''", "'")))
}

/// Carries a fix out: the edits of trust policies, and that an association sends session tags. `None` where nothing of it is
/// printed as a command.
fn carry_out(case: &Case, problem: &Problem) -> Option<(Case, Vec<String>)> {
    let mut after = case.clone();
    let mut done = Vec::new();
    for (_, command) in steps(&problem.fix) {
        let Some(command) = command else { continue };
        if let Some((role, program)) = edit(&command) {
            let trust = after.trust_mut(role);
            *trust = jq::jq(&program, trust.take());
            done.push(format!("{role}: {program}"));
        } else if command.contains("update-pod-identity-association") && command.contains("--no-disable-session-tags") {
            after.is_tagged = true;
            done.push(command);
        }
    }
    (!done.is_empty()).then_some((after, done))
}

/// The users that a fix for the subject is meant for.
fn is_meant(user: &User, way: Way) -> bool {
    match user {
        User::Token { provider: of, subject, .. } => {
            way == Way::Irsa && *of == provider(ISSUER) && subject == "system:serviceaccount:carts:carts"
        }
        User::Association { cluster, namespace, name, .. } | User::Hop { cluster, namespace, name, .. } => {
            way == Way::PodIdentity && cluster == CLUSTER && namespace == "carts" && name == "carts"
        }
        User::Service(_) | User::Aws(_) => false,
    }
}

#[derive(Default, Debug)]
struct Counts {
    worlds: usize,
    findings: usize,
    carried_out: usize,
    by_rule: BTreeMap<String, usize>,
    remaining: BTreeMap<String, usize>,
    gains: BTreeMap<String, usize>,
    losses: BTreeMap<String, usize>,
    protected: BTreeMap<String, usize>,
}

fn check(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let mut faults = Vec::new();
    counts.worlds += 1;
    for way in [Way::Irsa, Way::PodIdentity] {
        let chain = walk(case, way);
        for problem in chain.problems.iter().chain(&chain.open) {
            counts.findings += 1;
            let rule = problem.rule.name;
            let Some((after, done)) = carry_out(case, problem) else { continue };
            counts.carried_out += 1;
            *counts.by_rule.entry(rule.to_owned()).or_default() += 1;
            let mut fault = |kind: &str, found: &mut BTreeMap<String, usize>, what: String| {
                *found.entry(rule.to_owned()).or_default() += 1;
                faults.push(format!("{way:?} {rule}: {kind} {what}\nafter {done:#?}\nin {case:#?}"));
            };
            if case.is_node_role && (case.trust != after.trust) {
                fault("trust is added to a node role", &mut counts.protected, String::new());
            }
            let left = walk(&after, way);
            if left.problems.iter().chain(&left.open).any(|left| identity(left) == identity(problem)) {
                fault(
                    "remains",
                    &mut counts.remaining,
                    format!("{:?}", left.problems.iter().map(|left| (left.rule.name, &left.found)).collect::<Vec<_>>()),
                );
            }
            for (before, after) in [(&case.trust, &after.trust), (&case.target, &after.target)] {
                if before == after {
                    continue;
                }
                let everyone = users::of(&[before, after], &[CLUSTER, OTHER_CLUSTER]);
                let (could, can) = (users::allowed(&everyone, before), users::allowed(&everyone, after));
                // An association without session tags cannot be named: those that exist count.
                let exists = |user: &&User| match user {
                    User::Association { cluster, namespace, name, is_tagged: false } => {
                        case.has_untagged_namesake
                            && (cluster, namespace, name)
                                == (&CLUSTER.to_owned(), &"orders".to_owned(), &"other".to_owned())
                    }
                    _ => true,
                };
                let gained = can.difference(&could).filter(|user| !is_meant(user, way)).filter(exists);
                let gained: Vec<&User> = gained.collect();
                let lost: Vec<&User> = could.difference(&can).collect();
                if !gained.is_empty() {
                    fault("gained by", &mut counts.gains, format!("{gained:?}"));
                }
                if !lost.is_empty() {
                    fault("lost by", &mut counts.losses, format!("{lost:?}"));
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.swap_remove(0)) }
}

/// `FIX_LAW_COUNT=1` counts what breaks the law, rather than to stop at the first.
#[test]
fn a_fix_gives_the_role_to_the_named_service_account_and_changes_nothing_for_others() {
    let is_counting = std::env::var_os("FIX_LAW_COUNT").is_some();
    let counts = RefCell::new(Counts::default());
    let config = Config { max_shrink_iters: 4_000, ..common::many(300) };
    let result = TestRunner::new(config).run(&case(), |case| {
        let checked = check(&case, &mut counts.borrow_mut());
        prop_assert!(is_counting || checked.is_ok(), "{}", checked.unwrap_err());
        Ok(())
    });
    let counts = counts.into_inner();
    eprintln!("{counts:#?}");
    assert!(result.is_ok(), "{}", result.unwrap_err());
    assert!(counts.carried_out > counts.worlds / 2, "few fixes were carried out");
    assert!(counts.by_rule.len() > 8, "fixes of few rules were carried out");
}
