#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages the rig itself runs with, when they are missing.
. "$here/steps/common.sh"

missing=
for package in $(packages host); do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=" $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "rig: as root, please: apt-get install$missing" >&2; exit 1; }
  sudo=sudo
fi
echo "rig: installing$missing"
# An index never fetched, or older than what the archive still carries, makes the first attempt fail.
# shellcheck disable=SC2086
install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null; }
install || { $sudo apt-get update -qq && install; } || { echo "rig: could not install:$missing" >&2; exit 1; }
