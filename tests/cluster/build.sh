#!/usr/bin/env bash
# Builds the test cluster's program, unless that was done before, and prints its path: nothing else goes to
# standard output.
#
# The first build takes a quarter of an hour or so of processor time, and a few gigabytes of Go's own caches. So the
# program is kept in a folder named by a hash of everything it is made from.
set -euo pipefail
shopt -s inherit_errexit

kubernetes=1.37.2
keep_days=30

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

# shellcheck source=../go.sh
source ../go.sh
mkdir -p "$root/cluster"

# Everything the program is made from. Its tests are among it, for simplicity: to build again then takes seconds.
sources() { { echo go.mod && echo go.sum && echo build.sh && echo ../go.sh && find . -name '*.go' -type f | sed 's|^\./||'; } | LC_ALL=C sort; }
hash=$(sources | xargs sha256sum | sha256sum | cut -d ' ' -f 1)
folder=$root/cluster/$hash
program=$folder/cluster

if [[ ! -x "$program" ]]; then
  # One at a time: whoever comes second finds the work done.
  exec 9>"$root/cluster/lock"
  flock 9
fi

if [[ ! -x "$program" ]]; then
  find_go
  version=k8s.io/component-base/version
  say "building the test cluster; the first time this takes several minutes"
  mkdir -p "$folder"
  temporary=$folder/cluster.$$
  trap 'rm -f "$temporary"' EXIT
  "$go" build -trimpath \
    -ldflags "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=37" \
    -o "$temporary" . >&2
  mv "$temporary" "$program"
fi

# `build.sh test`: the tests of its own parts.
if [[ "${1:-}" == test ]]; then
  find_go
  "$go" test -trimpath ./internal/... >&2
fi

# What was last used long ago belongs to sources that are gone.
touch "$folder"
find "$root/cluster" -mindepth 1 -maxdepth 1 -type d -mtime "+$keep_days" -exec rm -rf {} +
echo "$program"
