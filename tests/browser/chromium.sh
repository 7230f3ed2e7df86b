#!/usr/bin/env bash
# Prints the path of a Chromium that can run without a window; installs Debian's where there is none.
set -euo pipefail
for program in chromium-headless-shell chromium google-chrome; do
  if command -v "$program"; then exit 0; fi
done
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
{
  as_root apt-get update -q
  as_root apt-get install -q -y --no-install-recommends chromium-headless-shell || as_root apt-get install -q -y --no-install-recommends chromium
} >&2
command -v chromium-headless-shell || command -v chromium
