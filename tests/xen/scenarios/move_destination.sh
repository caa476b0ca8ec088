# SPDX-License-Identifier: MIT
# The other machine of move_source.sh: does what it is told.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/lifecycle.sh
. /rig/lib/link.sh

hostname destination
link_open
check "the manager starts" manager_start
check "does what it is told" link_serve
finish
