//! Rules on what an identity may do once a pod has it.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// A declared need is refused by a policy, whatever else allows it.
pub static PERMISSION_DENIED: Rule = Rule {
    name: "permission-denied",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a declared need meets an explicit Deny, or lies outside the permissions boundary or \
            session policy",
    meaning: "The annotation `rolecall.dev/requires` names an action. A policy of the role that the \
              pod will have denies it, or the role's permissions boundary does not allow it. No other \
              policy can make up for either.",
    why: "The pod gets its identity and starts; the first such call is answered with \
          `AccessDenied ... with an explicit deny in an identity-based policy`, or `because no \
          permissions boundary allows the ... action`. Where the call comes late, so does the error.",
    example: r#"# The role carts has the policy
# {"Effect": "Deny", "Action": "dynamodb:DeleteItem", "Resource": "*"}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/carts
    rolecall.dev/requires: |
      dynamodb:Query
      dynamodb:DeleteItem arn:aws:dynamodb:eu-west-1:111122223333:table/carts"#,
    fix: "Narrow the statement that denies, or allow the action in the boundary. If the workload does \
          not need it after all, take the line out of the annotation.\n\
          \n    rolecall can-i carts/carts dynamodb:DeleteItem --source SNAPSHOT\
          \n    aws iam get-role-policy --role-name carts --policy-name POLICY_NAME",
    sources: &[
        "IAM User Guide: Policy evaluation logic",
        "IAM User Guide: Permissions boundaries for IAM entities",
        "IAM User Guide: Troubleshoot access denied error messages",
    ],
};

/// A declared need is allowed by no identity policy.
pub static PERMISSION_MISSING: Rule = Rule {
    name: "permission-missing",
    level: Level::Fallback,
    certainty: Certainty::Likely,
    fires: "a declared need is allowed by no identity policy of the role (a resource policy might)",
    meaning: "The annotation `rolecall.dev/requires` names an action, and none of the inline and \
              managed policies of the role that the pod will have allows it on that resource. The \
              finding is likely, not certain: the resource's own policy (of a bucket, a queue, a key) \
              was not read and may allow it.",
    why: "The pod gets its identity and starts; the first such call is answered with \
          `AccessDenied ... because no identity-based policy allows the ... action`.",
    example: r#"# The role carts has the policy
# {"Effect": "Allow", "Action": "dynamodb:Query",
#  "Resource": "arn:aws:dynamodb:eu-west-1:111122223333:table/carts"}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/carts
    rolecall.dev/requires: |
      dynamodb:Query arn:aws:dynamodb:eu-west-1:111122223333:table/carts/index/by-customer"#,
    fix: "Allow the action in a policy of the role; the finding prints the command. Where the \
          resource's policy allows it, say so with the annotation `rolecall.dev/ignore: \
          permission-missing`.\n\
          \n    rolecall can-i carts/carts dynamodb:Query RESOURCE_ARN --source SNAPSHOT\
          \n    aws iam put-role-policy --role-name carts --policy-name NAME \\\
          \n        --policy-document file://policy.json",
    sources: &[
        "IAM User Guide: Policy evaluation logic",
        "IAM User Guide: Cross-account policy evaluation logic",
        "IAM User Guide: Troubleshoot access denied error messages",
    ],
};

/// A declared need names no AWS action.
pub static ACTION_UNKNOWN: Rule = Rule {
    name: "action-unknown",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a declared need names no AWS action",
    meaning: "A line of the annotation `rolecall.dev/requires` names an action that the Service \
              Authorization Reference does not have. The finding is certain where it is a typo of \
              an action that exists; a name that AWS may have added since this program was \
              built is only likely.",
    why: "The need cannot be checked, so rolecall cannot tell whether the pod has the \
          permissions that it needs. The same name in a policy would allow nothing: IAM takes unknown actions silently.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/carts
    rolecall.dev/requires: dynamodb:Querry"#,
    fix: "Write the action as the Service Authorization Reference does. Some API operations have \
          another name there: `ListObjectsV2` is `s3:ListBucket`, `HeadObject` is `s3:GetObject`.\n\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        rolecall.dev/requires=dynamodb:Query",
    sources: &[
        "Service Authorization Reference: Actions, resources, and condition keys for AWS services",
        "IAM User Guide: IAM JSON policy elements: Action",
    ],
};

/// The node's role permits what a workload needs.
pub static NODE_ROLE_OVERPRIVILEGED: Rule = Rule {
    name: "node-role-overprivileged",
    level: Level::Strict,
    certainty: Certainty::Likely,
    fires: "the node role permits what a workload needs: it would work, and so would every pod beside \
            it",
    meaning: "The workload declares what it needs, has no identity, and would use the \
              node's role; that role's policies allow all of it. The finding is likely: whether the \
              pod reaches the instance's metadata depends on the hop limit.",
    why: "Nothing fails, which is the problem: someone widened the node's role, and now every pod on \
          every such node may do the same. A pod that is broken into brings all of it along.",
    example: r#"# The node role has the policy
# {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
  annotations:
    rolecall.dev/requires: dynamodb:Query
spec:
  serviceAccountName: carts # no role, no association
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Give the workload its own role with what it needs, then take that permission from the \
          node's role. A hop limit of 1 keeps pods from the node's credentials altogether.\n\
          \n    aws eks create-pod-identity-association --cluster-name CLUSTER \\\
          \n        --namespace carts --service-account carts --role-arn ROLE_ARN\
          \n    aws ec2 modify-instance-metadata-options --instance-id INSTANCE_ID \\\
          \n        --http-put-response-hop-limit 1",
    sources: &[
        "Amazon EKS Best Practices Guide: Identity and Access Management",
        "Amazon EKS User Guide: Amazon EKS node IAM role",
        "Amazon EC2 User Guide: Configure the Instance Metadata Service options",
    ],
};

/// The declared needs take more work to check than one object may.
pub static PERMISSION_UNCHECKED: Rule = Rule {
    name: "permission-unchecked",
    level: Level::Fallback,
    certainty: Certainty::Undecided,
    fires: "the declared needs and the role's policies are too large to be checked together",
    meaning: "Checking every line of `rolecall.dev/requires` against the role's policies takes more \
              work than rolecall does for one object. The lines up to the limit were checked, the \
              rest was not. The check of the chain itself is complete. This is a note: it never denies.",
    why: "A webhook that works for seconds on one pod delays all others, and the API server then \
          admits them unchecked. The limit counts compared patterns, so the result does not depend on \
          how busy the machine is.",
    example: r#"# The role has ten managed policies of hundreds of wildcard statements each.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/carts
    rolecall.dev/requires: |
      *:Get*
      *:List*"#,
    fix: "Declare fewer needs, and name the resource of each. `rolecall can-i` checks one need \
          without the limit.\n\
          \n    rolecall can-i carts/carts dynamodb:Query RESOURCE_ARN --source SRC",
    sources: &["IAM User Guide: IAM and AWS STS quotas", "Kubernetes: Dynamic Admission Control"],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] =
    &[&ACTION_UNKNOWN, &NODE_ROLE_OVERPRIVILEGED, &PERMISSION_DENIED, &PERMISSION_MISSING, &PERMISSION_UNCHECKED];
