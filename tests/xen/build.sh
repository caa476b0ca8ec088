#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the rig's parts into build/xen/: Xen, a kernel, dom0's initrd and the guests'. `build.sh machine` ends with what
# a machine without Xen needs.
# Each step is skipped while the files it was made from are the same.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${XEN_CACHE:-$here/../../build/xen}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
export here cache

exec 9>"$cache/.lock"
flock 9

# step NAME INPUT...: runs steps/NAME.sh unless it last succeeded with these very inputs.
step() {
  local name=$1 key
  shift
  key=$(cat "$here/steps/$name.sh" "$here/steps/common.sh" "$@" | sha256sum)
  [ "$(cat "$cache/.$name" 2>/dev/null)" = "$key" ] && return 0
  echo "rig: $name" >&2
  rm -f "$cache/.$name"
  "$here/steps/$name.sh" >&2
  echo "$key" >"$cache/.$name"
}

step host_tools "$here/packages"
step unpack "$here/packages"
step machine_initrd "$cache/.unpack" "$here/machine/init"
[ "${1-}" != machine ] || exit 0
step kernels "$cache/.unpack"
step guest_initrd "$cache/.kernels" "$here"/guest/* "$here"/../clients/tspi/*.{cc,h} "$here"/../engine/{tpm_client.{cc,h},openssl.h}
step dom0_initrd "$cache/.kernels" "$here"/dom0/*.cc
