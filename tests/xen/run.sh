#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs one scenario on real Xen under QEMU: tests/xen/run.sh SCENARIO. Its report goes to standard output, its status is
# ours. Environment:
#   TIMEOUT   seconds until QEMU is killed (600)         TYPES       guest types, "pv pvh"
#   BIN       our programs for dom0 (build/bin)          XEN_CACHE   the rig's parts and logs (build/xen)
#   PACKAGE   a Debian package for dom0, not installed, instead of our programs
#   GUEST_LINE  where QEMU puts the second serial line, instead of a file of the guests' consoles
#   QEMU_EXTRA  further QEMU options
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scenario=${1:?usage: run.sh SCENARIO, one of: $(cd "$here/scenarios" && echo *.sh)}
scenario=$(basename "$scenario" .sh)
[ -e "$here/scenarios/$scenario.sh" ] || { echo "rig: no scenario $scenario" >&2; exit 2; }
bin=$(cd "${BIN:-$here/../../build/bin}" && pwd) || { echo "rig: no programs to test; run make first" >&2; exit 2; }

"$here/build.sh"
cache=$(cd "${XEN_CACHE:-$here/../../build/xen}" && pwd)
run=$cache/runs/$scenario
rm -rf "$run"
mkdir -p "$run"
console=terminal
[ -t 0 ] || console=pipe
# Somebody at a terminal may stay as long as they like.
[ "$scenario $console" != "shell terminal" ] || TIMEOUT=${TIMEOUT:-0}
. "$here/host/overlay.sh"
. "$here/host/qemu.sh"

build_overlay "$bin" "$run" "SCENARIO=$scenario" "CONSOLE=$console" "TYPES='${TYPES:-pv pvh}'"
start_qemu "$run"
if [ "$scenario" = shell ]; then
  connect_terminal "$run"
else
  # Ends with the machine, and reads what is left first.
  tail -n +1 -s 0.3 --pid="$qemu_pid" -f "$run/dom0.log" | sed -u 's/\r//' |
    grep --line-buffered -E '^((not )?ok [0-9]|#|1\.\.[0-9])' &
  report_pid=$!
  await_report "$run"
  wait "$report_pid" || true
fi
scenario_status "$run"
