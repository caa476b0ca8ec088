# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: as backend in dom0 against the stock driver in a PV guest.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

ringtest_guest
as_backend stock
judge stock "$report" $kit_status
check "the guest is destroyed" guest_destroy g
finish
