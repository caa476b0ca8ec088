# SPDX-License-Identifier: MIT
# A guest of each type with the stock driver: it probes without complaint, sysfs is sane, an extend is the right SHA-1.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh

check "the manager starts" manager_start --measure required
for type in $TYPES; do
  create_checks
  probe_checks
  measure_checks "started"
  extend_checks
  destroy_checks
done
finish
