//! What a requester may read: the snapshot without the roles that are not the namespace's own.
//!
//! A result over a view cannot tell anything about the other roles, because the view does not contain them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rolecall_iam::{Condition, Document, RoleArn, wildcard_match};

use super::naming::{NamingIndex, namespace_of_tags};
use super::{Account, Associations, Role, Snapshot};

/// A role that the configuration gives to namespaces; `*` and `?` are wildcards in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRole {
    /// Pattern of namespaces.
    pub namespace: String,
    /// Pattern of role names, or of role ARNs.
    pub role: String,
}

/// Which roles are a namespace's own.
#[derive(Clone, Copy)]
pub struct Viewer<'v> {
    /// The namespace of the workload.
    pub namespace: &'v str,
    /// No role counts as own.
    pub owns_nothing: bool,
    /// What the configuration gives to namespaces.
    pub own_roles: &'v [OwnRole],
    /// Whether a namespace of this name exists: such a name is not a typo.
    pub exists: &'v dyn Fn(&str) -> bool,
    /// The service account of the workload, for subjects with namespace and name swapped.
    pub service_account: &'v str,
}

impl std::fmt::Debug for Viewer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// The names of roles that a view withholds: all that it does not contain, unless the name alone makes them own.
#[derive(Debug, Clone)]
pub struct Withheld {
    namespace: Box<str>,
    owns_nothing: bool,
    patterns: Vec<Box<str>>,
    node_roles: Vec<Box<str>>,
}

/// Key of the tag, and part of the condition key, that carry a namespace (Amazon EKS User Guide, "Grant Pods access to AWS
/// resources based on tags").
const NAMESPACE_TAG: &str = "kubernetes-namespace";

/// From this length on a namespace counts wherever a role's name contains it; a shorter one only as a word of its own.
const LONG_NAME_CHARS: usize = 5;

impl Viewer<'_> {
    /// Whether a role is the namespace's own, by its trust policy, its tags or an association. Its name is looked at by
    /// [`Withheld`].
    fn owns(&self, snapshot: &Snapshot, role: &Role) -> bool {
        !self.owns_nothing
            && !snapshot.is_protected(&role.arn)
            && (role.trust.as_ref().is_some_and(|trust| self.is_named_in(trust)) || self.is_tagged(role))
    }

    fn is_tagged(&self, role: &Role) -> bool {
        let Some(tags) = &role.tags else {
            return false;
        };
        let mut namespaces = tags.iter().filter(|(key, _)| is_namespace_tag(&key.to_ascii_lowercase()));
        namespaces.any(|(_, value)| self.is_meant(value)) || namespace_of_tags(tags) == Some(self.namespace)
    }

    fn is_named_in(&self, trust: &Document) -> bool {
        trust.statements.iter().flat_map(|statement| &statement.conditions).any(|condition| self.is_in(condition))
    }

    fn is_in(&self, condition: &Condition) -> bool {
        let of_tag = condition.folded_key.contains("tag/") && is_namespace_tag(&condition.folded_key);
        condition.values.iter().any(|value| match value.trim().split_once("serviceaccount:") {
            Some((_, subject)) => {
                let (namespace, name) = subject.split_once(':').unwrap_or((subject, ""));
                self.is_meant(namespace)
                    || (name == self.namespace && namespace == self.service_account && !(self.exists)(namespace))
            }
            None => of_tag && self.is_meant(value),
        })
    }

    /// Whether a text names the namespace, or comes within a typo of it. A pattern names it by more than wildcards.
    fn is_meant(&self, text: &str) -> bool {
        let text = text.trim();
        if text.contains(['*', '?']) {
            return text.chars().any(|c| c.is_ascii_alphanumeric()) && wildcard_match(text, self.namespace);
        }
        text == self.namespace || (is_typo(text, self.namespace) && !(self.exists)(text))
    }
}

fn is_namespace_tag(folded_key: &str) -> bool {
    let key = folded_key.rsplit('/').next().unwrap_or(folded_key);
    key == NAMESPACE_TAG || key.rsplit([':', '-', '_', '.']).next() == Some("namespace")
}

/// Longest namespace, and some more for what a hand added to it.
const MAX_LABEL_BYTES: usize = 128;

/// Whether two namespaces differ by what a hand mistypes: case, a hyphen, or few letters of one word of at least four. Names
/// that differ by a digit or by a short word, such as `team-a` and `team-b`, are two names.
pub(crate) fn is_typo(found: &str, meant: &str) -> bool {
    let (found, meant) = (found.to_ascii_lowercase(), meant.to_ascii_lowercase());
    if found == meant {
        return true;
    }
    // No namespace is that long (RFC 1123): comparing takes time by the product of the lengths.
    if found.len().max(meant.len()) > MAX_LABEL_BYTES {
        return false;
    }
    let joined = |text: &str| text.replace(['-', '_', '.'], "");
    if meant.len() > 3 && joined(&found) == joined(&meant) {
        return true;
    }
    let (found, meant): (Vec<&str>, Vec<&str>) = (found.split('-').collect(), meant.split('-').collect());
    if found.len() != meant.len() {
        return false;
    }
    let mut differing = found.into_iter().zip(meant).filter(|(found, meant)| found != meant);
    let (Some((found, meant)), None) = (differing.next(), differing.next()) else {
        return false;
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let longest = found.len().max(meant.len());
    let edits = strsim::osa_distance(found, meant);
    digits(found) == digits(meant) && longest > 3 && edits <= if longest > 5 { 2 } else { 1 }
}

impl Withheld {
    /// Whether the name of a role makes it the namespace's own.
    fn owns(&self, role: RoleArn<'_>, arn: &str) -> bool {
        !self.owns_nothing
            && !is_protected(&self.node_roles, arn)
            && (contains_namespace(role.name, &self.namespace)
                || self.patterns.iter().any(|p| wildcard_match(p, role.name) || wildcard_match(p, arn)))
    }
}

/// Whether a role's name contains a namespace's: anywhere, or where that is short, between other characters than letters
/// and digits.
fn contains_namespace(role: &str, namespace: &str) -> bool {
    let (role, namespace) = (role.to_ascii_lowercase(), namespace.to_ascii_lowercase());
    if namespace.is_empty() {
        return false;
    }
    role.match_indices(&namespace).any(|(at, _)| {
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        let before = role.get(..at).and_then(|text| text.chars().next_back());
        let after = role.get(at + namespace.len()..).and_then(|text| text.chars().next());
        namespace.len() >= LONG_NAME_CHARS || (is_edge(before) && is_edge(after))
    })
}

/// A node's role, or one of AWS's own: no workload should have it.
fn is_protected(node_roles: &[Box<str>], arn: &str) -> bool {
    let Ok(role) = RoleArn::parse(arn) else {
        return false;
    };
    let is_same = |node: &str| {
        RoleArn::parse(node).is_ok_and(|node| node.account == role.account && node.name.eq_ignore_ascii_case(role.name))
    };
    ["/aws-service-role/", "/aws-reserved/"].iter().any(|path| role.path.starts_with(path))
        || node_roles.iter().any(|node| is_same(node))
}

impl Snapshot {
    /// Whether a role is a node's, a service-linked or a reserved one (IAM User Guide, "Create a service-linked role"; IAM
    /// Identity Center User Guide, "Referencing permission sets"): no fix may open it to a workload.
    pub fn is_protected(&self, arn: &str) -> bool {
        is_protected(self.node_roles.as_deref().unwrap_or_default(), arn)
    }

    /// Whether this is a view that tells nothing about a role.
    pub fn withholds(&self, arn: &str) -> bool {
        let Some(withheld) = &self.withheld else {
            return false;
        };
        let Ok(role) = RoleArn::parse(arn) else {
            return false;
        };
        let is_contained = self.role_by_name(role.account, role.name).is_present();
        !is_contained && !withheld.owns(role, arn)
    }

    /// Which roles are a viewer's own.
    pub fn ownership<'s, 'v>(&'s self, viewer: Viewer<'v>) -> Ownership<'s, 'v> {
        Ownership::new(self, viewer)
    }
}

/// A viewer before a snapshot.
#[derive(Debug)]
pub struct Ownership<'s, 'v> {
    snapshot: &'s Snapshot,
    viewer: Viewer<'v>,
    withheld: Withheld,
    /// The roles of the namespace's associations.
    associated: Vec<&'s str>,
}

/// Names that are completed to those of own roles; of more in one object the others are not.
const MAX_COMPLETED: usize = 2;

impl<'s, 'v> Ownership<'s, 'v> {
    fn new(snapshot: &'s Snapshot, viewer: Viewer<'v>) -> Self {
        let patterns = viewer.own_roles.iter().filter(|own| wildcard_match(&own.namespace, viewer.namespace));
        let withheld = Withheld {
            namespace: viewer.namespace.into(),
            owns_nothing: viewer.owns_nothing,
            patterns: patterns.map(|own| own.role.as_str().into()).collect(),
            node_roles: snapshot.node_roles.clone().unwrap_or_default(),
        };
        let associations = snapshot.associations.as_ref().filter(|_| !viewer.owns_nothing);
        let associated = associations
            .and_then(|all| all.get(viewer.namespace))
            .into_iter()
            .flat_map(HashMap::values)
            .flat_map(|association| [association.role_arn.as_deref(), association.target_role_arn.as_deref()])
            .flatten()
            .collect();
        Self { snapshot, viewer, withheld, associated }
    }

    fn is_own(&self, role: &Role) -> bool {
        RoleArn::parse(&role.arn).is_ok_and(|parsed| self.withheld.owns(parsed, &role.arn))
            || self.associated.contains(&&*role.arn)
            || self.viewer.owns(self.snapshot, role)
    }

    /// Whether a role, by its ARN as it is written, is the viewer's own. A text that is no role ARN belongs to no viewer.
    pub fn owns(&self, arn: &str) -> bool {
        let Ok(role) = RoleArn::parse(arn) else {
            return false;
        };
        self.withheld.owns(role, arn)
            || self.snapshot.role_by_name(role.account, role.name).present().is_some_and(|role| self.is_own(role))
    }

    /// What the viewer may read of the roles that an object names, and of roles with names like theirs. Any other role is
    /// withheld. `named`: ARNs, or texts in their place.
    pub fn view<'n>(self, named: impl Iterator<Item = &'n str>) -> Snapshot {
        let snapshot = self.snapshot;
        let mut names: HashMap<&str, BTreeSet<String>> = HashMap::new();
        let mut completed = 0;
        for text in named {
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
            let place = snapshot.cluster.as_ref().and_then(|cluster| cluster.location());
            let (account, name) = match (RoleArn::parse(text), place) {
                (Ok(role), _) => (role.account, role.name),
                // A bare name.
                (Err(_), Some(place)) => (place.account, text),
                (Err(_), None) => continue,
            };
            let in_account = names.entry(account).or_default();
            if !in_account.insert(name.to_ascii_lowercase()) || completed == MAX_COMPLETED {
                continue;
            }
            completed += 1;
            let near = snapshot.near_roles(account, name).filter(|(.., role)| self.is_own(role));
            in_account.extend(near.map(|(_, name, _)| name.to_owned()));
        }
        let nothing = BTreeSet::new();
        let accounts = snapshot.accounts.iter().map(|(id, account)| {
            let names = names.get(&**id).unwrap_or(&nothing);
            (id.clone(), account.view(names, |role| self.is_own(role)))
        });
        let accounts = accounts.collect();
        let of_namespace = snapshot.associations.as_ref().map(|all| {
            let of_account =
                all.get(self.viewer.namespace).and_then(|some| some.get_key_value(self.viewer.service_account));
            let of_account = of_account.map(|(name, association)| (name.clone(), association.clone()));
            Associations::from([(self.viewer.namespace.into(), of_account.into_iter().collect())])
        });
        Snapshot {
            collected_at: snapshot.collected_at,
            oldest_part: snapshot.oldest_part,
            cluster: snapshot.cluster.clone(),
            addons: snapshot.addons.clone(),
            node_roles: snapshot.node_roles.clone(),
            fargate_profiles: snapshot.fargate_profiles.clone(),
            associations: of_namespace,
            unreadable_associations: snapshot.unreadable_associations.clone(),
            pods_reach_metadata: snapshot.pods_reach_metadata,
            accounts,
            // They may name any role.
            faults: Vec::new(),
            withheld: Some(self.withheld),
            naming: NamingIndex::default(),
        }
    }
}

impl Account {
    /// Of the roles with these names, those that are own. Of an account in which none is named only that it was read.
    fn view(&self, names: &BTreeSet<String>, is_own: impl Fn(&Role) -> bool) -> Self {
        if names.is_empty() {
            return Self { roles: self.roles.as_ref().map(|_| HashMap::new()), ..Self::default() };
        }
        let roles: Option<HashMap<Box<str>, Arc<Role>>> = self.roles.as_ref().map(|roles| {
            let named = names.iter().filter_map(|name| roles.get_key_value(name.as_str()));
            named.filter(|(_, role)| is_own(role)).map(|(name, role)| (name.clone(), Arc::clone(role))).collect()
        });
        let policies = self.policies.as_ref().map(|policies| {
            let named = roles
                .iter()
                .flat_map(HashMap::values)
                .flat_map(|role| role.attached_policies.iter().flatten().chain(role.boundary.as_ref().present()));
            named.filter_map(|arn| Some((arn.clone(), policies.get(arn)?.clone()))).collect()
        });
        let names = || names.iter().map(String::as_str);
        let unreadable = names().filter_map(|name| self.unreadable_roles.get_key_value(name));
        Self {
            roles,
            only_named_roles: self.only_named_roles,
            missing_roles: names().filter_map(|name| self.missing_roles.get(name)).cloned().collect(),
            policies,
            providers: self.providers.clone(),
            last_used: HashMap::new(),
            unreadable_roles: unreadable.map(|(name, fault)| (name.clone(), fault.clone())).collect(),
            // What is wrong with one may be any role's.
            nameless_roles: self.nameless_roles.iter().take(1).map(|_| "an entry that cannot be read".into()).collect(),
            unreadable_providers: self.unreadable_providers.clone(),
            service_control: self.service_control.clone(),
            resource_control: self.resource_control.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_what_a_hand_mistypes() {
        for (found, meant) in [
            ("cart", "carts"),
            ("Carts", "carts"),
            ("catrs", "carts"),
            ("my-app", "myapp"),
            ("checkout-servce", "checkout-service"),
            ("paymnets-prod", "payments-prod"),
        ] {
            assert!(is_typo(found, meant), "{found} {meant}");
            assert!(is_typo(meant, found), "{meant} {found}");
        }
        for (found, meant) in [
            ("team-a", "team-b"),
            ("shard1", "shard2"),
            ("shop-dev", "shop-prod"),
            ("dev", "dex"),
            ("carts", "orders"),
            ("a", "b"),
            ("", "carts"),
            ("team-a", "team"),
        ] {
            assert!(!is_typo(found, meant), "{found} {meant}");
            assert!(!is_typo(meant, found), "{meant} {found}");
        }
    }

    #[test]
    fn a_short_namespace_counts_as_a_word_only() {
        for (role, namespace, contains) in [
            ("eks-workshop-carts-dynamo", "carts", true),
            ("CartsRole", "carts", true),
            ("db-reader", "db", true),
            ("dbreader", "db", false),
            ("app_api", "api", true),
            ("capital", "api", false),
            ("orders", "carts", false),
            ("orders", "", false),
        ] {
            assert_eq!(contains_namespace(role, namespace), contains, "{role} {namespace}");
        }
    }
}
