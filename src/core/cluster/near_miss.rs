//! Annotations that were meant for the injector and are not what it reads.

use super::conventions::Conventions;
use crate::workload::Metadata;

/// An annotation that comes close to the role annotation, where the right one is absent or empty.
pub fn misspelled_annotation<'m>(metadata: &'m Metadata<'_>, conventions: &Conventions) -> Option<(&'m str, &'m str)> {
    let right = conventions.role_arn_key();
    if metadata.annotations.get(right).is_some_and(|value| !value.is_empty()) {
        return None;
    }
    metadata.annotations.iter().find(|(key, value)| !value.is_empty() && *key != right && is_close(key, conventions))
}

/// An annotation of kiam or kube2iam, which the EKS injector does not read.
pub fn legacy_annotation<'m>(metadata: &'m Metadata<'_>) -> Option<(&'m str, &'m str)> {
    metadata.annotations.iter().find(|(key, value)| *key == "iam.amazonaws.com/role" && !value.is_empty())
}

/// Domains that people write for the injector's.
const DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "aws.amazon.com",
    "eks.amazon.com",
    "eks.amazonaws.com",
    "eks.amazonaws.com.cn",
    "eks.aws.amazon.com",
    "iam.amazonaws.com",
];

fn is_close(key: &str, conventions: &Conventions) -> bool {
    let folded = key.to_ascii_lowercase();
    let right = conventions.role_arn_key();
    if folded.len().abs_diff(right.len()) > 20 || folded == "iam.amazonaws.com/role" {
        return false;
    }
    if strsim::levenshtein(&folded, right) <= 2 {
        return true;
    }
    let (domain, name) = folded.split_once('/').unwrap_or(("", &folded));
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let names_role =
        matches!(name.as_str(), "rolearn" | "iamrolearn" | "rolearns" | "iamrole" | "role" | "irsarolearn");
    let known = DOMAINS.contains(&domain)
        || domain == conventions.annotation_prefix
        || strsim::levenshtein(domain, &conventions.annotation_prefix) <= 2;
    names_role && (known || (domain.is_empty() && name == "rolearn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_typos_from_other_annotations() {
        let conventions = Conventions::default();
        for typo in [
            "eks.amazon.com/role-arn",
            "eks.amazonaws.com/role_arn",
            "eks.amazonaws.com/rolearn",
            "eks.amazonaws.com/iam-role",
            "eks.amazonaws.com/role",
            "eks.amazonaws.com/Role-ARN",
            "amazonaws.com/role-arn",
            "eks.amazonaws.com/role-anr",
            "ekss.amazonaws.com/role-arn",
            "iam.amazonaws.com/role-arn",
            "role-arn",
        ] {
            assert!(is_close(typo, &conventions), "{typo}");
        }
        for other in [
            "eks.amazonaws.com/audience",
            "eks.amazonaws.com/token-expiration",
            "eks.amazonaws.com/sts-regional-endpoints",
            "iam.amazonaws.com/role",
            "meta.helm.sh/release-name",
            "rbac.example.com/role",
            "kubectl.kubernetes.io/last-applied-configuration",
        ] {
            assert!(!is_close(other, &conventions), "{other}");
        }
    }
}
