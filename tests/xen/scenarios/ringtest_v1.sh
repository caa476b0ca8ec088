# SPDX-License-Identifier: MIT
# Version 1 of the ring on real Xen: the kit as frontend in a PV guest without the stock driver, against the manager; then
# vtpm-frontend there, and what copies for it.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/ringtest.sh

grantd_pids() { pidof vtpm-grantd; }
no_grantd() { ! grantd_pids >/dev/null; }
# command HEX: the answer, in hex, of vtpm-frontend in the guest.
command() { guest_run g "echo $1 | xxd -r -p | nc 127.0.0.1 2412 | xxd -p | tr -d '\n'"; }
answers() { [ -n "$(command $read)" ]; }
of_grantd() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(grantd_pids)/status"; }

check "the manager starts" manager_start
ringtest_guest
check "xl create" guest_create g
as_frontend --protocol v1

check "vtpm-frontend starts in the guest" guest_run g 'vtpm-frontend --protocol v1 --listen tcp:127.0.0.1:2412 >/tmp/shim.log 2>&1 </dev/null &'
extend=00c100000022000000140000000a0102030405060708090a0b0c0d0e0f1011121314
read=00c10000000e000000150000000a
check "it answers" eventually answers
extended=$(command $extend)
equal "an extend succeeds" "${extended%"${extended#00c40000001e00000000}"}" 00c40000001e00000000
equal "its PCR can be read" "$(command $read)" "$extended"
worker=$(worker_pids) grantd=$(grantd_pids)
equal "one vtpm-grantd copies" "$(echo "$grantd" | wc -w | tr -d ' ')" 1
equal "with a user of its own" "$(of_grantd Uid | tr '\t' ' ')" "$(for i in 1 2 3 4; do printf '%s ' $((1900032768 + $(guest_domid g))); done | sed 's/ $//')"
equal "without capabilities" "$(of_grantd CapEff)" 0000000000000000
equal "behind a filter" "$(of_grantd Seccomp)" 2
kill -9 "$grantd"
check "a killed vtpm-grantd is replaced" eventually pid_changed grantd_pids "$grantd"
check "its worker, too" eventually pid_changed worker_pids "$worker"
equal "the PCR stands" "$(command $read)" "$extended"
worker=$(worker_pids)
kill -9 "$worker"
check "a killed worker is replaced" eventually pid_changed worker_pids "$worker"
equal "the PCR stands" "$(command $read)" "$extended"
check "the guest is destroyed" guest_destroy g
check "no worker is left" eventually no_worker
check "no vtpm-grantd is left" eventually no_grantd
equal "no page of a guest is mapped" "$(gntdev_holders)" ""
finish
