//! Who can assume a role: everyone whom a trust policy names in some way, and a set of outsiders. Each is asked about with the
//! keys that AWS documents for its request, by the evaluator alone, without the chain that a fix comes from.
#![allow(dead_code, unreachable_pub, reason = "shared by tests of several crates")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::BTreeSet;

use rolecall_iam::{Document, MapContext, Principal, Request, Verdict};
use serde_json::Value;

/// A user of a role, or one that would be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// A token of an OIDC provider.
    Token { provider: String, subject: String, audience: String },
    /// A Pod Identity association of a service account.
    Association { cluster: String, namespace: String, name: String, is_tagged: bool },
    /// Another service of AWS.
    Service(String),
    /// A role, a user or an account.
    Aws(String),
    /// A role that another association leads on from.
    Hop { first: String, cluster: String, namespace: String, name: String, is_tagged: bool },
}

const NAMESPACES: [&str; 3] = ["carts", "cart", "orders"];
const NAMES: [&str; 3] = ["carts", "other", "default"];
const AUDIENCES: [&str; 2] = ["sts.amazonaws.com", "another-audience"];
const SERVICES: [&str; 3] = ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "lambda.amazonaws.com"];
const AWS: [&str; 3] = [
    "arn:aws:iam::111122223333:role/outsider",
    "arn:aws:iam::999999999999:role/outsider",
    "arn:aws:iam::999999999999:user/outsider",
];

/// A text that a pattern stands for.
fn instance(pattern: &str) -> String {
    pattern.replace('*', "zz").replace('?', "z")
}

fn strings(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(list) => list.iter().for_each(|value| strings(value, see)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            see(key);
            strings(value, see);
        }),
        _ => {}
    }
}

/// Everyone to ask about for these policies. `clusters`: ARNs of the clusters that may have associations with the role.
pub fn of(policies: &[&Value], clusters: &[&str]) -> BTreeSet<User> {
    let mut texts = BTreeSet::new();
    for policy in policies {
        strings(policy, &mut |text| {
            texts.insert(text.to_owned());
        });
    }
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<String>>();
    let all = |is: &dyn Fn(&str) -> bool| -> std::vec::IntoIter<String> {
        texts.iter().filter(|text| is(text)).map(|text| instance(text)).collect::<Vec<_>>().into_iter()
    };
    let providers: BTreeSet<String> =
        all(&|text| text.starts_with("arn:") && text.contains(":oidc-provider/")).collect();
    let mut subjects: BTreeSet<String> = all(&|text| text.starts_with("system:serviceaccount:")).collect();
    for namespace in NAMESPACES {
        subjects.extend(NAMES.map(|name| format!("system:serviceaccount:{namespace}:{name}")));
    }
    let mut audiences = own(&AUDIENCES);
    audiences.extend(all(&|text| text.contains("amazonaws.com") && !text.contains([':', '/'])));
    let mut services = own(&SERVICES);
    services.extend(all(&|text| text.ends_with(".amazonaws.com") && text != "pods.eks.amazonaws.com"));
    let mut aws = own(&AWS);
    aws.extend(all(&|text| text.contains(":iam::") && (text.contains(":role/") || text.contains(":user/"))));
    let accounts = all(&|text| text.contains(":iam::") && text.ends_with(":root"));
    aws.extend(accounts.map(|text| text.replace(":root", ":role/of-account")));
    aws.extend(all(&rolecall_iam::is_account_id).map(|account| format!("arn:aws:iam::{account}:role/of-account")));

    let mut users = BTreeSet::new();
    for provider in &providers {
        for subject in &subjects {
            users.extend(audiences.iter().map(|audience| User::Token {
                provider: provider.clone(),
                subject: subject.clone(),
                audience: audience.clone(),
            }));
        }
    }
    for (cluster, namespace, name, is_tagged) in associations(clusters) {
        for first in &aws {
            let (cluster, namespace, name) = (cluster.clone(), namespace.clone(), name.clone());
            users.insert(User::Hop { first: first.clone(), cluster, namespace, name, is_tagged });
        }
        users.insert(User::Association { cluster, namespace, name, is_tagged });
    }
    users.extend(services.into_iter().map(User::Service));
    users.extend(aws.into_iter().map(User::Aws));
    users
}

fn associations(clusters: &[&str]) -> impl Iterator<Item = (String, String, String, bool)> {
    let clusters: Vec<String> = clusters.iter().map(|cluster| (*cluster).to_owned()).collect();
    clusters.into_iter().flat_map(|cluster| {
        NAMESPACES.into_iter().flat_map(move |namespace| {
            let cluster = cluster.clone();
            NAMES.into_iter().flat_map(move |name| {
                let cluster = cluster.clone();
                [true, false].map(move |tagged| (cluster.clone(), namespace.to_owned(), name.to_owned(), tagged))
            })
        })
    })
}

/// The session tags of an association.
fn tagged(mut context: MapContext, cluster: &str, namespace: &str, name: &str) -> MapContext {
    let tags = [
        ("eks-cluster-arn", cluster),
        ("eks-cluster-name", cluster.rsplit('/').next().unwrap_or_default()),
        ("kubernetes-namespace", namespace),
        ("kubernetes-service-account", name),
        ("kubernetes-pod-name", "pod"),
        ("kubernetes-pod-uid", "uid"),
    ];
    for (tag, value) in tags {
        context = context.with(&format!("aws:RequestTag/{tag}"), value);
    }
    let keys = tags.map(|(tag, _)| tag);
    context.with_many("aws:TagKeys", keys).with_many("sts:TransitiveTagKeys", keys)
}

/// Keys that some requests carry, and which only the request tells: asked about with them and without.
fn with_more(context: MapContext) -> MapContext {
    context
        .with("aws:SourceIp", "10.0.0.1")
        .with("sts:RoleSessionName", "session")
        .with("aws:CurrentTime", "2026-11-24T17:26:52Z")
}

impl User {
    /// The service account that it is, of which cluster; others as they are named.
    pub fn account(&self) -> String {
        match self {
            Self::Token { provider, subject, .. } => format!("{provider} {subject}"),
            Self::Association { cluster, namespace, name, .. } | Self::Hop { cluster, namespace, name, .. } => {
                format!("{cluster} {namespace} {name}")
            }
            Self::Service(name) | Self::Aws(name) => name.clone(),
        }
    }

    /// A trust policy can tell it from all others.
    pub fn can_be_named(&self) -> bool {
        !matches!(self, Self::Association { is_tagged: false, .. })
    }
    /// Whether a trust policy lets the user assume its role, in some request.
    pub fn can_assume(&self, trust: &Document) -> bool {
        [false, true].into_iter().any(|more| {
            let base =
                MapContext::new().with("aws:SecureTransport", "true").with("aws:ResourceAccount", "111122223333");
            self.is_allowed(trust, if more { with_more(base) } else { base })
        })
    }

    fn is_allowed(&self, trust: &Document, base: MapContext) -> bool {
        let ask = |principal: Principal<'_>, actions: &[&str], context: &MapContext| {
            actions.iter().all(|action| {
                let request = Request { action, resource: None, principal: Some(principal), context };
                trust.evaluate(&request) == Verdict::Allowed
            })
        };
        let actions =
            |is_tagged: bool| if is_tagged { &["sts:AssumeRole", "sts:TagSession"][..] } else { &["sts:AssumeRole"] };
        match self {
            Self::Token { provider, subject, audience } => {
                let issuer = provider.split_once(":oidc-provider/").map_or("", |(_, issuer)| issuer);
                let context = base.with(&format!("{issuer}:sub"), subject).with(&format!("{issuer}:aud"), audience);
                ask(Principal::Federated(provider), &["sts:AssumeRoleWithWebIdentity"], &context)
            }
            Self::Association { cluster, namespace, name, is_tagged } => {
                let account = cluster.split(':').nth(4).unwrap_or_default();
                let context = base
                    .with("aws:PrincipalServiceName", "pods.eks.amazonaws.com")
                    .with("aws:PrincipalIsAWSService", "true")
                    .with("aws:SourceAccount", account)
                    .with("aws:SourceArn", cluster);
                let context = if *is_tagged { tagged(context, cluster, namespace, name) } else { context };
                ask(Principal::Service("pods.eks.amazonaws.com"), actions(*is_tagged), &context)
            }
            Self::Service(service) => {
                let context = base.with("aws:PrincipalServiceName", service).with("aws:PrincipalIsAWSService", "true");
                ask(Principal::Service(service), &["sts:AssumeRole"], &context)
            }
            Self::Aws(arn) => ask(Principal::Aws(arn), &["sts:AssumeRole"], &of_role(base, arn)),
            Self::Hop { first, cluster, namespace, name, is_tagged } => {
                let context = of_role(base, first);
                let context = if *is_tagged {
                    tagged(context, cluster, namespace, name)
                } else {
                    let mut place = cluster.split(':').skip(3);
                    let (region, account) = (place.next().unwrap_or_default(), place.next().unwrap_or_default());
                    let of_cluster = cluster.rsplit('/').next().unwrap_or_default();
                    context.with("sts:ExternalId", &format!("{region}/{account}/{of_cluster}/{namespace}/{name}"))
                };
                ask(Principal::Aws(first), actions(*is_tagged), &context)
            }
        }
    }
}

fn of_role(base: MapContext, arn: &str) -> MapContext {
    let account = arn.split(':').nth(4).unwrap_or_default();
    base.with("aws:PrincipalArn", arn).with("aws:PrincipalAccount", account).with("aws:PrincipalOrgID", "o-example")
}

/// Who of them can assume the role with this trust policy.
pub fn allowed(users: &BTreeSet<User>, trust: &Value) -> BTreeSet<User> {
    let document = Document::parse(&trust.to_string()).unwrap_or_else(|e| panic!("{e}: {trust}"));
    users.iter().filter(|user| user.can_assume(&document)).cloned().collect()
}
