#!/bin/sh
# SPDX-License-Identifier: MIT
# The kit as backend against vtpm-frontend, on the loopback: backend.sh BIN [OPTION OF THE KIT]... The program under test is
# in BIN; KIT names the kit. COMMAND_TIMEOUT is the frontend's, in seconds.
set -u
bin=$1
shift
kit=${KIT:-$bin/vtpm-ringtest}
loopback=${LOOPBACK:-$bin/xen-loopback}
: "${COMMAND_TIMEOUT:=2}"
exec "$loopback" run -- "$kit" backend --create "$loopback domain create --vtpm backend=0" \
  --start "exec $loopback exec \$DOMID -- $bin/vtpm-frontend --listen unix:\$SOCKET --connect-timeout 5 --command-timeout $COMMAND_TIMEOUT" \
  --cancels "$COMMAND_TIMEOUT" "$@"
