#!/bin/bash
# SPDX-License-Identifier: MIT
# kit_test.sh BIN: the kit itself. The walk of Documentation/ring-testing.md, word for word; traces, reports, repetitions.
set -uo pipefail
bin=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PATH=$bin:$PATH
count=0 failed=0

check() { # check TEXT COMMAND...
  local text=$1
  shift
  count=$((count + 1))
  if "$@" >"$scratch/said" 2>&1; then
    echo "ok $count - $text"
  else
    failed=$((failed + 1))
    echo "not ok $count - $text"
    sed 's/^/#   /' "$scratch/said"
  fi
}
failures() { sed -n 's/^not ok [0-9]* - //p' "$1"; }
equal() { [ "$1" = "$2" ] || { printf 'got:\n%s\nwanted:\n%s\n' "$1" "$2" && false; }; }

# The blocks of commands of the page, in a directory of this test's own in the place of /tmp, without building.
cd "$top" || exit
awk 'BEGIN { n = 0 } /^```$/ { inside = !inside; if (!inside) n++; next } inside { print >("'"$scratch"'/block." n) }' Documentation/ring-testing.md
sed -i "s|/tmp/|$scratch/|g; s|^make\$|:|; s|^export PATH=.*|:|" "$scratch"/block.*
run_block() { (cd "$top" && . "$scratch/block.$1") 2>"$scratch/errors"; }

run_block 0 >"$scratch/broken.tap"
# Two more cases meet the same fault when both halves run at the same moment, and not always.
sure_failures() { failures "$1" | grep -vx 'hostile/length-changes\|hostile/scribbles'; }
check "the page's frontend fails the cases that the page says, and those of the same fault" \
  equal "$(sure_failures "$scratch/broken.tap")" "connect/offers
request/packet-at-8
hostile/length-largest"
# The second block is what the kit says.
while read -r line; do
  check "the kit says: $line" grep -qF -- "${line%...}" "$scratch/broken.tap"
done <"$scratch/block.1"
check "a failure shows the page, XenStore and the steps" \
  awk '/^#   before/ { a = 1 } /^#   after/ { b = 1 } /^#   page: length=/ { c = 1 } /device\/vtpm\/0\/ring-ref = / { d = 1 }
    / did / { e = 1 } END { exit !(a && b && c && d && e) }' "$scratch/broken.tap"

run_block 2 >"$scratch/again.tap"
check "one case alone, and a trace run again, fail as before" equal "$(failures "$scratch/again.tap")" "request/packet-at-8
hostile/length-largest"
check "the report says how it failed when it was traced" grep -q '^# was: the frontend ended by signal 11' "$scratch/again.tap"
check "and that the kit did the same" grep -q '^# the kit did the same' "$scratch/again.tap"
sed -i 's/^did \([0-9]*\) answer .*/did \1 something else/' "$scratch"/traces/backend-hostile-length-largest-0.trace
sh "$scratch/try" --replay "$scratch/traces/backend-hostile-length-largest-0.trace" >"$scratch/other.tap" 2>&1
check "or that it did not" grep -q '^# not the same run: deed [0-9]* was "something else"' "$scratch/other.tap"

run_block 3 >"$scratch/fixed.tap"
check "the mended one passes" equal "$(failures "$scratch/fixed.tap")$(sed -n 's/^1\.\.//p' "$scratch/fixed.tap")" \
  "$(grep -c '^ok' "$scratch/fixed.tap")"

cc -O2 -o "$scratch/my-frontend" tests/ringtest/example/frontend.c -lxenstore -lxengnttab -lxenevtchn
sh "$scratch/try" --format junit --case 'request/*' --case 'answer/*' --case 'connect/o*' >"$scratch/report.xml" 2>/dev/null
check "JUnit is well-formed and counts" awk -f tests/ringtest/junit.awk "$scratch/report.xml"
check "with the failures" equal "$(grep -c '<failure' "$scratch/report.xml")" 2
check "and what was skipped" grep -q '<skipped' "$scratch/report.xml"
LOG=/dev/null tests/ringtest/frontend.sh "$bin" --case request/answered --case hostile/random-pages --repeat 3 >"$scratch/repeat.tap"
check "--repeat runs everything so often" equal "$(grep -c '^ok .* #[123]$' "$scratch/repeat.tap")" 6
vtpm-ringtest frontend --case no/such >/dev/null 2>&1
check "a case that there is not is a mistake" equal $? 2
vtpm-ringtest --replay "$scratch/try" >/dev/null 2>&1
check "a trace that is none, too" equal $? 2
echo "1..$count"
[ $failed = 0 ]
