# SPDX-License-Identifier: MIT
# The life of a guest of each type with the stock driver, TrouSerS and xl, all in one boot of the machine.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh

schema_check() { check "$type: XenStore is as the schema says: $1" vtpmctl check-xenstore; }

check "the manager starts" manager_start --measure required
for type in $TYPES; do
  create_checks
  schema_check "created"
  probe_checks
  measure_checks "started"
  schema_check "connected"
  extend_checks
  endorsement_checks
  tss_checks
  # One key less to make under emulation.
  [ "$type" != "${TYPES%% *}" ] || identity_checks
  reload_checks
  schema_check "the driver has been reloaded"
  kill_checks
  attach_checks
  reboot_checks
  destroy_checks
  schema_check "destroyed"
done
finish
