//! Which service accounts the trust policies and the tags of roles name exactly. The index is built once for each snapshot, so
//! that a review looks its service account up and goes through no list of roles.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rolecall_iam::{BaseOperator, Condition, Document, Effect, PrincipalEntry, Principals, RoleArn, Statement};

use super::model::{ClusterInfo, Role, Snapshot};

/// What of a role names a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedBy {
    /// A statement for web identities of the cluster's issuer.
    WebIdentity,
    /// A statement for EKS Pod Identity.
    PodIdentity,
    /// The role's tags.
    Tags,
}

/// A role that names a service account.
#[derive(Debug, Clone, PartialEq)]
pub struct NamingRole {
    /// The role.
    pub role: Arc<Role>,
    /// What of it.
    pub by: NamedBy,
}

type ByAccount = HashMap<Box<str>, Vec<NamingRole>>;

/// Naming roles by namespace, then by service account. A copy of a snapshot is made to be changed: it begins without.
#[derive(Debug, Default)]
pub struct NamingIndex(OnceLock<HashMap<Box<str>, ByAccount>>);

impl Clone for NamingIndex {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Most service accounts that one statement for Pod Identity names: each of its namespaces with each of its names.
const MAX_PAIRS: usize = 256;

/// Service principal of EKS Pod Identity.
const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

impl Snapshot {
    /// The roles that name a service account exactly, sorted by ARN, each at most once for each way of naming. Roles of nodes
    /// and of AWS itself are not among them.
    pub fn roles_naming(&self, namespace: &str, service_account: &str) -> &[NamingRole] {
        let of_namespace = self.naming().get(namespace);
        of_namespace.and_then(|accounts| accounts.get(service_account)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Builds the index of [`Self::roles_naming`] now, so that no review waits for it.
    pub fn index_naming_roles(&self) {
        self.naming();
    }

    fn naming(&self) -> &HashMap<Box<str>, ByAccount> {
        self.naming.0.get_or_init(|| self.build_naming())
    }

    fn build_naming(&self) -> HashMap<Box<str>, ByAccount> {
        let mut index: HashMap<Box<str>, ByAccount> = HashMap::new();
        let accounts = self.accounts.values().filter_map(|account| account.roles.as_ref());
        for role in accounts.flat_map(HashMap::values) {
            let mut names = Vec::new();
            if let (Some(trust), Ok(arn)) = (&role.trust, RoleArn::parse(&role.arn)) {
                names.extend(self.named_in(trust, arn));
            }
            names.extend(role.tags.as_ref().and_then(|tags| named_by_tags(tags, self.cluster.as_ref())));
            if names.is_empty() || self.is_protected(&role.arn) {
                continue;
            }
            for NamedAccount { namespace, name, by } in names {
                let accounts = index.entry(namespace.into()).or_default();
                let roles = accounts.entry(name.into()).or_default();
                let mut of_role = roles.iter().rev().take_while(|other| Arc::ptr_eq(&other.role, role));
                if !of_role.any(|other| other.by == by) {
                    roles.push(NamingRole { role: Arc::clone(role), by });
                }
            }
        }
        for roles in index.values_mut().flat_map(HashMap::values_mut) {
            roles.sort_by(|one, other| (&one.role.arn, one.by).cmp(&(&other.role.arn, other.by)));
        }
        index
    }

    /// Whether a trust policy of a role of this ARN names a service account of this cluster exactly.
    pub fn names_an_account(&self, trust: &Document, role: RoleArn<'_>) -> bool {
        self.named_in(trust, role).next().is_some()
    }

    fn named_in<'d>(&self, trust: &'d Document, role: RoleArn<'_>) -> impl Iterator<Item = NamedAccount<'d>> {
        let issuer = self.cluster.as_ref().and_then(|cluster| cluster.issuer.as_ref());
        let federation = issuer
            .map(|issuer| (issuer.provider_arn(role.partition, role.account), format!("{}:sub", issuer.folded())));
        trust.with_effect(Effect::Allow).flat_map(move |statement| {
            let of_tokens = federation.as_ref().map(|(provider, key)| by_subject(statement, provider, key));
            of_tokens.into_iter().flatten().chain(by_request_tags(statement)).collect::<Vec<_>>()
        })
    }
}

/// A service account that a role names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NamedAccount<'d> {
    namespace: &'d str,
    name: &'d str,
    by: NamedBy,
}

fn trusts(statement: &Statement, action: &str, is_caller: impl Fn(&PrincipalEntry) -> bool) -> bool {
    let Principals::Is(entries) = &statement.principals else {
        return false;
    };
    statement.actions.apply_to(action) && entries.iter().any(is_caller)
}

/// The service accounts whose subject a statement for the cluster's provider asks for.
fn by_subject<'d>(statement: &'d Statement, provider: &str, key: &str) -> Vec<NamedAccount<'d>> {
    let is_provider = |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Federated(arn) if **arn == *provider);
    if !trusts(statement, "sts:AssumeRoleWithWebIdentity", is_provider) {
        return Vec::new();
    }
    let subjects = exact_values(statement, key).filter_map(|value| value.strip_prefix("system:serviceaccount:"));
    let accounts = subjects.filter_map(|subject| subject.split_once(':'));
    let accounts = accounts.filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    accounts.map(|(namespace, name)| NamedAccount { namespace, name, by: NamedBy::WebIdentity }).collect()
}

/// The service accounts whose session tags a statement for EKS Pod Identity asks for (Amazon EKS User Guide, "Grant Pods access
/// to AWS resources based on tags").
fn by_request_tags(statement: &Statement) -> Vec<NamedAccount<'_>> {
    let is_service = |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Service(name) if **name == *POD_IDENTITY);
    if !trusts(statement, "sts:AssumeRole", is_service) {
        return Vec::new();
    }
    let names: Vec<&str> = exact_values(statement, "aws:requesttag/kubernetes-service-account").collect();
    let namespaces = exact_values(statement, "aws:requesttag/kubernetes-namespace");
    let pairs = namespaces.flat_map(|namespace| names.iter().map(move |name| (namespace, *name)));
    let accounts = pairs.map(|(namespace, name)| NamedAccount { namespace, name, by: NamedBy::PodIdentity });
    accounts.take(MAX_PAIRS).collect()
}

/// The values without wildcards and variables that a key must have one of.
fn exact_values<'d>(statement: &'d Statement, key: &str) -> impl Iterator<Item = &'d str> {
    let asks = |condition: &&Condition| {
        let operator = condition.operator.base;
        matches!(operator, BaseOperator::StringEquals | BaseOperator::StringEqualsIgnoreCase | BaseOperator::StringLike)
            && *condition.folded_key == *key
    };
    let conditions: Vec<&Condition> = statement.conditions.iter().filter(asks).collect();
    let values = conditions.into_iter().flat_map(|condition| &condition.values).map(|value| &**value);
    values.filter(|value| !value.is_empty() && !value.contains(['*', '?', '$']))
}

/// Tags by which a tool says for which service account it made a role: `NAMESPACE/NAME` (eksctl,
/// `pkg/apis/eksctl.io/v1alpha5/types.go`).
const ACCOUNT_TAGS: [&str; 2] =
    ["alpha.eksctl.io/iamserviceaccount-name", "alpha.eksctl.io/podidentityassociation-name"];
/// The tag that goes with them.
const CLUSTER_TAG: &str = "alpha.eksctl.io/cluster-name";

/// The service account that a role's tags name, unless they name another cluster: the tags of eksctl, or those by which EKS Pod
/// Identity itself names a service account.
fn named_by_tags<'d>(tags: &'d [(Box<str>, Box<str>)], cluster: Option<&ClusterInfo>) -> Option<NamedAccount<'d>> {
    let tag = |key: &str| tags.iter().find(|(known, _)| **known == *key).map(|(_, value)| &**value);
    let is_of_other_cluster = [CLUSTER_TAG, "eks-cluster-name"].into_iter().filter_map(tag).any(|name| {
        // Without a cluster's name nothing tells whether it is another.
        cluster.is_none_or(|cluster| *cluster.name != *name)
    });
    if is_of_other_cluster {
        return None;
    }
    let of_tool = ACCOUNT_TAGS.into_iter().find_map(tag).and_then(|value| value.split_once('/'));
    let (namespace, name) =
        of_tool.or_else(|| Some((tag("kubernetes-namespace")?, tag("kubernetes-service-account")?)))?;
    (!namespace.is_empty() && !name.is_empty()).then_some(NamedAccount { namespace, name, by: NamedBy::Tags })
}

/// The namespace that a role's tags say it was made for.
pub(super) fn namespace_of_tags(tags: &[(Box<str>, Box<str>)]) -> Option<&str> {
    let found = tags.iter().find(|(key, _)| ACCOUNT_TAGS.contains(&&**key))?;
    found.1.split_once('/').map(|(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/Example1";

    fn snapshot(roles: &str) -> Snapshot {
        let text = format!(
            r#"{{"cluster": {{"name": "shop", "identity": {{"oidc": {{"issuer": "https://{ISSUER}"}}}}}},
                "nodeRoles": ["arn:aws:iam::111122223333:role/node"],
                "accounts": {{"111122223333": {{"roles": [{roles}]}}}}}}"#
        );
        Snapshot::parse(&text).unwrap()
    }

    fn role(name: &str, statement: &str, tags: &str) -> String {
        format!(
            r#"{{"Arn": "arn:aws:iam::111122223333:role/{name}", "Tags": [{tags}],
                "AssumeRolePolicyDocument": {{"Version": "2012-10-17", "Statement": [{statement}]}}}}"#
        )
    }

    fn irsa(issuer: &str, operator: &str, subject: &str) -> String {
        format!(
            r#"{{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {{"Federated": "arn:aws:iam::111122223333:oidc-provider/{issuer}"}},
                "Condition": {{"{operator}": {{"{issuer}:sub": {subject}}}}}}}"#
        )
    }

    fn by(roles: &str) -> Vec<(String, NamedBy)> {
        let snapshot = snapshot(roles);
        let found = snapshot.roles_naming("carts", "carts").iter();
        found.map(|found| (found.role.arn.rsplit('/').next().unwrap().to_owned(), found.by)).collect()
    }

    #[test]
    fn only_an_exact_subject_of_this_cluster_names_an_account() {
        let subject = r#"["system:serviceaccount:carts:other", "system:serviceaccount:carts:carts"]"#;
        for operator in ["StringEquals", "StringLike", "ForAnyValue:StringEquals", "StringEqualsIfExists"] {
            let found = by(&role("a", &irsa(ISSUER, operator, subject), ""));
            assert_eq!(found, [("a".to_owned(), NamedBy::WebIdentity)], "{operator}");
        }
        let star = r#""system:serviceaccount:carts:*""#;
        for statement in [
            irsa(ISSUER, "StringLike", star),
            irsa(ISSUER, "StringNotEquals", subject),
            irsa("oidc.eks.us-west-2.amazonaws.com/id/OTHER", "StringEquals", subject),
            irsa(ISSUER, "StringEquals", subject).replace("WithWebIdentity", ""),
            irsa(ISSUER, "StringEquals", subject).replace("Allow", "Deny"),
            irsa(ISSUER, "StringEquals", r#""system:serviceaccount:carts:""#),
        ] {
            assert_eq!(by(&role("a", &statement, "")), [], "{statement}");
        }
        assert_eq!(by(&role("node", &irsa(ISSUER, "StringEquals", subject), "")), [], "a node role is no workload's");
    }

    #[test]
    fn request_tags_name_each_pair() {
        let statement = |conditions: &str| {
            format!(
                r#"{{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],
                    "Principal": {{"Service": "pods.eks.amazonaws.com"}}, "Condition": {{"StringEquals": {{{conditions}}}}}}}"#
            )
        };
        let both = r#""aws:RequestTag/kubernetes-namespace": ["shop", "carts"], "aws:RequestTag/kubernetes-service-account": "carts""#;
        assert_eq!(by(&role("a", &statement(both), "")), [("a".to_owned(), NamedBy::PodIdentity)]);
        let namespace = r#""aws:RequestTag/kubernetes-namespace": "carts""#;
        assert_eq!(by(&role("a", &statement(namespace), "")), [], "a namespace alone is no service account");
    }

    #[test]
    fn tags_name_an_account_of_this_cluster() {
        let tag = |key: &str, value: &str| format!(r#"{{"Key": "{key}", "Value": "{value}"}}"#);
        let eksctl = tag("alpha.eksctl.io/iamserviceaccount-name", "carts/carts");
        let own = tag("kubernetes-namespace", "carts") + "," + &tag("kubernetes-service-account", "carts");
        let of = |tags: &str| by(&role("a", "", tags));
        for tags in [eksctl.clone(), own, format!("{eksctl},{}", tag("alpha.eksctl.io/cluster-name", "shop"))] {
            assert_eq!(of(&tags), [("a".to_owned(), NamedBy::Tags)], "{tags}");
        }
        let other = format!("{eksctl},{}", tag("alpha.eksctl.io/cluster-name", "other"));
        for tags in [other, tag("kubernetes-namespace", "carts"), tag("Name", "carts/carts")] {
            assert_eq!(of(&tags), [], "{tags}");
        }
    }

    #[test]
    fn roles_come_sorted_and_a_copy_is_indexed_again() {
        let statement = irsa(ISSUER, "StringEquals", r#""system:serviceaccount:carts:carts""#);
        let roles = ["c", "a", "b"].map(|name| role(name, &statement, "")).join(",");
        assert_eq!(by(&roles).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "c"]);
        let indexed = snapshot(&roles);
        indexed.index_naming_roles();
        let mut copy = indexed.clone();
        copy.accounts.clear();
        assert_eq!((copy.roles_naming("carts", "carts").len(), indexed.roles_naming("carts", "carts").len()), (0, 3));
    }
}
