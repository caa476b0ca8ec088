# SPDX-License-Identifier: MIT
# Guests, saved, restored, migrated, suspended by themselves, and one of them hostile, all in one boot of the machine.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/lifecycle.sh

GUEST_MEMORY=128
check "the manager starts" manager_start
configure a pv
configure b pvh
check "xl create, PV" guest_start a
check "xl create, PVH" guest_start b
check "the PV guest boots" guest_ready a
check "the PVH guest boots" guest_ready b
save_restore_checks
migrate_checks
check "xl destroy of the migrated guest" guest_destroy b
neighbour_checks
second_restore_checks
forgery_checks
check "the last guest is destroyed" guest_destroy a
check "no worker is left" eventually no_worker
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
equal "no node is left" "$(our_nodes)" ""
finish
