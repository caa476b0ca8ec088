# SPDX-License-Identifier: MIT
# Version 1 of the ring on real Xen: the kit as backend in dom0 against vtpm-frontend in a PV guest.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

export COMMAND_TIMEOUT=20
ringtest_guest
as_backend shim --protocol v1 --cancels $COMMAND_TIMEOUT
judge shim "$report" $kit_status
check "the guest is destroyed" guest_destroy g
finish
