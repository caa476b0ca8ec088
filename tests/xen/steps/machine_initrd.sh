#!/bin/bash
# SPDX-License-Identifier: MIT
# The initrd of a machine without Xen: busybox alone.
. "$here/steps/common.sh"

root=$cache/machine-root
new_root "$root"
install -m 755 "$here/machine/init" "$root/init"
pack "$root" "$cache/machine.cpio"
