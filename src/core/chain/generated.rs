//! Names whose ends are generated: the next revision of the package or of the ReplicaSet has another.

/// The name without the generated part, with the hyphen before it: `provider-aws-s3-` of `provider-aws-s3-9a8b7c6d5e4f`, as
/// Crossplane names the service accounts of its providers' revisions.
pub(super) fn stem(name: &str) -> Option<&str> {
    let (stem, suffix) = name.rsplit_once('-')?;
    let is_generated = is_hexadecimal(suffix) || is_safe_encoded(suffix);
    (is_generated && !stem.is_empty()).then(|| name.get(..=stem.len())).flatten()
}

fn is_hexadecimal(suffix: &str) -> bool {
    (8..=16).contains(&suffix.len())
        && suffix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && suffix.bytes().any(|b| b.is_ascii_digit())
        && suffix.bytes().any(|b| b.is_ascii_lowercase())
}

/// The letters of generated names (Kubernetes, `k8s.io/apimachinery/pkg/util/rand`). A word may have them alone; a hash has
/// digits too.
fn is_safe_encoded(suffix: &str) -> bool {
    let digits = suffix.bytes().filter(u8::is_ascii_digit).count();
    (8..=10).contains(&suffix.len())
        && digits >= 2
        && suffix.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn tells_generated_ends_from_words() {
        assert_eq!(stem("provider-aws-s3-9a8b7c6d5e4f"), Some("provider-aws-s3-"));
        assert_eq!(stem("carts-6b7c9d4f8"), Some("carts-"));
        assert_eq!(stem("carts-7f9bxk2z4w"), Some("carts-"));
        for name in
            ["carts", "carts-sa", "carts-v1beta1", "-9a8b7c6d5e4f", "node-20261124", "s3-deadbeef", "eks-workshop"]
        {
            assert_eq!(stem(name), None, "{name}");
        }
    }
}
