# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: as frontend in a PV guest without the stock driver, against the manager.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

kit_ended() {
  sleep 5
  guest_run g '[ -s /tmp/status ]'
}

check "the manager starts" manager_start
ringtest_guest
check "xl create" guest_create g
check "the kit starts in the guest" guest_run g "{ vtpm-ringtest frontend $kit_patience >/tmp/report 2>&1
  echo \$? >/tmp/status; } </dev/null >/dev/null 2>&1 &"
check "the kit ends in the guest" eventually kit_ended
guest_run g 'cat /tmp/report' >"$report"
judge "our backend" "$report" "$(guest_run g 'cat /tmp/status')"
check "the guest is destroyed" guest_destroy g
check "no worker is left" eventually no_worker
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
finish
