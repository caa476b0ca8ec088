# SPDX-License-Identifier: MIT
# Guests that want the PCRs of a clean boot without booting: by looking like a new boot while they are saved, and by crashing
# the worker that holds their PCRs. Sourced after lib/lifecycle.sh.
crash_event=$(printf 'crash the worker now' | xxd -p)
failed=00c40000000a00000009
marker=$(sha1_of_hex "$zero$(printf 'vtpm: powered on while a suspended state of this TPM stood' | sha1sum | cut -d' ' -f1)")

# Workers under whom crash_hook lies: an event crashes them in the middle of TPM_Extend.
crashing_workers() {
  mkdir -p /run/crashing
  printf '#!/bin/sh\nLD_PRELOAD=/usr/lib/rig/crash_hook exec /usr/sbin/vtpmd "$@"\n' >/run/crashing/vtpmd
  chmod 755 /run/crashing/vtpmd
}

crash_checks() {
  see_pcrs a "the guest has measured something" "extend 0 $measured; extend 12 $measured; pcrs"
  seen pcrs >/run/pcrs.a
  old=$(worker_of a)
  forget
  check "the guest crashes its worker" observed guest_run a "section answer; extend 12 $crash_event"
  # The driver waits two seconds for it, which a busy machine may take to start a worker.
  matches "the command in flight is answered with an error" "$(seen answer)" "$failed|.*Timer expired"
  check "another worker takes its place" eventually another_worker a "$old"
  see_pcrs a "the TPM answers"
  check "its PCRs stand" cmp /run/pcrs.a /run/seen.pcrs
  # Until it is not started again, whatever the answers are.
  guest_tell a "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do extend 12 $crash_event; sleep 1; done"
  check "again and again: the instance is quarantined" eventually quarantined a
  guest_result a >/dev/null
  check "the administrator lifts the quarantine" vtpmctl quarantine --lift "$(uuid_of a)"
  # The driver has given up the device for good.
  check "xl vtpm-detach" xl vtpm-detach a "$(uuid_of a)"
  check "xl vtpm-attach" xl vtpm-attach a uuid="$(uuid_of a)" backend=0
  forget
  check "the guest has a device again" observed guest_run a "eventually tpm_there; section pcr; raw ${pcr_read}0000000c"
  equal "and no PCRs: TPM_FAILEDSELFTEST" "$(seen pcr)" "$failed_selftest"
  check "the guest reboots" guest_reboot a
  see_pcrs a "its TPM answers"
  equal "PCR 00 is that of the boot that it was" "$(pcr 00)" "$zero"
}
another_worker() { now_serving=$(worker_of "$1") && [ -n "$now_serving" ] && [ "$now_serving" != "$2" ] && serving "$1" 0; }
quarantined() { vtpmctl list | grep "^$(uuid_of "$1") " | grep -q QUARANTINE; }

# A PV guest empties its trap table in the same call that suspends it. libxl's record of a second device, in a driver domain
# that is not there, makes vtpm-domwatch look at it, too.
disguised_pv_checks() {
  domid=$(guest_domid a)
  vtpm-domwatch >/run/domwatch.log 2>&1 &
  domwatch=$!
  xenstore-write "/libxl/$domid/device/vtpm/9/backend" "/local/domain/999/backend/vtpm/$domid/9"
  check "vtpm-domwatch sees the guest run" eventually proof_is "$domid" "runs unknown kernel"
  check "the guest empties its trap table and suspends itself" suspend_itself a new
  check "vtpm-domwatch sees through it" eventually proof_is "$domid" "suspend unknown new"
  xenstore-rm "/libxl/$domid/device/vtpm/9"
  check "the manager sees through it" eventually marked_for_ever a
  check "its domain is destroyed" guest_destroy a
  check "vtpm-domwatch notices" eventually proof_is "$domid" ""
  check "and lives" kill "$domwatch"
  note "$(cat /run/domwatch.log)"
  check "another boot with the same TPM" guest_create a
  marker_checks a
  check "the guest is destroyed" guest_destroy a
}

# A PVH guest whose vCPU is that of a new boot is saved with xl and restored: what runs then is a new kernel, and its TPM
# had been used before.
disguised_pvh_checks() {
  configure b pvh
  check "a guest with an honest kernel" guest_create b
  see_boot_pcrs b "finds a clean boot's PCRs"
  equal "PCR 00" "$(pcr 00)" "$zero"
  check "it is destroyed" guest_destroy b
  check "its kernel is made to suspend itself before it boots" /usr/lib/rig/late_boot /guest/vmlinux on
  check "xl create" guest_start b
  check "it is suspended with paging off" eventually is_suspended b
  check "the manager sees through it" eventually marked_for_ever b
  check "xl save" save_suspended b
  check "the kernel is honest again" /usr/lib/rig/late_boot /guest/vmlinux off
  check "xl restore" xl restore "$save_file"
  check "and a kernel boots in what was restored" guest_ready b
  equal "it looked like a new boot" "$(xenstore-read "/local/domain/0/backend/vtpm/$(guest_domid b)/0/info/boot")" new
  marker_checks b
  check "the guest is destroyed" guest_destroy b
  check "the administrator gives up what was saved" eventually vtpmctl power-cycle "$(uuid_of b)"
  check "the guest is started anew" guest_create b
  see_boot_pcrs b "its TPM answers"
  equal "PCR 00 is that of a clean boot" "$(pcr 00)" "$zero"
  check "it is destroyed again" guest_destroy b
}
proof_is() { [ "$(xenstore-read "/tool/vtpm/domain/$1" 2>/dev/null)" = "$2" ]; }
marked_for_ever() { vtpmctl --json show "$(uuid_of "$1")" | grep -q '"marked": true' && seen_through "$1"; }
seen_through() { vtpmctl events --past | grep ' disguised ' | grep -q "$(uuid_of "$1")"; }

# see_boot_pcrs NAME TEXT: PCRs that are the same after each boot. A PVH guest under emulation may end by a triple fault, and xl
# starts it again.
see_boot_pcrs() {
  forget
  check "$2" observed_again "$1"
}
observed_again() {
  observed guest_run "$1" pcrs && return
  echo "tried again"
  guest_ready "$1" && observed guest_run "$1" pcrs
}

marker_checks() { # NAME
  see_boot_pcrs "$1" "its TPM answers"
  for index in 00 01 02 03 04 05 06 07; do equal "PCR $index has the marker" "$(pcr $index)" "$marker"; done
}

# save_suspended NAME: xl asks the guest to suspend itself and waits for its word, which a guest that has done so already
# would have given before: the node is its own.
save_suspended() {
  xl save "$1" "$save_file" >/run/save.log 2>&1 &
  saving=$!
  domid=$(xl domid "$1")
  eventually asked_to_suspend && xenstore-write "/local/domain/$domid/control/shutdown" '' &&
    wait "$saving" && eventually guest_gone "$1" || { cat /run/save.log; return 1; }
}
asked_to_suspend() { [ "$(xenstore-read "/local/domain/$domid/control/shutdown" 2>/dev/null)" = suspend ]; }
