//! Rules on IAM roles for service accounts: the OIDC provider and the role's trust policy.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// A sentence, followed by the commands that read a trust policy, change it with a jq program and write it back.
macro_rules! edit_trust_policy {
    ($sentence:literal, $program:literal) => {
        concat!(
            $sentence,
            "\n",
            "\n    aws iam get-role --role-name eks-workshop-carts-dynamo --output json \\",
            "\n        --query Role.AssumeRolePolicyDocument > trust.json",
            "\n    jq '",
            $program,
            "' \\",
            "\n        trust.json > new-trust.json",
            "\n    aws iam update-assume-role-policy --role-name eks-workshop-carts-dynamo \\",
            "\n        --policy-document file://new-trust.json",
        )
    };
}

/// The same for a trust policy that kept pods out.
macro_rules! fix_trust_policy {
    ($sentence:literal, $program:literal) => {
        concat!(
            edit_trust_policy!($sentence, $program),
            "\n\nThen restart the Java workloads concerned: once their SDK has the node role, it \
             keeps it.",
        )
    };
}
pub(super) use {edit_trust_policy, fix_trust_policy};

/// The cluster's issuer is not registered in the role's account.
pub static OIDC_PROVIDER_MISSING: Rule = Rule {
    name: "oidc-provider-missing",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the cluster's issuer is not an OIDC provider in the role's account",
    meaning: "The role's account has no IAM OIDC provider for this cluster's issuer URL. Without \
              it the account accepts no token of this cluster, whatever the trust policy says. The \
              account that counts is the role's, also when the cluster is in another one.",
    why: "STS answers `InvalidIdentityToken: No OpenIDConnect provider found in your account for \
          https://oidc.eks...`. Python, Go v2 and Rust SDKs stop with that error; the Java SDKs \
          swallow it and go on, silently, to the node role.",
    example: r#"{
  "cluster": {
    "name": "shop",
    "identity": {
      "oidc": {
        "issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      }
    }
  },
  "accounts": {
    "111122223333": {
      "oidcProviders": []
    }
  }
}"#,
    fix: "Register the issuer in the role's account, once for each cluster. The first command \
          does it in the cluster's account, the second in any account.\n\
          \n    eksctl utils associate-iam-oidc-provider --cluster shop --approve\
          \n\n    aws iam create-open-id-connect-provider --url ISSUER_URL \\\
          \n        --client-id-list sts.amazonaws.com --profile ACCOUNT_PROFILE",
    sources: &[
        "Amazon EKS User Guide: Create an IAM OIDC provider for your cluster",
        "Amazon EKS User Guide: Authenticate to another account with IRSA",
        "AWS STS API Reference: AssumeRoleWithWebIdentity",
    ],
};

/// The OIDC provider does not know the audience of the token.
pub static OIDC_PROVIDER_AUDIENCE: Rule = Rule {
    name: "oidc-provider-audience",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the OIDC provider's client IDs do not include the token's audience",
    meaning: "The pod's token is made out for an audience that is not among the client IDs of the \
              OIDC provider. The audience is `sts.amazonaws.com`, unless the service account asks \
              for another one with `eks.amazonaws.com/audience`.",
    why: "STS answers `InvalidIdentityToken: Incorrect token audience`, before it looks at any \
          trust policy. Common slips are `sts.amazon.com` and a regional name such as \
          `sts.eu-central-1.amazonaws.com`. Python, Go v2 and Rust SDKs stop with that error; the \
          Java SDKs fall through silently to the node role.",
    example: r#"{
  "Arn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
  "Url": "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
  "ClientIDList": ["sts.amazon.com"]
}"#,
    fix: "Add the audience to the provider, in the role's account. Restart Java workloads that \
          have already fallen through: once their SDK has the node role, it keeps it.\n\
          \n    aws iam add-client-id-to-open-id-connect-provider \\\
          \n        --open-id-connect-provider-arn PROVIDER_ARN --client-id sts.amazonaws.com",
    sources: &[
        "Amazon EKS User Guide: Create an IAM OIDC provider for your cluster",
        "IAM API Reference: AddClientIDToOpenIDConnectProvider",
        "AWS STS API Reference: AssumeRoleWithWebIdentity",
    ],
};

/// Nothing in the trust policy trusts an OIDC provider of this cluster.
pub static IRSA_TRUST_PRINCIPAL: Rule = Rule {
    name: "irsa-trust-principal",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "no statement of the trust policy trusts this cluster's OIDC provider",
    meaning: "The role trusts another principal: EC2, ECS, Lambda, EKS Pod Identity or another \
              account. No statement has this cluster's OIDC provider as its `Federated` principal.",
    why: "STS answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`, the \
          same words for every mistake in a trust policy. Python, Go v2 and Rust SDKs stop with \
          that error; the Java SDKs fall through silently to the node role. A role that trusts \
          only `pods.eks.amazonaws.com` is half migrated: it works with an association, and not \
          with the annotation.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "ecs-tasks.amazonaws.com"},
      "Action": "sts:AssumeRole"
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Add a statement that allows `sts:AssumeRoleWithWebIdentity` to the `Federated` principal \
         `arn:aws:iam::ACCOUNT:oidc-provider/ISSUER`, where ISSUER is the issuer URL without \
         `https://`. Limit it to the service account with a condition on `ISSUER:sub`.",
        r#".Statement += [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"ISSUER:sub": "system:serviceaccount:carts:carts", "ISSUER:aud": "sts.amazonaws.com"}}}]"#
    ),
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "IAM User Guide: IAM JSON policy elements: Principal",
    ],
};

/// The trust policy trusts the issuer of another cluster.
pub static IRSA_TRUST_ISSUER: Rule = Rule {
    name: "irsa-trust-issuer",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the trust policy trusts another issuer than this cluster's",
    meaning: "The role trusts an EKS issuer, but not the one of this cluster. The ID is an older \
              cluster's, the Region is another one, or the host name is misspelled. Each new \
              cluster has a new issuer ID, also under an old name.",
    why: "STS answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`. \
          This is what follows when a cluster is created again, or replaced blue for green. \
          Python, Go v2 and Rust SDKs stop with that error; the Java SDKs fall through silently to \
          the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE8C21F07B3A94E6D502EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE8C21F07B3A94E6D502EXAMPLE:sub": "system:serviceaccount:carts:carts"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Add a statement for this cluster's issuer, in the principal and in every condition key. \
         `aws eks describe-cluster --name shop --query cluster.identity.oidc.issuer` prints it; \
         leave out `https://`. Keep the old statement as long as the other cluster lives.",
        r#".Statement += [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"ISSUER:sub": "system:serviceaccount:carts:carts", "ISSUER:aud": "sts.amazonaws.com"}}}]"#
    ),
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "Amazon EKS User Guide: Create an IAM OIDC provider for your cluster",
        "Amazon EKS Best Practices Guide: Identity and Access Management",
    ],
};

/// The provider is trusted, for another action.
pub static IRSA_TRUST_ACTION: Rule = Rule {
    name: "irsa-trust-action",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the provider is trusted for another action than `sts:AssumeRoleWithWebIdentity`",
    meaning: "A statement trusts this cluster's OIDC provider, but does not allow \
              `sts:AssumeRoleWithWebIdentity`. Most often it says `sts:AssumeRole`, which is \
              another action.",
    why: "A token is exchanged with `sts:AssumeRoleWithWebIdentity` and with nothing else. STS \
          answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`. Python, \
          Go v2 and Rust SDKs stop with that error; the Java SDKs fall through silently to the \
          node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRole",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:carts"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Make the action of the statement `sts:AssumeRoleWithWebIdentity`. IRSA sends no session \
         tags, so `sts:TagSession` is not needed.",
        r#".Statement[0].Action = "sts:AssumeRoleWithWebIdentity""#
    ),
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "AWS STS API Reference: AssumeRoleWithWebIdentity",
    ],
};

/// The condition on the subject names another service account.
pub static IRSA_TRUST_SUBJECT: Rule = Rule {
    name: "irsa-trust-subject",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the condition on `ISSUER:sub` does not match this service account",
    meaning: "The trust policy wants another subject than `system:serviceaccount:NAMESPACE:NAME` \
              of this pod: another namespace, another service account, another upper or lower \
              case, or a value that belongs under `ISSUER:aud`.",
    why: "STS answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity` and \
          does not say which value it wanted. `StringEquals` and `StringLike` tell upper from \
          lower case in values, not in keys. Python, Go v2 and Rust SDKs stop with that error; the \
          Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:cart",
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud": "sts.amazonaws.com"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Write the subject that the pod presents, here `system:serviceaccount:carts:carts`, under \
         `ISSUER:sub`. Several service accounts go in a list.",
        r#".Statement[0].Condition.StringEquals["ISSUER:sub"] = "system:serviceaccount:carts:carts""#
    ),
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "IAM User Guide: IAM and AWS STS condition context keys",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
    ],
};

/// A wildcard stands under an operator that takes it literally.
pub static IRSA_TRUST_WILDCARD: Rule = Rule {
    name: "irsa-trust-wildcard",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a value with `*` or `?` stands under an exact operator such as `StringEquals`",
    meaning: "The value has a wildcard, and the operator compares character by character. \
              `StringEquals` takes `*` for the character itself, and no subject contains one.",
    why: "The statement never matches. STS answers `AccessDenied: Not authorized to perform \
          sts:AssumeRoleWithWebIdentity`. Python, Go v2 and Rust SDKs stop with that error; the \
          Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:*"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Name the service account in full, here `system:serviceaccount:carts:carts`. If every \
         service account of the namespace is meant, keep the wildcard and make the operator \
         `StringLike`.",
        r#".Statement[0].Condition = {"StringEquals": {"ISSUER:sub": "system:serviceaccount:carts:carts", "ISSUER:aud": "sts.amazonaws.com"}}"#
    ),
    sources: &[
        "IAM User Guide: IAM JSON policy elements: Condition operators",
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
    ],
};

/// The condition on the audience does not match the token's.
pub static IRSA_TRUST_AUDIENCE: Rule = Rule {
    name: "irsa-trust-audience",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the condition on `ISSUER:aud` does not match the token's audience",
    meaning: "The trust policy wants another audience than the pod's token has. The token has \
              `sts.amazonaws.com`, unless the service account asks for another one with \
              `eks.amazonaws.com/audience`, or the cluster's injector has another default. \
              Sometimes the subject was written under `ISSUER:aud` by mistake.",
    why: "STS answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`. The \
          provider's client IDs are checked earlier and apart, so both must hold the audience. \
          Python, Go v2 and Rust SDKs stop with that error; the Java SDKs fall through silently to \
          the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:carts",
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud": "sts.us-west-2.amazonaws.com"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Write the audience that the token has, usually `sts.amazonaws.com`, under `ISSUER:aud`. \
         If the service account asks for another audience without need, remove its annotation \
         `eks.amazonaws.com/audience` instead and restart the workload.",
        r#".Statement[0].Condition.StringEquals["ISSUER:aud"] = "sts.amazonaws.com""#
    ),
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "IAM User Guide: IAM and AWS STS condition context keys",
        "amazon-eks-pod-identity-webhook: pkg/cache/cache.go",
    ],
};

/// A condition rests on a key that the request does not carry.
pub static IRSA_TRUST_KEY: Rule = Rule {
    name: "irsa-trust-key",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a condition rests on a key that a token of this cluster never carries",
    meaning: "The condition uses a key that is absent from the request. Either the key is \
              misspelled, with `https://`, a slash at the end or the whole provider ARN in front \
              of `:sub`, or it is one that an EKS token does not supply, such as `ISSUER:amr`, \
              `ISSUER:email` or `aws:RequestTag/...`. Spelled right, it is the issuer without \
              `https://`, a colon, and `sub` or `aud`.",
    why: "A condition on an absent key is false under `StringEquals` and the like, so the \
          statement never matches. STS answers `AccessDenied: Not authorized to perform \
          sts:AssumeRoleWithWebIdentity`. Python, Go v2 and Rust SDKs stop with that error; the \
          Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:carts"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Correct the key to `ISSUER:sub` or `ISSUER:aud`, with the issuer's host and path alone. \
         Remove a condition on a key that the token cannot have.",
        r#"del(.Statement[0].Condition.StringEquals["WRONG_KEY"]) | .Statement[0].Condition.StringEquals["ISSUER:sub"] = "system:serviceaccount:carts:carts""#
    ),
    sources: &[
        "IAM User Guide: IAM and AWS STS condition context keys",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
        "IAM User Guide: AWS global condition context keys",
    ],
};

/// A Deny statement applies to this pod.
pub static IRSA_TRUST_DENIED: Rule = Rule {
    name: "irsa-trust-denied",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a `Deny` statement of the trust policy applies to this service account",
    meaning: "A statement with the effect `Deny` matches the request of this pod. A `Deny` wins \
              over every `Allow`, so no other statement can fix it.",
    why: "STS answers `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`. A \
          negated operator such as `StringNotEquals` is true also when its key is absent, so a \
          `Deny` often reaches further than its author meant. Python, Go v2 and Rust SDKs stop \
          with that error; the Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:carts"
        }
      }
    },
    {
      "Effect": "Deny",
      "Principal": "*",
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringNotLike": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:orders:*"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "If the `Deny` is not meant for this service account, exclude the service account from it or remove \
         the statement. If it is meant, the workload must use another role.",
        r#"del(.Statement[1])"#
    ),
    sources: &[
        "IAM User Guide: Policy evaluation logic",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
    ],
};

/// The outcome rests on something that admission cannot know.
pub static IRSA_TRUST_UNDECIDED: Rule = Rule {
    name: "irsa-trust-undecided",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    fires: "the trust policy's outcome rests on something that is unknown at admission",
    meaning: "Everything that can be checked holds, but the outcome still depends on a key that \
              only the real request has: `aws:SourceIp`, `aws:SourceVpc`, `aws:SourceVpce`, a \
              date, `sts:RoleSessionName`. The message names the keys. It also fires where AWS \
              does not document the outcome: `aws:FederatedProvider`, \
              `Principal: {\"Federated\": \"*\"}`, or a token whose audience cannot be read.",
    why: "It works when the request meets the condition, and is refused otherwise with \
          `AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`. The result may \
          differ from node to node or change when an address changes. Python, Go v2 and Rust SDKs \
          then stop with that error; the Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:sub": "system:serviceaccount:carts:carts"
        },
        "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Check the condition against the address, network or session that the pods will really \
         have. If it is not needed, remove it: `ISSUER:sub` and `ISSUER:aud` already say who may \
         take the role.",
        r#"del(.Statement[0].Condition.OPERATOR["KEY"])"#
    ),
    sources: &[
        "IAM User Guide: AWS global condition context keys",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
    ],
};

/// More service accounts than meant may take the role.
pub static IRSA_TRUST_OPEN: Rule = Rule {
    name: "irsa-trust-open",
    level: Level::Strict,
    certainty: Certainty::Likely,
    fires: "any service account of the cluster, or of another issuer, may take the role",
    meaning: "The chain holds, for too many. The trust policy has no condition on `ISSUER:sub`, or \
              one that is true for everybody: a pattern that matches every subject, \
              `ForAllValues:` or `...IfExists` on a key that is absent.",
    why: "Nothing fails. Whoever can create a pod, in any namespace, can take this role and act \
          with its rights. `ForAllValues:` and `...IfExists` are true when the key is absent, so \
          with another issuer's key the condition checks nothing.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE:aud": "sts.amazonaws.com"
        }
      }
    }
  ]
}"#,
    fix: edit_trust_policy!(
        "Add a plain `StringEquals` on `ISSUER:sub` with the service accounts that may take the \
         role, here `system:serviceaccount:carts:carts`.",
        r#".Statement[0].Condition.StringEquals["ISSUER:sub"] = "system:serviceaccount:carts:carts""#
    ),
    sources: &[
        "Amazon EKS Best Practices Guide: Identity and Access Management",
        "IAM User Guide: Single-valued vs. multivalued context keys",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
    ],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &OIDC_PROVIDER_MISSING,
    &OIDC_PROVIDER_AUDIENCE,
    &IRSA_TRUST_PRINCIPAL,
    &IRSA_TRUST_ISSUER,
    &IRSA_TRUST_ACTION,
    &IRSA_TRUST_SUBJECT,
    &IRSA_TRUST_WILDCARD,
    &IRSA_TRUST_AUDIENCE,
    &IRSA_TRUST_KEY,
    &IRSA_TRUST_DENIED,
    &IRSA_TRUST_UNDECIDED,
    &IRSA_TRUST_OPEN,
];
