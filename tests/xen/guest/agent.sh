#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs what dom0 writes to data/command and writes back output and status. The `data` directory is the one part of its
# XenStore home that both the guest and dom0 may write. Both texts travel in base64: xenstore-write would read a
# backslash in them. The quota for one value of a guest is 2048 bytes, so the output goes in pieces.
. /usr/lib/rig/tpm.sh
. /usr/lib/rig/shim.sh

# report SEQUENCE STATUS FILE: one call of xenstore-write; a process is expensive under emulation.
report() {
  sequence=$1 status=$2 count=0
  pieces=$(base64 -w 1900 "$3")
  set --
  for piece in $pieces; do
    set -- "$@" "data/output/$count" "$piece"
    count=$((count + 1))
  done
  xenstore-write "$@" data/result "$sequence $status $count"
}

done_sequence=0
xenstore-watch data/command | while read -r _; do
  command=$(xenstore-read data/command 2>/dev/null) || continue
  sequence=${command%% *}
  [ "$sequence" -gt "$done_sequence" ] || continue
  done_sequence=$sequence
  echo "${command#* }" | base64 -d >/tmp/command
  echo "GUEST-RUN $sequence: $(head -n 1 /tmp/command)"
  (. /tmp/command) >/tmp/output 2>&1 </dev/null
  status=$?
  cat /tmp/output
  echo "GUEST-DONE $sequence $status"
  report "$sequence" "$status" /tmp/output
done
