#!/usr/bin/env bash
# Assembles the root file system of the image from packages of Debian or Ubuntu: deploy/image/rootfs.sh PROGRAM FOLDER [x86_64|aarch64].
# It has the program, glibc and libgcc, the CA certificates of Mozilla, and a user. No shell, no package manager.
# Needs apt-get and dpkg-deb, and takes the packages of the release that it runs on; nothing is installed.
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$(realpath "$1")
folder=$2
architecture=${3:-$(uname -m)}
case $architecture in
  x86_64) debian=amd64 ;;
  aarch64) debian=arm64 ;;
  *) echo "rootfs.sh: x86_64 or aarch64, not $architecture" >&2 && exit 2 ;;
esac
rm -rf "$folder"
mkdir -p "$folder"
folder=$(realpath "$folder")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Lists of packages of its own: the machine's may be of another architecture, or absent.
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages"
touch "$work/status"
apt=(apt-get -qq -o "APT::Architecture=$debian" -o "APT::Architectures=$debian" -o "Dir::State::Lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" -o "APT::Sandbox::User=root")
"${apt[@]}" update >&2
cd "$work/packages"
"${apt[@]}" download libc6 libgcc-s1 ca-certificates >&2
# libgcc's copyright is in the package of its compiler's release.
base=$(dpkg-deb --field libgcc-s1_*.deb Depends | grep -o 'gcc-[0-9]*-base')
"${apt[@]}" download "$base" >&2
cd - >/dev/null
for package in "$work"/packages/*.deb; do
  dpkg-deb -x "$package" "$work/unpacked"
done

put() { # A file of the packages, at its place.
  local from=$1 to=$2
  mkdir -p "$folder$(dirname "$to")"
  cp -L "$from" "$folder$to"
}
# Just the libraries that the program names, and the loader that it names.
read_elf() { readelf --wide "$1" "$program"; }
loader=$(read_elf --program-headers | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
mapfile -t libraries < <(read_elf --dynamic | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
# Names are resolved by a module of glibc; `dns` and `files` are part of libc itself since 2.34.
for library in "$loader" "${libraries[@]}"; do
  name=$(basename "$library")
  found=$(find "$work/unpacked" -name "$name" | head -n 1)
  [[ -n "$found" ]] || { echo "rootfs.sh: no package has $name" >&2 && exit 1; }
  case $library in
    */*) put "$found" "$library" ;;
    # The loader is among the names too, on arm64.
    "$(basename "$loader")") ;;
    *) put "$found" "/lib/$architecture-linux-gnu/$name" ;;
  esac
done

mkdir -p "$folder/etc/ssl/certs" "$folder/tmp" "$folder/usr/bin"
cat "$work"/unpacked/usr/share/ca-certificates/mozilla/*.crt >"$folder/etc/ssl/certs/ca-certificates.crt"
echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' >"$folder/etc/passwd"
echo 'nonroot:x:65532:' >"$folder/etc/group"
echo 'hosts: files dns' >"$folder/etc/nsswitch.conf"
for package in libc6 "$base" ca-certificates; do
  put "$work/unpacked/usr/share/doc/$package/copyright" "/usr/share/doc/$package/copyright"
done
put "$here/LICENSE" /usr/share/doc/rolecall/copyright
# The versions, for scanners that look for what a file system has from Debian.
mkdir -p "$folder/var/lib/dpkg/status.d"
for package in "$work"/packages/*.deb; do
  dpkg-deb --field "$package" >"$folder/var/lib/dpkg/status.d/$(dpkg-deb --field "$package" Package)"
done
cp "$program" "$folder/usr/bin/rolecall"
chmod 0755 "$folder/usr/bin/rolecall"
chmod 1777 "$folder/tmp"
echo "$folder"
