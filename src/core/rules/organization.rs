//! Rules on policies of AWS Organizations, and on the snapshot itself.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// A resource control policy denies the call that assumes the role.
pub static ORGANIZATION_POLICY_DENIED: Rule = Rule {
    name: "organization-policy-denied",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a resource control policy (RCP) denies the call that assumes the role",
    meaning: "The snapshot has the resource control policies of the role's account, and a Deny statement of one of \
              them applies to the call: `sts:AssumeRoleWithWebIdentity` for IRSA, `sts:AssumeRole` or \
              `sts:TagSession` for Pod Identity. The role's trust policy cannot override it. The finding is undecided \
              where the statement depends on a value that admission does not know.",
    why: "AWS STS answers `AccessDenied ... with an explicit deny in a resource control policy`, and the pod gets no \
          credentials. Only an administrator of the organization can change the policy.",
    example: r#"{
  "accounts": {
    "111122223333": {
      "resourceControlPolicies": [
        {
          "PolicySummary": {"Name": "TrustedProviders", "Type": "RESOURCE_CONTROL_POLICY"},
          "Content": {
            "Version": "2012-10-17",
            "Statement": {
              "Effect": "Deny", "Principal": "*", "Resource": "*",
              "Action": "sts:AssumeRoleWithWebIdentity",
              "Condition": {"Null": {"token.actions.githubusercontent.com:sub": "true"}}
            }
          }
        }
      ]
    }
  }
}"#,
    fix: "Ask the administrator of the organization to exempt the cluster's OIDC provider, the role, or EKS.\n\
          \n    aws organizations list-policies-for-target --target-id ACCOUNT --filter RESOURCE_CONTROL_POLICY\
          \n    aws organizations describe-policy --policy-id POLICY_ID",
    sources: &[
        "AWS Organizations User Guide: Resource control policies (RCPs)",
        "AWS Organizations User Guide: RCP evaluation",
        "GitHub: aws-samples/resource-control-policy-examples",
        "GitHub: aws-samples/data-perimeter-policy-examples",
    ],
};

/// An entry of the snapshot is malformed.
pub static SNAPSHOT_ENTRY_UNREADABLE: Rule = Rule {
    name: "snapshot-entry-unreadable",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    fires: "an entry of the snapshot that the identity depends on is malformed",
    meaning: "The snapshot lists a role, a trust policy, an OIDC provider or a Pod Identity association that rolecall \
              cannot read. It exists, so nothing is reported as missing; whether the pod can assume the role is \
              unknown. The finding names the place in the snapshot. Other entries are not affected.",
    why: "The workload may work or not: rolecall cannot tell, and never denies it for this.",
    example: r#"{
  "accounts": {
    "111122223333": {
      "roles": [
        {
          "Arn": "arn:aws:iam::111122223333:role/carts",
          "AssumeRolePolicyDocument": {"Statement": {"Effect": "Permit", "Action": "*"}}
        }
      ]
    }
  }
}"#,
    fix: "Collect the snapshot again. Where the entry was written by hand, correct it.\n\
          \n    rolecall snapshot --cluster CLUSTER -o SRC\
          \n    aws iam get-role --role-name ROLE_NAME",
    sources: &["IAM API Reference: RoleDetail", "IAM User Guide: IAM JSON policy elements reference"],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&ORGANIZATION_POLICY_DENIED, &SNAPSHOT_ENTRY_UNREADABLE];
