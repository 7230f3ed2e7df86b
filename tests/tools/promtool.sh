#!/usr/bin/env bash
# Prints the path of a promtool: the one on PATH, else that of Debian's package prometheus, which is unpacked and not installed, so that
# no server starts. Nothing else goes to standard output.
set -euo pipefail
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=../go.sh
source ../go.sh

if command -v promtool; then
  exit 0
fi
folder=$root/promtool
program=$folder/usr/bin/promtool
if [[ ! -x "$program" ]]; then
  mkdir -p "$root"
  exec 9>"$root/promtool.lock"
  flock 9
fi
if [[ ! -x "$program" ]]; then
  if ! command -v apt-get >/dev/null; then
    say "install promtool: it comes with Prometheus"
    exit 1
  fi
  say "there is no promtool here: unpacking Debian's package prometheus"
  part=$(mktemp -d "$root/promtool.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  cd "$part"
  # A machine that has never asked for packages has no list of them.
  apt-get download prometheus >/dev/null 2>&1 || { apt-get update >&2 && apt-get download prometheus >&2; }
  dpkg-deb -x prometheus_*.deb unpacked
  rm -rf "$folder"
  mv unpacked "$folder"
fi
echo "$program"
