#!/usr/bin/env bash
# Times `rolecall replay` over audit logs of 100,000 records, and shows its memory. benches/README.md says how to read it.
#
# usage: benches/replay.sh      RECORDS (100000)   RUNS (5)   LIMIT (10) seconds   BIN  folder of a built rolecall, not to build it
set -euo pipefail
# A run that fails inside $(...) ends the script too.
shopt -s inherit_errexit
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RECORDS=${RECORDS:-100000}
RUNS=${RUNS:-5}
LIMIT=${LIMIT:-10}
need jq jq
if [[ -z ${BIN:-} ]]; then
  BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
  cargo build --release --quiet --manifest-path "$ROOT/Cargo.toml" --bin rolecall
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# event REVIEW: the audit event of a recorded review's pod, with the namespace and the owner to be filled in.
event() {
  jq -c '.request.object as $pod | {kind: "Event", apiVersion: "audit.k8s.io/v1", level: "RequestResponse",
    stage: "ResponseComplete", verb: "create", requestURI: "/api/v1/pods",
    user: {username: "system:serviceaccount:kube-system:replicaset-controller"},
    objectRef: {resource: "pods", namespace: "carts", apiVersion: "v1"}, responseStatus: {code: 201},
    requestReceivedTimestamp: "2026-11-24T17:26:52.000000Z", requestObject: $pod,
    responseObject: ($pod | .metadata.ownerReferences =
      [{apiVersion: "apps/v1", kind: "ReplicaSet", name: "OWNER", uid: "u", controller: true}])}' \
    "$ROOT/tests/fixtures/reviews/$1"
}

{ event pod-irsa-create.json; event pod-badarn-create.json; event pod-podid-create.json; } |
  awk -v records="$RECORDS" '{ line[NR] = $0 }
    END { for (i = 0; i < records; i++) { text = line[i % NR + 1]; sub("OWNER", "set-" i % 500, text); print text } }' \
    >"$folder/audit.log"
gzip -k -1 "$folder/audit.log"

# written RESOURCE OBJECT: the event of an object that was created; NAMESPACE is to be filled in.
written() {
  jq -cn --arg resource "$1" --argjson object "$2" '{kind: "Event", apiVersion: "audit.k8s.io/v1",
    level: "RequestResponse", stage: "ResponseComplete", verb: "create", requestURI: "/api/v1/x",
    objectRef: {resource: $resource, namespace: "NAMESPACE", name: $object.metadata.name, apiVersion: "v1"},
    responseStatus: {code: 201}, requestReceivedTimestamp: "2026-11-24T17:26:52.000000Z", responseObject: $object}'
}

role=arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo
{
  written namespaces '{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "NAMESPACE"}}'
  written serviceaccounts '{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "app",
    "namespace": "NAMESPACE", "annotations": {"eks.amazonaws.com/role-arn": "'$role'"}}}'
  written pods '{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "app", "namespace": "NAMESPACE"},
    "spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "app"}]}}'
} |
  awk -v records="$RECORDS" '{ line[NR] = $0 }
    END { for (i = 0; i < records; i++) { text = line[i % NR + 1]; gsub("NAMESPACE", "ns-" int(i / NR), text); print text } }' \
    >"$folder/changes.log"

# timed FILE: the median of RUNS wall-clock times, in seconds. Denials make `replay` exit 1.
timed() {
  local run start
  for ((run = 0; run < RUNS; run++)); do
    start=$(date +%s%N)
    "$BIN/rolecall" replay "$1" --source "$ROOT/tests/fixtures/snapshot.json" --level chain >"$folder/out" || [[ $? -eq 1 ]]
    awk -v ns="$(($(date +%s%N) - start))" 'BEGIN { printf "%.2f\n", ns / 1000000000 }'
  done | median
}

# resident FILE: the most memory that one run takes, in MiB.
resident() {
  local pid most=0 now
  "$BIN/rolecall" replay "$1" --source "$ROOT/tests/fixtures/snapshot.json" --level chain >"$folder/out" &
  pid=$!
  while now=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ -n $now ]]; do
    most=$now
    sleep 0.02
  done
  wait "$pid" || [[ $? -eq 1 ]]
  ((most > 0)) || die "the run ended before its memory was read: give more RECORDS"
  awk -v kb="$most" 'BEGIN { printf "%.0f\n", kb / 1024 }'
}

printf '| audit log | MiB | median of %d, s | most memory, MiB |\n|---|---|---|---|\n' "$RUNS"
slow=0
for file in audit.log audit.log.gz changes.log; do
  size=$(awk -v bytes="$(wc -c <"$folder/$file")" 'BEGIN { printf "%.0f", bytes / 1048576 }')
  seconds=$(timed "$folder/$file")
  memory=$(resident "$folder/$file")
  printf '| %d records, %s | %s | %s | %s |\n' "$RECORDS" "$file" "$size" "$seconds" "$memory"
  awk -v seconds="$seconds" -v limit="$LIMIT" 'BEGIN { exit !(seconds > limit) }' && slow=1
done
tail -n 1 "$folder/out"
if ((slow)); then
  echo "error: a median is above $LIMIT s" >&2
  exit 1
fi
