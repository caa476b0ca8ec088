# SPDX-License-Identifier: MIT
# Our programs in dom0: the manager under a supervisor, and what can be seen of its workers. Sourced.
manager_log=/var/log/vtpm-managerd.log

# manager_follow: its log, as it grows, to the console.
manager_follow() {
  : >"$manager_log"
  { tail -n +1 -f "$manager_log" | while read -r line; do echo "manager: $line"; done; } >/dev/console 2>/dev/null &
}

# manager_start OPTION...: starts the manager and starts it again whenever it dies, as an init system would.
manager_start() {
  manager_follow
  mkdir -p /var/lib/vtpm /run/vtpm
  chmod 700 /var/lib/vtpm
  (
    while :; do
      vtpm-managerd --state-dir /var/lib/vtpm --runtime-dir /run/vtpm --foreground "$@" \
        >>"$manager_log" 2>&1 </dev/null
      echo "supervisor: the manager ended with status $?" >>"$manager_log"
      sleep 0.5
    done
  ) >/dev/null 2>&1 &
  eventually manager_pid >/dev/null
}

manager_pid() { pidof vtpm-managerd; }
worker_pids() { pidof vtpmd; }
no_worker() { ! worker_pids >/dev/null; }
one_worker() { [ "$(worker_count)" = 1 ]; }

# pid_changed LISTER OLD: the one process LISTER names is there and is not OLD.
pid_changed() {
  pid=$("$1") && [ "$pid" != "$2" ] && [ "$pid" = "${pid% *}" ]
}
worker_count() { worker_pids | wc -w | tr -d ' '; }

# gntdev_holders: the processes, other than xenstored and xenconsoled, that have another domain's page mapped.
gntdev_holders() {
  for maps in $(grep -l xen/gntdev /proc/[0-9]*/maps 2>/dev/null); do
    read -r name <"${maps%maps}comm" || continue
    case $name in
      xenstored | xenconsoled) ;;
      *) echo "$name" ;;
    esac
  done
}

# serving NAME DEVID: the worker of this device answers the guest. The driver gives up on a short command after 2 s.
serving() { vtpmctl stats | grep -q "^$(guest_domid "$1")/$2 *serving "; }

# our_nodes: every node of XenStore that has to do with a vTPM.
our_nodes() { xenstore-ls -f / | grep -i vtpm; }

# backend_state NAME DEVID
backend_state() { xenstore-read "/local/domain/0/backend/vtpm/$(guest_domid "$1")/$2/state" 2>/dev/null; }
backend_connected() { [ "$(backend_state "$1" "$2")" = 4 ]; }
