#!/usr/bin/env bash
# Starts the image's root file system as a container would: deploy/image/check.sh ROOTFS. As user 65532, without any capability, with the
# file system read-only, the program must print its version, check a manifest, serve, and become ready.
# Needs root, and qemu-user-static where the program is of another architecture.
set -euo pipefail
rootfs=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
pid=
trap '[[ -z "$pid" ]] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT

emulator=()
machine=$(readelf --file-header "$rootfs/usr/bin/rolecall" | sed -n 's/ *Machine: *//p')
mkdir "$work/root"
cp -a "$rootfs/." "$work/root"
if [[ $machine == AArch64 && $(uname -m) != aarch64 ]]; then
  cp "$(command -v qemu-aarch64-static)" "$work/root/qemu"
  emulator=(/qemu)
fi
mkdir "$work/root/data"
cp "$here/tests/fixtures/snapshot.json" "$here/tests/fixtures/cluster.yaml" "$work/root/data"

# A mount namespace of its own, in which the root is a read-only mount. chroot changes the
# user after the root, and execve(2) then leaves no capability. It takes the place of the shell that calls it.
inside() {
  exec unshare --mount --propagation private sh -c '
    root=$0 chroot=$(command -v chroot)
    mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" &&
    exec setpriv --no-new-privs env -i RUST_LOG=info "$chroot" --userspec=65532:65532 "$root" "$@"' "$work/root" "${emulator[@]}" /usr/bin/rolecall "$@"
}

(inside version)
: >"$work/log"
inside serve --no-kube --self-signed --manifests /data/cluster.yaml --source /data/snapshot.json \
  --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 2>"$work/log" &
pid=$!
address() { sed -n "/\"message\":\"serving\"/s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/log"; }
for _ in $(seq 100); do
  metrics=$(address metrics)
  if [[ -n "$metrics" ]] && curl --silent --fail "http://$metrics/readyz" >"$work/ready"; then
    break
  fi
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2 && exit 1; }
  sleep 0.2
done
grep -q ok "$work/ready" || { cat "$work/log" >&2 && exit 1; }
curl --silent "http://$metrics/metrics" | grep '^rolecall_build_info'
user=$(ps -o uid= -p "$pid")
[[ $(tr -d ' ' <<<"$user") == 65532 ]] || { echo "check.sh: it runs as user $user" >&2 && exit 1; }
grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status" || { echo "check.sh: it has capabilities" >&2 && exit 1; }
curl --silent --insecure --fail --header 'content-type: application/json' \
  --data-binary "@$here/tests/fixtures/reviews/pod-carts-7d9f-rglz9-create.json" "https://$(address reviews)/validate" | grep -q '"allowed":true'
echo "the image serves: version, readiness, metrics and a review, as user 65532 without capabilities on a read-only root"
