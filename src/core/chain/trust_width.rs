//! Who can assume a role beside one service account: how far its trust policy reaches.

use rolecall_iam::{Arn, AwsPrincipal, Context, Document, Effect, Principal, PrincipalEntry, Principals, Statement};

use super::irsa_context::IrsaContext;
use super::pod_identity_context::{Lists, PodIdentityContext, SERVICE};
use super::pod_identity_trust::{ACTIONS, CALLER};
use super::trust::{self, Outcome};
use super::{Audience, Subject, irsa_trust};
use crate::effort::Effort;
use crate::snapshot::{Association, ClusterInfo, Issuer, Role, Snapshot};

/// How far a trust policy reaches, from the narrowest to the widest. What a condition leaves open counts as reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustWidth {
    /// This service account alone.
    ServiceAccount,
    /// Other service accounts of its namespace too.
    Namespace,
    /// Service accounts of other namespaces of the cluster too.
    Cluster,
    /// Service accounts of other clusters of the same AWS account too.
    Account,
    /// Others: another cluster's OIDC provider, a service, another role or account, or everyone.
    Wider,
}

impl TrustWidth {
    /// The name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "service-account",
            Self::Namespace => "namespace",
            Self::Cluster => "cluster",
            Self::Account => "account",
            Self::Wider => "wider",
        }
    }
}

/// A namespace and a service account that no policy names: only what reaches every one reaches these.
const PROBE: &str = "rolecall-probe-7f3a91c2";

/// Most subjects of a trust policy that are asked about.
const MAX_SUBJECTS: usize = 200;

/// How far the trust policy of a role reaches beside this service account; `None` where it was not read.
pub fn trust_width(snapshot: &Snapshot, subject: Subject<'_>, role: &Role) -> Option<TrustWidth> {
    let document = role.trust.as_ref()?;
    let parsed = rolecall_iam::RoleArn::parse(&role.arn).ok()?;
    let cluster = snapshot.cluster.as_ref();
    let issuer = cluster.and_then(|cluster| cluster.issuer.as_ref());
    let provider_arn = issuer.map(|issuer| issuer.provider_arn(parsed.partition, parsed.account));
    let reach = Reach { document, role, account: parsed.account, cluster, issuer, provider_arn, lists: Lists::new() };
    if document.with_effect(Effect::Allow).any(|statement| reach.names_others(statement)) {
        return Some(TrustWidth::Wider);
    }
    if reach.reaches_other_clusters(subject) {
        return Some(TrustWidth::Account);
    }
    let named = reach.named_subjects();
    let probes = [(PROBE, PROBE), (subject.namespace, PROBE), (PROBE, subject.service_account)];
    let candidates = probes.into_iter().chain(named.iter().map(|(namespace, name)| (&**namespace, &**name)));
    let others =
        candidates.filter(|(namespace, name)| (*namespace, *name) != (subject.namespace, subject.service_account));
    let widths = others
        .filter(|(namespace, name)| reach.allows(Subject { namespace, service_account: name }, cluster))
        .map(|(namespace, _)| if namespace == subject.namespace { TrustWidth::Namespace } else { TrustWidth::Cluster });
    Some(widths.max().unwrap_or(TrustWidth::ServiceAccount))
}

struct Reach<'a> {
    document: &'a Document,
    role: &'a Role,
    account: &'a str,
    cluster: Option<&'a ClusterInfo>,
    issuer: Option<&'a Issuer>,
    provider_arn: Option<String>,
    lists: Lists,
}

impl Reach<'_> {
    /// The statement lets a principal assume the role that is neither a service account of this cluster nor the role itself.
    fn names_others(&self, statement: &Statement) -> bool {
        let assumes = ["sts:AssumeRole", irsa_trust::ACTION, "sts:AssumeRoleWithSAML"];
        if !assumes.iter().any(|action| statement.actions.apply_to(action)) {
            return false;
        }
        let is_other = |entry: &PrincipalEntry| match entry {
            PrincipalEntry::Everyone => true,
            PrincipalEntry::Aws(AwsPrincipal::Arn(arn)) => **arn != *self.role.arn,
            PrincipalEntry::Aws(AwsPrincipal::Account(_)) => true,
            PrincipalEntry::Aws(AwsPrincipal::UniqueId(_)) | PrincipalEntry::CanonicalUser(_) => false,
            PrincipalEntry::Federated(provider) => Some(&**provider) != self.provider_arn.as_deref(),
            PrincipalEntry::Service(service) => **service != *SERVICE,
        };
        match &statement.principals {
            Principals::Is(entries) => entries.iter().any(is_other),
            Principals::IsNot(_) | Principals::Absent => true,
        }
    }

    /// An association of another cluster of the account, for a service account of the same name, would do.
    fn reaches_other_clusters(&self, subject: Subject<'_>) -> bool {
        let arn = self.cluster.and_then(|cluster| cluster.arn.as_deref());
        let other = ClusterInfo {
            name: PROBE.into(),
            arn: arn.and_then(Arn::parse).map(|arn| {
                let Arn { partition, region, account, .. } = arn;
                format!("arn:{partition}:eks:{region}:{account}:cluster/{PROBE}").into()
            }),
            issuer: None,
            ipv6: false,
            auto_mode: false,
        };
        self.allows_association(subject, Some(&other))
    }

    fn allows(&self, subject: Subject<'_>, cluster: Option<&ClusterInfo>) -> bool {
        self.allows_web_identity(subject) || self.allows_association(subject, cluster)
    }

    fn allows_web_identity(&self, subject: Subject<'_>) -> bool {
        let (Some(issuer), Some(provider_arn)) = (self.issuer, &self.provider_arn) else { return false };
        let (claim, effort) = (subject.claim(), Effort::for_one_check());
        let context = |presume| IrsaContext {
            issuer,
            account: self.account,
            claim: &claim,
            audience: Audience::Is("sts.amazonaws.com"),
            role: self.role,
            presume,
            effort: &effort,
        };
        may(self.document, &[irsa_trust::ACTION], Principal::Federated(provider_arn), context)
    }

    /// The role may be assumed for an association of this service account, with session tags or without.
    fn allows_association(&self, subject: Subject<'_>, cluster: Option<&ClusterInfo>) -> bool {
        [false, true].into_iter().any(|disable_session_tags| {
            let association = Association { disable_session_tags, ..Association::to_create(&self.role.arn) };
            let effort = Effort::for_one_check();
            let context = |presume| PodIdentityContext {
                subject,
                cluster,
                association: &association,
                role: self.role,
                account: self.account,
                second: None,
                lists: &self.lists,
                presume,
                effort: &effort,
            };
            let actions = if disable_session_tags { &ACTIONS[..1] } else { &ACTIONS[..] };
            may(self.document, actions, CALLER, context)
        })
    }

    /// The service accounts that the policy's conditions name, by `sub` or by the session tags of Pod Identity. A wildcard in a
    /// name stands for some text.
    fn named_subjects(&self) -> Vec<(String, String)> {
        let conditions = || {
            let statements = self.document.with_effect(Effect::Allow);
            statements.flat_map(|statement| &statement.conditions)
        };
        let filled = |text: &str| text.replace(['*', '?'], "x");
        let values = |wanted: &'static str| {
            let of_key = conditions().filter(move |condition| condition.folded_key.ends_with(wanted));
            of_key.flat_map(|condition| &condition.values).take(MAX_SUBJECTS)
        };
        let by_claim = values(":sub").filter_map(|value| {
            let (namespace, name) = value.strip_prefix("system:serviceaccount:")?.split_once(':')?;
            Some((filled(namespace), filled(name)))
        });
        let mut named: Vec<(String, String)> = by_claim.collect();
        let mut names: Vec<&str> = values("/kubernetes-service-account").map(|name| &**name).collect();
        let mut namespaces: Vec<&str> = values("/kubernetes-namespace").map(|name| &**name).collect();
        names.push(PROBE);
        namespaces.push(PROBE);
        for namespace in &namespaces {
            named.extend(names.iter().map(|name| (filled(namespace), filled(name))));
            if named.len() >= MAX_SUBJECTS {
                break;
            }
        }
        named.sort_unstable();
        named.dedup();
        named
    }
}

/// All actions are allowed, or a condition leaves that open.
fn may<C: Context>(
    document: &Document,
    actions: &[&str],
    principal: Principal<'_>,
    context: impl Fn(bool) -> C,
) -> bool {
    actions
        .iter()
        .all(|action| !matches!(trust::judge(document, action, principal, &context).outcome, Outcome::Denied(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE";
    const ROLE: &str = "arn:aws:iam::111122223333:role/carts";

    fn width(statements: &Value) -> Option<TrustWidth> {
        let snapshot = json!({
            "cluster": {"name": "shop", "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop",
                "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}}},
            "accounts": {"111122223333": {"roles": [{"RoleName": "carts", "Arn": ROLE,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": statements}}]}}});
        let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
        let subject = Subject { namespace: "carts", service_account: "carts" };
        trust_width(&snapshot, subject, snapshot.role(ROLE).unwrap())
    }

    fn irsa(operator: &str, subjects: &Value) -> Value {
        json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
            "Condition": {operator: {format!("{ISSUER}:sub"): subjects}}})
    }

    fn pod_identity(condition: &Value) -> Value {
        json!({"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"Service": "pods.eks.amazonaws.com"}, "Condition": condition})
    }

    #[test]
    fn web_identities_by_their_subjects() {
        for (operator, subjects, expected) in [
            ("StringEquals", json!("system:serviceaccount:carts:carts"), TrustWidth::ServiceAccount),
            ("StringLike", json!("system:serviceaccount:carts:cart?"), TrustWidth::Namespace),
            (
                "StringEquals",
                json!(["system:serviceaccount:carts:carts", "system:serviceaccount:carts:jobs"]),
                TrustWidth::Namespace,
            ),
            ("StringLike", json!("system:serviceaccount:carts:*"), TrustWidth::Namespace),
            (
                "StringEquals",
                json!(["system:serviceaccount:carts:carts", "system:serviceaccount:orders:orders"]),
                TrustWidth::Cluster,
            ),
            ("StringLike", json!("system:serviceaccount:*:carts"), TrustWidth::Cluster),
            ("StringLike", json!("system:serviceaccount:cart*:carts"), TrustWidth::Cluster),
            ("StringLike", json!("*"), TrustWidth::Cluster),
            ("StringNotEquals", json!("system:serviceaccount:orders:orders"), TrustWidth::Cluster),
        ] {
            assert_eq!(width(&json!([irsa(operator, &subjects)])), Some(expected), "{operator} {subjects}");
        }
    }

    #[test]
    fn pod_identity_by_its_session_tags() {
        let tag = |name: &str| format!("aws:RequestTag/{name}");
        let exact = json!({"StringEquals": {tag("kubernetes-namespace"): "carts", tag("kubernetes-service-account"): "carts",
            tag("eks-cluster-arn"): "arn:aws:eks:us-west-2:111122223333:cluster/shop"}});
        let of_namespace = json!({"StringEquals": {tag("kubernetes-namespace"): "carts",
            tag("eks-cluster-name"): "shop"}});
        let of_cluster = json!({"StringEquals": {tag("eks-cluster-name"): "shop"}});
        let of_account = json!({"StringEquals": {tag("kubernetes-namespace"): "carts"}});
        for (condition, expected) in [
            (exact, TrustWidth::ServiceAccount),
            (of_namespace, TrustWidth::Namespace),
            (of_cluster, TrustWidth::Cluster),
            (of_account, TrustWidth::Account),
            (json!({}), TrustWidth::Account),
        ] {
            assert_eq!(width(&json!([pod_identity(&condition)])), Some(expected), "{condition}");
        }
    }

    #[test]
    fn other_principals_are_wider() {
        let with = |principal: Value| {
            width(&json!([irsa("StringEquals", &json!("system:serviceaccount:carts:carts")),
                {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"], "Principal": principal}]))
        };
        for principal in [
            json!("*"),
            json!({"AWS": "111122223333"}),
            json!({"AWS": "arn:aws:iam::111122223333:role/other"}),
            json!({"Service": "ec2.amazonaws.com"}),
            json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/OTHER"}),
        ] {
            assert_eq!(with(principal.clone()), Some(TrustWidth::Wider), "{principal}");
        }
        assert_eq!(with(json!({"AWS": ROLE})), Some(TrustWidth::ServiceAccount), "itself");
    }

    #[test]
    fn a_deny_narrows_and_what_was_not_read_is_unknown() {
        let open = irsa("StringLike", &json!("system:serviceaccount:*"));
        let deny = json!({"Effect": "Deny", "Action": "*",
            "Principal": {"Federated": format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")},
            "Condition": {"StringNotEquals": {format!("{ISSUER}:sub"): "system:serviceaccount:carts:carts"}}});
        assert_eq!(width(&json!([open, deny])), Some(TrustWidth::ServiceAccount));
        let snapshot = json!({"accounts": {"111122223333": {"roles": [{"RoleName": "carts", "Arn": ROLE}]}}});
        let snapshot = Snapshot::parse(&snapshot.to_string()).unwrap();
        let subject = Subject { namespace: "carts", service_account: "carts" };
        assert_eq!(trust_width(&snapshot, subject, snapshot.role(ROLE).unwrap()), None);
    }
}
