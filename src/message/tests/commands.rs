//! How single changes read, where the cases of `tests/cases` do not reach them all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use rolecall_core::fix::{AccountName, Associated, AssociationChange, AssociationName, Change, Fix};
use rolecall_message::fix::{Format, line, rendered};

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

fn account() -> AccountName {
    AccountName { namespace: "shop".into(), name: "carts".into() }
}

/// What an association has stays, in every format that describes it whole.
#[test]
fn a_changed_association_keeps_what_it_has() {
    let association = |has_policy| AssociationName {
        cluster: "prod".into(),
        id: Some("a-1".into()),
        account: account(),
        has: Some(Associated {
            role: "arn:aws:iam::111122223333:role/first".into(),
            target: Some("arn:aws:iam::444455556666:role/second".into()),
            disable_session_tags: true,
            has_policy,
        }),
    };
    let role = || AssociationChange::Role("arn:aws:iam::111122223333:role/other".into());
    let fix = Fix::from(Change::UpdateAssociation(association(false), role()));
    for format in [Format::Terraform, Format::CloudFormation] {
        let text = rendered(&fix, format).unwrap();
        assert!(text.contains("role/other") && text.contains("role/second") && !text.contains("role/first"), "{text}");
        assert!(text.contains("true"), "session tags stay off: {text}");
        let with_policy = Fix::from(Change::UpdateAssociation(association(true), role()));
        assert_eq!(rendered(&with_policy, format), None, "the policy would be lost");
    }
    let target = AssociationChange::Target("arn:aws:iam::444455556666:role/other".into());
    let eksctl = rendered(&Fix::from(Change::UpdateAssociation(association(false), target)), Format::Eksctl).unwrap();
    assert!(eksctl.contains("--role-arn arn:aws:iam::111122223333:role/first --target-role-arn"), "{eksctl}");
}
