#!/usr/bin/env bash
# Make an image with Python 3.13 from Debian's packages, for machines that reach a Debian mirror but
# no container registry. Usage: base-image.sh [NAME]; DOCKER, MIRROR and SUITE in the environment.
set -euo pipefail

name=${1:-python-debian:3.13}
suite=${SUITE:-trixie}
docker=${DOCKER:-docker}
packages=ca-certificates,python3,python3-venv

if "$docker" image inspect "$name" > /dev/null 2>&1; then
  echo "$name is there already"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "error: debootstrap needs root; type: sudo make base-image" >&2
  exit 1
fi
if ! command -v debootstrap > /dev/null; then
  echo "error: debootstrap is missing; type: apt-get install debootstrap" >&2
  exit 1
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
echo "making $name from Debian $suite's packages (about a minute)"
if ! debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${MIRROR:+"$MIRROR"} > "$root.log" 2>&1; then
  tail -n 20 "$root.log" >&2
  echo "error: debootstrap failed; another mirror: MIRROR=http://… make base-image" >&2
  exit 1
fi
rm -rf "$root.log" "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
  "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale
ln -sf python3 "$root/usr/bin/python"
tar -C "$root" --numeric-owner -c . \
  | "$docker" import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name"
echo "made $name; to build on it: BASE_IMAGE = $name in .env"
