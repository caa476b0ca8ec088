# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: as backend in dom0 against vtpm-frontend in a PV guest.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

export COMMAND_TIMEOUT=20
ringtest_guest
as_backend shim --cancels $COMMAND_TIMEOUT
judge shim "$report" $kit_status
check "the guest is destroyed" guest_destroy g
finish
