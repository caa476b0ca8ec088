#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole stack on this machine, without Xen: runs in dom0 of a loopback machine (see run.mk). With ONCE=1 it ends
# after the demonstration, with its status; otherwise it stays up until Ctrl-C.
set -eu
bin=$(cd "${1:?usage: demo.sh DIRECTORY_OF_PROGRAMS}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/vtpm-demo.XXXXXX")
uuid=01234567-89ab-cdef-0123-456789abcdef
pids=
finish() {
  status=$?
  trap - EXIT INT TERM
  # The domain first: its worker hands its state back to a manager that still lives.
  [ -z "${domain:-}" ] || "$bin/xen-loopback" domain destroy "$domain" || status=1
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait
  [ $status -eq 0 ] || sed 's/^/  log: /' "$work/log" >&2
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 0' INT TERM

# In a session of its own, or the terminal's Ctrl-C would reach it before we destroy the domain.
setsid "$bin/vtpm-managerd" --foreground --state-dir "$work/state" --runtime-dir "$work/run" 2>"$work/log" &
pids="$pids $!"
for _ in $(seq 50); do [ -S "$work/run/control.sock" ] && break; sleep 0.1; done
domain=$("$bin/xen-loopback" domain create --name demo --vtpm "backend=0,uuid=$uuid")
# Ports may be taken; a frontend that cannot listen ends, and the next one connects anew.
listening=
for port in ${PORT:-6543 16543 26543 36543 46543}; do
  "$bin/xen-loopback" exec "$domain" -- "$bin/vtpm-frontend" --listen "tcp:127.0.0.1:$port" 2>>"$work/log" &
  frontend=$!
  for _ in $(seq 600); do
    grep -q "listening on tcp:127.0.0.1:$port" "$work/log" && listening=$port && break 2
    kill -0 $frontend 2>/dev/null || break
    sleep 0.1
  done
done
[ -n "$listening" ] || { echo "no frontend could listen"; exit 1; }
pids="$pids $frontend"

echo "guest $domain has a TPM; frontend, page, worker and engine are separate processes:"
"$bin/vtpm-demo" "tcp:127.0.0.1:$port" "$work"
openssl dgst -sha1 -verify "$work/quote.pem" -signature "$work/quote.sig" "$work/quote.info" |
  sed 's/^Verified OK$/  OpenSSL verifies the quote: &/'
openssl dgst -sha1 -verify "$work/quote.pem" -signature "$work/quote.sig" "$work/quote.info" >/dev/null
states=$(xenstore-read "/local/domain/0/backend/vtpm/$domain/0/state" "/local/domain/$domain/device/vtpm/0/state" | tr '\n' ' ')
echo "  XenStore shows backend and frontend in states $states"
[ "$states" = "4 4 " ]
"$bin/vtpmctl" --runtime-dir "$work/run" list
[ "${ONCE:-0}" = 1 ] && exit 0

cat <<END

It stays up until Ctrl-C. From another terminal:
  export XENSTORED_PATH=$XENSTORED_PATH
  xenstore-ls -f                                      # the machine's XenStore
  $bin/vtpmctl --runtime-dir $work/run list           # also: show UUID, stats, doctor
  TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1 TCSD_TCP_DEVICE_PORT=$port TCSD_USE_TCP_DEVICE=1 tcsd -f   # TrouSerS
  tail -f $work/log
END
sleep infinity &
pids="$pids $!"
wait $!
