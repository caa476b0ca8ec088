#!/bin/sh
# SPDX-License-Identifier: MIT
# What the kit as backend calls to have guest `g` start, end and use a frontend: ringtest_hooks.sh VERB [HEX]. A guest obeys
# one order at a time, so orders that may not end are left running there.
. /rig/lib/tap.sh
. /rig/lib/guest.sh

# order COMMAND: one at a time, whoever gives it, also when the kit has ended one that waited.
order() (
  exec 9>/run/guests/hooks.lock
  flock 9
  guest_run g "$1"
)

# until_written FILE: what an order that was left running has written in the end.
until_written() {
  clock
  deadline=$((now + 300))
  until order "cat $1 2>/dev/null"; do
    clock
    [ "$now" -lt "$deadline" ] || return 1
  done
}

# left_running TAG COMMAND: its output, when it has ended.
left_running() {
  order "rm -f /tmp/$1.done; { { $2; } >/tmp/$1.out 2>/tmp/$1.err; mv /tmp/$1.out /tmp/$1.done; } </dev/null &"
  until_written "/tmp/$1.done"
}

[ -s /run/guests/g.domid ] || guest_ready g || exit
device=/sys/bus/xen/devices/vtpm-0
case $1 in
  start-stock)
    # A backend that closed has made the kernel forget the device; state 1 makes it a new one, which must be there before
    # the driver: else the kernel probes it in the thread that hears of XenStore, and hears nothing until the driver gives up.
    order "{ [ -e $device ] || xenstore-write device/vtpm/0/state 1
      until [ -e $device ] || [ \$((n += 1)) -gt 100 ]; do sleep 0.1; done
      insmod /modules/xen-tpmfront.ko; } >/tmp/start.log 2>&1 </dev/null &"
    ;;
  # While a device is bound, the kernel's random numbers hold the module.
  stop-stock) left_running stop "echo vtpm-0 >/sys/bus/xen/drivers/vtpm/unbind; rmmod xen-tpmfront" ;;
  send-stock) left_running send "raw $2" ;;
  start-shim)
    order "vtpm-frontend --listen tcp:127.0.0.1:2412 --connect-timeout 100 --command-timeout ${COMMAND_TIMEOUT:-20} \
      >>/tmp/shim.log 2>&1 </dev/null & echo \$! >/tmp/shim.pid"
    ;;
  stop-shim) left_running stop 'kill $(cat /tmp/shim.pid); while kill -0 $(cat /tmp/shim.pid) 2>/dev/null; do sleep 0.2; done' ;;
  send-shim)
    left_running send "until echo $2 | xxd -r -p | nc 127.0.0.1 2412 2>/dev/null >/tmp/answer || [ \$((n += 1)) -gt 100 ]; do
      sleep 0.2; done; xxd -p /tmp/answer | tr -d '\n'"
    ;;
esac
