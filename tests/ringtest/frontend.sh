#!/bin/sh
# SPDX-License-Identifier: MIT
# The kit as frontend against the manager, on the loopback: frontend.sh BIN [OPTION OF THE KIT]... The programs under test
# are in BIN; KIT names the kit, LOG keeps the manager's log.
set -u
bin=$1
shift
kit=${KIT:-$bin/vtpm-ringtest}
if [ -z "${XEN_LOOPBACK_DIR-}" ]; then
  exec "${LOOPBACK:-$bin/xen-loopback}" run -- "$0" "$bin" "$@"
fi
loopback=${LOOPBACK:-$bin/xen-loopback}
scratch=$(mktemp -d)
"$bin/vtpm-managerd" --foreground --pool 0 --log-level 7 --state-dir "$scratch/state" --runtime-dir "$scratch/run" \
  >"${LOG:-$scratch/log}" 2>&1 &
manager=$!
domain=$("$loopback" domain create --vtpm backend=0) || { echo "no domain; the manager said:" && cat "${LOG:-$scratch/log}"; }
[ -n "$domain" ] && "$loopback" exec "$domain" -- "$kit" frontend "$@"
status=$?
kill -0 $manager 2>/dev/null || { echo '# the manager has ended' && status=1; }
[ -z "$domain" ] || "$loopback" domain destroy "$domain" 2>/dev/null
kill $manager 2>/dev/null
wait $manager
rm -rf "$scratch"
exit $status
