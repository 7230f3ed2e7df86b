//! Rules on the role that a service account or an association names.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// The value is not the ARN of an IAM role.
pub static ROLE_ARN_MALFORMED: Rule = Rule {
    name: "role-arn-malformed",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the role is not an IAM role ARN: a bare name, another kind of ARN, blanks, a \
            placeholder",
    meaning: "The value cannot be the ARN of an IAM role. It is a bare name, the ARN of something \
              else (an instance profile, an assumed role), or a role ARN with a blank, a line \
              break, quotes or an unrendered placeholder in it.",
    why: "The injector neither trims nor refuses the value: it logs `arn is invalid` and injects \
          it all the same. STS then answers `ValidationError`. Python, Go v2 and Rust SDKs stop \
          with that error; the Java SDKs swallow it and go on, silently, to the node role.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations: # a blank at the end
    eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo ""#,
    fix: "Copy the ARN from IAM, exactly as printed, and restart the workload. In YAML do not \
          use the block style `|`, which adds a line break.\n\
          \n    aws iam get-role --role-name eks-workshop-carts-dynamo \\\
          \n        --query Role.Arn --output text\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN",
    sources: &[
        "IAM User Guide: IAM identifiers",
        "AWS STS API Reference: AssumeRoleWithWebIdentity",
        "amazon-eks-pod-identity-webhook: pkg/cache/cache.go",
    ],
};

/// The role's ARN is of another AWS partition than the cluster.
pub static ROLE_ARN_PARTITION: Rule = Rule {
    name: "role-arn-partition",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the role's ARN is of another partition than the cluster",
    meaning: "The role's ARN and the cluster's ARN begin differently, for instance `arn:aws:` \
              against `arn:aws-cn:` or `arn:aws-us-gov:`. Accounts, roles and STS of one partition \
              are unknown in another.",
    why: "STS in the cluster's partition refuses the call with `AccessDenied`, and the message \
          does not mention the partition. Python, Go v2 and Rust SDKs stop with that error; the \
          Java SDKs fall through silently to the node role.",
    example: r#"# The cluster is arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/shop
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Name a role in the cluster's own partition. The second part of the cluster's ARN \
          shows which one that is.\n\
          \n    aws eks describe-cluster --name shop --query cluster.arn --output text\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/role-arn=arn:PARTITION:iam::111122223333:role/ROLE_NAME",
    sources: &[
        "IAM User Guide: Identify AWS resources with Amazon Resource Names (ARNs)",
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
    ],
};

/// The role has a path, and the ARN leaves it out.
pub static ROLE_PATH_MISSING: Rule = Rule {
    name: "role-path-missing",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a role of this name exists, under a path that the ARN does not have",
    meaning: "The account has a role of this name, but its path is another one: the role is \
              `role/team/carts`, and the ARN says `role/carts`. The path is part of the ARN, so \
              the ARN names a role that does not exist.",
    why: "STS refuses the call with `AccessDenied`, although the role is plainly there in the \
          console, which lists roles by name. Python, Go v2 and Rust SDKs stop with that error; \
          the Java SDKs fall through silently to the node role. The old `aws-auth` ConfigMap \
          wanted the path removed; here it must stay.",
    example: r#"# The role is arn:aws:iam::111122223333:role/shop/eks-workshop-carts-dynamo
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Use the whole ARN, path included, and restart the workload.\n\
          \n    aws iam get-role --role-name eks-workshop-carts-dynamo \\\
          \n        --query Role.Arn --output text\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN",
    sources: &["IAM User Guide: IAM identifiers", "IAM API Reference: GetRole"],
};

/// The ARN differs from that of an existing role only in its letter case.
pub static ROLE_ARN_CASE: Rule = Rule {
    name: "role-arn-case",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "the role's ARN differs from an existing role's only by upper and lower case",
    meaning: "A role exists whose ARN is the same but for the case of some letters. IAM lets no \
              two roles of an account differ only by case, so that role is surely the one meant.",
    why: "AWS does not say whether STS accepts an ARN in another case than the role's own, so it \
          may work and may not. Policies that compare ARNs with `StringEquals` or `StringLike` do \
          tell the cases apart.",
    example: r#"# The role is arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/EKS-Workshop-Carts-Dynamo"#,
    fix: "Copy the ARN exactly as IAM prints it, and restart the workload.\n\
          \n    aws iam get-role --role-name eks-workshop-carts-dynamo \\\
          \n        --query Role.Arn --output text\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN",
    sources: &[
        "IAM User Guide: IAM and AWS STS quotas",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
    ],
};

/// The account is known, and has no such role.
pub static ROLE_MISSING: Rule = Rule {
    name: "role-missing",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "no such role exists in its account",
    meaning: "rolecall has read the roles of this account, and this role is not among them. It was \
              deleted, renamed, never created, or the ARN was copied from another environment.",
    why: "STS refuses the call with `AccessDenied` and does not say that the role is missing. \
          Python, Go v2 and Rust SDKs stop with that error; the Java SDKs fall through silently to \
          the node role. A role that was created a moment ago may not be visible everywhere yet: \
          IAM is eventually consistent.",
    example: r#"# Account 111122223333 has no role eks-workshop-cart-dynamo
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-cart-dynamo"#,
    fix: "Find the right name and use its ARN, or create the role.\n\
          \n    aws iam list-roles --query \"Roles[?contains(RoleName, 'carts')].Arn\"\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n\n    aws iam create-role --role-name ROLE_NAME \\\
          \n        --assume-role-policy-document file://trust.json",
    sources: &["Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts", "IAM API Reference: GetRole"],
};

/// The role is of an account that cannot be read.
pub static ROLE_ACCOUNT_UNSEEN: Rule = Rule {
    name: "role-account-unseen",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    fires: "the role is in an account that rolecall cannot read",
    meaning: "The role's account is not in the snapshot. Whether the role exists, whether the \
              cluster's issuer is registered there, and effective the role trusts cannot be judged.",
    why: "It may well work. For IRSA across accounts the OIDC provider must be registered in the \
          role's account, not in the cluster's; without it STS answers `InvalidIdentityToken: No \
          OpenIDConnect provider found in your account for https://...`. A missing role or a wrong \
          trust policy shows as `AccessDenied`.",
    example: r#"# The cluster is in account 111122223333; 444455556666 is not in the snapshot
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::444455556666:role/carts-orders-reader"#,
    fix: "Let rolecall read that account, or add the account to the snapshot. Until then look \
          for yourself, with credentials of that account.\n\
          \n    aws iam get-account-authorization-details --filter Role --profile ACCOUNT_PROFILE\
          \n    aws iam list-open-id-connect-providers --profile ACCOUNT_PROFILE\
          \n    aws iam get-open-id-connect-provider --profile ACCOUNT_PROFILE \\\
          \n        --open-id-connect-provider-arn PROVIDER_ARN",
    sources: &[
        "Amazon EKS User Guide: Authenticate to another account with IRSA",
        "IAM API Reference: GetAccountAuthorizationDetails",
    ],
};

/// What a requester is told of a role that is not the namespace's own.
pub static ROLE_NOT_ASSUMABLE: Rule = Rule {
    name: "role-not-assumable",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    fires: "the webhook found a problem with a role that does not belong to the requester's \
            namespace, and keeps the details in its audit log",
    meaning: "The workload names a role that does not belong to its namespace, and rolecall did \
              not find that the service account can assume it. The role may not exist, may not \
              trust the service account, or may be one that rolecall cannot read. The requester \
              reads the same text in all of these cases. Where the namespace enforces and the true \
              problem is certain, the workload is denied, and the denial shows this rule. The audit log has the full text under \
              the `uid` of the request; `rolecall scan` and `rolecall check` always print it.",
    why: "A requester needs no right in AWS to create a pod or a service account. With full \
          messages, anyone who may do so could list roles of other teams, and learn effective they \
          trust. `messages.iamDetail` in the configuration sets how much a requester reads.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: frontend
  namespace: web
  annotations: # a role whose name and trust policy do not name the namespace web
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Send the reference in the message to the team that runs rolecall: it finds the full text \
          in the audit log. If the role is yours, name the namespace in the role's trust policy, \
          or have it listed under `messages.ownRoles`.\n\
          \n    kubectl logs -n rolecall deployment/rolecall | grep REFERENCE",
    sources: &[
        "Kubernetes: Admission Control Threat Model (SIG Security)",
        "OWASP API Security Top 10: Broken Object Level Authorization",
    ],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &ROLE_NOT_ASSUMABLE,
    &ROLE_ARN_MALFORMED,
    &ROLE_ARN_PARTITION,
    &ROLE_PATH_MISSING,
    &ROLE_ARN_CASE,
    &ROLE_MISSING,
    &ROLE_ACCOUNT_UNSEEN,
];
