//! Rules on what the injector did to the pod, or will do.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// The pod was admitted without the variables that its identity calls for.
pub static INJECTION_MISSING: Rule = Rule {
    name: "injection-missing",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the service account has an identity, and the admitted pod has nothing of it",
    meaning: "Variables and a token volume should have been injected into this pod and are not \
              there, though no container opted out. The service account has a role annotation or \
              an association; the injector did not act on it.",
    why: "The injector's webhook fails open: when it is down, late, shut out by a selector or does \
          not know the service account yet, the pod is created unchanged and only the API server \
          knows. Calls then run as the node role, or fail with `Unable to locate credentials`, for \
          as long as that pod lives.",
    example: r#"# The service account carts/carts has the annotation eks.amazonaws.com/role-arn.
# This is the pod as admitted: no AWS_ROLE_ARN, no token volume.
apiVersion: v1
kind: Pod
metadata:
  name: carts-7d9f-rglz9
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1"#,
    fix: "Create the pod again, a few seconds after the annotation or association was made. If \
          it comes back the same, see whether the injector's configuration is there, whether \
          its selectors leave this pod out, and whether the pod has the label \
          `eks.amazonaws.com/skip-pod-identity-webhook`.\n\
          \n    kubectl rollout restart deployment/carts -n carts\
          \n    kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml",
    sources: &[
        "Kubernetes: Dynamic Admission Control",
        "Amazon EKS User Guide: Configure Pods to use a Kubernetes service account",
        "amazon-eks-pod-identity-webhook: deploy/mutatingwebhook.yaml",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// A container opted out of injection.
pub static INJECTION_SKIPPED: Rule = Rule {
    name: "injection-skipped",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    fires: "a container is opted out with `eks.amazonaws.com/skip-containers`",
    meaning: "The pod's annotation `eks.amazonaws.com/skip-containers` names this container, so \
              the injector leaves it alone. Usually that is meant; this is a note.",
    why: "If the container does call AWS, it finds no identity: its calls run as the \
          node role, or fail with `Unable to locate credentials`. The annotation is read as \
          comma-separated values; if it cannot be read, nothing is skipped.",
    example: r#"apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/skip-containers: sidecar
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
    - name: sidecar
      image: public.ecr.aws/docker/library/busybox:1.36"#,
    fix: "If the container needs the identity, take its name out of the annotation on the pod \
          template. That also restarts the pods.\n\
          \n    kubectl edit deployment carts -n carts",
    sources: &["amazon-eks-pod-identity-webhook: README.md", "amazon-eks-pod-identity-webhook: pkg/handler/handler.go"],
};

/// What the container brings keeps the injector from completing the set.
pub static INJECTION_PRESET: Rule = Rule {
    name: "injection-preset",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the pod's own variables or volumes keep the injector from completing the identity",
    meaning: "The container sets one variable of an identity itself, or the pod has a volume of \
              the injector's name. The injector then adds neither variable of the pair, keeps the \
              foreign volume, or leaves out the mount, and what results is half an identity. The \
              same is said of a token file that is the pod's token for the Kubernetes API, whose \
              audience is wrong.",
    why: "With `AWS_ROLE_ARN` alone there is no token file: SDKs pass over web identity, and the \
          calls run as the node role or find no credentials. With `AWS_WEB_IDENTITY_TOKEN_FILE` \
          alone the Python and Go v2 SDKs stop, for want of a role ARN. With the Kubernetes API \
          token STS answers `InvalidIdentityToken: Incorrect token audience`.",
    example: r#"# The service account carts/carts has the annotation eks.amazonaws.com/role-arn.
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
      env:
        - name: AWS_ROLE_ARN # alone, so the injector adds no token file
          value: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "Delete these variables from the workload and let the injector set them. Give a volume \
          called `aws-iam-token` or `eks-pod-identity-token` another name. Correct the chart or \
          manifest too, or the next deployment brings them back.\n\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_ROLE_ARN- AWS_WEB_IDENTITY_TOKEN_FILE-",
    sources: &[
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
        "Amazon EKS User Guide: Configure Pods to use a Kubernetes service account",
        "Kubernetes: Projected Volumes",
    ],
};

/// A container brings another role than its service account has.
pub static ROLE_OVERRIDDEN: Rule = Rule {
    name: "role-overridden",
    level: Level::Strict,
    certainty: Certainty::Likely,
    fires: "a container's own `AWS_ROLE_ARN` names another role than the service account",
    meaning: "The container sets `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE` itself, and the \
              role is not the one of the service account. The injector keeps what is there, so the \
              container's role counts.",
    why: "The container acts as another role than its neighbours and than the service account \
          says. If the other role does not trust this service account, STS answers `AccessDenied: \
          Not authorized to perform sts:AssumeRoleWithWebIdentity`. Changing the annotation later \
          has no effect on this container.",
    example: r#"# The service account carts/carts is annotated with
# arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
      env:
        - name: AWS_ROLE_ARN
          value: arn:aws:iam::111122223333:role/carts-old
        - name: AWS_WEB_IDENTITY_TOKEN_FILE
          value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token"#,
    fix: "Delete both variables from the container, so that the service account decides. If it \
          needs another role, give that workload its own service account.\n\
          \n    kubectl set env deployment/carts -n carts -c carts \\\
          \n        AWS_ROLE_ARN- AWS_WEB_IDENTITY_TOKEN_FILE-",
    sources: &[
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
    ],
};

/// Web identity variables keep an association from being used.
pub static ASSOCIATION_SHADOWED: Rule = Rule {
    name: "association-shadowed",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "web identity variables stand beside an association, which is then not used",
    meaning: "The service account has an EKS Pod Identity association, and the container sets \
              `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE` itself. The injector adds the \
              variables of Pod Identity beside them, and SDKs look at web identity first.",
    why: "The container uses the role in `AWS_ROLE_ARN` and never asks the Pod Identity agent, so \
          the association changes nothing. If the leftover role or its token file is broken, most \
          SDKs stop with an error instead of trying Pod Identity. The Java SDKs go on through \
          their chain and may end with an unintended identity.",
    example: r#"# The cluster has an association for carts/carts.
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
      env:
        - name: AWS_ROLE_ARN
          value: arn:aws:iam::111122223333:role/carts-old
        - name: AWS_WEB_IDENTITY_TOKEN_FILE
          value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token"#,
    fix: "Delete the web identity variables from the workload, in its chart or manifest too.\n\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_ROLE_ARN- AWS_WEB_IDENTITY_TOKEN_FILE-",
    sources: &[
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
        "AWS SDK for Java 2.x Developer Guide: Default credentials provider chain in the AWS SDK \
         for Java 2.x",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// Pod Identity variables without an association.
pub static ASSOCIATION_MISSING: Rule = Rule {
    name: "association-missing",
    level: Level::Chain,
    certainty: Certainty::Certain,
    fires: "the pod has the variables of EKS Pod Identity, and no association exists",
    meaning: "A container has `AWS_CONTAINER_CREDENTIALS_FULL_URI` of the Pod Identity agent, but \
              the cluster has no association for this service account. The variables were copied \
              from another manifest, or the association was deleted. An admitted pod with the \
              label `eks.amazonaws.com/pod-identity` shows that the injector knew of an \
              association: the finding is then only likely until `serve --source aws` has read \
              the associations again.",
    why: "The SDK asks the agent, the agent asks EKS, and EKS answers `ResourceNotFoundException`. \
          The Python and Go v2 SDKs stop with an error; the Java SDKs fall through silently to the \
          node role.",
    example: r#"# The cluster has no association for carts/carts.
apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
      env:
        - name: AWS_CONTAINER_CREDENTIALS_FULL_URI
          value: http://169.254.170.23/v1/credentials
        - name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
          value: /var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"#,
    fix: "Create the association; or delete the variables, if another identity is meant.\n\
          \n    aws eks create-pod-identity-association --cluster-name shop \\\
          \n        --namespace carts --service-account carts --role-arn ROLE_ARN\
          \n\n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_CONTAINER_CREDENTIALS_FULL_URI- AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE-",
    sources: &[
        "Amazon EKS User Guide: Assign an IAM role to a Kubernetes service account",
        "Amazon EKS API Reference: AssumeRoleForPodIdentity",
    ],
};

/// Nothing injects.
pub static INJECTOR_MISSING: Rule = Rule {
    name: "injector-missing",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "service accounts have an identity, and the cluster has no configuration of AWS's injector",
    meaning: "The injector is a mutating webhook that EKS runs beside the API server. Its \
              MutatingWebhookConfiguration `pod-identity-webhook` is gone, or has no webhooks, so \
              that the API server calls no webhook. The finding is likely, because an injector of your \
              own may be configured under another name. Only a scan of a running cluster reports it.",
    why: "Pods are created without variables and tokens, without an error and without an event. \
          Pods that run keep what they have, so the loss shows at the next rollout: all new pods \
          use the node role, or fail with `Unable to locate credentials`.",
    example: r#"# kubectl get mutatingwebhookconfiguration pod-identity-webhook
# Error from server (NotFound)
apiVersion: v1
kind: ServiceAccount
metadata:
  name: carts
  namespace: carts
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo"#,
    fix: "See what configurations there are. EKS creates it with the cluster: where it is gone, ask \
          AWS Support. An injector of your own is installed by its manifests; where its configuration \
          has another name, set `cluster.injectorConfiguration`.\n\
          \n    kubectl get mutatingwebhookconfigurations",
    sources: &["Kubernetes: Dynamic Admission Control", "amazon-eks-pod-identity-webhook: deploy/mutatingwebhook.yaml"],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[
    &INJECTION_MISSING,
    &INJECTION_SKIPPED,
    &INJECTION_PRESET,
    &ROLE_OVERRIDDEN,
    &ASSOCIATION_SHADOWED,
    &ASSOCIATION_MISSING,
    &INJECTOR_MISSING,
];
