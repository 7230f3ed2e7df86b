//! Rules on where the annotation for an identity is written: service accounts, annotations, age.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// A workload needs AWS, and no identity is configured for it.
pub static NODE_ROLE_FALLBACK: Rule = Rule {
    name: "node-role-fallback",
    level: Level::Fallback,
    certainty: Certainty::Certain,
    fires: "a workload needs AWS and no identity is configured for it: it gets the node role or no \
            credentials",
    meaning: "The service account has neither the annotation `eks.amazonaws.com/role-arn` nor an \
              EKS Pod Identity association, so nothing is injected into the pod. The finding is \
              certain when the need is declared, with `rolecall.dev/requires` or by the namespace, \
              and likely when only evidence speaks for it, such as `AWS_REGION` or an ARN in the \
              arguments. At `strict` every workload without its own identity is reported. \
              Where `rolecall.dev/identity: required` is set, the finding is certain at level `chain`.",
    why: "The SDK finds nothing in the environment and asks the instance metadata service (IMDS). \
          Where IMDS answers pods, the calls run as the node role \
          (`assumed-role/NODE-ROLE/i-...`): they fail with `AccessDenied`, or they succeed with \
          rights that every pod on the node shares. Where the hop limit keeps pods away from IMDS, \
          there are no credentials at all: `Unable to locate credentials`. A pod with \
          `hostNetwork: true` reaches IMDS whatever the hop limit.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts # no role annotation, and no association in the cluster
  namespace: carts
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: carts
  namespace: carts
spec:
  selector:
    matchLabels: {app: carts}
  template:
    metadata:
      labels: {app: carts}
      annotations:
        rolecall.dev/requires: dynamodb:Query arn:aws:dynamodb:us-west-2:111122223333:table/Items
    spec:
      serviceAccountName: carts
      containers:
        - name: carts
          image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Give the service account a role: create an association, or set the annotation. Then \
          restart the workload. If the node role is meant, say so with the annotation \
          `rolecall.dev/allow-node-role: \"true\"`.\n\
          \n    aws eks create-pod-identity-association --cluster-name shop \\\
          \n        --namespace carts --service-account carts --role-arn ROLE_ARN\
          \n\n    kubectl annotate serviceaccount carts -n carts \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Grant Kubernetes workloads access to AWS using Kubernetes Service \
         Accounts",
        "Amazon EKS Best Practices Guide: Identity and Access Management",
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
    ],
};

/// The service account has a near miss of the role annotation, and not the annotation.
pub static ANNOTATION_MISSPELLED: Rule = Rule {
    name: "annotation-misspelled",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "a service account has a key close to `eks.amazonaws.com/role-arn`, and not that key",
    meaning: "The service account has an annotation that was surely meant to be \
              `eks.amazonaws.com/role-arn`, but is spelled differently. The injector looks for \
              that exact key and ignores every other one.",
    why: "Kubernetes accepts any annotation key, so `kubectl apply` succeeds and nothing \
          complains. Pods start without `AWS_ROLE_ARN` and without a token. Their calls run as the \
          node role, or fail with `Unable to locate credentials` where pods cannot reach IMDS.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazon.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Remove the wrong key, set the right one, and restart the workload: variables are \
          injected only when a pod is created.\n\
          \n    kubectl annotate serviceaccount carts -n carts WRONG_KEY- \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "amazon-eks-pod-identity-webhook: pkg/cache/cache.go",
    ],
};

/// The role annotation sits where the injector does not look.
pub static ANNOTATION_MISPLACED: Rule = Rule {
    name: "annotation-misplaced",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the annotation `eks.amazonaws.com/role-arn` sits on a pod, a template or a workload",
    meaning: "The role annotation is on the pod, its template or the workload. The injector reads \
              the role only from the service account, so this annotation has no effect.",
    why: "From a pod the injector reads `eks.amazonaws.com/skip-containers` and \
          `eks.amazonaws.com/token-expiration`, and no role. The pod therefore gets what its \
          service account says, which is often nothing: then its calls run as the node role, or \
          fail with `Unable to locate credentials`.",
    example: r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: carts
  namespace: carts
spec:
  selector:
    matchLabels: {app: carts}
  template:
    metadata:
      labels: {app: carts}
      annotations:
        eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    spec:
      serviceAccountName: carts
      containers:
        - name: carts
          image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Move the annotation to the service account that the pod uses, take it off the \
          workload, and restart the workload.\n\
          \n    kubectl annotate serviceaccount carts -n carts \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
        "amazon-eks-pod-identity-webhook: pkg/cache/cache.go",
    ],
};

/// An annotation of kiam or kube2iam, which EKS does not read.
pub static ANNOTATION_LEGACY: Rule = Rule {
    name: "annotation-legacy",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "an annotation of kiam or kube2iam, such as `iam.amazonaws.com/role`, asks for a role",
    meaning: "`iam.amazonaws.com/role` and its kin belong to kiam and kube2iam. The injector of \
              EKS does not read them. The finding is likely, not certain, because one of those \
              tools may still run in the cluster.",
    why: "Without kiam or kube2iam the annotation does nothing, and nothing says so. The pod \
          starts without its own identity. Its calls run as the node role, or fail with \
          `Unable to locate credentials`.",
    example: r#"apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
  annotations:
    iam.amazonaws.com/role: eks-workshop-carts-dynamo
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Put the full ARN of the role on the service account, under the key of EKS, and drop \
          the old annotation. The role's trust policy must also trust the cluster's OIDC \
          provider.\n\
          \n    kubectl annotate serviceaccount carts -n carts \\\
          \n        eks.amazonaws.com/role-arn=ROLE_ARN\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Assign IAM roles to Kubernetes service accounts",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// A workload names a service account that is not there.
pub static SERVICE_ACCOUNT_MISSING: Rule = Rule {
    name: "service-account-missing",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "a workload names a service account that does not exist",
    meaning: "The template names a service account that is not in the namespace. It may arrive \
              later in the same apply, so this finding warns and never denies.",
    why: "Kubernetes accepts the workload and then refuses every pod: `error looking up service \
          account carts/carts: serviceaccount \"carts\" not found`. For a Deployment that is seen \
          only as a `FailedCreate` event of its ReplicaSet. The rollout waits and no pod appears.",
    example: r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: carts
  namespace: carts
spec:
  selector:
    matchLabels: {app: carts}
  template:
    metadata:
      labels: {app: carts}
    spec:
      serviceAccountName: cart # the service account is called carts
      containers:
        - name: carts
          image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Correct the name in the workload, or create the service account.\n\
          \n    kubectl set serviceaccount deployment carts SERVICE_ACCOUNT -n carts\
          \n    kubectl create serviceaccount SERVICE_ACCOUNT -n carts",
    sources: &["Kubernetes: Configure Service Accounts for Pods", "Kubernetes: Managing Service Accounts"],
};

/// Running pods were created before their service account got its identity.
pub static PODS_PREDATE_IDENTITY: Rule = Rule {
    name: "pods-predate-identity",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "running pods are older than the identity of their service account",
    meaning: "The annotation or the association of the service account was set or changed after \
              these pods were created. They still have what was right when they were created. A \
              scan reports it, and so does an update of the service account.",
    why: "Variables and token volumes are injected when a pod is created and never after; a \
          container that restarts within its pod gets nothing new. The old pods keep the old role, \
          the node role or no credentials, while new pods are right, so the workload behaves \
          differently from pod to pod. With EKS Pod Identity a changed role reaches old pods only \
          when the agent's cache expires: after up to 6 hours, or 59 minutes with a target role.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations: # added today; the pods of deployment/carts are a week old
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Create the pods again.\n\
          \n    kubectl rollout restart deployment/carts -n carts",
    sources: &[
        "Amazon EKS User Guide: Configure Pods to use a Kubernetes service account",
        "Amazon EKS User Guide: Access AWS Resources using EKS Pod Identity Target IAM Roles",
        "amazon-eks-pod-identity-webhook: deploy/mutatingwebhook.yaml",
    ],
};

/// Annotation and association of one service account name different roles.
pub static IDENTITY_AMBIGUOUS: Rule = Rule {
    name: "identity-ambiguous",
    level: Level::Strict,
    certainty: Certainty::Likely,
    fires: "the annotation and the association of a service account name different roles",
    meaning: "The service account has both the annotation `eks.amazonaws.com/role-arn` and an EKS \
              Pod Identity association, and they name different roles. The injector uses the \
              association alone and ignores the annotation.",
    why: "Both may be there during a migration, but then they should name the same role. Deleting \
          the association changes the role of every new pod, without an error. Associations take \
          some seconds to take effect, and a pod created in that time may get the annotation's \
          role.",
    example: r#"# The association for carts/carts names
# arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/carts-old"#,
    fix: "Decide which role is right. Remove the annotation, or correct the association.\n\
          \n    kubectl annotate serviceaccount carts -n carts eks.amazonaws.com/role-arn-\
          \n\n    aws eks list-pod-identity-associations --cluster-name shop \\\
          \n        --namespace carts --service-account carts\
          \n    aws eks update-pod-identity-association --cluster-name shop \\\
          \n        --association-id ASSOCIATION_ID --role-arn ROLE_ARN",
    sources: &[
        "Amazon EKS User Guide: Assign an IAM role to a Kubernetes service account",
        "Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// The wished token lifetime is not a number, or too short to be used as written.
pub static TOKEN_EXPIRATION: Rule = Rule {
    name: "token-expiration",
    level: Level::Strict,
    certainty: Certainty::Certain,
    fires: "`eks.amazonaws.com/token-expiration` is not a number, or is below 600 seconds",
    meaning: "The annotation `eks.amazonaws.com/token-expiration` cannot be used as written. The \
              injector ignores a value that is not a whole number of seconds, and raises one below \
              600 to 600.",
    why: "Nothing fails, and the tokens live longer than intended: 600 seconds for a short \
          value; for a value that is no number, what the service account or else the cluster's \
          default says, which is 86400 seconds unless it was changed. The lifetime of the token is \
          not that of the AWS session.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
    eks.amazonaws.com/token-expiration: 1h"#,
    fix: "Write whole seconds, 600 or more, or remove the annotation. If it stands on the pod \
          template, correct it there.\n\
          \n    kubectl annotate serviceaccount carts -n carts --overwrite \\\
          \n        eks.amazonaws.com/token-expiration=3600",
    sources: &[
        "amazon-eks-pod-identity-webhook: README.md",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
        "Kubernetes: Projected Volumes",
    ],
};

/// An exemption that matters here ends soon, has ended, or has an end that cannot be read.
pub static EXEMPTION_EXPIRY: Rule = Rule {
    name: "exemption-expiry",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    fires: "an exemption of a finding ends within 14 days, has ended, or has an end that cannot be \
            read",
    meaning: "A `rolecall.dev/ignore` annotation names a rule that has a finding here, and \
              `rolecall.dev/ignore-until` limits it. Within 14 days of its end the finding says \
              so; the exemption still counts. After its end the exemption does not count. An end \
              that cannot be read lifts warnings and no denials. This finding never denies.",
    why: "When the exemption ends, the findings that it hides count again. In a namespace that \
          enforces, new pods are then denied. A date that cannot be read was meant as a limit, and \
          rolecall cannot tell which.",
    example: r#"apiVersion: v1
kind: Namespace
metadata:
  name: carts
  annotations:
    rolecall.dev/ignore: irsa-trust-subject
    rolecall.dev/ignore-reason: the role moves to the platform account
    rolecall.dev/ignore-until: end of the year # not YYYY-MM-DD"#,
    fix: "Fix what the exemption hides and remove it, or set a later end. On a namespace that \
          needs the right to lower its level.\n\
          \n    kubectl annotate namespace carts rolecall.dev/ignore- \\\
          \n        rolecall.dev/ignore-until- rolecall.dev/ignore-reason-\
          \n    kubectl annotate namespace carts --overwrite \\\
          \n        rolecall.dev/ignore-until=YYYY-MM-DD",
    sources: &["rolecall: docs/webhook.md, Exemptions", "RFC 3339: Date and Time on the Internet"],
};

/// A label or annotation of `rolecall.dev` has no effect as it is written.
pub static OWN_NAME_UNKNOWN: Rule = Rule {
    name: "own-name-unknown",
    level: Level::Chain,
    certainty: Certainty::Undecided,
    fires: "a label or annotation of rolecall.dev is misspelled, in the wrong place, or has a value \
            that rolecall does not read",
    meaning: "rolecall reads a few labels and annotations whose names begin with `rolecall.dev/`. This \
              one is not among them, is a label where rolecall reads an annotation (or the other way \
              round), or has a value without effect: a rule that does not exist, a level in capitals, \
              `True` for `true`. This finding never denies.",
    why: "What was meant does not happen. An exemption does not apply, a declared need is not checked, \
          or a namespace is not enforced, and nothing else says so.",
    example: r#"apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    rolecall.dev/require: dynamodb:Query # must be rolecall.dev/requires"#,
    fix: "Correct the name or the value. docs/webhook.md lists all labels and annotations.\n\
          \n    kubectl annotate serviceaccount -n carts carts rolecall.dev/require- \\\
          \n        rolecall.dev/requires=dynamodb:Query",
    sources: &["rolecall: docs/webhook.md, Labels and annotations"],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &NODE_ROLE_FALLBACK,
    &ANNOTATION_MISSPELLED,
    &ANNOTATION_MISPLACED,
    &ANNOTATION_LEGACY,
    &SERVICE_ACCOUNT_MISSING,
    &PODS_PREDATE_IDENTITY,
    &IDENTITY_AMBIGUOUS,
    &TOKEN_EXPIRATION,
    &EXEMPTION_EXPIRY,
    &OWN_NAME_UNKNOWN,
];
