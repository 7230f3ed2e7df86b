#!/usr/bin/env bash
# Builds the program for a release: deploy/image/build.sh [x86_64|aarch64], by default for this machine. Prints the folder that has
#   rolecall        the program, stripped
#   rolecall.debug  its debug information: beside the program, backtraces have lines
# For another architecture than this machine's it needs rustup, and the GNU compiler of that architecture (Debian:
# gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu, with its libc6-dev).
# PROFILE=dev builds in less time what is slower and larger, to try the rest of the image.
# With AUDITABLE=1 it builds by cargo-auditable, which puts the list of dependencies into the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

architecture=${1:-$(uname -m)}
case $architecture in
  x86_64) gnu=x86_64-linux-gnu ;;
  aarch64) gnu=aarch64-linux-gnu ;;
  *) echo "build.sh: x86_64 or aarch64, not $architecture" >&2 && exit 2 ;;
esac
target=$architecture-unknown-linux-gnu

objcopy=objcopy
if [[ $architecture != "$(uname -m)" ]]; then
  objcopy=$gnu-objcopy
  command -v "$gnu-gcc" >/dev/null || { echo "build.sh: install gcc-$(tr _ - <<<"$gnu")" >&2 && exit 1; }
  rustup target add "$target" >&2
  upper=$(tr a-z- A-Z_ <<<"$target")
  lower=$(tr - _ <<<"$target")
  export "CARGO_TARGET_${upper}_LINKER=$gnu-gcc" "CC_$lower=$gnu-gcc" "CXX_$lower=$gnu-g++" "AR_$lower=$gnu-ar"
fi

ROLECALL_COMMIT=${ROLECALL_COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
export ROLECALL_COMMIT
# The time of the commit, so that two builds of one commit have one content.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
# No paths of the machine that builds.
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=rolecall --remap-path-prefix=$home=cargo"

build=(cargo)
[[ -z "${AUDITABLE:-}" ]] || build+=(auditable)
profile=${PROFILE:-dist}
"${build[@]}" build --locked --profile "$profile" --target "$target" --bin rolecall >&2

folder=${CARGO_TARGET_DIR:-target}/image/$architecture
mkdir -p "$folder"
built=${CARGO_TARGET_DIR:-target}/$target/${profile/#dev/debug}/rolecall
$objcopy --only-keep-debug --compress-debug-sections "$built" "$folder/rolecall.debug"
# cargo-auditable's section is kept: it is not debug information.
$objcopy --strip-all --add-gnu-debuglink="$folder/rolecall.debug" "$built" "$folder/rolecall"
echo "$folder"
