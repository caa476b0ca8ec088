# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: as frontend in a PV guest without the stock driver, against the manager.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

check "the manager starts" manager_start
ringtest_guest
check "xl create" guest_create g
as_frontend
check "the guest is destroyed" guest_destroy g
check "no worker is left" eventually no_worker
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
finish
