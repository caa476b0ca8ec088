# SPDX-License-Identifier: MIT
# Guests as a scenario sees them: created with real xl, spoken to through their `data` directory in XenStore. Sourced.

# What guest_config gives the kernel.
guest_command_line() { printf %s "console=hvc0 rdinit=/init quiet ${GUEST_WORDS-rig.tpm}"; }

# guest_config NAME TYPE [LINE...]: writes the xl configuration; further lines are added to it.
# GUEST_OVERLAY, a directory in dom0, is laid over the guest's initrd; GUEST_WORDS are added to its command line.
guest_config() {
  guest_name=$1 guest_type=$2
  shift 2
  cp /guest/guest.cpio "/run/guests/$guest_name.cpio"
  if [ -n "${GUEST_OVERLAY-}" ]; then
    (cd "$GUEST_OVERLAY" && find . | cpio -o -H newc 2>/dev/null) >>"/run/guests/$guest_name.cpio"
  fi
  {
    cat <<CONFIG
name = "$guest_name"
type = "$guest_type"
kernel = "/guest/vmlinux"
ramdisk = "/run/guests/$guest_name.cpio"
cmdline = "$(guest_command_line)"
memory = ${GUEST_MEMORY:-192}
vcpus = 1
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "destroy"
CONFIG
    # Software emulation reports an intercepted RDTSCP as RDTSC, and Xen kills the PVH guest for the mismatch.
    [ "$guest_type" != pvh ] || echo 'tsc_mode = "native"'
    for line in "$@"; do echo "$line"; done
  } >"/run/guests/$guest_name.cfg"
}

# guest_create NAME: `xl create`, then waits until the guest obeys.
guest_create() { guest_start "$1" && guest_ready "$1"; }
guest_start() {
  forward_console "$1"
  rm -f "/run/guests/$1.domid"
  xl create -q "/run/guests/$1.cfg"
}

# guest_domid NAME: as guest_ready found it. `xl domid` takes a good part of a second under emulation.
guest_domid() {
  [ -s "/run/guests/$1.domid" ] && cat "/run/guests/$1.domid"
}
guest_gone() { ! xl domid "$1" >/dev/null 2>&1; }
guest_data() { xenstore-read "/local/domain/$(guest_domid "$1")/data/$2" 2>/dev/null; }

# guest_ready NAME: waits until the guest's init has started. A PVH guest under software emulation sometimes
# triple-faults before that; Xen calls it a reboot and xl starts it again under a new domid: up to three times is fine.
guest_ready() {
  clock
  ready_deadline=$((now + patience)) ready_faults=0 ready_domid=
  while :; do
    domid=$(xl domid "$1" 2>/dev/null)
    if [ -n "$domid" ]; then
      if [ -n "$ready_domid" ] && [ "$domid" != "$ready_domid" ]; then
        ready_faults=$((ready_faults + 1))
        echo "# $1 restarted before its init ran (domain $ready_domid, now $domid)"
        [ "$ready_faults" -le 3 ] || return 1
      fi
      ready_domid=$domid
      if xenstore-exists "/local/domain/$domid/data/ready" 2>/dev/null; then
        echo "$domid" >"/run/guests/$1.domid"
        echo 0 >"/run/guests/$1.sequence"
        return 0
      fi
    fi
    clock
    [ "$now" -lt "$ready_deadline" ] || { echo "# $1 did not start"; return 1; }
    sleep 0.5
  done
}

# guest_tell NAME COMMAND: hands the guest a command and does not wait. A node that dom0 writes would outlive the domain.
guest_tell() {
  xenstore-exists "/local/domain/$(guest_domid "$1")/name" 2>/dev/null || { echo "guest $1 is gone"; return 125; }
  read -r sequence <"/run/guests/$1.sequence"
  sequence=$((sequence + 1))
  echo "$sequence" >"/run/guests/$1.sequence"
  xenstore-write "/local/domain/$(guest_domid "$1")/data/command" "$sequence $(printf '%s\n' "$2" | base64 -w 0)"
}

# guest_run NAME COMMAND: the command's output and status. 124: no answer in time; 125: no such guest.
# A call costs half a dozen processes on each side: let one call do much.
guest_run() {
  guest_tell "$1" "$2" && guest_result "$1"
}
# guest_result NAME: the same of the command that the guest was told last.
guest_result() {
  run_domid=$(guest_domid "$1") && read -r sequence <"/run/guests/$1.sequence" || return 125
  run_home=/local/domain/$run_domid/data
  clock
  run_deadline=$((now + patience))
  while :; do
    result=$(xenstore-read "$run_home/result" 2>/dev/null)
    [ "${result%% *}" != "$sequence" ] || break
    clock
    [ "$now" -lt "$run_deadline" ] || { echo "no answer from $1"; return 124; }
    [ -n "$result" ] || xenstore-exists "${run_home%/data}/name" 2>/dev/null || { echo "guest $1 is gone"; return 125; }
    sleep 0.2
  done
  # shellcheck disable=SC2086
  set -- $result
  piece=0 run_status=$2 run_pieces=$3
  set --
  while [ "$piece" -lt "$run_pieces" ]; do
    set -- "$@" "$run_home/output/$piece"
    piece=$((piece + 1))
  done
  [ "$#" = 0 ] || xenstore-read "$@" | base64 -d
  return "$run_status"
}

# guest_reboot NAME: a reboot from inside; returns when the next incarnation obeys.
guest_reboot() {
  reboot_from=$(guest_domid "$1")
  guest_tell "$1" 'reboot -f'
  eventually guest_is_not "$1" "$reboot_from" && guest_ready "$1"
}
# guest_moved NAME: the guest runs on in another domain, restored or migrated.
guest_moved() {
  eventually guest_is_not "$1" "$(guest_domid "$1")" && echo "$domid" >"/run/guests/$1.domid"
}
guest_is_not() {
  domid=$(xl domid "$1" 2>/dev/null) && [ "$domid" != "$2" ]
}

# guest_destroy NAME
guest_destroy() {
  xl destroy "$1" && eventually guest_gone "$1" && rm "/run/guests/$1.domid"
}

# observed COMMAND...: runs the command and keeps its output, to be taken apart by `seen`.
observed() {
  "$@" >/run/observed
  observed_status=$?
  awk '/^== / { close(file); file = "/run/seen." $2; printf "" >file; next } file { print >file }' /run/observed
  return "$observed_status"
}
# seen NAME: what the last observation with a section of that name showed there.
seen() { cat "/run/seen.$1"; }
# forget: no observation may pass for a later one.
forget() { rm -f /run/seen.* /run/observed; }

# forward_console NAME: the guest's console, as it grows, to the second serial line.
forward_console() {
  console=/var/log/xen/console/guest-$1.log
  [ ! -e "$console" ] || return 0
  : >"$console"
  tail -n +1 -f "$console" >/dev/ttyS1 2>/dev/null &
}

# diagnose: what one would look at after a failure. Comments in the report.
diagnose() {
  echo "# domains, vTPM nodes and the end of xl's logs, as they are now:"
  { xl list; our_nodes; tail -n 12 /var/log/xen/xl-*.log; ps | grep '[v]tpm'; } 2>&1 | sed 's/^/#   /'
}
