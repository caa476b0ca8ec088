# SPDX-License-Identifier: MIT
# A scenario that fails on purpose: the rig must give its status and its report to whoever started it.
. /rig/lib/tap.sh

fail "this check fails on purpose" || true
exit 7
