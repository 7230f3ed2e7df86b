#!/usr/bin/env bash
# Times `rolecall check` over 1,000 pod manifests beside reading the same files.
#
# usage: benches/check.sh      RUNS (10)   BIN  folder of built programs, not to build them   DATA  folder for the data
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUNS=${RUNS:-10}
prepare

# timed COMMAND...: the median of RUNS wall-clock times, in milliseconds. Findings make `check` exit 1.
timed() {
  local run start
  for ((run = 0; run < RUNS; run++)); do
    start=$(date +%s%N)
    "$@" >/dev/null || [[ $? -eq 1 ]]
    awk -v ns="$(($(date +%s%N) - start))" 'BEGIN { printf "%.1f\n", ns / 1000000 }'
  done | median
}

read_all() { find "$DATA/check" -type f -exec cat {} +; }

reading=$(timed read_all)
checking=$(timed "$BIN/rolecall" check "$DATA/check" --source "$DATA/snapshot-5000.json")
printf '| what | median of %d, ms |\n|---|---|\n' "$RUNS"
printf '| reading %d manifests | %s |\n' "$(find "$DATA/check" -type f | wc -l)" "$reading"
printf '| rolecall check over them | %s |\n' "$checking"
awk -v a="$checking" -v b="$reading" 'BEGIN { printf "| beside reading | %.1f |\n", a - b }'
