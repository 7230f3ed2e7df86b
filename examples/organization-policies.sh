#!/usr/bin/env bash
# Adds the service and resource control policies of AWS Organizations to a snapshot.
#
#   examples/organization-policies.sh snapshot.json 111122223333 [444455556666…] > with-organization.json
#
# Only the organization's management account and accounts to which AWS Organizations is delegated may read them. The rights:
# organizations:ListParents, organizations:ListPoliciesForTarget, organizations:DescribePolicy. Needs the AWS CLI and jq.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 SNAPSHOT ACCOUNT_ID…" >&2; exit 2; }
snapshot=$1
shift

# The account, its organizational units, the root.
path_of() {
  local id=$1
  echo "$id"
  while [[ $id != r-* ]]; do
    id=$(aws organizations list-parents --child-id "$id" --query 'Parents[0].Id' --output text)
    echo "$id"
  done
}

# The policies of one type on that path, each once, with all places on the path where it is attached.
policies_of() {
  local type=$1
  shift
  local target id
  for target in "$@"; do
    for id in $(aws organizations list-policies-for-target --target-id "$target" --filter "$type" \
      --query 'Policies[].Id' --output text); do
      aws organizations describe-policy --policy-id "$id" --query Policy --output json \
        | jq --arg target "$target" '. + {Targets: [{TargetId: $target}]}'
    done
  done | jq -s 'group_by(.PolicySummary.Id) | map(.[0] + {Targets: map(.Targets[])})'
}

document=$(cat "$snapshot")
for account in "$@"; do
  mapfile -t path < <(path_of "$account")
  scps=$(policies_of SERVICE_CONTROL_POLICY "${path[@]}")
  rcps=$(policies_of RESOURCE_CONTROL_POLICY "${path[@]}")
  document=$(jq --arg account "$account" --argjson scps "$scps" --argjson rcps "$rcps" \
    '.accounts[$account] += {serviceControlPolicies: $scps, resourceControlPolicies: $rcps}' <<<"$document")
done
printf '%s\n' "$document"
