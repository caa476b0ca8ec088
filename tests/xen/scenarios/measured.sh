# SPDX-License-Identifier: MIT
# Measured start beyond `stock`: a resume that measures nothing, `required` that refuses a start, `on` that marks it.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/measured.sh

check "the manager starts" manager_start
check "it listens" eventually vtpmctl list
resume_checks
for type in $TYPES; do
  uuid=$(measured_uuid "$type")
  check "$type: vtpmctl create --measure required" vtpmctl create "$uuid" --measure required
  refused_checks
  marked_checks
done
check "no worker is left" eventually no_worker
equal "no node is left" "$(our_nodes)" ""
finish
