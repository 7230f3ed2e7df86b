#!/usr/bin/env bash
# Builds Helm 3 and Helm 4 from the modules that go.mod names, unless that was done before, and prints the folder that has them as
# helm3 and helm4: nothing else goes to standard output. go.sum has the hashes of what they are built from.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
# shellcheck source=../go.sh
source ../go.sh

mkdir -p "$root/tools"
hash=$(cat go.mod go.sum helm.sh | sha256sum | cut -d ' ' -f 1)
folder=$root/tools/$hash
if [[ ! -x "$folder/helm4" ]]; then
  # One at a time: whoever comes second finds the work done.
  exec 9>"$root/tools/lock"
  flock 9
fi
if [[ ! -x "$folder/helm4" ]]; then
  find_go
  say "building Helm; the first time this takes a few minutes"
  mkdir -p "$folder"
  part=$(mktemp -d "$folder/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  for major in 3 4; do
    # Without this, Helm 3 takes every cluster that it does not ask for Kubernetes 1.20.
    "$go" build -trimpath -o "$part/helm$major" \
      -ldflags "-s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37 \
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37" \
      "helm.sh/helm/v$major/cmd/helm" >&2
    mv "$part/helm$major" "$folder/helm$major"
  done
fi
touch "$folder"
find "$root/tools" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} +
echo "$folder"
