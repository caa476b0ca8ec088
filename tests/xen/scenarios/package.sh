# SPDX-License-Identifier: MIT
# The Debian package, installed in dom0 with dpkg, upgraded, removed and installed again while a guest uses its TPM.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh

# The package's scripts run as on Debian, not with what busybox has built in.
ln -sf dash /usr/bin/sh

type=pv uuid=$uuid_pv
install_package() { /usr/bin/dpkg -i /rig/package.deb; }
no_manager() { ! manager_pid >/dev/null; }
worker_of_guest() { vtpmctl stats | sed -n "s,^$(guest_domid g)/0 *[a-z]* *\([1-9][0-9]*\) .*,\1,p"; }
pool_is_full() { vtpmctl stats | grep -qx 'TPMs made in advance: 4 of 4'; }

refuse "nothing of ours is there before" [ -e /usr/sbin/vtpm-managerd ]
manager_follow
check "dpkg -i" install_package
matches "it is installed" "$(dpkg-query -W -f '${db:Status-Abbrev}' vtpm-xen)" 'ii ?'
check "the manager runs, and nobody has started it" eventually manager_pid
check "its init script says so" /etc/init.d/vtpm-managerd status
guest_config g pv "vtpm = [\"backend=0,uuid=$uuid\"]"
check "xl create" guest_create g
extend_first() {
  forget
  check "the guest has a TPM" observed guest_run g "extend 10 $measured >/dev/null; observe"
  equal "it has measured something" "$(pcr 10)" "$(sha1_of_hex "$zero$measured")"
  equal "the kernel has no complaint" "$(seen complaints)" ""
  matches "its endorsement key has 2048 bits" "$(seen pubek | sed -n 's/^Modulus length: //p')" 256
}
extend_first
check "the doctor finds no error" vtpmctl doctor
check "TPMs are made in advance, without being asked" eventually pool_is_full

remember_pcrs "PCRs before the upgrade"
old=$(manager_pid) worker=$(worker_of_guest)
check "an upgrade" install_package
check "has another manager" eventually pid_changed manager_pid "$old"
pcrs_stand "upgraded"
equal "and the same worker" "$(worker_of_guest)" "$worker"
check "dpkg -r" /usr/bin/dpkg -r vtpm-xen
check "stops the manager" eventually no_manager
pcrs_stand "removed"
check "the TPMs are kept" [ -s /var/lib/vtpm/vtpm.db ]
check "dpkg -i again" install_package
check "starts it" eventually manager_pid
pcrs_stand "installed again"
check "stopped by its init script" /etc/init.d/vtpm-managerd stop
check "it is gone" eventually no_manager
check "the hotplug script starts it" /etc/xen/scripts/vtpm add
check "it is back" eventually manager_pid
old=$(manager_pid)
check "the hotplug script again" /etc/xen/scripts/vtpm add
equal "changes nothing" "$(manager_pid)" "$old"
pcrs_stand "started by the hotplug script"
check "the guest reboots" guest_reboot g
forget
check "its TPM answers" observed guest_run g pcrs
equal "with the PCRs of a new boot" "$(pcr 10)" "$zero"
check "xl destroy" guest_destroy g
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
equal "no node is left" "$(our_nodes)" ""
finish
