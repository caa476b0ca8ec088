# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: as backend in dom0 against the stock driver in a PV guest.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

# Linux watches a backend once the driver's probe is over, and the probe waits two minutes for the answer to its first
# command: only then it hears of a backend that does not serve it.
kit_patience='--patience 300000 --silence 1000'
ringtest_guest
as_backend stock
judge stock "$report" $kit_status request/header-is-written-anew hostile/scribbles
check "the guest is destroyed" guest_destroy g
finish
