# SPDX-License-Identifier: MIT
# Stock QEMU with -tpmdev emulator on the control channel: SeaBIOS, Debian's kernel and its tpm_tis and IMA. Sourced by
# run.sh. The machine does what `ask` writes to its second serial line.

# Where the rig keeps its kernel and initrds.
parts=$(cd "$here/../.." && pwd)/build/xen
kernel=$(find "$parts/modules/boot" -name 'vmlinuz-*' -print -quit 2>/dev/null)

# start_machine [OPTION...]: returns when QEMU runs.
start_machine() {
  setpriv --pdeathsig KILL timeout -k 5 200 qemu-system-x86_64 -machine q35 -cpu max -accel tcg -m 256 -display none \
    -nodefaults -no-user-config -nic none \
    -chardev "socket,id=control,path=$control" -tpmdev emulator,id=tpm,chardev=control -device tpm-tis,tpmdev=tpm \
    -serial "file:$work/console.log" -serial "pipe:$work/line" -monitor "pipe:$work/monitor" \
    -drive "if=none,format=raw,file=$work/disk,snapshot=on" \
    -kernel "$kernel" -initrd "$parts/machine.cpio" \
    -append "console=ttyS0 rdinit=/init ima_policy=tcb rootfstype=ramfs no_timer_check panic=-1" -no-reboot "$@" >"$work/qemu.log" 2>&1 &
  qemu_pid=$!
}

# QEMU ends, and with it the TPM.
end_machine() {
  echo quit >&5
  wait "$qemu_pid"
  qemu_pid=
  join_tpm
}

# Sets `line` to the machine's next line; gives up after some seconds, or with the machine.
next_line() {
  clock
  deadline=$((now + $1))
  until IFS= read -r -t 2 line <&4; do
    clock
    [ "$now" -lt "$deadline" ] && kill -0 "$qemu_pid" 2>/dev/null || return 1
  done
}

# Waits for a line of the machine's; others are dropped.
await_line() {
  while next_line "$2"; do [ "$line" != "$1" ] || return 0; done
  return 1
}

# ask COMMAND: what the machine's shell prints.
ask() {
  printf '%s; echo END\n' "$1" >&3
  while next_line 60; do
    [ "$line" != END ] || return 0
    printf '%s\n' "$line"
  done
  return 1
}
ask_file() { ask "base64 $1" | base64 -d >"$2"; }

# monitor_shows COMMAND PATTERN: its monitor answers so, sooner or later.
monitor_shows() { eventually monitor_showed "$1" "$2"; }
monitor_showed() {
  : >"$work/monitor.log"
  echo "$1" >&5
  sleep 0.5
  tr -d '\r' <"$work/monitor.log" | grep -Eq "$2"
}

# "INDEX VALUE" of the PCRs in an extended regular expression.
pcrs() { ask 'cat /sys/class/tpm/tpm0/pcrs' | sed 's/^PCR-0*\([0-9]\)/\1/; s/ //g; s/:/ /' | tr A-F a-f | grep -E "^($1) "; }
replay() { "$build/test/replay" "$@"; }

# The kernel's list and PCR 10 agree; the list is left in $work/ima.
ima_agrees() {
  ask_file /sys/kernel/security/ima/binary_runtime_measurements "$work/ima"
  replayed=$(replay ima "$work/ima")
  equal "$1" "$(printf '%s\n' "$replayed" | head -n 1)" "$(pcrs 10)"
  entries=$(printf '%s\n' "$replayed" | sed -n 's/ entries//p')
}

test_machine() {
  truncate -s 1M "$work/disk" # nobody's; QEMU keeps snapshots in an overlay of it
  mkfifo "$work/line.in" "$work/line.out" "$work/monitor.in" "$work/monitor.out"
  # Opened for both directions here, so that neither end waits for the other.
  exec 3<>"$work/line.in" 4<>"$work/line.out" 5<>"$work/monitor.in" 6<>"$work/monitor.out"
  cat <&6 >>"$work/monitor.log" &
  monitor_pid=$!
  start_controlled
  start_machine
  works "Debian's kernel boots on QEMU with our TPM" await_line READY 150 &&
    for part in boot_log ima sleep_and_wake snapshot move; do "test_machine_$part"; done
  kill "$monitor_pid"
}

test_machine_boot_log() {
  says "tpm_tis has found a TPM 1.2 of this maker" "^Manufacturer: 0x58765450" ask 'cat /sys/class/tpm/tpm0/caps'
  ask_file /sys/kernel/security/tpm0/binary_bios_measurements "$work/bios"
  replayed=$(replay bios "$work/bios")
  equal "SeaBIOS' log replays to PCRs 0 to 7" "$replayed" "$(pcrs '[0-7]')"
  equal "which hold more than separators where a boot is measured" \
    "$(printf '%s\n' "$replayed" | cut -d' ' -f2 | sort | uniq -c | awk '$1 == 1' | wc -l)" 3
}

test_machine_ima() {
  ima_agrees "IMA's list replays to PCR 10"
  before=$entries
  equal "its first entry is what PCRs 0 to 7 were" \
    "$(ask 'head -n 1 /sys/kernel/security/ima/ascii_runtime_measurements' | grep -o 'sha1:[0-9a-f]*')" \
    "sha1:$(pcrs '[0-7]' | cut -d' ' -f2 | xxd -r -p | sha1sum | cut -d' ' -f1)"
  ask "printf '#!/bin/sh\necho ran\n' >/program; chmod +x /program; /program" >"$work/ran"
  equal "a new program runs" "$(cat "$work/ran")" ran
  ima_agrees "IMA has extended PCR 10 by it"
  equal "by one entry" "$entries" $((before + 1))
}

test_machine_sleep_and_wake() {
  before=$(pcrs '[0-9]+')
  powered=$(grep -c 'power is on' "$work/tpm.log")
  printf 'echo mem >/sys/power/state; echo AWAKE\n' >&3
  works "the machine sleeps" monitor_shows "info status" "paused .suspended."
  echo system_wakeup >&5
  works "the machine wakes" await_line AWAKE 60
  equal "its TPM has been without power" "$(grep -c 'power is on' "$work/tpm.log")" $((powered + 1))
  equal "and has kept its PCRs" "$(pcrs '[0-9]+')" "$before"
  equal "and its kernel's driver works" "$(ask 'dmesg | grep -ci "tpm.*error"')" 0
}

guest() { timeout 120 "$build/test/guest_client" 3 4 "$1" "$work/guest"; }

test_machine_snapshot() {
  equal "the machine takes ownership of its TPM, and a key signs" "$(guest begin)" signs
  before=$(pcrs '[0-9]+')
  echo "savevm here" >&5
  works "a snapshot of the machine is taken" monitor_shows "info snapshots" ' here '
  equal "it goes on: the key signs in the same session" "$(guest sign)" signs
  equal "a program runs" "$(ask "printf '#!/bin/sh\necho later\n' >/later; chmod +x /later; /later")" later
  ima_agrees "IMA extends PCR 10 by it"
  refuse "so that it is another" test "$(pcrs 10)" = "$(printf '%s\n' "$before" | grep '^10 ')"
  equal "the session is ended and the key unloaded" "$(guest end)" ended
  equal "which sign no more" "$(guest sign)" "code 12"

  restored=$(grep -c 'with the volatile state that was kept' "$work/tpm.log")
  echo "loadvm here" >&5
  works "the machine goes back" monitor_shows "info status" "VM status: running"
  equal "and its TPM" "$(grep -c 'with the volatile state that was kept' "$work/tpm.log")" $((restored + 1))
  equal "PCRs are those of the snapshot" "$(pcrs '[0-9]+')" "$before"
  ima_agrees "and IMA's list is"
  equal "the key signs again, in the session as it was" "$(guest sign)" signs
  equal "which has gone on from there" "$(guest sign)" "code 1"
}

test_machine_move() {
  before=$(pcrs '[0-9]+')
  echo "migrate \"exec:cat >$work/machine.state\"" >&5
  works "the machine is saved" monitor_shows "info migrate" "status: completed"
  works "its TPM ends with it" end_machine
  start_controlled --factory bare
  start_machine -incoming "exec:cat $work/machine.state"
  works "another QEMU goes on with it" monitor_shows "info status" "VM status: running"
  says "and another TPM with its state" "with the volatile state that was kept" cat "$work/tpm.log"
  equal "PCRs are as they were" "$(pcrs '[0-9]+')" "$before"
  equal "a program runs" "$(ask "printf '#!/bin/sh\necho again\n' >/other; chmod +x /other; /other")" again
  ima_agrees "IMA goes on with its list and PCR 10"
  works "QEMU ends, and its TPM with it" end_machine
}
