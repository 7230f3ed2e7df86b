//! The likely typo behind a value that does not match.

use super::Subject;
use crate::finding::is_deceptive;
use crate::finding::{Hint, IssuerDifference, NameDifference, Remark, SubjectDifference, Typo};
use crate::snapshot::Issuer;

/// Whether a condition's key was meant for our issuer and is written in a way that no token carries: a whole ARN,
/// `https://`, a slash at the end. Returns the claim.
pub(super) fn miswritten_key<'k>(folded_key: &'k str, issuer: &Issuer) -> Option<(&'k str, Typo)> {
    let (written, claim) = split_key(folded_key);
    let (address, typo) = match written.split_once("oidc-provider/") {
        Some((_, rest)) => (rest, Typo::KeyIsArn),
        None if written.contains("://") => (written, Typo::KeyHasScheme),
        None => (written, Typo::KeyHasSlash),
    };
    let bare = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    let meant = bare.trim_end_matches('/') == issuer.folded();
    (meant && written != issuer.folded()).then_some((claim, typo))
}

/// Whether a key is our issuer alone, without a claim.
pub(super) fn is_bare_issuer(folded_key: &str, issuer: &Issuer) -> bool {
    let address = folded_key.split_once("oidc-provider/").map_or(folded_key, |(_, address)| address);
    let bare = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    bare.trim_end_matches(['/', ':']) == issuer.folded()
}

/// The issuer and the claim of a key; the scheme's colon does not count.
pub(super) fn split_key(key: &str) -> (&str, &str) {
    match key.rsplit_once(':') {
        Some((address, claim)) if !claim.starts_with("//") && !claim.contains('/') => (address, claim),
        _ => (key, ""),
    }
}

/// How an issuer differs from the cluster's.
pub(super) fn issuer(found: &str, ours: &Issuer) -> IssuerDifference {
    let found = Issuer::new(found);
    let (found_host, found_id) = split_issuer(found.as_str());
    let (our_host, our_id) = split_issuer(ours.as_str());
    if found.folded() == ours.folded() {
        return IssuerDifference::Case;
    }
    if found_id == our_id && is_transposed(found_host, our_host) {
        return IssuerDifference::Transposed;
    }
    if found_id == our_id {
        return match (region(found_host), region(our_host)) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                IssuerDifference::Region { found: theirs.into(), own: ours.into() }
            }
            _ => IssuerDifference::Host { found: found_host.into(), own: our_host.into() },
        };
    }
    let edits = strsim::levenshtein(found_id, our_id);
    if found_host == our_host && edits <= 2 {
        return IssuerDifference::Id { edits };
    }
    IssuerDifference::OtherCluster { found: found_id.into(), own: our_id.into() }
}

fn split_issuer(issuer: &str) -> (&str, &str) {
    issuer.split_once('/').unwrap_or((issuer, ""))
}

/// `oidc.REGION.eks.…` for `oidc.eks.REGION.…`.
fn is_transposed(found: &str, ours: &str) -> bool {
    let sorted = |host: &str| {
        let mut labels: Vec<String> = host.split('.').map(str::to_owned).collect();
        labels.sort_unstable();
        labels
    };
    found != ours && sorted(found) == sorted(ours)
}

fn region(host: &str) -> Option<&str> {
    host.split(['.', '/']).find(|label| {
        let mut parts = label.split('-');
        parts.next().is_some_and(|p| p.len() == 2)
            && label.ends_with(|c: char| c.is_ascii_digit())
            && parts.count() >= 2
    })
}

/// Whether an address looks like the issuer of a Kubernetes cluster, rather than that of a CI system or an app.
pub(super) fn is_cluster_issuer(address: &str, ours: &Issuer) -> bool {
    let (host, path) = split_issuer(address);
    host.starts_with("oidc.eks.")
        || host.starts_with("oidc-eks.")
        || host.contains(".eks.")
        || (path.starts_with("id/") && host.contains("amazonaws.com"))
        || host == split_issuer(ours.as_str()).0
        || strsim::levenshtein(address, ours.as_str()) <= 4
}

/// Longest text that is compared letter by letter: longer than a subject of any service account.
const MAX_COMPARED_BYTES: usize = 4_096;

/// How many edits make one text the other. That takes time by the product of the lengths, so that texts which are longer than
/// any name count as different by their whole length.
pub(super) fn edits(one: &str, other: &str) -> usize {
    let longest = one.len().max(other.len());
    if longest > MAX_COMPARED_BYTES { longest } else { strsim::levenshtein(one, other) }
}

/// How a subject in a policy differs from the service account's.
pub(super) fn subject(value: &str, subject: Subject<'_>) -> Option<Hint> {
    let claim = subject.claim();
    if value == claim || value.contains("${") {
        return None;
    }
    if value.trim() == claim {
        return Some(Typo::SubjectHasBlank.into());
    }
    let shows = |c: &char| !c.is_whitespace() && !is_deceptive(*c);
    if value.len() <= MAX_COMPARED_BYTES && value.chars().filter(shows).eq(claim.chars()) {
        return Some(Typo::SubjectHasHidden.into());
    }
    if value.eq_ignore_ascii_case(&claim) {
        return Some(Typo::SubjectCase.into());
    }
    if value.contains(".amazonaws.com") && !value.contains("serviceaccount") {
        return Some(Typo::SubjectIsAudience.into());
    }
    let rest = value.strip_prefix("system:serviceaccount:");
    let Some((namespace, name)) = rest.and_then(|rest| rest.split_once(':')) else {
        return Some(Typo::SubjectForm.into());
    };
    if namespace == subject.service_account && name == subject.namespace && namespace != name {
        return Some(Typo::SubjectSwapped.into());
    }
    // A typo changes little. Where neither is alike, the policy means another service account.
    let differs = |theirs: &str, ours: &str| match edits(theirs, ours) {
        _ if rolecall_iam::wildcard_match(theirs, ours) => None,
        0..=2 => Some(NameDifference::Typo { found: theirs.into(), own: ours.into() }),
        _ => Some(NameDifference::Other { found: theirs.into() }),
    };
    let namespace = differs(namespace, subject.namespace);
    let name = differs(name, subject.service_account);
    match (&namespace, &name) {
        (None, None) | (Some(NameDifference::Other { .. }), Some(NameDifference::Other { .. })) => None,
        (Some(NameDifference::Typo { .. }), _) | (_, Some(NameDifference::Typo { .. })) => {
            Some(Typo::Subject(SubjectDifference { namespace, name }).into())
        }
        _ => Some(Remark::Subject(SubjectDifference { namespace, name }).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE1";

    #[test]
    fn recognises_miswritten_keys() {
        let issuer = Issuer::new(OURS);
        let key = |text: &str| miswritten_key(&text.to_ascii_lowercase(), &issuer).map(|(claim, _)| claim.to_owned());
        assert_eq!(key(&format!("arn:aws:iam::111122223333:oidc-provider/{OURS}:sub")), Some("sub".into()));
        assert_eq!(key(&format!("https://{OURS}:aud")), Some("aud".into()));
        assert_eq!(key(&format!("{OURS}/:sub")), Some("sub".into()));
        assert_eq!(key(&format!("{OURS}:sub")), None);
        assert_eq!(key("oidc.eks.us-west-2.amazonaws.com/id/OTHER:sub"), None);
        assert_eq!(key("aws:SourceIp"), None);
    }

    #[test]
    fn tells_issuers_apart() {
        let issuer_of = |url: &str| issuer(url, &Issuer::new(OURS));
        assert_eq!(issuer_of("oidc.us-west-2.eks.amazonaws.com/id/EXAMPLE1"), IssuerDifference::Transposed);
        let region = IssuerDifference::Region { found: "us-east-1".into(), own: "us-west-2".into() };
        assert_eq!(issuer_of("oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE1"), region);
        let other = issuer_of("oidc.eks.us-west-2.amazonaws.com/id/ANOTHERONE");
        assert_eq!(other, IssuerDifference::OtherCluster { found: "id/ANOTHERONE".into(), own: "id/EXAMPLE1".into() });
        assert_eq!(issuer_of("oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE2"), IssuerDifference::Id { edits: 1 });
    }

    #[test]
    fn tells_clusters_from_other_issuers() {
        let ours = Issuer::new(OURS);
        for address in [
            "oidc.eks.us-east-1.amazonaws.com/id/OTHER",
            "oidc-eks.us-west-2.api.aws/id/OTHER",
            "oidc.us-west-2.eks.amazonaws.com/id/EXAMPLE1",
            "oidc.kops.us-west-2.amazonaws.com/id/OTHER",
            "oidc.eks.us-west-2.amazonaws.com/OTHER",
        ] {
            assert!(is_cluster_issuer(address, &ours), "{address}");
        }
        for address in [
            "token.actions.githubusercontent.com",
            "accounts.google.com",
            "cognito-idp.us-west-2.amazonaws.com/pool",
            "gitlab.example/id/1",
        ] {
            assert!(!is_cluster_issuer(address, &ours), "{address}");
        }
    }

    #[test]
    fn tells_subjects_apart() {
        let of = |value: &str| subject(value, Subject { namespace: "carts", service_account: "carts-sa" });
        let namespace = NameDifference::Typo { found: "cart".into(), own: "carts".into() };
        let differs = SubjectDifference { namespace: Some(namespace), name: None };
        assert_eq!(of("system:serviceaccount:cart:carts-sa"), Some(Typo::Subject(differs).into()));
        assert_eq!(of("system:serviceaccount:carts-sa:carts"), Some(Typo::SubjectSwapped.into()));
        assert!(!of("system:serviceaccount:orders:carts-sa").unwrap().is_typo());
        assert_eq!(of("system:serviceaccount:orders:billing"), None, "nothing is alike");
        assert_eq!(of("sts.amazonaws.com"), Some(Typo::SubjectIsAudience.into()));
        assert_eq!(of("System:ServiceAccount:carts:carts-sa"), Some(Typo::SubjectCase.into()));
        assert_eq!(of("carts:carts-sa"), Some(Typo::SubjectForm.into()));
    }
}
