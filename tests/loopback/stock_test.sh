#!/bin/sh
# SPDX-License-Identifier: MIT
# The stock XenStore tools and programs linked with the real Xen libraries, inside a machine of xen-loopback.
#   stock_test.sh BUILD_DIR
set -eu
build=$(cd "$1" && pwd)
export PATH="$build/bin:$PATH"

if [ "${IN_MACHINE-}" != yes ]; then
  IN_MACHINE=yes timeout 100 xen-loopback run -- "$0" "$build"
  status=0
  xen-loopback run -- sh -c 'exit 7' || status=$?
  [ "$status" = 7 ] || { echo "FAIL: run returned $status instead of its command's 7"; exit 1; }
  left=$(xen-loopback run -- sh -c 'setsid sleep 1000 >/dev/null 2>&1 & echo $!')
  [ ! -e "/proc/$left" ] || { echo "FAIL: process $left has outlived its machine"; exit 1; }
  dir=$(eval "$(xen-loopback start --print-env)"; echo "$XEN_LOOPBACK_DIR"; xenstore-exists /tool)
  [ -S "$dir/xenstored" ] || { echo "FAIL: nothing runs in $dir"; exit 1; }
  xen-loopback stop "$dir"
  [ ! -e "$dir" ] || { echo "FAIL: $dir was left behind"; exit 1; }
  echo "stock_test: passed"
  exit 0
fi

expect() {  # expect WHAT GOT WANTED
  [ "$2" = "$3" ] && return 0
  echo "FAIL: $1: got '$2', wanted '$3'"
  exit 1
}

xenstore-write /a/b one /a/c two
expect read "$(xenstore-read /a/b /a/c | tr '\n' ' ')" 'one two '
expect list "$(xenstore-list /a | tr '\n' ' ')" 'b c '
expect ls "$(xenstore-ls -f /a)" '/a/b = "one"
/a/c = "two"'
xenstore-exists /a/b
! xenstore-exists /a/none 2>/dev/null
watched=$(mktemp)
timeout 10 xenstore-watch -n 3 /a >"$watched" &
watcher=$!
until [ -s "$watched" ]; do sleep 0.02; done
xenstore-write /a/b three
xenstore-rm /a/c
wait "$watcher"
expect watch "$(tr '\n' ' ' <"$watched")" '/a /a/b /a/c '
rm -f "$watched"

domain=$(xen-loopback domain create --name stock)
expect number "$domain" 1
xenstore-chmod /a n0 "r$domain"
expect 'permissions, seen by ls' "$(xenstore-ls -fp / | sed -n 's/^\/a = "" *//p')" "(n0,r$domain)"
expect 'read as the guest' "$(xen-loopback exec "$domain" -- xenstore-list /a)" b
! xen-loopback exec "$domain" -- xenstore-read /a/b 2>/dev/null
xen-loopback exec "$domain" -- xenstore-write data/x 5
expect 'relative path' "$(xenstore-read "/local/domain/$domain/data/x")" 5

ping=$build/test/loopback/ping
if [ -x "$ping" ]; then
  told=$(mktemp)
  xen-loopback exec "$domain" -- "$ping" guest >"$told" &
  guest=$!
  until [ -s "$told" ]; do sleep 0.02; done
  read -r ref port <"$told"
  "$ping" dom0 "$domain" "$ref" "$port" 20000
  wait "$guest"
  ! "$ping" dom0 "$domain" "$ref" "$port" 1 2>/dev/null
  rm -f "$told"
else
  echo "stock_test: left out: ping, which preloads the library; a sanitizer's runtime does not go with that"
fi

# A guest that is rebooted may close its devices; one that is destroyed may not.
closed=$(mktemp)
xen-loopback exec "$domain" -- sh -c 'trap "echo closed >'"$closed"'; exit 0" TERM; while :; do sleep 0.05; done' &
member=$!
sleep 0.3
domain=$(xen-loopback domain reboot "$domain")
wait "$member"
expect 'number after a reboot' "$domain" 2
expect 'what a rebooted guest did' "$(cat "$closed")" closed
rm -f "$closed"

xen-loopback exec "$domain" -- sh -c 'sleep 100 & sleep 100' &
member=$!
sleep 0.2
xen-loopback domain destroy "$domain"
status=0
wait "$member" || status=$?
expect "a destroyed domain's process" "$status" 137
! xen-loopback exec "$domain" -- true 2>/dev/null
paused=$(xen-loopback domain create --paused)
! xen-loopback exec "$paused" -- true 2>/dev/null
xen-loopback domain unpause "$paused"
xen-loopback exec "$paused" -- true
! xen-loopback domain destroy 77 2>/dev/null
