# SPDX-License-Identifier: MIT
# Whether a start is measured, refused or marked, and that a resume is none. Sourced after lib/stock.sh.
own_kernel=/guest/vmlinux.own
save_file=/run/g.save

measured_uuid() { # TYPE
  case $1 in
    pv) echo 00000000-0000-4000-8000-00000000000d ;;
    pvh) echo 00000000-0000-4000-8000-00000000000e ;;
  esac
}
event_log() { vtpmctl show "$uuid" --log --raw | xxd -p; }
see_pcrs() {
  forget
  check "$type: $1" observed guest_run g pcrs
}

# PV: under emulation a PVH guest dies by itself too often to be saved three times.
resume_checks() {
  type=pv uuid=00000000-0000-4000-8000-00000000000f
  check "$type: vtpmctl create --measure required" vtpmctl create "$uuid" --measure required
  guest_config g "$type" "vtpm = [\"backend=0,uuid=$uuid\"]"
  check "$type: xl create" guest_create g
  see_pcrs "the guest has PCRs"
  measure_checks "before it is saved"
  seen pcrs >/run/pcrs.g
  event_log >/run/log.g
  check "$type: xl save" xl save g "$save_file"
  check "$type: its domain goes" eventually guest_gone g
  # What a start would be refused for does not hinder a resume.
  check "$type: the ramdisk goes" rm /run/guests/g.cpio
  check "$type: xl restore" xl restore "$save_file"
  check "$type: it runs on" guest_moved g
  rm "$save_file"
  see_pcrs "its TPM answers"
  check "$type: its PCRs stand" cmp /run/pcrs.g /run/seen.pcrs
  event_log >/run/log.now
  check "$type: nothing was added to the event log" cmp /run/log.g /run/log.now
  check "$type: the guest is destroyed" guest_destroy g
}

# start_without_kernel: the file goes between xl's reading it and the guest's first step, as pygrub's copies do.
start_without_kernel() {
  ln -f /guest/vmlinux "$own_kernel"
  guest_config g "$type" "vtpm = [\"backend=0,uuid=$uuid\"]"
  sed -i "s,^kernel = .*,kernel = \"$own_kernel\"," /run/guests/g.cfg
  forward_console g
  xl create -q -p /run/guests/g.cfg && rm "$own_kernel" && xl unpause g && guest_ready g
}

refused_checks() {
  check "$type: a guest whose kernel's file is gone" start_without_kernel
  check "$type: required refuses it" eventually stage_is_failed
  matches "$type: XenStore names the file" "$(error_of_guest)" ".*$own_kernel.*No such file.*"
  check "$type: so does the log" grep -q "$own_kernel.*No such file" "$manager_log"
  equal "$type: no worker serves it" "$(worker_pids)" ""
  # The driver takes two minutes to give up, and the guest obeys only then: seen once.
  [ "$type" = pvh ] || refuse "$type: the guest has no TPM" guest_run g 'cat /sys/class/tpm/tpm0/pcrs'
  check "$type: it is destroyed" guest_destroy g
}
stage_is_failed() { vtpmctl stats | grep -q "^$(guest_domid g)/0 *failed "; }
error_of_guest() { xenstore-read "/local/domain/0/error/backend/vtpm/$(guest_domid g)/0/error"; }

marked_checks() {
  check "$type: vtpmctl set --measure on" vtpmctl set "$uuid" --measure on
  check "$type: the same start" start_without_kernel
  check "$type: the driver gets its TPM" eventually guest_run g 'cat /sys/class/tpm/tpm0/pcrs'
  see_pcrs "the guest has PCRs"
  refuse "$type: PCR 4 is not that of the kernel" [ "$(pcr 04)" = "$(extended $zero "$(sha1_of /guest/vmlinux)")" ]
  refuse "$type: nor that of no measuring at all" [ "$(pcr 04)" = "$zero" ]
  equal "$type: the event log replays to it" "$(extended $zero $(log_digests 4))" "$(pcr 04)"
  check "$type: and says so" log_says "powered on without a measurement"
  check "$type: it is destroyed" guest_destroy g
}
log_says() { vtpmctl show "$uuid" --log | grep "$1"; }
