# SPDX-License-Identifier: MIT
# A login shell on the console, with tcsd running; its exit status goes to dom0. Sourced by init.
waited=0
until [ -e /dev/tpm0 ] || [ "$waited" -ge 100 ]; do
  sleep 0.1
  waited=$((waited + 1))
done
tcsd >/run/tcsd.log 2>&1 || cat /run/tcsd.log
stty sane
xenstore-write data/shell ready
export PS1='guest# '
cd /root || exit
setsid -c sh -i
status=$?
xenstore-write data/status "$status"
