# What the benchmark scripts share. To be sourced.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# need TOOL PACKAGE
need() {
  command -v "$1" >/dev/null || die "$1 is not there; on Debian and Ubuntu: apt-get install $2"
}

# Builds what is measured, unless BIN names a folder that holds it, and writes the data. Sets BIN and DATA.
prepare() {
  local target=${CARGO_TARGET_DIR:-$ROOT/target}
  if [[ -z ${BIN:-} ]]; then
    BIN=$target/release
    cargo build --release --quiet --manifest-path "$ROOT/Cargo.toml" --target-dir "$target" \
      -p rolecall -p rolecall-bench-floor
  fi
  DATA=${DATA:-$target/bench-data}
  "$BIN/rolecall-bench-data" "$DATA"
}

# The median of the numbers on standard input, one a line.
median() {
  sort -g | awk '{ a[NR] = $1 } END { if (NR) print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}
