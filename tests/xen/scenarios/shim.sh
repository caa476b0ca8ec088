# SPDX-License-Identifier: MIT
# A guest of each type without the stock driver, whose /dev/tpm0 comes from vtpm-frontend: ownership, sealing, a manager and a
# worker that are replaced, `xl save` and `xl restore`; and the two drivers of one device, one after the other.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/shim.sh

check "the manager starts" manager_start
for type in $TYPES; do
  shim_create_checks
  shim_tss_checks
  shim_backend_checks
  shim_suspend_checks
  shim_rival_checks
done
finish
