# SPDX-License-Identifier: MIT
# A PV and a PVH guest with the stock driver: it probes without complaint, sysfs is sane, an extend is the right SHA-1.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh

sysfs=/sys/class/tpm/tpm0
zero=0000000000000000000000000000000000000000
measured=000102030405060708090a0b0c0d0e0f10111213

# pcr GUEST INDEX: its value in hex, from sysfs.
pcr() { guest_run "$1" "sed -n 's/^PCR-$2: //p' $sysfs/pcrs" | tr -d ' \n' | tr A-F a-f; }

# sha1_of_hex HEX: computed here in dom0, by nothing of the TPM's.
sha1_of_hex() { printf '%s' "$1" | xxd -r -p | sha1sum | cut -d' ' -f1; }

# complaints GUEST: what the kernel said about the TPM that it would not say of a healthy one.
complaints() {
  guest_run "$1" 'dmesg' | grep -iE 'tpm' | grep -v 'ima: No TPM chip found' |
    grep -iE 'error|fail|time|cancel|adjust|invalid|unable'
}

probe_checks() {
  check "$type: the device appears" guest_run g "for i in \$(seq 300); do [ -e /dev/tpm0 ] && exit; sleep 0.1; done; exit 1"
  equal "$type: the kernel has no complaint" "$(complaints g)" ""
  equal "$type: the backend is connected" "$(backend_state g 0)" 4
  matches "$type: caps" "$(guest_run g "cat $sysfs/caps")" \
    'Manufacturer: 0x[0-9a-f]{8}|TCG version: 1\.2|Firmware version: [0-9]+\.[0-9]+'
  matches "$type: timeouts" "$(guest_run g "cat $sysfs/timeouts")" '([1-9][0-9]* ){4}\[original\]'
  matches "$type: durations" "$(guest_run g "cat $sysfs/durations")" '([1-9][0-9]* ){3}\[original\]'
  equal "$type: pcrs are 24 lines" "$(guest_run g "grep -cE '^PCR-[0-9]{2}:( [0-9A-F]{2}){20} *\$' $sysfs/pcrs")" 24
  matches "$type: pubek is a 2048-bit modulus" "$(guest_run g "cat $sysfs/pubek" | sed -n 's/^Modulus length: //p')" 256
}

extend_checks() {
  equal "$type: PCR 10 starts at zero" "$(pcr g 10)" "$zero"
  answer=$(guest_run g "exec 3<>/dev/tpm0
echo 00c100000022000000140000000a$measured | xxd -r -p >&3
dd bs=4096 count=1 <&3 2>/dev/null | xxd -p | tr -d '\n'")
  wanted=$(sha1_of_hex "$zero$measured")
  equal "$type: the answer to an extend" "$answer" "00c40000001e00000000$wanted"
  equal "$type: the extend seen in pcrs" "$(pcr g 10)" "$wanted"
}

check "the manager starts" manager_start
for type in $TYPES; do
  guest_config g "$type" 'vtpm = ["backend=0,uuid=00000000-0000-4000-8000-000000000001"]'
  check "$type: xl create" guest_create g
  probe_checks
  extend_checks
  check "$type: xl destroy" guest_destroy g
  check "$type: no worker is left" eventually 10 no_worker
  equal "$type: no page of a guest is mapped" "$(gntdev_holders)" ""
  equal "$type: no node is left" "$(our_nodes)" ""
done
finish
