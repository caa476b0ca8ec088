# SPDX-License-Identifier: MIT
# Guests that crash their worker and guests that look like a new boot while they are suspended: none gets PCRs that it did
# not earn.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/lifecycle.sh
. /rig/lib/forgery.sh

GUEST_MEMORY=128
crashing_workers
check "the manager starts" manager_start --libexec /run/crashing
configure a pv
check "xl create" guest_create a
crash_checks
disguised_pv_checks
disguised_pvh_checks
check "no worker is left" eventually no_worker
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
equal "no node is left" "$(our_nodes)" ""
finish
