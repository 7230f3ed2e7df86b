#!/usr/bin/env bash
# What a review costs `rolecall serve` beside the floor, a server that only reads the body and answers with its uid.
#
# usage: benches/load.sh                  CPU time a request, in interleaved rounds, and memory after them
#        benches/load.sh --instructions   instructions a request, under valgrind: repeatable on a busy machine
#
# ROUNDS          rounds that count (3)                CONNECTIONS, STREAMS  the closed loop (4, 16)
# ROUND_SECONDS   length of one measurement (8)        SERVER_CORE, LOAD_CORE  (0, 1)
# MAX_OTHERS      percent of the two cores that other processes may take before a round is discarded (5)
# BIN             folder of built programs, not to build them      DATA  folder for the data
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROUNDS=${ROUNDS:-3}
ROUND_SECONDS=${ROUND_SECONDS:-8}
CONNECTIONS=${CONNECTIONS:-4}
STREAMS=${STREAMS:-16}
SERVER_CORE=${SERVER_CORE:-0}
LOAD_CORE=${LOAD_CORE:-1}
MAX_OTHERS=${MAX_OTHERS:-5}

REVIEWS=$ROOT/tests/fixtures/reviews
HOLDS=$REVIEWS/pod-carts-7d9f-rglz9-create.json
BROKEN=$REVIEWS/pod-badarn-create.json

# What is measured: name, server and review. The first is what the others are compared with.
VARIANTS=(
  "floor|floor|$HOLDS"
  "rolecall, 100 roles|roles-100|$HOLDS"
  "rolecall, 5000 roles|roles-5000|$HOLDS"
  "rolecall, 5000 roles, broken chain|roles-5000|$BROKEN"
)

declare -A SERVER=() READER=() ADDRESS=() METRICS=()
WORK=$(mktemp -d)

stop_all() {
  local name
  for name in "${!SERVER[@]}"; do
    kill "${SERVER[$name]}" 2>/dev/null || true
  done
  wait
  rm -rf "$WORK"
}
trap stop_all EXIT

# start NAME COMMAND...: runs a server on its core. Its standard error is a pipe that a reader on the other core empties:
# the first line names the address, the others are the audit lines, which are counted.
start() {
  local name=$1 tries
  shift
  mkfifo "$WORK/$name.pipe"
  {
    IFS= read -r line
    printf '%s\n' "$line" >"$WORK/$name.first"
    exec taskset -c "$LOAD_CORE" wc -l
  } <"$WORK/$name.pipe" >"$WORK/$name.lines" &
  READER[$name]=$!
  taskset -c "$SERVER_CORE" "$@" 2>"$WORK/$name.pipe" &
  SERVER[$name]=$!
  for ((tries = 0; tries < 1200; tries++)); do
    [[ -s $WORK/$name.first ]] && break
    kill -0 "${SERVER[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  ADDRESS[$name]=$(sed -n 's/.*"reviews":"\([^"]*\)".*/\1/p' "$WORK/$name.first" 2>/dev/null)
  METRICS[$name]=$(sed -n 's/.*"metrics":"\([^"]*\)".*/\1/p' "$WORK/$name.first" 2>/dev/null)
  [[ -n ${ADDRESS[$name]} ]] || die "$name did not start: $(cat "$WORK/$name.first" 2>/dev/null)"
}

start_floor() {
  start floor "$@" "$BIN/rolecall-bench-floor" --listen 127.0.0.1:0 --tls-cert "$WORK/tls.crt" --tls-key "$WORK/tls.key"
}

start_rolecall() {
  local roles=$1
  shift
  start "roles-$roles" "$@" "$BIN/rolecall" serve --no-kube --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --tls-cert "$WORK/tls.crt" --tls-key "$WORK/tls.key" \
    --source "$DATA/snapshot-$roles.json" --manifests "$DATA/cluster-$roles.json"
}

# A certificate, made by the program that is measured.
make_certificate() {
  printf '{}' >"$WORK/empty.json"
  start certificate "$BIN/rolecall" serve --no-kube --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --self-signed --tls-dir "$WORK" --source "$WORK/empty.json"
  kill "${SERVER[certificate]}"
  wait "${SERVER[certificate]}" || true
  unset 'SERVER[certificate]' 'READER[certificate]'
}

# expect NAME REVIEW TEXT: the answer to the review holds the text. What is measured must be what is meant.
expect() {
  local answer
  answer=$(nghttp --no-verify-peer -d "$2" -H 'content-type: application/json' "https://${ADDRESS[$1]}/validate")
  [[ $answer == *"$3"* ]] || die "$1 answered ${2##*/} without $3: $answer"
}

expect_all() {
  local roles
  expect floor "$HOLDS" '"allowed":true'
  for roles in 100 5000; do
    expect "roles-$roles" "$HOLDS" '"chain":"holds"'
    expect "roles-$roles" "$BROKEN" '"rules":"role-arn-malformed"'
  done
}

# load NAME REVIEW ARGUMENTS...: h2load's report goes to $WORK/load. An answer other than 200 ends the script.
load() {
  local name=$1 review=$2
  shift 2
  taskset -c "$LOAD_CORE" h2load "$@" -c "$CONNECTIONS" -m "$STREAMS" -d "$review" \
    -H 'content-type: application/json' "https://${ADDRESS[$name]}/validate" >"$WORK/load"
  if ! grep -q ' 0 failed, 0 errored, 0 timeout$' "$WORK/load" || ! grep -q ' 0 3xx, 0 4xx, 0 5xx$' "$WORK/load"; then
    die "$name did not answer every request: $(grep -E '^(requests|status codes):' "$WORK/load")"
  fi
}

# Ticks of user and system time of a process, and those of its children that have ended where a second argument is given.
ticks() {
  local stat
  stat=$(<"/proc/$1/stat")
  stat=${stat##*) }
  # shellcheck disable=SC2086  # the fields of the line, as proc(5) counts them less two
  set -- "${2:-}" $stat
  if [[ -n $1 ]]; then
    echo $((${13} + ${14} + ${15} + ${16}))
  else
    echo $((${13} + ${14}))
  fi
}

# Ticks of everything that this script started, itself included.
own_ticks() {
  local pid sum
  sum=$(ticks $$ children)
  for pid in "${SERVER[@]}" "${READER[@]}"; do
    sum=$((sum + $(ticks "$pid")))
  done
  echo "$sum"
}

# Ticks of the two cores: busy, and all.
core_ticks() {
  awk -v a="cpu$SERVER_CORE" -v b="cpu$LOAD_CORE" '
    $1 == a || $1 == b { busy += $2 + $3 + $4 + $7 + $8 + $9; all += $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }
    END { print busy, all }' /proc/stat
}

# measure NAME REVIEW: sets RATE (requests a second), COST (µs of the server's CPU a request) and OTHERS (percent).
measure() {
  local name=$1 review=$2 before after own busy all cores answered
  own=$(own_ticks)
  cores=$(core_ticks)
  before=$(ticks "${SERVER[$name]}")
  load "$name" "$review" -D "$ROUND_SECONDS"
  after=$(ticks "${SERVER[$name]}")
  read -r busy all < <(awk -v before="$cores" '{ split(before, b); print $1 - b[1], $2 - b[2] }' < <(core_ticks))
  own=$(($(own_ticks) - own))
  answered=$(sed -n 's/^requests: .* \([0-9]*\) done, .*/\1/p' "$WORK/load")
  RATE=$(awk -v n="$answered" -v s="$ROUND_SECONDS" 'BEGIN { printf "%.0f", n / s }')
  COST=$(awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$answered" 'BEGIN { printf "%.3f", t / hz * 1e6 / n }')
  OTHERS=$(awk -v busy="$busy" -v own="$own" -v all="$all" \
    'BEGIN { o = (busy - own) * 100 / all; printf "%.1f", o < 0 ? 0 : o }')
}

memory() {
  awk '/^VmRSS/ { rss = $2 } /^VmHWM/ { hwm = $2 } END { printf "%.1f\t%.1f", rss / 1024, hwm / 1024 }' \
    "/proc/${SERVER[$1]}/status"
}

rounds() {
  local round=0 tried=0 quiet variant name server review floor line
  for variant in "${VARIANTS[@]}"; do
    IFS='|' read -r name server review <<<"$variant"
    load "$server" "$review" -D 1
  done
  while ((round < ROUNDS)); do
    ((tried++ < 4 * ROUNDS)) || die "gave up after $((tried - 1)) rounds: other processes keep the cores busy"
    quiet=yes
    : >"$WORK/round"
    for variant in "${VARIANTS[@]}"; do
      IFS='|' read -r name server review <<<"$variant"
      measure "$server" "$review"
      if awk -v others="$OTHERS" -v max="$MAX_OTHERS" 'BEGIN { exit others <= max }'; then
        quiet=
        echo "round discarded: other processes used $OTHERS % during \`$name\`" >&2
        break
      fi
      [[ $server == floor ]] && floor=$COST
      line=$(awk -v cost="$COST" -v floor="$floor" 'BEGIN { printf "%.3f", cost / floor }')
      printf '%s\t%s\t%s\t%s\n' "$name" "$RATE" "$COST" "$line" >>"$WORK/round"
    done
    [[ -n $quiet ]] || continue
    round=$((round + 1))
    cat "$WORK/round" >>"$WORK/rounds"
  done
}

# How long /livez takes while reviews keep the server's core busy, from the load's core.
probes() {
  local loading
  load roles-5000 "$BROKEN" -D "$ROUND_SECONDS" &
  loading=$!
  while kill -0 "$loading" 2>/dev/null; do
    taskset -c "$LOAD_CORE" curl -fsS -o /dev/null -w '%{time_total}\n' "http://${METRICS[roles-5000]}/livez"
    sleep 0.05
  done >"$WORK/livez"
  wait "$loading"
  sort -g "$WORK/livez" | awk '{ a[NR] = $1 * 1000 }
    END { printf "\n/livez under load, 5000 roles, broken chain: %d answers, median %.1f ms, slowest %.1f ms\n", NR, a[int((NR + 1) / 2)], a[NR] }'
}

report() {
  local variant name server ratios column
  printf '| server | requests/s | CPU µs/request | ratio to the floor, by round | median |\n|---|---|---|---|---|\n'
  for variant in "${VARIANTS[@]}"; do
    IFS='|' read -r name server _ <<<"$variant"
    ratios=$(awk -F'\t' -v name="$name" '$1 == name { printf "%s%.2f", n++ ? ", " : "", $4 }' "$WORK/rounds")
    printf '| %s' "$name"
    for column in 2 3; do
      printf ' | %.*f' $((column - 2)) \
        "$(awk -F'\t' -v name="$name" -v c="$column" '$1 == name { print $c }' "$WORK/rounds" | median)"
    done
    printf ' | %s | %.2f |\n' "$ratios" \
      "$(awk -F'\t' -v name="$name" '$1 == name { print $4 }' "$WORK/rounds" | median)"
  done
  printf '\n| server | resident after load, MiB | peak, MiB | lines on standard error |\n|---|---|---|---|\n'
  for server in floor roles-100 roles-5000; do
    memory "$server" >"$WORK/$server.memory"
  done
  for server in floor roles-100 roles-5000; do
    kill "${SERVER[$server]}"
    wait "${SERVER[$server]}" "${READER[$server]}" || true
    unset "SERVER[$server]" "READER[$server]"
    printf '| %s | %s | %s | %s |\n' "$server" "$(cut -f1 "$WORK/$server.memory")" "$(cut -f2 "$WORK/$server.memory")" \
      "$(cat "$WORK/$server.lines")"
  done
}

# Instructions between two dumps of callgrind's counters.
counted() {
  awk '/^(totals|summary):/ { print $2; exit }' "$1"
}

instructions() {
  local variant name server review few=1000 many=9000 run=0 out cost floor=
  printf '| server | instructions/request | ratio to the floor |\n|---|---|---|\n'
  for variant in "${VARIANTS[@]}"; do
    IFS='|' read -r name server review <<<"$variant"
    out=$WORK/callgrind.$server
    load "$server" "$review" -n "$few"
    callgrind_control -z "${SERVER[$server]}" &>/dev/null
    # Two loads of different lengths: their difference leaves out handshakes and connections.
    load "$server" "$review" -n "$few"
    callgrind_control -d "${SERVER[$server]}" &>/dev/null
    load "$server" "$review" -n "$many"
    callgrind_control -d "${SERVER[$server]}" &>/dev/null
    run=$(find "$WORK" -name "callgrind.$server.*" | sed 's/.*\.//' | sort -n | tail -1)
    cost=$(($(counted "$out.$run") - $(counted "$out.$((run - 1))")))
    cost=$((cost / (many - few)))
    floor=${floor:-$cost}
    printf '| %s | %d | %.2f |\n' "$name" "$cost" "$(awk -v c="$cost" -v f="$floor" 'BEGIN { print c / f }')"
    [[ -z ${KEEP:-} ]] || cp "$out.$run" "$KEEP/callgrind.${name//[^a-z0-9]/-}"
  done
}

[[ $# -eq 0 || ($# -eq 1 && $1 == --instructions) ]] || die "usage: benches/load.sh [--instructions]"
need taskset util-linux
need h2load nghttp2-client
need curl curl
(($(nproc --all) > (SERVER_CORE > LOAD_CORE ? SERVER_CORE : LOAD_CORE))) || die "two cores are needed"
prepare
make_certificate
if [[ ${1:-} == --instructions ]]; then
  need valgrind valgrind
  under() { printf '%s\0' valgrind --quiet --tool=callgrind "--callgrind-out-file=$WORK/callgrind.$1"; }
  readarray -d '' -t floor < <(under floor)
  start_floor "${floor[@]}"
  for roles in 100 5000; do
    readarray -d '' -t valgrind < <(under "roles-$roles")
    start_rolecall "$roles" "${valgrind[@]}"
  done
  expect_all
  instructions
else
  start_floor
  for roles in 100 5000; do
    start_rolecall "$roles"
  done
  expect_all
  rounds
  probes
  report
fi
