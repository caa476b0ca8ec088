#!/bin/bash
# SPDX-License-Identifier: MIT
# mutants.sh BUILD [MUTANT]...: each mutant of tests/ringtest/mutants, or those named, is built beside the tree from the
# objects that it does not change, and the case that its patch names must fail. First the same cases must pass with what was
# not changed. The report is TAP.
set -euo pipefail

build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=$top/$build/bin
scratch=$top/$build/mutants
patches=("${@/#/$here/mutants/}")
[ $# -gt 0 ] && patches=("${patches[@]/%/.patch}") || patches=("$here"/mutants/*.patch)
count=0 failed=0

field() { sed -n "/^---/q; s/^$1: //p" "$2"; }
report() { # report STATUS TEXT [FILE]
  count=$((count + 1))
  [ "$1" = 0 ] && echo "ok $count - $2" && return
  failed=$((failed + 1))
  echo "not ok $count - $2"
  [ -z "${3-}" ] || sed 's/^/#   /' "$3"
}

# run ROLE PROGRAMS CASE...: the kit is never a mutant.
run() {
  local role=$1 programs=$2 cases=()
  shift 2
  for one in "$@"; do cases+=(--case "$one"); done
  # The frontend that nothing interrupts must have time to show it.
  [ "${1-}" != hostile/vanishes ] || export COMMAND_TIMEOUT=300
  KIT=$bin/vtpm-ringtest LOOPBACK=$bin/xen-loopback timeout 300 "$here/$role.sh" "$programs" "${cases[@]}" --patience 6000 --silence 1500 --race 8000
}

# What a patch changes is made anew; the rest is linked to what is there.
prepare() {
  rm -rf "$scratch"
  mkdir -p "$scratch/$build"
  cp -a "$top"/{Makefile,lib,engine,backend,frontend,xenstore-schema,.ci} "$scratch"
  mkdir -p "$scratch/tests"
  cp -a "$top"/tests/{loopback,*.awk} "$scratch/tests"
  cp -a "$top/$build"/{gen,lib} "$scratch/$build"
  mkdir -p "$scratch/$build/obj"
  for part in lib engine backend frontend xenstore-schema; do cp -al "$top/$build/obj/$part" "$scratch/$build/obj"; done
  touch "$scratch/build/.setup-build" "$scratch/build/.setup-test"
}

mutate() { # mutate PATCH: leaves what it builds in $scratch/BUILD/bin
  local patch=$1 file
  (
    cd "$scratch"
    patch -p1 --fuzz=0 --quiet --no-backup-if-mismatch <"$patch"
    for file in $(sed -n 's/^+++ b\///p' "$patch"); do
      # Not written through the link that it shares with the tree.
      for object in $(grep -lF " $file" -r "$build/obj" --include='*.d'); do rm -f "$object" "${object%.d}.o"; done
    done
    rm -rf "$build/bin"
    make --no-print-directory -j2 "$build/bin/vtpm-managerd" "$build/bin/vtpmd" "$build/bin/vtpm-grantd" "$build/bin/vtpm-frontend" >mutant.log 2>&1
  )
}

restore() { # restore PATCH
  (
    cd "$scratch"
    patch -p1 --fuzz=0 --quiet --no-backup-if-mismatch -R <"$1"
    for file in $(sed -n 's/^+++ b\///p' "$1"); do
      for object in $(grep -lF " $file" -r "$build/obj" --include='*.d'); do rm -f "$object" "${object%.d}.o"; done
    done
  )
}

prepare
echo "1..$((2 + ${#patches[@]}))"
for role in frontend backend; do
  mapfile -t cases < <(for patch in "${patches[@]}"; do
    [ "$(field role "$patch")" != $role ] || field case "$patch"
  done | sort -u)
  status=0
  [ ${#cases[@]} = 0 ] || run $role "$bin" "${cases[@]}" >"$scratch/unmutated" 2>&1 || status=$?
  report $status "as $role: what is not mutated passes ${#cases[@]} cases" "$scratch/unmutated"
done

for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch) role=$(field role "$patch") case=$(field case "$patch")
  if ! mutate "$patch"; then
    report 1 "$name is built" "$scratch/mutant.log"
  else
    status=0
    run "$role" "$scratch/$build/bin" "$case" >"$scratch/mutated" 2>&1 || status=$?
    # A case that failed before it began, or a kit that found no device, kills nothing.
    killed=1
    [ $status != 1 ] || ! grep -q "^not ok 1 - $case" "$scratch/mutated" || grep -q "before the case:" "$scratch/mutated" || killed=0
    report $killed "$name is killed by $role $case" "$scratch/mutated"
  fi
  restore "$patch"
done
[ $failed = 0 ]
