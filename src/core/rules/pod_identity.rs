//! Rules on EKS Pod Identity: the role's trust policy, the target role, the agent, the platform.

use super::Rule;
use super::irsa::{edit_trust_policy, fix_trust_policy};
use crate::decision::Level;
use crate::finding::Certainty;

/// The role does not trust EKS Pod Identity.
pub static POD_IDENTITY_TRUST_PRINCIPAL: Rule = Rule {
    name: "pod-identity-trust-principal",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the trust policy does not trust `pods.eks.amazonaws.com`",
    meaning: "An association names this role, but no statement of its trust policy has the service \
              principal `pods.eks.amazonaws.com`. EKS looks at the trust policy when the \
              association is made, so it was probably changed since.",
    why: "EKS may not take the role for the pod: the agent's call to `AssumeRoleForPodIdentity` \
          ends in `AccessDenied`. The Python and Go v2 SDKs stop with an error; the Java SDKs fall \
          through silently to the node role. A new association with this role is refused: `Trust \
          policy of the role provided is invalid`.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "ec2.amazonaws.com"},
      "Action": "sts:AssumeRole"
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Add a statement that allows `sts:AssumeRole` and `sts:TagSession` to the service \
         principal `pods.eks.amazonaws.com`.",
        r#".Statement += [{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]"#
    ),
    sources: &[
        "Amazon EKS User Guide: Create IAM role with trust policy required by EKS Pod Identity",
        "Amazon EKS API Reference: AssumeRoleForPodIdentity",
    ],
};

/// The role trusts EKS Pod Identity for too little.
pub static POD_IDENTITY_TRUST_ACTION: Rule = Rule {
    name: "pod-identity-trust-action",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "`pods.eks.amazonaws.com` is allowed `sts:AssumeRole` or `sts:TagSession`, and not both",
    meaning: "The trust policy trusts `pods.eks.amazonaws.com`, but lacks one of the actions that \
              EKS uses: `sts:AssumeRole`, and `sts:TagSession` for the session tags. The two may \
              stand in different statements. Without session tags, `sts:AssumeRole` is enough.",
    why: "The agent's call to `AssumeRoleForPodIdentity` ends in `AccessDenied`. The Python and Go \
          v2 SDKs stop with an error; the Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": "sts:AssumeRole"
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Allow both: `\"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"]`.",
        r#".Statement[0].Action = ["sts:AssumeRole", "sts:TagSession"]"#
    ),
    sources: &[
        "Amazon EKS User Guide: Create IAM role with trust policy required by EKS Pod Identity",
        "IAM User Guide: Pass session tags in AWS STS",
    ],
};

/// Conditions on session tags do not match what EKS sends.
pub static POD_IDENTITY_TRUST_TAGS: Rule = Rule {
    name: "pod-identity-trust-tags",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a condition on session tags does not match, or the association sends none",
    meaning: "The trust policy has a condition on `aws:RequestTag/...`. Either its value is not \
              the one that EKS sends for this pod, or the association has `disableSessionTags: \
              true`, so that no tags are sent at all.",
    why: "EKS sends `eks-cluster-arn`, `eks-cluster-name`, `kubernetes-namespace`, \
          `kubernetes-service-account`, `kubernetes-pod-name` and `kubernetes-pod-uid`. When a \
          condition on them does not match, the agent's call to `AssumeRoleForPodIdentity` ends in \
          `AccessDenied`. The Python and Go v2 SDKs stop with an error; the Java SDKs fall through \
          silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": ["sts:AssumeRole", "sts:TagSession"],
      "Condition": {
        "StringEquals": {
          "aws:RequestTag/kubernetes-namespace": "cart",
          "aws:RequestTag/kubernetes-service-account": "carts"
        }
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Write the names as the cluster has them, here `carts`. If the association does not send \
         session tags, drop the condition, or turn the tags on with `aws eks \
         update-pod-identity-association --cluster-name shop --association-id ASSOCIATION_ID \
         --no-disable-session-tags`.",
        r#".Statement[0].Condition.StringEquals["aws:RequestTag/kubernetes-namespace"] = "carts""#
    ),
    sources: &[
        "Amazon EKS User Guide: Create IAM role with trust policy required by EKS Pod Identity",
        "Amazon EKS User Guide: Grant Pods access to AWS resources based on tags",
        "IAM User Guide: AWS global condition context keys",
    ],
};

/// A condition rests on a key that EKS does not send, or not with this value.
pub static POD_IDENTITY_TRUST_KEY: Rule = Rule {
    name: "pod-identity-trust-key",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a condition rests on a key that EKS does not send, or sends with another value",
    meaning: "The trust policy has a condition on a key that the Pod Identity request does not \
              carry, such as a claim of an OIDC token or a key of Amazon S3, or carries with \
              another value, such as an `aws:PrincipalServiceName` that is not \
              `pods.eks.amazonaws.com`. The finding is certain where AWS documents when the key \
              is present. It is likely for `aws:PrincipalOrgID`, `aws:SourceAccount` and other \
              keys of which AWS does not say what EKS sends. `aws:SourceArn` with the ARN of an \
              association (`podidentityassociation/...`) is likely: users report that it does not \
              match.",
    why: "The caller is an AWS service. Keys that describe an IAM principal, its session and its \
          organization do not fit it, and a condition on an absent key is false under \
          `StringEquals` and the like. The agent's call to `AssumeRoleForPodIdentity` then ends \
          in `AccessDenied`. The Python and Go v2 SDKs stop with an error; the Java SDKs fall \
          through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": ["sts:AssumeRole", "sts:TagSession"],
      "Condition": {
        "StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Limit the role by what EKS sends: the session tags, as \
         `aws:RequestTag/kubernetes-namespace`, or the organization, as `aws:SourceOrgID`. An \
         `aws:SourceAccount` must be the cluster's account.",
        r#"del(.Statement[0].Condition.OPERATOR["KEY"])"#
    ),
    sources: &[
        "IAM User Guide: AWS global condition context keys",
        "Amazon EKS User Guide: Create IAM role with trust policy required by EKS Pod Identity",
        "Amazon EKS Best Practices Guide: Identity and Access Management",
    ],
};

/// A Deny statement applies to the Pod Identity request.
pub static POD_IDENTITY_TRUST_DENIED: Rule = Rule {
    name: "pod-identity-trust-denied",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a `Deny` statement of the trust policy applies to this pod's request",
    meaning: "A statement with the effect `Deny` matches the request that EKS makes for this pod. \
              A `Deny` wins over every `Allow`, so no other statement can fix it.",
    why: "The agent's call to `AssumeRoleForPodIdentity` ends in `AccessDenied`. A negated \
          operator such as `StringNotEquals` is true also when its key is absent, so a `Deny` on a \
          session tag applies to associations that send no tags. The Python and Go v2 SDKs stop \
          with an error; the Java SDKs fall through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": ["sts:AssumeRole", "sts:TagSession"]
    },
    {
      "Effect": "Deny",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": "sts:AssumeRole",
      "Condition": {
        "StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "orders"}
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "If the `Deny` is not meant for this service account, exclude the service account from it or remove \
         the statement. If it is meant, the association must name another role.",
        r#"del(.Statement[1])"#
    ),
    sources: &[
        "IAM User Guide: Policy evaluation logic",
        "IAM User Guide: IAM JSON policy elements: Condition operators",
        "Amazon EKS User Guide: Create IAM role with trust policy required by EKS Pod Identity",
    ],
};

/// The outcome rests on something that admission cannot know.
pub static POD_IDENTITY_TRUST_UNDECIDED: Rule = Rule {
    name: "pod-identity-trust-undecided",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    fires: "the trust policy's outcome rests on something that is unknown at admission",
    meaning: "Everything that can be checked holds, but the outcome still depends on a key whose \
              value is not known: `aws:SourceArn` with the cluster's ARN, `aws:SourceOrgID`, a \
              date, or the session tags `kubernetes-pod-name` and `kubernetes-pod-uid`. The \
              message names the keys. It also fires where AWS does not document what an element \
              means, such as `Principal: \"*\"` for a service.",
    why: "It works when the request meets the condition, and ends in `AccessDenied` from \
          `AssumeRoleForPodIdentity` otherwise. A condition on a pod's name or UID fails for the \
          pod that replaces it. The Python and Go v2 SDKs stop with an error; the Java SDKs fall \
          through silently to the node role.",
    example: r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"Service": "pods.eks.amazonaws.com"},
      "Action": ["sts:AssumeRole", "sts:TagSession"],
      "Condition": {
        "StringLike": {"aws:RequestTag/kubernetes-pod-name": "carts-*"}
      }
    }
  ]
}"#,
    fix: fix_trust_policy!(
        "Check the condition against a real request in CloudTrail. Where it is not needed, use the \
         tags that are known beforehand: `eks-cluster-arn`, `kubernetes-namespace`, \
         `kubernetes-service-account`.",
        r#"del(.Statement[0].Condition.OPERATOR["KEY"])"#
    ),
    sources: &[
        "Amazon EKS User Guide: Grant Pods access to AWS resources based on tags",
        "IAM User Guide: AWS global condition context keys",
        "Amazon EKS Best Practices Guide: Identity and Access Management",
    ],
};

/// The step from the association's role to its target role is not allowed.
pub static POD_IDENTITY_TARGET: Rule = Rule {
    name: "pod-identity-target",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the association's role may not take the target role, by its own policy or by the \
            target's",
    meaning: "The association has a target role. Either the target's trust policy does not let the \
              first role in, with `sts:AssumeRole` and, unless session tags are disabled, \
              `sts:TagSession`; or the first role's own policies do not allow it. Between two \
              accounts both sides must allow it. Within one account, a trust policy that names \
              the first role is enough; one that names the account is not. It is undecided where \
              the answer depends on something that only the real request has.",
    why: "Pod Identity takes the first role and then, with it, the target. The session tags are \
          transitive, so the second step needs `sts:TagSession` too; without it the error says `is \
          not authorized to perform: sts:TagSession`. The pod gets no credentials: the Python and \
          Go v2 SDKs stop with an error, the Java SDKs fall through silently to the node role.",
    example: r#"{
  "association": {
    "clusterName": "shop",
    "namespace": "carts",
    "serviceAccount": "carts",
    "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo",
    "targetRoleArn": "arn:aws:iam::111122223333:role/carts-orders-reader",
    "disableSessionTags": false
  },
  "targetRole": {
    "RoleName": "carts-orders-reader",
    "AssumeRolePolicyDocument": {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Principal": {"AWS": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"},
          "Action": "sts:AssumeRole"
        }
      ]
    }
  }
}"#,
    fix: "Allow both actions on both sides: in the trust policy of the target, and in a policy \
          of the first role with the target as its resource. With session tags disabled the \
          target may ask for `sts:ExternalId` as \
          `REGION/ACCOUNT/CLUSTER/NAMESPACE/SERVICE_ACCOUNT`.\n\
          \n    aws iam update-assume-role-policy --role-name carts-orders-reader \\\
          \n        --policy-document file://target-trust.json\
          \n    aws iam put-role-policy --role-name eks-workshop-carts-dynamo \\\
          \n        --policy-name assume-target --policy-document file://assume-target.json",
    sources: &[
        "Amazon EKS User Guide: Access AWS Resources using EKS Pod Identity Target IAM Roles",
        "Amazon EKS User Guide: Grant Pods access to AWS resources based on tags",
        "IAM User Guide: Pass session tags in AWS STS",
    ],
};

/// The association's role is of another account than the cluster.
pub static POD_IDENTITY_ROLE_ACCOUNT: Rule = Rule {
    name: "pod-identity-role-account",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the association's role is of another account than the cluster",
    meaning: "An association can name only a role of the cluster's own account. A role of another \
              account has its place as the target role.",
    why: "EKS refuses such an association, because the role must be passed with `iam:PassRole`. \
          What describes it, a manifest or a snapshot put together by hand, cannot come about, and \
          the pod gets no credentials from it.",
    example: r#"{
  "association": {
    "clusterName": "shop",
    "namespace": "carts",
    "serviceAccount": "carts",
    "roleArn": "arn:aws:iam::444455556666:role/carts-orders-reader"
  }
}"#,
    fix: "Name a role of the cluster's account, and make the other account's role its target.\n\
          \n    aws eks create-pod-identity-association --cluster-name shop \\\
          \n        --namespace carts --service-account carts \\\
          \n        --role-arn arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo \\\
          \n        --target-role-arn arn:aws:iam::444455556666:role/carts-orders-reader",
    sources: &[
        "Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services",
        "Amazon EKS User Guide: Access AWS Resources using EKS Pod Identity Target IAM Roles",
    ],
};

/// Nothing on the nodes hands out Pod Identity credentials.
pub static POD_IDENTITY_AGENT_MISSING: Rule = Rule {
    name: "pod-identity-agent-missing",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "the cluster has no Pod Identity agent: no add-on, no DaemonSet, no Auto Mode",
    meaning: "The service account has an association, but the agent that hands out its credentials \
              is not installed. The finding is likely, because the agent may be part of a custom \
              node image.",
    why: "The SDK calls `169.254.170.23` on its node, nothing listens there, and the connection times \
          out. The Python and Go v2 SDKs stop with an error; the Java SDKs fall through silently \
          to the node role.",
    example: r#"{
  "cluster": {
    "name": "shop",
    "computeConfig": {"enabled": false}
  },
  "addons": [
    {"addonName": "vpc-cni"},
    {"addonName": "coredns"}
  ],
  "podIdentityAssociations": [
    {
      "clusterName": "shop",
      "namespace": "carts",
      "serviceAccount": "carts",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
  ]
}"#,
    fix: "Install the add-on, and see that an agent runs on every node. Its credentials come \
          from the node role, which needs `eks-auth:AssumeRoleForPodIdentity`.\n\
          \n    aws eks create-addon --cluster-name shop --addon-name eks-pod-identity-agent\
          \n    kubectl get daemonset eks-pod-identity-agent -n kube-system",
    sources: &[
        "Amazon EKS User Guide: Set up the Amazon EKS Pod Identity Agent",
        "Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services",
    ],
};

/// The pod runs where Pod Identity does not work.
pub static POD_IDENTITY_UNSUPPORTED: Rule = Rule {
    name: "pod-identity-unsupported",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a pod on Fargate or Windows has an association, which cannot work there",
    meaning: "EKS Pod Identity works on Linux EC2 nodes only. This pod goes to Fargate, because it \
              matches a Fargate profile, or to a Windows node, and its service account has an \
              association.",
    why: "The injector does not look where the pod will run. It sets the variables of Pod Identity \
          and ignores the role annotation, so a working IRSA setup is lost as well. No agent \
          answers there, and the pod gets no credentials from the association.",
    example: r#"# The cluster has an association for carts/carts, and a Fargate profile carts.
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
  labels:
    eks.amazonaws.com/fargate-profile: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Use IRSA for this service account: annotate it and delete the association. Then \
          create the pods again. Or run the pod on Linux EC2 nodes.\n\
          \n    kubectl annotate serviceaccount carts -n carts \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n    aws eks delete-pod-identity-association --cluster-name shop \\\
          \n        --association-id ASSOCIATION_ID\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services",
        "Amazon EKS User Guide: Define which Pods use AWS Fargate when launched",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// An association names a service account that does not exist.
pub static ASSOCIATION_ORPHANED: Rule = Rule {
    name: "association-orphaned",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "an association names a namespace or a service account that the cluster does not have",
    meaning: "EKS does not check that the service account of an association exists. This one does \
              not: its namespace or its name is misspelled, or it was deleted and the association \
              was left. Only a scan of a running cluster reports it.",
    why: "If it is a typo, the service account that was meant has no identity, and its pods use \
          the node role or get no credentials. Where it was left behind, whoever may create that \
          namespace or service account gets the role.",
    example: r#"{
  "podIdentityAssociations": [
    {
      "clusterName": "shop",
      "namespace": "cart",
      "serviceAccount": "carts",
      "roleArn": "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"
    }
  ]
}"#,
    fix: "Delete the association; if it was a typo, create it with the right names. Namespace \
          and service account of an association cannot be changed.\n\
          \n    aws eks delete-pod-identity-association --cluster-name shop \\\
          \n        --association-id ASSOCIATION_ID\
          \n    aws eks create-pod-identity-association --cluster-name shop \\\
          \n        --namespace carts --service-account carts --role-arn ROLE_ARN",
    sources: &[
        "Amazon EKS User Guide: Assign an IAM role to a Kubernetes service account",
        "Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services",
    ],
};

/// The node role lacks the right by which the agent fetches credentials.
pub static NODE_ROLE_AGENT: Rule = Rule {
    name: "node-role-agent",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "the node role may not call `eks-auth:AssumeRoleForPodIdentity`, and the cluster has associations",
    meaning: "The Pod Identity agent runs on each node with the node's role, and fetches the \
              credentials of pods by `eks-auth:AssumeRoleForPodIdentity`. The policies of this node \
              role, as they were read, do not allow that. The finding is likely, because the agent \
              may run with other credentials. Only a scan of a running cluster reports it.",
    why: "The agent answers pods with an error on every node of that role. Pods with an \
          association get no credentials there, whatever their own role allows.",
    example: r#"{
  "nodeRoles": ["arn:aws:iam::111122223333:role/shop-nodes"],
  "accounts": {
    "111122223333": {
      "roles": [
        {
          "Arn": "arn:aws:iam::111122223333:role/shop-nodes",
          "RolePolicyList": [],
          "AttachedManagedPolicies": []
        }
      ]
    }
  }
}"#,
    fix: "Attach the managed policy that has the permission, or allow it in a policy of your own.\n\
          \n    aws iam attach-role-policy --role-name NODE_ROLE \\\
          \n        --policy-arn arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
    sources: &[
        "Amazon EKS User Guide: Set up the Amazon EKS Pod Identity Agent",
        "Service Authorization Reference: Amazon EKS Auth",
    ],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &POD_IDENTITY_TRUST_PRINCIPAL,
    &POD_IDENTITY_TRUST_ACTION,
    &POD_IDENTITY_TRUST_TAGS,
    &POD_IDENTITY_TRUST_KEY,
    &POD_IDENTITY_TRUST_DENIED,
    &POD_IDENTITY_TRUST_UNDECIDED,
    &POD_IDENTITY_TARGET,
    &POD_IDENTITY_ROLE_ACCOUNT,
    &POD_IDENTITY_AGENT_MISSING,
    &POD_IDENTITY_UNSUPPORTED,
    &ASSOCIATION_ORPHANED,
    &NODE_ROLE_AGENT,
];
