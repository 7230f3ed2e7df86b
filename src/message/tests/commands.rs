//! How single changes read, where the cases of `tests/cases` do not reach them all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use rolecall_core::fix::{AccountName, Change, Fix};
use rolecall_message::fix::{Format, line, rendered, sentence};

fn recreate(kind: &str) -> Fix {
    Fix::from(Change::Recreate { kind: kind.into(), namespace: "shop".into(), name: Some("carts".into()) })
}

#[test]
fn pods_are_re_created_by_what_owns_them() {
    for (kind, words) in [
        ("StatefulSet", "kubectl rollout restart -n shop statefulset/carts"),
        ("CronJob", "kubectl create job -n shop --from=cronjob/carts carts-again"),
        ("Job", "kubectl delete job -n shop carts"),
        ("Pod", "kubectl delete pod -n shop carts"),
        ("Rollout", "delete the pods of Rollout shop/carts"),
    ] {
        let fix = line(&recreate(kind));
        assert!(fix.contains(words), "{kind}: {fix}");
    }
}

/// An association of `default` would give the role to every pod that names no service account.
#[test]
fn no_association_is_advised_for_the_default_service_account() {
    let account = AccountName { namespace: "shop".into(), name: "default".into() };
    let fix = Fix::from(Change::CreateAssociation { cluster: "prod".into(), account, role: None });
    assert!(sentence(&fix).starts_with("create a service account for this workload"), "{}", sentence(&fix));
    for format in [Format::Cli, Format::Terraform, Format::Eksctl] {
        let text = rendered(&fix, format).unwrap();
        assert!(text.contains("SERVICE_ACCOUNT") && !text.contains("default"), "{text}");
    }
}
