# SPDX-License-Identifier: MIT
# What becomes of a TPM when its domain is saved, restored, migrated, suspended, or lives beside a hostile one. Sourced
# after lib/stock.sh; guest `a` is PV, guest `b` is PVH, guest `c`, the hostile one, PV: under emulation PVH guests die by
# themselves too often.
# Two bytes more than the command is long: the device must trust the header and leave the tail alone.
golden_command=00c1000000220000001400000000''0102030405060708090a0b0c0d0e007866101112''1314
golden_pcr=1ea7bda40f4237d5c9c4037fa19914c9f2f51a7e
failed_selftest=00c40000000a0000001c
pcr_read=00c10000000e00000015
save_file=/run/a.save

uuid_of() { # NAME
  case $1 in
    a) echo 00000000-0000-4000-8000-00000000000a ;;
    b) echo 00000000-0000-4000-8000-00000000000b ;;
    c) echo 00000000-0000-4000-8000-00000000000c ;;
  esac
}
configure() { # NAME TYPE
  guest_config "$1" "$2" "vtpm = [\"backend=0,uuid=$(uuid_of "$1")\"]"
}

see_pcrs() { # NAME TEXT
  forget
  check "$2" observed guest_run "$1" "${3:-pcrs}"
}
worker_of() { vtpmctl stats | sed -n "s/^$(guest_domid "$1")\/0 *[a-z]* *\([1-9][0-9]*\) .*/\1/p"; }

# save NAME, restore NAME: with xl, to and from one file.
save() { xl save "$1" "$save_file" && eventually guest_gone "$1"; }
restore() { xl restore "$save_file" && guest_moved "$1"; }

save_restore_checks() {
  see_pcrs a "an extend with two bytes too many is answered" "section answer; raw $golden_command; pcrs"
  equal "its answer" "$(seen answer)" "00c40000001e00000000$golden_pcr"
  equal "PCR-00 is 1E A7 BD..." "$(pcr 00)" "$golden_pcr"
  seen pcrs >/run/pcrs.a
  for cycle in 1 2 3; do
    check "xl save, cycle $cycle" save a
    check "a saved domain has no worker" eventually workers_are 1
    check "xl restore, cycle $cycle" restore a
    see_pcrs a "the restored guest answers, cycle $cycle"
    check "its PCRs stand, cycle $cycle" cmp /run/pcrs.a /run/seen.pcrs
  done
}

second_restore_checks() {
  check "xl destroy of the restored guest" guest_destroy a
  check "xl restore of the file that was restored before" restore a
  forget
  check "the guest from it runs" observed guest_run a "section pcr; raw ${pcr_read}00000000"
  equal "its TPM answers TPM_FAILEDSELFTEST" "$(seen pcr)" "$failed_selftest"
  check "xl destroy" guest_destroy a
  check "a new boot of it" guest_create a
  see_pcrs a "its TPM answers"
  equal "and has PCRs of a new boot" "$(pcr 00)" "$zero"
}

# A guest may ask for a suspend itself, so that its next kernel, another one, finds the PCRs of this one. Every boot is marked
# in the PCRs of the platform until the administrator has given up what might still be restored.
forgery_checks() {
  see_pcrs a "the guest has measured something" "extend 0 $measured; extend 10 $measured; pcrs"
  seen pcrs >/run/pcrs.a
  check "it suspends itself" suspend_itself a
  check "its domain is destroyed" guest_destroy a
  GUEST_WORDS="rig.tpm another.kernel"
  configure a pv
  check "another kernel is started with the same TPM" guest_create a
  marked_checks
  check "the administrator is told the remedy" grep -q "vtpmctl power-cycle $(uuid_of a)" "$manager_log"
  check "a reboot is no remedy" guest_reboot a
  marked_checks
  check "the domain is destroyed" guest_destroy a
  check "the administrator gives up the suspended state" eventually vtpmctl power-cycle "$(uuid_of a)"
  check "the guest is started anew" guest_create a
  see_pcrs a "its TPM answers"
  equal "PCR 00 is that of a clean boot" "$(pcr 00)" "$zero"
}

marked_checks() {
  see_pcrs a "its TPM answers"
  equal "PCR 10 has lost its value" "$(pcr 10)" "$zero"
  for index in 00 01 02 03 04 05 06 07; do
    refuse "PCR $index is not that of a clean boot" [ "$(pcr $index)" = "$zero" ]
  done
  refuse "PCR 00 is not what it was" [ "$(pcr 00)" = "$(sed -n 's/^PCR-00: //p' /run/pcrs.a | hex)" ]
}

# suspend_itself NAME [LOOK]: a guest that answers has failed to.
suspend_itself() {
  guest_tell "$1" "insmod /modules/xen-privcmd.ko unrestricted=1; /usr/lib/rig/suspend_self ${2-}"
  eventually suspended_or_answered "$1" && is_suspended "$1" || { xl list; guest_result "$1"; return 1; }
}
suspended_or_answered() {
  is_suspended "$1" || case $(guest_data "$1" result) in "$sequence "*) ;; *) false ;; esac
}
# The first `s` says that it has shut down, the second that the reason is suspend.
is_suspended() { xl list "$1" | grep -q 'ss- '; }

# Migration to the same host: two domains with one TPM at once.
migrate_checks() {
  see_pcrs b "the guest to be migrated has measured something" "extend 10 $measured; pcrs"
  seen pcrs >/run/pcrs.b
  from=$(guest_domid b)
  check "xl migrate to the same host" xl migrate -s vtpm-migrate-ssh b localhost
  check "the guest has another domain" guest_moved b
  refuse "not the one of before" [ "$(guest_domid b)" = "$from" ]
  see_pcrs b "its TPM answers"
  check "its PCRs stand" cmp /run/pcrs.b /run/seen.pcrs
}

# One guest does what it can against its own device; the other one's TPM must not notice.
neighbour_checks() {
  manager=$(manager_pid)  # before a worker is started, which has its name for a moment
  configure c pv
  check "xl create of a hostile guest" guest_create c
  neighbour=$(worker_of a) start=$(pcr_of a 12)
  refuse "the neighbour has a worker" [ -z "$neighbour" ]
  guest_tell a "busy 30 12 $measured"
  check "the driver leaves its device" guest_run c unbind_driver
  rubbish ring-ref -1
  rubbish ring-ref 4294967296
  rubbish event-channel rubbish
  rubbish state 99
  check "the neighbour was busy meanwhile" guest_result a
  forget
  guest_tell c 'section flood; /usr/lib/rig/ring_flood 30'
  check "and is during a flood of the other's ring" guest_run a "busy 30 12 $measured"
  check "the flood ends by itself" observed guest_result c
  matches "it has met a backend" "$(seen flood | sed -n 's/^rings //p')" '[1-9][0-9]*'
  note "$(seen flood)"
  equal "the neighbour's extends all count" "$(pcr_of a 12)" "$(chain 60 "$start" "$measured")"
  equal "its worker is the same" "$(worker_of a)" "$neighbour"
  equal "the manager is the same" "$(manager_pid)" "$manager"
  see_pcrs c "the stock driver gets the device back" "xenstore-write device/vtpm/0/state 6; bind_driver; pcrs"
  equal "and 24 PCRs" "$(pcr_lines)" 24
  check "xl destroy of the hostile guest" guest_destroy c
}

pcr_of() { # NAME INDEX
  observed guest_run "$1" pcrs && pcr "$2"
}
# chain TIMES START DIGEST: START extended so many times, computed here.
chain() {
  value=$2 times=$1
  while [ "$times" -gt 0 ]; do
    value=$(sha1_of_hex "$value$3")
    times=$((times - 1))
  done
  echo "$value"
}

# rubbish NODE VALUE: ends in a refusal that the administrator sees, until the frontend closes.
rubbish() {
  check "$1 = $2" guest_run c "spoil $1 $2"
  check "$1 = $2: the device is refused" eventually stage_is c failed
  refuse "$1 = $2: XenStore says why" [ -z "$(error_of c)" ]
  check "$1 = $2: the frontend closes" guest_run c 'xenstore-write device/vtpm/0/state 6'
  check "$1 = $2: and is listened to again" eventually stage_is c closed
}
stage_is() { vtpmctl stats | grep -q "^$(guest_domid "$1")/0 *$2 "; }
error_of() { xenstore-read "/local/domain/0/error/backend/vtpm/$(guest_domid "$1")/0/error" 2>/dev/null; }
