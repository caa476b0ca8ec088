#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs two scenarios at once, on two machines whose second serial lines are joined: tests/xen/pair.sh SCENARIO OTHER. The
# report and the status are the first one's. Environment: as for run.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scenario=${1:?usage: pair.sh SCENARIO OTHER} other=${2:?usage: pair.sh SCENARIO OTHER}
link=$(mktemp -d)
trap 'kill "$other_pid" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$link"' EXIT
trap 'exit 130' INT TERM HUP

"$here/build.sh"
GUEST_LINE=unix:$link/line,server=on,wait=off "$here/run.sh" "$other" >"$link/report" 2>&1 &
other_pid=$!
tries=600
until [ -S "$link/line" ]; do
  kill -0 "$other_pid" 2>/dev/null && [ $((tries -= 1)) -gt 0 ] || { cat "$link/report" >&2; exit 1; }
  sleep 0.2
done
status=0
GUEST_LINE=unix:$link/line "$here/run.sh" "$scenario" || status=$?
[ "$status" = 0 ] || sed 's/^/# '"$other"': /' "$link/report"
exit "$status"
