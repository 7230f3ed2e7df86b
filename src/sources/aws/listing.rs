//! What a listing of an account's roles tells: a page of ListRoles has the trust policies of a thousand roles, where GetRole
//! costs a call for each. It tells which named roles have changed, and which other roles name a service account of the
//! cluster. It has neither tags nor boundary nor policies (IAM API Reference, `ListRoles`), so the roles that were read whole
//! the longest ago are read whole again, a few at each refresh.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use rolecall_core::snapshot::Snapshot;
use rolecall_iam::{Document, RoleArn};
use serde_json::{Value, json};

use super::clients::Reader;
use super::cluster::pages;
use super::collected::AccountParts;
use super::error::AwsError;

/// Up to so many roles are simply read one by one.
const MAX_ROLES_WITHOUT_LISTING: usize = 8;
/// So many of the longest unread roles are read whole at each refresh, whatever the listing says. With the pages of the
/// listing and the providers this keeps 100 clusters with up to 2,000 roles under 2 calls a second (docs/scale.md).
const WHOLE_ROLES_PER_REFRESH: usize = 6;

/// A role as the listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) arn: String,
    pub(super) trust: String,
}

/// Roles by name in lower case: names are unique without regard to case.
pub(super) type Listing = BTreeMap<String, Listed>;

/// What is to be done about named roles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// To be read whole.
    pub(super) read: BTreeSet<String>,
    /// As they were.
    pub(super) same: BTreeSet<String>,
    /// Not there.
    pub(super) missing: BTreeSet<String>,
}

impl Reader {
    /// All roles of the account with their trust policies.
    pub(super) async fn listing(&self) -> Result<Listing, AwsError> {
        let roles = pages(|marker| async move {
            let list = self.iam.list_roles().max_items(1_000).set_marker(marker);
            let answer = self.call("iam:ListRoles", "the account's roles", list.send()).await?;
            Ok((answer.roles, answer.marker.filter(|_| answer.is_truncated)))
        })
        .await?;
        let listed = roles.into_iter().map(|role| {
            let trust = role.assume_role_policy_document.unwrap_or_default();
            (role.role_name.to_ascii_lowercase(), Listed { arn: role.arn, trust: decoded(&trust) })
        });
        Ok(listed.collect())
    }
}

/// Whether listing costs less than reading each: there is something to compare with, and enough of it.
pub(super) fn pays(arns: &BTreeSet<String>, previous: Option<&AccountParts>) -> bool {
    let known = previous.map_or(0, |previous| arns.iter().filter(|arn| previous.roles.contains_key(*arn)).count());
    arns.len() > MAX_ROLES_WITHOUT_LISTING && known > MAX_ROLES_WITHOUT_LISTING
}

/// Sorts named roles by what the listing says of them.
pub(super) fn sort(arns: BTreeSet<String>, previous: &AccountParts, listing: &Listing, policies: bool) -> Sorted {
    let mut sorted = Sorted::default();
    for arn in arns {
        let name = RoleArn::parse(&arn).map(|arn| arn.name.to_ascii_lowercase()).unwrap_or_default();
        let before = previous.roles.get(&arn).and_then(|part| part.value.as_ref());
        match (listing.get(&name), before) {
            (None, _) => sorted.missing.insert(arn),
            (Some(listed), Some(Some(before)))
                if is_same(listed, before) && (!policies || before.get("RolePolicyList").is_some()) =>
            {
                sorted.same.insert(arn)
            }
            _ => sorted.read.insert(arn),
        };
    }
    let mut oldest: Vec<_> = sorted.same.iter().map(|arn| (previous.whole.get(arn).copied(), arn.clone())).collect();
    oldest.sort();
    for (_, arn) in oldest.into_iter().take(WHOLE_ROLES_PER_REFRESH) {
        sorted.same.remove(&arn);
        sorted.read.insert(arn);
    }
    sorted
}

/// The roles that name a service account of the cluster in their trust policies, by ARN, as far as a listing has them; without
/// those that are read by themselves.
pub(super) fn naming(
    cluster: &Snapshot,
    account: &str,
    listing: &Listing,
    read: &BTreeSet<String>,
) -> BTreeMap<String, Value> {
    let name = |arn: &str| RoleArn::parse(arn).map(|arn| arn.name.to_ascii_lowercase()).unwrap_or_default();
    let read: BTreeSet<String> = read.iter().map(|arn| name(arn)).collect();
    let others = listing.iter().filter(|(name, _)| !read.contains(*name)).map(|(_, listed)| listed);
    let named = others.filter(|listed| names_an_account(cluster, account, listed));
    let role = |listed: &Listed| json!({"Arn": listed.arn, "AssumeRolePolicyDocument": listed.trust});
    named.map(|listed| (listed.arn.clone(), role(listed))).collect()
}

fn names_an_account(cluster: &Snapshot, account: &str, listed: &Listed) -> bool {
    // Most trust policies are for other callers: they need not be parsed.
    let folded = listed.trust.to_ascii_lowercase();
    let issuer = cluster.cluster.as_ref().and_then(|cluster| cluster.issuer.as_ref());
    if !folded.contains("kubernetes-service-account") && !issuer.is_some_and(|issuer| folded.contains(issuer.folded()))
    {
        return false;
    }
    let arn = RoleArn::parse(&listed.arn).ok().filter(|arn| arn.account == account);
    let trust = Document::parse(&listed.trust).ok();
    arn.zip(trust).is_some_and(|(arn, trust)| cluster.names_an_account(&trust, arn))
}

fn is_same(listed: &Listed, before: &Value) -> bool {
    let text = |field: &str| before.get(field).and_then(Value::as_str);
    text("Arn") == Some(listed.arn.as_str())
        && text("AssumeRolePolicyDocument").is_some_and(|trust| decoded(trust) == listed.trust)
}

/// A policy document as it stands in IAM: answers are URL-encoded (RFC 3986).
fn decoded(document: &str) -> String {
    percent_decode_str(document).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::collected::Part;
    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:iam::111122223333:role/{name}")
    }

    #[test]
    fn what_changed_is_read_and_what_is_gone_is_missing() {
        let mut previous = AccountParts::default();
        let mut listing = Listing::new();
        for n in 0..20 {
            let role = json!({"Arn": arn(&format!("R{n}")), "AssumeRolePolicyDocument": format!("%7B{n}%7D")});
            let at = Timestamp::from_second(1_000 - n).unwrap();
            previous.roles.insert(arn(&format!("R{n}")), Part::read(Ok(Some(role)), at, None));
            previous.whole.insert(arn(&format!("R{n}")), at);
            listing.insert(format!("r{n}"), Listed { arn: arn(&format!("R{n}")), trust: format!("{{{n}}}") });
        }
        listing.get_mut("r3").unwrap().trust = "{other}".to_owned();
        listing.get_mut("r4").unwrap().arn = arn("path/R4");
        listing.remove("r5");
        let mut arns: BTreeSet<String> = previous.roles.keys().cloned().collect();
        assert!(pays(&arns, Some(&previous)) && !pays(&arns, None));
        arns.insert(arn("new"));
        listing.insert("new".to_owned(), Listed { arn: arn("new"), trust: String::new() });
        let unread = sort(arns.clone(), &previous, &listing, true);
        assert!(unread.same.is_empty(), "their policies were never read");
        let sorted = sort(arns, &previous, &listing, false);
        assert_eq!(sorted.missing, BTreeSet::from([arn("R5")]));
        let whole = (14..20).map(|n| arn(&format!("R{n}")));
        let read: BTreeSet<String> = whole.chain([arn("R3"), arn("R4"), arn("new")]).collect();
        assert_eq!(sorted.read, read, "the changed, the moved, the new, and the longest unread");
        assert_eq!(sorted.same.len(), 21 - 1 - 9);
    }

    #[test]
    fn only_roles_that_name_an_account_of_the_cluster_are_kept() {
        let cluster = json!({"cluster": {"name": "shop", "identity": {"oidc": {"issuer": "https://x.example/id/A"}}}});
        let cluster = Snapshot::parse(&cluster.to_string()).unwrap();
        let irsa = |issuer: &str, subject: &str| {
            let provider = format!("arn:aws:iam::111122223333:oidc-provider/{issuer}");
            json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": provider}, "Condition": {"StringLike": {format!("{issuer}:sub"): subject}}}]})
        };
        let tags =
            json!({"aws:RequestTag/kubernetes-namespace": "a", "aws:RequestTag/kubernetes-service-account": "b"});
        let pod_identity = json!({"Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"Service": "pods.eks.amazonaws.com"}, "Condition": {"StringEquals": tags}}]});
        let one = "system:serviceaccount:a:b";
        let roles = [
            ("exact", irsa("x.example/id/A", one)),
            ("Pod", pod_identity),
            ("wildcard", irsa("x.example/id/A", "system:serviceaccount:a:*")),
            ("other", irsa("x.example/id/B", one)),
            ("read", irsa("x.example/id/A", one)),
            ("broken", json!("x.example/id/a")),
        ];
        let listed = |name: &str, trust: &Value| Listed { arn: arn(name), trust: trust.to_string() };
        let listing = roles.iter().map(|(name, trust)| (name.to_ascii_lowercase(), listed(name, trust))).collect();
        let read = BTreeSet::from([arn("path/READ")]);
        let found = naming(&cluster, "111122223333", &listing, &read);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&arn("Pod"), &arn("exact")]);
        assert_eq!(found[&arn("exact")]["AssumeRolePolicyDocument"], json!(roles[0].1.to_string()));
        assert!(naming(&cluster, "444455556666", &listing, &read).is_empty(), "of another account");
    }
}
