# SPDX-License-Identifier: MIT
# The life of a guest of each type with the stock driver, TrouSerS and xl, all in one boot of the machine.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh

check "the manager starts" manager_start
for type in $TYPES; do
  create_checks
  probe_checks
  extend_checks
  tss_checks
  reload_checks
  kill_checks
  attach_checks
  reboot_checks
  destroy_checks
done
finish
