//! Labels and annotations of namespaces that decide how much rolecall asks: who lowers a level or adds an exemption must hold
//! a right of its own.
//!
//! Whoever may edit a namespace could else switch its checks off. The right is the verb `lower` on `levels.rolecall.dev`,
//! which is no real resource: as with Kubernetes' own `use` of policies, RBAC grants it all the same.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::BoxFuture;
use rolecall_core::cluster::{Namespace, OwnAnnotations};
use rolecall_core::decision::{Level, Levels};
use rolecall_core::finding::printable;
use rolecall_core::judge::own_names_of_namespace;
use rolecall_core::workload::Metadata;
use rolecall_message::shell::quote;
use serde::Deserialize;

/// A namespace with this label, whatever its value, is out of the webhooks' sight (deploy/manifests/webhook.yaml).
pub const OPT_OUT: &str = "rolecall.dev/opt-out";

/// API group, resource and verb of the right to lower.
pub const RIGHT: (&str, &str, &str) = ("rolecall.dev", "levels", "lower");

/// Somebody asks for less of a namespace than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowering {
    /// The namespace.
    pub namespace: String,
    /// What changes, in words: `rolecall.dev/enforce from strict to off`.
    pub what: Vec<String>,
    /// Who does it.
    pub user: User,
}

/// A user as the API server authenticated it (Kubernetes API reference, authentication.k8s.io/v1 UserInfo).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct User {
    /// Name.
    pub username: String,
    /// Unique identifier.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Whatever else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What an access review came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The user holds the right.
    Granted,
    /// The user does not.
    Refused,
    /// Nobody could say, for this reason.
    Unknown(String),
}

/// Asks whether a user holds the right to lower what is asked of a namespace.
pub trait AccessReviewer: Send + Sync + std::fmt::Debug {
    /// Asks for this user and namespace.
    fn may_lower(&self, user: User, namespace: String) -> BoxFuture<'static, Access>;
}

/// What is lowered from these labels and annotations to those.
pub(super) fn lowered(before: Option<&Metadata<'_>>, after: &Metadata<'_>, defaults: Levels) -> Vec<String> {
    let levels = |metadata: &Metadata<'_>| {
        let namespace = Namespace::of(metadata);
        [
            namespace.enforce.unwrap_or(defaults.enforce),
            namespace.warn.unwrap_or(defaults.warn),
            namespace.audit.unwrap_or(defaults.audit),
        ]
    };
    let old: [Level; 3] = before.map_or([defaults.enforce, defaults.warn, defaults.audit], levels);
    let names = ["rolecall.dev/enforce", "rolecall.dev/warn", "rolecall.dev/audit"];
    let changes = names.into_iter().zip(old.into_iter().zip(levels(after)));
    let mut what: Vec<String> = changes
        .filter(|(_, (old, new))| new < old)
        .map(|(name, (old, new))| format!("{name} from {} to {}", old.name(), new.name()))
        .collect();
    let is_out = |metadata: &Metadata<'_>| metadata.labels.get(OPT_OUT).is_some();
    if is_out(after) && !before.is_some_and(is_out) {
        what.push(format!("{OPT_OUT}, which hides the namespace from rolecall"));
    }
    let nothing = OwnAnnotations::default();
    let (old, new) = (before.map(OwnAnnotations::of).unwrap_or(nothing), OwnAnnotations::of(after));
    exempted(&old, &new, &mut what);
    what
}

/// Most rules that a message names.
const MAX_NAMED: usize = 8;

/// Exemptions that are added or last longer. Taking one away, or ending it earlier, lowers nothing.
fn exempted(old: &OwnAnnotations, new: &OwnAnnotations, what: &mut Vec<String>) {
    let known: HashSet<&str> = old.ignore.iter().map(|rule| &**rule).collect();
    let mut added: Vec<&str> = new.ignore.iter().map(|rule| &**rule).filter(|rule| !known.contains(rule)).collect();
    added.sort_unstable();
    added.dedup();
    let until = |own_annotations: &OwnAnnotations| match &own_annotations.ignore_until {
        Some(until) => printable(&until.text.chars().take(40).collect::<String>()),
        None => "no end".to_owned(),
    };
    if !added.is_empty() {
        let shown = added.iter().take(MAX_NAMED).map(|rule| printable(&rule.chars().take(60).collect::<String>()));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = added.len().saturating_sub(MAX_NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        what.push(format!("rolecall.dev/ignore, which exempts its pods from {shown}{more}"));
    } else if !new.ignore.is_empty() && new.ignores_longer_than(old) {
        what.push(format!("rolecall.dev/ignore-until from {} to {}", until(old), until(new)));
    }
    if new.allow_node_role && !old.allow_node_role {
        what.push("rolecall.dev/allow-node-role, which exempts its pods from node-role-fallback".to_owned());
    }
    if new.requires.is_empty() && !old.requires.is_empty() {
        what.push("rolecall.dev/requires, which is removed".to_owned());
    }
    if old.identity_required && !new.identity_required {
        what.push("rolecall.dev/identity: required, which is removed".to_owned());
    }
}

/// The user who sent a review; nobody where it does not say.
pub(super) fn user(body: &[u8]) -> User {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wire {
        request: WireRequest,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct WireRequest {
        user_info: User,
    }
    serde_json::from_slice::<Wire>(body).unwrap_or_default().request.user_info
}

/// The message for one who may not.
pub(super) fn refusal(lowering: &Lowering) -> String {
    let Lowering { namespace, what, user } = lowering;
    let (group, resource, verb) = RIGHT;
    let (subject, named) = match user.username.as_str() {
        "" => ("this user", "USER".to_owned()),
        name => (name, quote(name)),
    };
    format!(
        "{subject} may not lower the rolecall levels of namespace {namespace}: {}\n  the right needed is  {verb} on \
         {resource}.{group}, which cluster role rolecall-levels grants\n  fix: kubectl create clusterrolebinding \
         rolecall-levels-NAME --clusterrole=rolecall-levels --user={named}",
        what.join("; "),
    )
}

/// How to see what a raised level would deny, before it does.
pub(super) fn raised(before: Option<&Metadata<'_>>, after: &Metadata<'_>, defaults: Levels) -> Option<String> {
    let level = |metadata: &Metadata<'_>| Namespace::of(metadata).enforce.unwrap_or(defaults.enforce);
    let (old, new) = (level(before?), level(after));
    (new > old).then(|| {
        let (name, level) = (after.display_name(), new.name());
        format!(
            "rolecall: pods of namespace {name} that are created from now on are denied at level {level}; to see which running \
             workloads that concerns: rolecall scan -n {name} --would-deny --level {level}"
        )
    })
}

/// Labels and annotations of a namespace that have no effect as they are written.
pub(super) fn ineffective(metadata: &Metadata<'_>) -> Vec<String> {
    let level = unreadable_level(metadata);
    let names = own_names_of_namespace(metadata).into_iter();
    // A level that cannot be read has its own sentence.
    let names = names.filter(|_| level.is_none()).map(|sentence| format!("rolecall: {sentence}"));
    let names: Vec<String> = names.collect();
    level.into_iter().chain(names).collect()
}

/// A level that is none: it counts as not set.
fn unreadable_level(metadata: &Metadata<'_>) -> Option<String> {
    let (label, value) = Namespace::of(metadata).unreadable?;
    Some(format!(
        "rolecall: label {label}={value} is none of off, chain, fallback, strict and counts as not set; fix: kubectl label \
         namespace {} {label}=LEVEL --overwrite",
        metadata.display_name()
    ))
}
