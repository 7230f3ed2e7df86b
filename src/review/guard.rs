//! Labels and annotations of namespaces that decide how much rolecall asks: who lowers a level or adds an exemption must hold
//! a right of its own.
//!
//! Users who may edit a namespace could else switch its checks off. The right is the verb `lower` on `levels.rolecall.dev`,
//! which is no real resource: as with Kubernetes' own `use` of policies, RBAC grants it all the same.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::BoxFuture;
use rolecall_core::cluster::{Namespace, OwnAnnotations};
use rolecall_core::decision::{Level, LevelAssignment, NamespacePolicy, Resolved};
use rolecall_core::finding::printable;
use rolecall_core::judge::own_names_of_namespace;
use rolecall_core::workload::Metadata;
use rolecall_message::sentence;
use rolecall_message::shell::quote;
use serde::Deserialize;

use super::outcome::Settings;
use super::raise::Raise;

/// What is denied where a namespace enforces.
const ENFORCE_ON: &str = "rolecall.dev/enforce-on";
/// With the value `deny`: the API server refuses what it cannot ask rolecall about (deploy/manifests/webhook.yaml).
pub const ON_OUTAGE: &str = "rolecall.dev/on-outage";

/// A namespace with this label, whatever its value, is out of the webhooks' sight (deploy/manifests/webhook.yaml).
pub const OPT_OUT: &str = "rolecall.dev/opt-out";

/// API group, resource and verb of the right to lower.
pub const RIGHT: (&str, &str, &str) = ("rolecall.dev", "levels", "lower");

/// An update asks for less of a namespace than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowering {
    /// The namespace.
    pub namespace: String,
    /// It is being created.
    pub is_new: bool,
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
    /// What the authenticator adds.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What an access review came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// The user holds the right.
    Granted,
    /// The user does not.
    Refused,
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// Asks whether a user holds the right to lower what is asked of a namespace.
pub trait AccessReviewer: Send + Sync + std::fmt::Debug {
    /// Asks for this user and namespace.
    fn may_lower(&self, user: User, namespace: String) -> BoxFuture<'static, Access>;
}

/// What is lowered from these labels and annotations to those.
pub(super) fn lowered(
    before: Option<&Metadata<'_>>,
    after: &Metadata<'_>,
    assignment: &LevelAssignment,
) -> Vec<String> {
    let (name, namespace) = (after.display_name(), Namespace::of(after));
    let in_force = |namespace: &Namespace| namespace.resolve(&name, assignment).policy();
    // A new namespace is measured by what it would have without labels of rolecall.
    let unlabeled = || Namespace { labels: namespace.labels.clone(), ..Namespace::default() };
    let old = in_force(&before.map_or_else(unlabeled, Namespace::of));
    let new = in_force(&namespace);
    let changes = [
        ("rolecall.dev/enforce", old.levels.enforce, new.levels.enforce),
        ("rolecall.dev/warn", old.levels.warn, new.levels.warn),
        ("rolecall.dev/audit", old.levels.audit, new.levels.audit),
    ];
    let mut what: Vec<String> = changes
        .iter()
        .filter(|(_, old, new)| new < old)
        .map(|(name, old, new)| format!("{name} from {old} to {new}"))
        .collect();
    // Where nothing was enforced, nothing is lowered.
    if old.levels.enforce != Level::Off && !old.enforce_on.is_within(new.enforce_on) {
        what.push(format!("{ENFORCE_ON} from {} to {}", old.enforce_on, new.enforce_on));
    }
    let fails_closed = |metadata: &Metadata<'_>| metadata.labels.get(ON_OUTAGE) == Some("deny");
    if before.is_some_and(fails_closed) && !fails_closed(after) {
        let value = after.labels.get(ON_OUTAGE).map_or_else(|| "no value".to_owned(), printable);
        what.push(format!("{ON_OUTAGE} from deny to {value}"));
    }
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

/// The user who sent a review; empty where it does not say.
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

/// The message for a user without the right.
pub(super) fn refusal(Lowering { namespace, is_new, what, user }: &Lowering) -> String {
    let (group, resource, verb) = RIGHT;
    let (subject, named) = match user.username.as_str() {
        "" => ("this user", "USER".to_owned()),
        name => (name, quote(name)),
    };
    // A namespace that does not exist has no role bindings.
    let binding =
        if *is_new { "clusterrolebinding".to_owned() } else { format!("rolebinding -n {}", quote(namespace)) };
    format!(
        "{subject} may not lower the rolecall levels of namespace {namespace}: {}\n  the right needed is  {verb} on \
         {resource}.{group}, which cluster role rolecall-levels grants\n  fix: kubectl create {binding} \
         rolecall-levels-NAME --clusterrole=rolecall-levels --user={named}",
        what.join("; "),
    )
}

/// The level that is raised, or enforced on more kinds of objects.
pub(super) fn raise(before: Option<&Metadata<'_>>, after: &Metadata<'_>, settings: &Settings) -> Option<Raise> {
    let (name, assignment) = (after.display_name(), &settings.levels);
    if settings.is_left_out(&name) || after.labels.get(OPT_OUT).is_some() {
        return None;
    }
    let namespace = Namespace::of(after);
    let old = Namespace::of(before?).resolve(&name, assignment).policy();
    let NamespacePolicy { levels, enforce_on } = namespace.resolve(&name, assignment).policy();
    let level = levels.enforce;
    let denies_more = level > old.levels.enforce || !enforce_on.is_within(old.enforce_on);
    (level != Level::Off && denies_more).then_some(Raise { name, level, enforce_on, namespace })
}

/// Labels and annotations of a namespace that have no effect as they are written.
pub(super) fn ineffective(metadata: &Metadata<'_>, settings: &Settings) -> Vec<String> {
    let level = unreadable_level(metadata);
    let names = own_names_of_namespace(metadata).into_iter();
    // A level that cannot be read has its own sentence.
    let names = names.filter(|_| level.is_none()).map(|problem| format!("rolecall: {}", sentence(&problem)));
    let mut lines: Vec<String> = level.iter().cloned().chain(names).collect();
    lines.extend(below_configuration(metadata, &settings.levels));
    let name = metadata.display_name();
    if metadata.labels.get(ON_OUTAGE) == Some("deny") && settings.is_left_out(&name) {
        lines.push(format!(
            "rolecall: label {ON_OUTAGE}=deny of namespace {name} has no effect: pods of this namespace bring the cluster or \
             rolecall back after an outage; fix: kubectl label namespace {} {ON_OUTAGE}-",
            quote(&name)
        ));
    }
    lines
}

/// Labels that ask for less than the configuration's rule.
fn below_configuration(metadata: &Metadata<'_>, assignment: &LevelAssignment) -> Vec<String> {
    let name = metadata.display_name();
    let Resolved { rule, enforce, warn, audit, enforce_on } = Namespace::of(metadata).resolve(&name, assignment);
    let place = rule.map_or_else(String::new, |at| format!("levels[{at}]"));
    let ignored = [
        ("rolecall.dev/enforce", enforce.is_label_ignored, enforce.value.name()),
        ("rolecall.dev/warn", warn.is_label_ignored, warn.value.name()),
        ("rolecall.dev/audit", audit.is_label_ignored, audit.value.name()),
        (ENFORCE_ON, enforce_on.is_label_ignored, enforce_on.value.name()),
    ];
    let line = |(label, _, value): &(&str, bool, &str)| {
        let asked = metadata.labels.get(label).map(printable).unwrap_or_default();
        format!(
            "rolecall: label {label}={asked} of namespace {name} does not lower what the configuration sets: {value} stays in \
             force ({place}); fix: kubectl label namespace {} {label}-",
            quote(&name)
        )
    };
    ignored.iter().filter(|(_, is_ignored, _)| *is_ignored).map(line).collect()
}

/// A level that is none: it counts as not set.
fn unreadable_level(metadata: &Metadata<'_>) -> Option<String> {
    let (label, value) = Namespace::of(metadata).unreadable?;
    Some(format!(
        "rolecall: label {label}={value} is none of off, chain, fallback, strict and counts as not set; fix: kubectl label \
         namespace {} {label}=LEVEL --overwrite",
        quote(&metadata.display_name())
    ))
}
