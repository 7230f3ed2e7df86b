#!/usr/bin/env bash
# Times `rolecall who-can` over many service accounts, each with a role of its own.
#
# usage: benches/who-can.sh      ACCOUNTS (50000)   RUNS (5)   BIN  folder of the built program, not to build it
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ACCOUNTS=${ACCOUNTS:-50000}
RUNS=${RUNS:-5}
need awk awk
if [[ -z ${BIN:-} ]]; then
  BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
  cargo build --release --quiet --manifest-path "$ROOT/Cargo.toml" --no-default-features --bin rolecall
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

awk -v n="$ACCOUNTS" -v snapshot="$folder/snapshot.json" -v accounts="$folder/accounts.json" 'BEGIN {
  issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
  arn = "arn:aws:iam::111122223333:"
  printf "{\"cluster\":{\"name\":\"shop\",\"arn\":\"arn:aws:eks:us-west-2:111122223333:cluster/shop\",\"status\":\"ACTIVE\",\"identity\":{\"oidc\":{\"issuer\":\"https://%s\"}}},\"addons\":[],\"podIdentityAssociations\":[],\"nodeRoles\":[],\"accounts\":{\"111122223333\":{\"policies\":[],\"oidcProviders\":[{\"Arn\":\"%soidc-provider/%s\",\"Url\":\"%s\",\"ClientIDList\":[\"sts.amazonaws.com\"]}],\"roles\":[", issuer, arn, issuer, issuer > snapshot
  printf "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[" > accounts
  for (i = 0; i < n; i++) {
    comma = i ? "," : ""
    name = "app-" i
    space = "shop-" int(i / 50)
    printf "%s{\"RoleName\":\"%s\",\"Arn\":\"%srole/%s\",\"Path\":\"/\",\"AttachedManagedPolicies\":[],\"Tags\":[],\"AssumeRolePolicyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Principal\":{\"Federated\":\"%soidc-provider/%s\"},\"Condition\":{\"StringEquals\":{\"%s:sub\":\"system:serviceaccount:%s:%s\",\"%s:aud\":\"sts.amazonaws.com\"}}}]},\"RolePolicyList\":[{\"PolicyName\":\"p\",\"PolicyDocument\":{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"dynamodb:Query\",\"dynamodb:GetItem\"],\"Resource\":\"arn:aws:dynamodb:us-west-2:111122223333:table/%s\"}]}}]}", comma, name, arn, name, arn, issuer, issuer, space, name, issuer, name > snapshot
    printf "%s{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"annotations\":{\"eks.amazonaws.com/role-arn\":\"%srole/%s\"}}}", comma, name, space, arn, name > accounts
  }
  printf "]}}}" > snapshot
  printf "]}" > accounts
}'

# once ACTION [RESOURCE]: milliseconds
once() {
  local start
  start=$(date +%s%N)
  "$BIN/rolecall" who-can "$@" --source "$folder/snapshot.json" --manifests "$folder/accounts.json" >"$folder/report.txt"
  awk -v ns="$(($(date +%s%N) - start))" 'BEGIN { printf "%.0f\n", ns / 1000000 }'
}

printf '| who-can over %d service accounts | median of %d, ms | answers |\n|---|---|---|\n' "$ACCOUNTS" "$RUNS"
for question in "dynamodb:Query arn:aws:dynamodb:us-west-2:111122223333:table/app-7" "dynamodb:Query" "sqs:SendMessage"; do
  read -ra words <<<"$question"
  time=$(for ((run = 0; run < RUNS; run++)); do once "${words[@]}"; done | median)
  printf '| %s | %s | %s |\n' "$question" "$time" "$(tail -1 "$folder/report.txt" | grep -o '[0-9]* yes, [0-9]* depends')"
done
