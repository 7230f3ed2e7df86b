//! Pods that must have an identity because the operator's configuration says so.

use crate::workload::Pairs;

/// Selects pods, as `rolecall.dev/identity: required` on them would. All of its parts must match; an empty one matches
/// everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentitySelector {
    /// Namespaces, with `*` and `?`.
    pub namespaces: Vec<String>,
    /// Names of service accounts, with `*` and `?`.
    pub service_accounts: Vec<String>,
    /// Labels that the pod must carry, with these values.
    pub pod_labels: Vec<(String, String)>,
}

impl IdentitySelector {
    /// Whether it selects the pods of this service account with these labels.
    pub fn selects(&self, namespace: &str, service_account: &str, labels: &Pairs<'_>) -> bool {
        let any = |patterns: &[String], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| rolecall_iam::wildcard_match(pattern, name))
        };
        any(&self.namespaces, namespace)
            && any(&self.service_accounts, service_account)
            && self.pod_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether it has no part: it would select every pod of the cluster.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.service_accounts.is_empty() && self.pod_labels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Text;

    fn pairs(pairs: &[(&'static str, &'static str)]) -> Pairs<'static> {
        Pairs(pairs.iter().map(|(key, value)| (Text((*key).into()), Text((*value).into()))).collect())
    }

    #[test]
    fn every_part_must_match() {
        let selector = IdentitySelector {
            namespaces: vec!["team-*".to_owned(), "carts".to_owned()],
            service_accounts: vec!["c?rts".to_owned()],
            pod_labels: vec![("aws".to_owned(), "yes".to_owned())],
        };
        let labels = pairs(&[("app", "carts"), ("aws", "yes")]);
        assert!(selector.selects("team-a", "carts", &labels) && selector.selects("carts", "carts", &labels));
        assert!(!selector.selects("other", "carts", &labels));
        assert!(!selector.selects("carts", "orders", &labels));
        assert!(!selector.selects("carts", "carts", &pairs(&[("aws", "no")])));
        assert!(!selector.selects("carts", "carts", &pairs(&[])));
        assert!(!selector.is_empty() && IdentitySelector::default().is_empty());
        assert!(IdentitySelector::default().selects("any", "any", &pairs(&[])));
    }
}
