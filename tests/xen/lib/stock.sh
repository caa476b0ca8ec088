# SPDX-License-Identifier: MIT
# What a guest with the stock driver has to see of its TPM, one function for each matter. `type` is the guest's type, `g` the
# guest. Sourced.
zero=0000000000000000000000000000000000000000
measured=000102030405060708090a0b0c0d0e0f10111213
uuid_pv=00000000-0000-4000-8000-000000000001
uuid_pvh=00000000-0000-4000-8000-000000000002
uuid_second=00000000-0000-4000-8000-0000000000ff

hex() { tr -d ' \n' | tr A-F a-f; }

# pcr INDEX: its value in hex, as the last observation of the PCRs had it.
pcr() { seen pcrs | sed -n "s/^PCR-$1: //p" | hex; }
pcr_lines() { grep -cE '^PCR-[0-9]{2}:( [0-9A-F]{2}){20} *$' /run/seen.pcrs; }

# sha1_of_hex HEX...: computed here in dom0, by nothing of the TPM's.
sha1_of_hex() { printf '%s' "$@" | xxd -r -p | sha1sum | cut -d' ' -f1; }

# expect_status NAME WANTED TEXT: the status `did` noted.
expect_status() { equal "$type: $3" "$(seen "$1" | sed -n 's/^status //p')" "$2"; }

# extended PCR-IN-HEX DIGEST...: the PCR after these.
extended() {
  extended_pcr=$1
  shift
  for digest in "$@"; do extended_pcr=$(sha1_of_hex "$extended_pcr$digest"); done
  echo "$extended_pcr"
}
sha1_of() { sha1sum "$@" | cut -d' ' -f1; }

# log_digests PCR: those of the events of this PCR in the log, which is taken apart here by its layout.
log_digests() {
  vtpmctl show "$uuid" --log --raw | xxd -p | tr -d '\n' | awk -v wanted="$1" '
    function number(at,   i, n) { n = 0
      for (i = 3; i >= 0; i--) n = n * 256 + digit(substr($0, at + 2 * i, 1)) * 16 + digit(substr($0, at + 2 * i + 1, 1))
      return n }
    function digit(c) { return index("0123456789abcdef", c) - 1 }
    { for (at = 1; at < length($0); at += 64 + 2 * number(at + 56)) if (number(at) == wanted) print substr($0, at + 16, 40) }'
}

# What the guest was started from, computed here from the files; as pv-grub has it.
measure_checks() {
  equal "$type: PCR 4 is the kernel's: $1" "$(pcr 04)" "$(extended $zero "$(sha1_of /guest/vmlinux)")"
  equal "$type: PCR 5 is the command line's and the ramdisk's" "$(pcr 05)" \
    "$(extended $zero "$(guest_command_line | sha1_of)" "$(sha1_of /run/guests/g.cpio)")"
  equal "$type: the other PCRs of the boot are zero" "$(pcr 00)$(pcr 03)$(pcr 06)$(pcr 07)" "$zero$zero$zero$zero"
  for index in 4 5; do
    equal "$type: the event log replays to PCR $index" "$(extended $zero $(log_digests $index))" "$(pcr 0$index)"
  done
}

create_checks() {
  eval "uuid=\$uuid_$type"
  guest_config g "$type" "vtpm = [\"backend=0,uuid=$uuid\"]"
  check "$type: xl create" guest_create g
}

probe_checks() {
  forget
  check "$type: the guest answers" observed guest_run g observe
  equal "$type: the kernel has no complaint" "$(seen complaints)" ""
  equal "$type: the backend is connected" "$(backend_state g 0)" 4
  # A TPM for the pool may be in the making, by a process of the same name.
  check "$type: one worker" eventually one_worker
  equal "$type: the worker, and it alone, has a guest's page mapped" "$(gntdev_holders)" vtpmd
  matches "$type: caps" "$(seen caps)" 'Manufacturer: 0x[0-9a-f]{8}|TCG version: 1\.2|Firmware version: [0-9]+\.[0-9]+'
  matches "$type: timeouts" "$(seen timeouts)" '([1-9][0-9]* ){4}\[original\]'
  matches "$type: durations" "$(seen durations)" '([1-9][0-9]* ){3}\[original\]'
  equal "$type: pcrs are 24 lines" "$(pcr_lines)" 24
  equal "$type: pubek says 2048 bits" "$(seen pubek | sed -n 's/^Modulus length: //p')" 256
  matches "$type: and shows an odd modulus of so many" "$(seen pubek | sed '1,/^Modulus:/d' | hex)" \
    '[89a-f][0-9a-f]{510}[13579bdf]'
  equal "$type: enabled, active, not owned" "$(seen enabled) $(seen active) $(seen owned)" "1 1 0"
}

extend_checks() {
  equal "$type: PCR 10 starts at zero" "$(pcr 10)" "$zero"
  forget
  check "$type: an extend is answered" observed guest_run g "section answer; extend 10 $measured; pcrs"
  wanted=$(sha1_of_hex "$zero$measured")
  equal "$type: the answer to an extend" "$(seen answer)" "00c40000001e00000000$wanted"
  equal "$type: the extend seen in pcrs" "$(pcr 10)" "$wanted"
}

# quote_checks: OpenSSL in the guest has verified the signature; what was signed is checked here.
quote_checks() {
  expect_status verify 0 "OpenSSL verifies the quote's signature"
  expect_status verify_forged 1 "and refuses a forged quote"
  # Three bytes select among 24 PCRs, here 10 and 16.
  composite=$(sha1_of_hex "000300040100000028$(pcr 10)$(pcr 16)")
  equal "$type: what is quoted: version, QUOT, the PCRs, the nonce" "$(seen quote | tail -n 1)" \
    "0101000051554f54${composite}00112233445566778899aabbccddeeff01234567"
}

# endorsement_checks: before there is an owner, after whom nobody else may read the PUBEK.
endorsement_checks() {
  forget
  check "$type: the certificate is read" observed guest_run g "endorsement $(vtpmctl show --ca | base64 -w 0)"
  expect_status nvread 0 "tpm_nvread of the certificate, without an owner"
  length=$(($(seen nv_size) - 5))
  equal "$type: the header of the PC client" "$(seen nv_header)" "100100$(printf %04x "$length")1002"
  expect_status certified 0 "openssl verify accepts it against the host's authority"
  expect_status certified_forged 2 "and no forged one"
  equal "$type: it is of the TPM's endorsement key" "$(seen certified_modulus | sed 's/^Modulus=//' | hex)" \
    "$(seen pubek | sed '1,/^Modulus:/d' | hex)"
  equal "$type: vtpmctl shows the same" "$(vtpmctl show "$uuid" --ek | sed '/^-----END CERT/q')" "$(seen certificate)"
}

# identity_checks: by the owner, with the certificate that endorsement_checks had the guest read.
identity_checks() {
  forget
  check "$type: an identity is asked for" observed guest_run g identity
  expect_status identity 0 "an identity is activated for the certified endorsement key"
  equal "$type: no step of it went wrong" "$(seen identity | grep -c '^ok ') $(seen identity | grep -c '^bad ')" "5 0"
}

tss_checks() {
  forget
  check "$type: tcsd serves" observed guest_run g "own_and_seal 10 $measured"
  expect_status own 0 tpm_takeownership
  expect_status seal 0 tpm_sealdata
  expect_status unseal 0 tpm_unsealdata
  expect_status same 0 "what is unsealed is what was sealed"
  expect_status leaks 1 "the sealed file does not show the secret"
  expect_status tss_quote 0 "a quote through TrouSerS"
  quote_checks
  # 24 is TPM_WRONGPCRVAL.
  expect_status unseal_changed 24 "tpm_unsealdata is refused after the PCR has changed"
}

# remember_pcrs: for `pcrs_stand`; they are no proof while PCR 10 is zero.
remember_pcrs() {
  forget
  check "$type: $1" observed guest_run g pcrs
  equal "$type: pcrs are 24 lines" "$(pcr_lines)" 24
  refuse "$type: PCR 10 is not zero" [ "$(pcr 10)" = "$zero" ]
  seen pcrs >/run/pcrs.before
}

# pcrs_stand TEXT COMMAND: the guest's command works, and its PCRs are as they were.
pcrs_stand() {
  forget
  check "$type: $1: the TPM answers" observed guest_run g "${2:-pcrs}"
  check "$type: $1: the PCRs stand" cmp /run/pcrs.before /run/seen.pcrs
}

reload_checks() {
  remember_pcrs "PCRs before the reload"
  pcrs_stand "driver reloaded" reload_driver
  expect_status rmmod 0 "the driver unloads"
  equal "$type: no device while it is out" "$(seen between)" ""
  expect_status insmod 0 "the driver loads again"
}

kill_checks() {
  old=$(worker_pids)
  check "$type: the worker is killed" kill -9 "$old"
  check "$type: another worker takes its place" eventually replaced "$old"
  pcrs_stand "worker killed"
  old=$(manager_pid)
  check "$type: the manager is killed" kill -9 "$old"
  check "$type: another manager takes its place" eventually pid_changed manager_pid "$old"
  pcrs_stand "manager killed"
  # The new manager must know the worker that it did not start.
  old=$(worker_pids)
  check "$type: the worker is killed under the new manager" kill -9 "$old"
  check "$type: the new manager replaces it" eventually replaced "$old"
  pcrs_stand "worker killed under the new manager"
}
replaced() { pid_changed worker_pids "$1" && serving g 0; }

listed() { xl vtpm-list g | awk '$3 ~ /-/ { print $1, $3 }'; }
workers_are() { [ "$(worker_count)" = "$1" ]; }

attach_checks() {
  equal "$type: xl vtpm-list shows one" "$(listed)" "0 $uuid"
  check "$type: xl vtpm-attach" xl vtpm-attach g uuid=$uuid_second backend=0
  check "$type: a second device appears" guest_run g 'device_appears /dev/tpm1'
  equal "$type: xl vtpm-list shows both" "$(listed)" "0 $uuid
1 $uuid_second"
  check "$type: two workers" eventually workers_are 2
  forget
  check "$type: the second has PCRs" observed guest_run g 'section pcrs; cat /sys/class/tpm/tpm1/pcrs'
  equal "$type: its own" "$(pcr 10)" "$zero"
  late=$(printf %s 'vtpm: attached to a domain that was running already' | sha1_of)
  equal "$type: attached late, it shows a marker" "$(pcr 04) $(pcr 05)" "$(extended $zero "$late") $(extended $zero "$late")"
  check "$type: xl vtpm-detach" xl vtpm-detach g $uuid_second
  check "$type: the second device goes" guest_run g 'device_vanishes /dev/tpm1'
  check "$type: one worker is left" eventually workers_are 1
  equal "$type: xl vtpm-list shows one again" "$(listed)" "0 $uuid"
  pcrs_stand "second device detached"
}

reboot_checks() {
  forget
  check "$type: the guest answers after all this" observed guest_run g complaints
  equal "$type: the kernel still has no complaint" "$(seen complaints)" ""
  check "$type: the guest reboots" guest_reboot g || diagnose
  forget
  check "$type: the guest answers after it" observed guest_run g observe
  equal "$type: PCR 10 is zero again" "$(pcr 10)" "$zero"
  measure_checks "measured afresh"
  equal "$type: the owner is still there" "$(seen owned)" 1
  equal "$type: the kernel has no complaint after it" "$(seen complaints)" ""
}

destroy_checks() {
  check "$type: our nodes are seen while the guest lives" [ -n "$(our_nodes)" ]
  equal "$type: one mapping while the guest lives" "$(gntdev_holders)" vtpmd
  check "$type: xl destroy" guest_destroy g
  check "$type: no worker is left" eventually no_worker
  equal "$type: no page of a guest is mapped" "$(gntdev_holders)" ""
  equal "$type: no node is left" "$(our_nodes)" ""
}
