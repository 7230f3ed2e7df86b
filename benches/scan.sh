#!/usr/bin/env bash
# Times `rolecall scan` over a cluster with many pods, on the control plane of tests/cluster: no nodes, no network.
#
# usage: benches/scan.sh      PODS (5000)   RUNS (5)   BIN  folder of the built program, not to build it
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PODS=${PODS:-5000}
RUNS=${RUNS:-5}
NAMESPACES=50
need curl curl
if [[ -z ${BIN:-} ]]; then
  BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
  cargo build --release --quiet --manifest-path "$ROOT/Cargo.toml" --no-default-features --features kube --bin rolecall
fi

folder=$(mktemp -d)
program=$("$ROOT/tests/cluster/build.sh")
mkfifo "$folder/parent"
"$program" up --with-parent --dir "$folder/cluster" <"$folder/parent" >"$folder/up.json" &
exec 9>"$folder/parent"
trap 'exec 9>&-; wait; rm -rf "$folder"' EXIT
until [[ -s $folder/up.json ]]; do sleep 0.2; done
fact() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" "$folder/up.json"; }
KUBECONFIG=$(fact kubeconfig)
export KUBECONFIG

# No controller may create pods, or delete those whose owners want others.
curl --fail --silent --output /dev/null --request POST "$(fact control)/parts/controller-manager/stop"

printf 'creating %d pods in %d namespaces …\n' "$PODS" "$NAMESPACES" >&2
each=$((PODS / NAMESPACES))
owner() { # KIND NAME UID
  printf 'ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, uid: %s, controller: true}]' "$1" "$2" "$3"
}
container() { # NAME
  printf '{name: %s, image: "example.com/%s:1.0", env: [{name: AWS_REGION, value: us-west-2}, {name: TABLE, value: items}, {name: LOG_LEVEL, value: info}], resources: {requests: {cpu: 100m, memory: 128Mi}}, readinessProbe: {httpGet: {path: /ready, port: 8080}}}' "$1" "$1"
}
spec="{serviceAccountName: app, containers: [$(container app), $(container proxy)]}"
template="{metadata: {labels: {app: web}}, spec: $spec}"
create() { # NUMBER: a namespace with a Deployment, its ReplicaSet, and their pods
  local name=shop-$1 deployment set pod
  {
    printf -- '---\n{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n' "$name"
    printf -- '---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: %s, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/carts-dynamo"}}}\n' "$name"
    printf -- '---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: %s}, spec: {replicas: %d, selector: {matchLabels: {app: web}}, template: %s}}\n' \
      "$name" "$each" "$template"
  } | "$program" kubectl create -f - >/dev/null
  deployment=$("$program" kubectl get deployment -n "$name" web -o 'jsonpath={.metadata.uid}')
  printf '{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-5f7c, namespace: %s, labels: {app: web}, %s}, spec: {replicas: %d, selector: {matchLabels: {app: web}}, template: %s}}\n' \
    "$name" "$(owner Deployment web "$deployment")" "$each" "$template" | "$program" kubectl create -f - >/dev/null
  set=$("$program" kubectl get replicaset -n "$name" web-5f7c -o 'jsonpath={.metadata.uid}')
  for ((pod = 0; pod < each; pod++)); do
    printf -- '---\n{apiVersion: v1, kind: Pod, metadata: {name: web-5f7c-%d, namespace: %s, labels: {app: web, pod-template-hash: 5f7c}, %s}, spec: %s}\n' \
      "$pod" "$name" "$(owner ReplicaSet web-5f7c "$set")" "$spec"
  done | "$program" kubectl create -f - >/dev/null
}
for ((number = 0; number < NAMESPACES; number++)); do
  create "$number" &
  if ((number % 4 == 3)); then wait -n; fi
  while (($(jobs -r | wc -l) > 4)); do sleep 0.1; done
done
while (($(jobs -r | wc -l) > 1)); do sleep 0.1; done
there=$("$program" kubectl get pods -A -o name | wc -l)
((there == PODS)) || die "$there pods were created, not $PODS"
bytes=$("$program" kubectl get --raw /api/v1/pods | wc -c)

# once: milliseconds and the peak of resident memory in KiB. Findings make `scan` exit 1.
once() {
  local start pid peak=0 seen
  start=$(date +%s%N)
  "$BIN/rolecall" scan --source "$ROOT/examples/shop/snapshot.json" --format json >"$folder/report.json" &
  pid=$!
  while seen=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ -n $seen ]]; do
    peak=$seen
    sleep 0.005
  done
  wait "$pid" || [[ $? -eq 1 ]]
  awk -v ns="$(($(date +%s%N) - start))" -v kib="$peak" 'BEGIN { printf "%.0f %d\n", ns / 1000000, kib }'
}
for ((run = 0; run < RUNS; run++)); do once; done >"$folder/runs"
printf '| what | median of %d |\n|---|---|\n' "$RUNS"
printf '| pods | %d, %d MB of JSON |\n' "$PODS" "$((bytes / 1000000))"
printf '| rolecall scan, wall clock | %s ms |\n' "$(cut -d ' ' -f 1 "$folder/runs" | median)"
printf '| peak resident memory | %s MiB |\n' "$(cut -d ' ' -f 2 "$folder/runs" | median | awk '{ printf "%.0f", $1 / 1024 }')"
printf '| report | %d kB |\n' "$(($(wc -c <"$folder/report.json") / 1000))"
