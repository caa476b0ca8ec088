# SPDX-License-Identifier: MIT
# Starts the emulated machine, follows it, and makes sure it ends. Sourced by run.sh.
qemu_pid=
screen_pid=
terminal_settings=

end_qemu() {
  [ -z "$terminal_settings" ] || stty "$terminal_settings" </dev/tty
  # shellcheck disable=SC2046
  [ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
  wait 2>/dev/null || true
  rm -f "$run/initrd" "$run/keyboard"
}

# start_qemu RUN: logs go to RUN/dom0.log (Xen, dom0 and the scenario's report), RUN/guest.log (guests' consoles) and
# RUN/qemu.log (QEMU's own messages).
# Why these options: Documentation/testing-xen.md, "What software emulation needs".
start_qemu() {
  local run=$1 guest_line=${GUEST_LINE:-file:$1/guest.log} input=/dev/null
  trap end_qemu EXIT
  trap 'exit 130' INT TERM HUP
  : >"$run/dom0.log"
  if [ "$scenario" = shell ]; then
    mkfifo "$run/keyboard"
    # Opened for both directions here, so that neither end waits for the other.
    exec 8<>"$run/keyboard"
    input=$run/keyboard guest_line=stdio
    # QEMU makes its standard output non-blocking. On a terminal that would be our standard input's as well.
    exec 6> >(exec cat 6>&-)
    screen_pid=$!
  else
    exec 6>&1
  fi
  # shellcheck disable=SC2086
  setpriv --pdeathsig KILL timeout -k 5 "${TIMEOUT:-600}" setpriv --pdeathsig KILL \
    qemu-system-x86_64 -machine q35 -cpu max,-smap -accel tcg,thread=multi -smp 2 -m "${MEMORY:-1280}" \
    -display none -monitor none -no-reboot -nic none ${QEMU_EXTRA-} \
    -serial "file:$run/dom0.log" -serial "$guest_line" \
    -kernel "$cache/boot/xen" \
    -append "console=com1 com1=115200,8n1 dom0_mem=640M,max:640M loglvl=warning guest_loglvl=warning xsave=0 bootscrub=0" \
    -initrd "$cache/boot/vmlinux console=hvc0 quiet rdinit=/init,$run/initrd" \
    <"$input" >&6 2>"$run/qemu.log" 6>&- 8>&- &
  qemu_pid=$!
  exec 6>&-
}

# connect_terminal RUN: what is typed (or piped) here goes to the guest's shell once it listens.
connect_terminal() {
  local run=$1
  if [ -t 0 ]; then
    terminal_settings=$(stty -g)
    # What is typed early is echoed by the guest, later.
    stty -echo -icanon </dev/tty
    echo "Booting Xen, dom0 and a guest; Ctrl-] leaves the guest's console." >&2
  fi
  # A background command's standard input is /dev/null: it gets ours under another number.
  exec 7<&0
  (
    until grep -q '^RIG-SHELL' "$run/dom0.log"; do sleep 0.2; done
    [ -z "$terminal_settings" ] || stty raw -echo </dev/tty
    cat <&7
    # The end of the input is the end of the session: Ctrl-D on a line of its own.
    printf '\n\004'
  ) >&8 &
  await_report "$run"
  wait "$screen_pid" || true
  [ -z "$terminal_settings" ] || stty "$terminal_settings" </dev/tty
}

# reported RUN: the status that dom0 has printed, if any. Dom0 repeats the line until the machine is ended.
reported() { tr -d '\r' <"$1/dom0.log" | sed -n 's/^RIG-STATUS \(.*\)\.$/\1/p' | head -n 1; }

# await_report RUN: ends the machine when the scenario's status is there; returns when the machine has ended.
await_report() {
  while kill -0 "$qemu_pid" 2>/dev/null; do
    if [ -n "$(reported "$1")" ]; then
      kill "$qemu_pid" 2>/dev/null || true
      break
    fi
    sleep 0.3
  done
  wait "$qemu_pid" 2>/dev/null || true
}

# last_lines RUN: the ends of the logs, for whoever sees only this output.
last_lines() {
  local log
  for log in dom0 guest qemu; do
    [ -s "$1/$log.log" ] || continue
    echo "rig: last lines of $1/$log.log:" >&2
    tail -n 25 "$1/$log.log" | tr -d '\r' | sed 's/^/  /' >&2
  done
}

# scenario_status RUN: exits with the scenario's status; 124 if it never reported one.
scenario_status() {
  local run=$1 status
  status=$(reported "$run")
  case $status in
    '' | *[!0-9]*)
      last_lines "$run"
      echo "rig: no status from $scenario ${status:+($status) }after $SECONDS s (TIMEOUT=${TIMEOUT:-600})" >&2
      exit 124
      ;;
  esac
  # A shell's status is its user's business.
  if [ "$status" != 0 ] && [ "$scenario" != shell ]; then
    last_lines "$run"
    echo "rig: $scenario failed with status $status after $SECONDS s; logs in $run" >&2
  fi
  exit "$status"
}
