//! Rules on credentials that come before an injected identity, and on what stands in its way.

use super::Rule;
use crate::decision::Level;
use crate::finding::Certainty;

/// Access keys in the environment come before every role.
pub static STATIC_KEYS: Rule = Rule {
    name: "static-keys",
    level: Level::Strict,
    certainty: Certainty::Certain,
    fires: "a container sets `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`",
    meaning: "The container has access keys in its environment. SDKs look there first, so it uses \
              the keys, whatever role the service account has.",
    why: "The role is never used, and nothing says so: calls run as the owner of the keys, with \
          its rights, until the keys are rotated or disabled. Only older .NET SDKs look at web \
          identity first. A literal value can also be read by everyone who may read the pod.",
    example: r#"apiVersion: v1
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
        - name: AWS_ACCESS_KEY_ID
          valueFrom: {secretKeyRef: {name: carts-aws, key: id}}
        - name: AWS_SECRET_ACCESS_KEY
          valueFrom: {secretKeyRef: {name: carts-aws, key: secret}}"#,
    fix: "Give the service account a role, delete the variables from the workload, then delete \
          the keys in IAM.\n\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY- AWS_SESSION_TOKEN-\
          \n    aws iam delete-access-key --user-name USER --access-key-id ACCESS_KEY_ID",
    sources: &[
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
        "AWS SDK for Java 2.x Developer Guide: Default credentials provider chain in the AWS SDK \
         for Java 2.x",
        "IAM User Guide: Security best practices in IAM",
    ],
};

/// Something in the pod may hold credentials that come before the role.
pub static STATIC_KEYS_POSSIBLE: Rule = Rule {
    name: "static-keys-possible",
    level: Level::Strict,
    certainty: Certainty::Likely,
    fires: "`envFrom`, profile variables or a mounted `~/.aws` may bring credentials of their own",
    meaning: "The container may find other credentials than its role: keys in a Secret or \
              ConfigMap that `envFrom` draws in, a profile named by `AWS_PROFILE`, \
              `AWS_CONFIG_FILE` or `AWS_SHARED_CREDENTIALS_FILE`, or a mounted `~/.aws`. Their \
              content is not read, so this is likely and not certain.",
    why: "Keys from `envFrom` come first, just as those in `env` do. A profile comes before Pod \
          Identity in the SDKs, and in those for JavaScript v3 and Rust before IRSA too. The role \
          is then not used, and nothing says so.",
    example: r#"apiVersion: v1
kind: Pod
metadata:
  name: carts
  namespace: carts
spec:
  serviceAccountName: carts
  containers:
    - name: carts
      image: public.ecr.aws/aws-containers/retail-store-sample-cart:1.2.1
      envFrom:
        - secretRef: {name: aws-credentials}
      volumeMounts:
        - {name: aws, mountPath: /home/app/.aws}
  volumes:
    - name: aws
      secret: {secretName: aws-profile}"#,
    fix: "See which names the object holds, and take access keys and profiles out of it. If \
          they are harmless, say so with the annotation `rolecall.dev/ignore: \
          static-keys-possible`.\n\
          \n    kubectl describe secret SECRET -n carts\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_PROFILE- AWS_CONFIG_FILE- AWS_SHARED_CREDENTIALS_FILE-",
    sources: &[
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
        "AWS SDKs and Tools Reference Guide: Using shared config and credentials files to globally \
         configure AWS SDKs and tools",
        "Kubernetes: Define Environment Variables for a Container",
    ],
};

/// Which identity a container gets depends on what rolecall does not see.
pub static IDENTITY_UNDECIDED: Rule = Rule {
    name: "identity-undecided",
    level: Level::Strict,
    certainty: Certainty::Undecided,
    fires: "which identity a container gets depends on what rolecall does not see",
    meaning: "The container has its own AWS variables, and their meaning depends on something \
              that rolecall does not read: a role ARN or token file from a ConfigMap, another STS \
              endpoint, a credentials URI that is not the Pod Identity agent's, or a token file \
              whose content is not known. Or the object has more roles than rolecall checks within its \
              limit of work for one object. This is a note: it never denies.",
    why: "The pod may work exactly as intended. It may also fail with `AccessDenied`, or use \
          another identity than that of its service account, and rolecall cannot tell which.",
    example: r#"apiVersion: v1
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
          valueFrom: {configMapKeyRef: {name: carts-aws, key: role}}
        - name: AWS_WEB_IDENTITY_TOKEN_FILE
          value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token"#,
    fix: "Remove the variables from the workload, so that the injector sets them from the service \
          account. If they are intended, no change is needed.\n\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        AWS_ROLE_ARN- AWS_WEB_IDENTITY_TOKEN_FILE-",
    sources: &[
        "AWS SDKs and Tools Reference Guide: AWS SDKs and Tools standardized credential providers",
        "amazon-eks-pod-identity-webhook: pkg/handler/handler.go",
    ],
};

/// A proxy would catch the calls to the Pod Identity agent.
pub static PROXY_INTERCEPTS: Rule = Rule {
    name: "proxy-intercepts",
    level: Level::Chain,
    certainty: Certainty::Likely,
    fires: "a proxy variable is set, and `NO_PROXY` does not name the Pod Identity agent's address",
    meaning: "The container is to use EKS Pod Identity and has `HTTP_PROXY` or `HTTPS_PROXY`, but \
              `NO_PROXY` leaves out the agent's address: `169.254.170.23`, or `[fd00:ec2::23]` on \
              IPv6 clusters. The finding is likely: whether this request heeds the proxy is up to \
              the SDK.",
    why: "The request for credentials goes to the proxy, which cannot reach a link-local address \
          of the node. The Python and Go v2 SDKs stop with an error; the Java SDKs fall through \
          silently to the node role.",
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
        - name: HTTP_PROXY
          value: http://proxy.shop.internal:3128
        - name: NO_PROXY
          value: localhost,127.0.0.1,.svc,.cluster.local"#,
    fix: "Add the agent's addresses to `NO_PROXY`, and to `no_proxy` where it is used.\n\
          \n    kubectl set env deployment/carts -n carts \\\
          \n        NO_PROXY='CURRENT_VALUE,169.254.170.23,[fd00:ec2::23]'",
    sources: &["Amazon EKS User Guide: Learn how EKS Pod Identity grants pods access to AWS services"],
};

/// The rules of this file.
pub(super) static RULES: &[&Rule] = &[&STATIC_KEYS, &STATIC_KEYS_POSSIBLE, &IDENTITY_UNDECIDED, &PROXY_INTERCEPTS];
