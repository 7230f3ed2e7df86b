//! Writes what the benchmarks measure with: snapshots, the service accounts that go with them, and pods to check. The same
//! arguments always write the same bytes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::Parser;
use serde_json::{Value, json};

/// Writes snapshots, service accounts and pods for the benchmarks of rolecall.
#[derive(Parser)]
struct Args {
    /// Folder to write to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Sizes: roles in the snapshot, and service accounts in the cluster. The pods are of the first
    #[arg(value_name = "ROLES:ACCOUNTS", default_values = ["100:1000", "5000:50000"])]
    sizes: Vec<Size>,
    /// Pods for `rolecall check`
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pods: usize,
}

#[derive(Clone, Copy)]
struct Size {
    roles: usize,
    accounts: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(roles, accounts)| {
            Some(Self { roles: roles.parse().ok().filter(|n| *n > 0)?, accounts: accounts.parse().ok()? })
        });
        parsed.filter(|size| size.accounts >= size.roles).ok_or_else(|| {
            "must be ROLES:ACCOUNTS, such as 100:1000, with at least one role and no fewer accounts".to_owned()
        })
    }
}

/// The account, the cluster and its issuer, and the service account and role that the recorded reviews are of.
const ACCOUNT: &str = "111122223333";
const CLUSTER: &str = "shop";
const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
const CARTS: &str = "carts";
const CARTS_ROLE: &str = "eks-workshop-carts-dynamo";

const NAMESPACES: usize = 500;
const CREATED: &str = "2026-01-10T09:00:00Z";

fn main() -> anyhow::Result<()> {
    let Args { folder, sizes, pods } = Args::parse();
    let check = folder.join("check");
    std::fs::create_dir_all(check.join("pods")).with_context(|| format!("{}: cannot be made", check.display()))?;
    for size in &sizes {
        write_json(&folder.join(format!("snapshot-{}.json", size.roles)), &snapshot(size.roles))?;
        write_json(&folder.join(format!("cluster-{}.json", size.roles)), &cluster(*size))?;
    }
    if let Some(Size { roles, .. }) = sizes.first().copied() {
        write_json(&check.join("cluster.json"), &cluster(Size { roles, accounts: roles }))?;
        for index in 0..pods {
            write_text(&check.join(format!("pods/pod-{index:04}.yaml")), &pod(index, roles))?;
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    let mut file =
        BufWriter::new(File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?);
    serde_json::to_writer(&mut file, value)?;
    file.flush().with_context(|| format!("{}: cannot be written", path.display()))
}

fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

/// The service account with this number, and the name of its role where it has one. The first is that of the reviews.
fn account(index: usize) -> (String, String, String) {
    if index == 0 {
        return (CARTS.to_owned(), CARTS.to_owned(), CARTS_ROLE.to_owned());
    }
    let (namespace, name) = (format!("team-{:03}", index % NAMESPACES), format!("app-{:03}", index / NAMESPACES));
    let role = format!("{CLUSTER}-{namespace}-{name}");
    (namespace, name, role)
}

/// Every tenth role is taken by Pod Identity, the others by web identity.
fn by_association(index: usize) -> bool {
    index % 10 == 9
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn snapshot(roles: usize) -> Value {
    let associations = (0..roles).filter(|index| by_association(*index)).map(|index| {
        let (namespace, name, role) = account(index);
        json!({
            "clusterName": CLUSTER,
            "namespace": namespace,
            "serviceAccount": name,
            "associationArn": format!("arn:aws:eks:us-west-2:{ACCOUNT}:podidentityassociation/{CLUSTER}/a-{index:016x}"),
            "associationId": format!("a-{index:016x}"),
            "roleArn": role_arn(&role),
            "createdAt": CREATED,
        })
    });
    json!({
        "collectedAt": "2026-11-24T17:26:52Z",
        "cluster": {
            "name": CLUSTER,
            "arn": format!("arn:aws:eks:us-west-2:{ACCOUNT}:cluster/{CLUSTER}"),
            "identity": {"oidc": {"issuer": format!("https://{ISSUER}")}},
        },
        "addons": [{"addonName": "eks-pod-identity-agent", "addonVersion": "v1.3.10-eksbuild.2", "status": "ACTIVE"}],
        "podIdentityAssociations": associations.collect::<Vec<_>>(),
        "nodeRoles": [role_arn("shop-managed-ondemand")],
        "accounts": {ACCOUNT: {
            "roles": (0..roles).map(role).collect::<Vec<_>>(),
            "policies": (0..roles.div_ceil(20)).map(managed_policy).collect::<Vec<_>>(),
            "oidcProviders": [{
                "Arn": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"),
                "Url": ISSUER,
                "ClientIDList": ["sts.amazonaws.com"],
            }],
        }},
    })
}

/// A role as `aws iam get-account-authorization-details` shows it.
fn role(index: usize) -> Value {
    let (namespace, service_account, name) = account(index);
    let statement = if by_association(index) {
        json!({
            "Sid": "AllowEksAuthToAssumeRoleForPodIdentity",
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        })
    } else {
        json!({
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{ISSUER}:sub"): format!("system:serviceaccount:{namespace}:{service_account}"),
                format!("{ISSUER}:aud"): "sts.amazonaws.com",
            }},
        })
    };
    let inline = index.is_multiple_of(5).then(|| json!({"PolicyName": "own", "PolicyDocument": permissions(index)}));
    json!({
        "Path": "/",
        "RoleName": name,
        "RoleId": format!("AROA{index:017}"),
        "Arn": role_arn(&name),
        "CreateDate": CREATED,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "InstanceProfileList": [],
        "RolePolicyList": inline.into_iter().collect::<Vec<_>>(),
        "AttachedManagedPolicies": [{"PolicyName": policy_name(index / 20), "PolicyArn": policy_arn(index / 20)}],
        "Tags": [{"Key": "team", "Value": namespace}, {"Key": "managed-by", "Value": "terraform"}],
        "RoleLastUsed": {"LastUsedDate": "2026-11-24T09:00:00Z", "Region": "us-west-2"},
    })
}

fn policy_name(index: usize) -> String {
    format!("{CLUSTER}-shared-{index:03}")
}

fn policy_arn(index: usize) -> String {
    format!("arn:aws:iam::{ACCOUNT}:policy/{}", policy_name(index))
}

fn managed_policy(index: usize) -> Value {
    json!({
        "PolicyName": policy_name(index),
        "Arn": policy_arn(index),
        "DefaultVersionId": "v1",
        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": permissions(index)}],
    })
}

fn permissions(index: usize) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Table",
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
                "Resource": format!("arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/items-{index:05}"),
            },
            {
                "Sid": "Bucket",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": format!("arn:aws:s3:::items-{index:05}/*"),
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            },
        ],
    })
}

/// Namespaces and service accounts, as `kubectl get namespaces,serviceaccounts --all-namespaces --output json` prints them.
fn cluster(size: Size) -> Value {
    let named = (0..NAMESPACES.min(size.accounts)).map(|index| format!("team-{index:03}"));
    let namespaces = std::iter::once(CARTS.to_owned()).chain(named).map(|name| {
        let labels = json!({"kubernetes.io/metadata.name": name, "rolecall.dev/enforce": "chain"});
        let metadata = json!({"name": name, "labels": labels, "creationTimestamp": CREATED, "resourceVersion": "1000"});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}})
    });
    let accounts = (0..size.accounts).map(|index| {
        let (namespace, name, role) = account(index);
        let annotated = index < size.roles && !by_association(index);
        service_account(index, &namespace, &name, annotated.then(|| role_arn(&role)))
    });
    // The recorded review `pod-badarn-create.json` is of this one.
    let broken = service_account(size.accounts, CARTS, "badarn", Some(CARTS_ROLE.to_owned()));
    let items: Vec<Value> = namespaces.chain(accounts).chain([broken]).collect();
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
}

fn service_account(index: usize, namespace: &str, name: &str, role: Option<String>) -> Value {
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace},
        "creationTimestamp": CREATED,
        "resourceVersion": format!("{}", 2_000 + index),
        "uid": format!("3f0c1a52-8d5e-4b7e-9a4c-{index:012x}"),
    });
    if let (Some(role), Some(annotations)) = (role, metadata.get_mut("annotations").and_then(Value::as_object_mut)) {
        annotations.insert("eks.amazonaws.com/role-arn".to_owned(), role.into());
    }
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

/// A pod as people write them, of 1 to 5 KB. Most belong to service accounts with roles; every twentieth calls AWS with the
/// service account `default`, which has none.
fn pod(index: usize, roles: usize) -> String {
    let (namespace, own, _) = account(index % roles);
    let service_account = if index % 20 == 7 { "default" } else { own.as_str() };
    let mut text = String::with_capacity(6_000);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "# Pod {index} of the benchmark.
apiVersion: v1
kind: Pod
metadata:
  name: {own}-{index:04}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {own}
    app.kubernetes.io/instance: {own}-{index:04}
    app.kubernetes.io/part-of: {CLUSTER}
  annotations:
    prometheus.io/scrape: \"true\"
    prometheus.io/port: \"9102\"
spec:
  serviceAccountName: {service_account}
  terminationGracePeriodSeconds: {grace}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    fsGroup: 10001
    seccompProfile: {{type: RuntimeDefault}}
  containers:",
        grace = 30 + index % 3 * 15,
    );
    for container in 0..1 + index % 3 {
        push_container(&mut text, index, container);
    }
    text.push_str("  volumes:\n    - name: tmp\n      emptyDir: {}\n");
    if index % 4 != 3 {
        let _ = writeln!(text, "    - name: config\n      configMap: {{name: {own}-config, optional: true}}");
    }
    if index % 2 == 1 {
        let _ = writeln!(
            text,
            "  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: topology.kubernetes.io/zone
            labelSelector:
              matchLabels:
                app.kubernetes.io/name: {own}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{app.kubernetes.io/name: {own}}}
  tolerations:
    - {{key: dedicated, operator: Equal, value: {CLUSTER}, effect: NoSchedule}}"
        );
    }
    text
}

fn push_container(text: &mut String, index: usize, container: usize) {
    let _ = writeln!(
        text,
        "    - name: c{container}
      image: registry.example/shop/app-{container}:1.{minor}.{patch}
      args: [\"--port={port}\", \"--log-format=json\", \"--workers={workers}\"]
      ports:
        - {{name: http, containerPort: {port}}}
      env:
        - name: TABLE_NAME
          value: items-{index:05}
        - name: AWS_REGION
          value: us-west-2",
        minor = index % 12,
        patch = index % 7,
        port = 8080 + container,
        workers = 1 + index % 8,
    );
    for variable in 0..index % 10 {
        let _ = writeln!(text, "        - name: SETTING_{variable}\n          value: \"{}\"", index * 31 + variable);
    }
    if index.is_multiple_of(3) {
        text.push_str(
            "        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
",
        );
    }
    let _ = writeln!(
        text,
        "      resources:
        requests:
          cpu: {cpu}m
          memory: {memory}Mi
        limits:
          memory: {memory}Mi
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
      livenessProbe:
        httpGet:
          path: /livez
          port: http
        initialDelaySeconds: 10
        failureThreshold: 6",
        cpu = 50 + index % 10 * 25,
        memory = 64 + index % 16 * 32,
    );
    if index % 7 == 2 {
        text.push_str(
            "      command:
        - /bin/sh
        - -c
        - |
          set -eu
          # Wait for the table before the server starts.
          until /app/ready --table \"$TABLE_NAME\"; do
            sleep 1
          done
          exec /app/server \"$@\"
",
        );
    }
}
