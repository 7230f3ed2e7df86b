//! Rules on the AWS data that rolecall has.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// A part of AWS that the result depends on is not in the snapshot.
pub static NOT_COLLECTED: Rule = Rule {
    name: "not-collected",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    fires: "the result depends on AWS data that the snapshot does not contain",
    meaning: "rolecall cannot say whether the workload gets its credentials: a part of the AWS \
              data is missing. The message names it: the cluster's issuer, the OIDC providers of \
              an account, a provider's client IDs, a role's trust policy or permissions, the role \
              of a Pod Identity association, or the list of add-ons. It never denies.",
    why: "The pod may work. If the missing part is wrong, rolecall does not see it, and the pod \
          fails with `AccessDenied` or `InvalidIdentityToken` at run time. A collector without \
          the rights to read a part leaves it out.",
    example: r#"{
  "cluster": {
    "name": "shop",
    "arn": "arn:aws:eks:us-west-2:111122223333:cluster/shop"
  },
  "accounts": {"111122223333": {"roles": []}}
}"#,
    fix: "Give the collector the right to read the part, and collect again. A snapshot that a \
          person assembles needs the part in the shape that the AWS CLI prints.\n\
          \n    rolecall snapshot --cluster CLUSTER -o snapshot.json\
          \n    aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer\
          \n    aws iam list-open-id-connect-providers\
          \n    aws iam get-role --role-name ROLE_NAME --query Role.AssumeRolePolicyDocument",
    sources: &[
        "Amazon EKS API Reference: DescribeCluster",
        "Amazon EKS API Reference: DescribePodIdentityAssociation",
        "IAM API Reference: GetAccountAuthorizationDetails",
        "IAM API Reference: GetOpenIDConnectProvider",
    ],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&NOT_COLLECTED];
