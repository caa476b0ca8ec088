# SPDX-License-Identifier: MIT
# Test Anything Protocol for scenarios. Sourced; results are counted in the shell that calls.
tap_count=0
tap_failed=0
# Seconds after which something that has not happened never will. Nothing is timed by it: emulation on a loaded machine is
# slow beyond any expectation.
patience=600

# pass TEXT, fail TEXT [DETAIL]
pass() {
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1"
}
fail() {
  tap_count=$((tap_count + 1))
  tap_failed=$((tap_failed + 1))
  echo "not ok $tap_count - $1"
  [ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/#   /'
  return 1
}

# check TEXT COMMAND...: the command succeeds.
check() {
  text=$1
  shift
  if detail=$("$@" 2>&1); then pass "$text"; else fail "$text" "status $? of: $*
$detail"; fi
}

# refuse TEXT COMMAND...: the command runs and fails by itself (a missing command, a time-out, a signal are no refusal).
refuse() {
  text=$1
  shift
  detail=$("$@" 2>&1)
  status=$?
  case $status in
    0 | 12[4-9] | 13? | 14? | 15?) fail "$text" "status $status of: $*
$detail" ;;
    *) pass "$text" ;;
  esac
}

# equal TEXT GOT WANTED
equal() {
  if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "got:    $2
wanted: $3"; fi
}

# matches TEXT GOT PATTERN: the whole of GOT matches an extended regular expression, line by line.
matches() {
  if [ -n "$2" ] && ! printf '%s\n' "$2" | grep -Evxq "$3"; then pass "$1"; else fail "$1" "got:     $2
pattern: $3"; fi
}

note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# finish: the plan, and the scenario's exit status.
finish() {
  [ "$tap_failed" = 0 ] || ! command -v diagnose >/dev/null || diagnose
  echo "1..$tap_count"
  [ "$tap_failed" = 0 ] && [ "$tap_count" -gt 0 ]
  exit
}

# clock: sets `now` to the seconds since the machine's start, without a process.
clock() {
  read -r now _ </proc/uptime
  now=${now%.*}
}

# eventually COMMAND...: retries until the command succeeds.
eventually() {
  clock
  deadline=$((now + patience))
  until "$@"; do
    clock
    [ "$now" -lt "$deadline" ] || return 1
    sleep 0.3
  done
}
