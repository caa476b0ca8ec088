# SPDX-License-Identifier: MIT
# A TPM on a socket and TrouSerS' daemon in front of it, both for this test alone. Sourced by run.sh, which sets $build.
# Everything is kept in $work; of the machine's own TrouSerS nothing is read or written.
work=$(mktemp -d)
chmod 711 "$work" # tcsd gives up root and must reach its store
tpm_pid=
tcsd_pid=
qemu_pid=

clean_up() {
  [ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null
  [ -z "$tcsd_pid" ] || stop_tcsd
  [ -z "$tpm_pid" ] || stop_tpm
  stop_first
  [ -n "${KEEP-}" ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

raw() { timeout 60 "$build/test/raw_client" "$tpm" "$@"; }

# start_tpm LISTEN [OPTION...]: $tpm becomes its address.
start_tpm() {
  listen=$1
  shift
  : >"$work/tpm.log"
  "$build/bin/vtpm-socketd" --listen "$listen" "$@" 2>>"$work/tpm.log" &
  tpm_pid=$!
  if ! eventually grep -q 'ready on' "$work/tpm.log"; then
    cat "$work/tpm.log" >&2
    exit 1
  fi
  tpm=$(sed -n 's/.*ready on //p' "$work/tpm.log")
}

# Its exit status is the daemon's.
stop_tpm() {
  kill "$tpm_pid"
  join_tpm
}

# Of a daemon that has been told to end already.
join_tpm() {
  wait "$tpm_pid"
  status=$?
  tpm_pid=
  return $status
}

make_tcsd_files() {
  TSS_TCSD_PORT=$("$build/test/raw_client" free-port)
  export TSS_TCSD_PORT
  mkdir -m 700 "$work/keys"
  printf 'port = %s\nsystem_ps_file = %s\n' "$TSS_TCSD_PORT" "$work/keys/system.data" >"$work/tcsd.conf"
  chown tss:tss "$work/keys"
  chown root:tss "$work/tcsd.conf"
  chmod 640 "$work/tcsd.conf"
}

# Its log tells nothing before it ends.
tcsd_listens() { (: <"/dev/tcp/127.0.0.1/$TSS_TCSD_PORT") 2>/dev/null; }

start_tcsd() {
  : >"$work/tcsd.log"
  TCSD_USE_TCP_DEVICE=1 TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1 TCSD_TCP_DEVICE_PORT=${tpm##*:} \
    tcsd -e -f -c "$work/tcsd.conf" >>"$work/tcsd.log" 2>&1 &
  tcsd_pid=$!
  if ! eventually tcsd_listens; then
    cat "$work/tcsd.log" >&2
    exit 1
  fi
}

tcsd_gone() { ! kill -0 "$tcsd_pid" 2>/dev/null; }

# tcsd waits for its threads before it ends; the test does not wait for ever.
stop_tcsd() {
  kill "$tcsd_pid"
  patience=5 eventually tcsd_gone || { note "tcsd did not end by itself" && kill -KILL "$tcsd_pid"; }
  wait "$tcsd_pid"
  tcsd_pid=
}

# Raw commands while tcsd, which keeps its connection, stands aside.
between() {
  stop_tcsd
  raw "$@"
  status=$?
  start_tcsd
  return $status
}

# A tool without a terminal, so that it reads passwords from standard input. Which ones ran is kept.
tool() {
  echo "$1" >>"$work/tools"
  timeout 60 setsid "$@" </dev/null 2>&1 | tr -cd '\11\12\40-\176'
}
# with_passwords "A B" TOOL...: answers its questions in this order.
with_passwords() {
  answers=$1
  shift
  echo "$1" >>"$work/tools"
  printf '%s\n' $answers | timeout 60 setsid "$@" 2>&1 | tr -cd '\11\12\40-\176'
}

# works TEXT COMMAND...: it succeeds. Unlike check, in this shell, for what starts and ends our daemons.
works() {
  text=$1
  shift
  "$@" >"$work/output"
  equal "$text" "status $?" "status 0"
}

# says TEXT PATTERN COMMAND...: it succeeds, and a line of what it prints matches.
says() {
  text=$1 pattern=$2
  shift 2
  output=$("$@")
  status=$?
  if [ $status = 0 ] && printf '%s\n' "$output" | grep -Eq -- "$pattern"; then pass "$text"; else
    fail "$text" "status $status of: $*
wanted: $pattern
$output"
  fi
}

# denied TEXT PATTERN COMMAND...: it fails by itself, for the reason that matches.
denied() {
  text=$1 pattern=$2
  shift 2
  output=$("$@" 2>&1)
  status=$?
  case $status in
    0 | 12[4-9] | 13? | 14? | 15?) fail "$text" "status $status of: $*
$output" ;;
    *) if printf '%s\n' "$output" | grep -Eq -- "$pattern"; then pass "$text"; else
      fail "$text" "wanted: $pattern
$output"
    fi ;;
  esac
}
