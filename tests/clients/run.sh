#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that other people wrote against vtpm-socketd: run.sh BUILD. TAP on standard output; KEEP=1 leaves the files.
set -u -o pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../xen/lib/tap.sh"
patience=60
. "$here/machine.sh"
. "$here/socket.sh"
. "$here/control.sh"
. "$here/qemu.sh"
. "$here/tss.sh"
. "$here/areas.sh"
. "$here/tspi.sh"
cd "$work" || exit 1

test_stream
test_state_file
for part in control power cancel blobs hashing; do "test_$part"; done
if [ "$(id -u)" = 0 ]; then
  make_tcsd_files
  for part in fresh_tpm ownership passwords areas lockout operator sealing quotes measurement restart opt_in clearing bare_tpm all_tools tspi; do "test_$part"; done
else
  pass "TrouSerS and its tools # SKIP tcsd changes its user, which only root may"
fi
test_machine
finish
