# SPDX-License-Identifier: MIT
# A guest whose TPM comes from vtpm-frontend in place of the kernel's driver. Sourced by the agent.

# shim_start: /dev/tpmN, made by a process that is no more than tss once it serves.
shim_start() {
  [ -e /dev/vtpmx ] || insmod /modules/tpm_vtpm_proxy.ko
  chgrp tss /dev/xen/evtchn /dev/xen/gntalloc
  chmod 660 /dev/xen/evtchn /dev/xen/gntalloc
  vtpm-frontend --device --user tss </dev/null >/tmp/shim.log 2>&1 &
  echo $! >/tmp/shim.pid
  eventually [ -e /dev/tpm0 ]
}
shim_lives() { kill -0 "$(cat /tmp/shim.pid)" 2>/dev/null; }
shim_stop() { kill "$(cat /tmp/shim.pid)"; eventually shim_ended; }
shim_ended() { ! shim_lives; }
# Who it is, and what it may: its user, its capabilities.
shim_rights() { section rights; sed -n 's/^\(Uid\|CapEff\|NoNewPrivs\):\t*//p' "/proc/$(cat /tmp/shim.pid)/status" | tr '\t\n' '  '; echo; }
# What the kernel has not survived; a bug check leaves a trace.
kernel_traces() { section traces; dmesg | grep -E 'kernel BUG|Oops|WARNING:|Call Trace'; }
