# SPDX-License-Identifier: MIT
# A shell on the console, with tcsd running; its exit status goes to dom0. Sourced by init. What comes from a pipe (rig.pipe)
# is not echoed, and the prompts that a shell on a terminal gives are empty.
waited=0
until [ -e /dev/tpm0 ] || [ "$waited" -ge 600 ]; do
  sleep 0.1
  waited=$((waited + 1))
done
tcsd >/run/tcsd.log 2>&1 || cat /run/tcsd.log
# /dev/console is nobody's controlling terminal.
exec <>/dev/hvc0 >&0 2>&1
stty sane
cd /root || exit
if word rig.pipe; then
  stty -echo -onlcr
  xenstore-write data/shell ready
  PS1='' PS2='' setsid -c sh -s
else
  xenstore-write data/shell ready
  export PS1='guest# '
  setsid -c sh -i
fi
status=$?
xenstore-write data/status "$status"
