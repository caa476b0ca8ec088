#!/bin/sh
# SPDX-License-Identifier: MIT
# A schema that is not in the grammar is refused, with the reason, by everything that is made from it.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
refused() { # REASON: for the schema on standard input
  cat >"$scratch/bad.schema"
  for printer in header page; do
    if awk -f xenstore-schema/read.awk -f xenstore-schema/$printer.awk "$scratch/bad.schema" >/dev/null 2>"$scratch/said"; then
      echo "reader_test: $printer.awk takes it, wanted: $1" >&2
      exit 1
    fi
    grep -q -- "$1" "$scratch/said" || { echo "reader_test: wanted: $1; got:" >&2; cat "$scratch/said" >&2; exit 1; }
  done
}
good='/a = "" [as=a by=toolstack]
  A directory.'
printf '%s\n' "$good" >"$scratch/good.schema"
awk -f xenstore-schema/read.awk -f xenstore-schema/header.awk "$scratch/good.schema" >/dev/null

printf '%s\n/a/b: STRING []\n' "$good" | refused 'expected: PATH = VALUE'
printf '%s\n/a/B = STRING [by=backend]\n' "$good" | refused 'not a path: /a/B'
printf '%s\n/a/$WHO = STRING [by=backend]\n' "$good" | refused 'not a path'
printf '%s\n/a/b = STRING by=backend\n' "$good" | refused 'expected tags in'
printf '%s\n/a/b = NUMBER [by=backend]\n' "$good" | refused 'not a value: NUMBER'
printf '%s\n/a/b = "1"|2 [by=backend]\n' "$good" | refused 'not a value: "1"|2'
printf '%s\n/a/b = STRING [by=nobody]\n' "$good" | refused 'unknown writer: nobody'
printf '%s\n/a/b = STRING [by=backend for=me]\n' "$good" | refused 'unknown reader: me'
printf '%s\n/a/b = STRING [by=backend must=7]\n' "$good" | refused 'unknown state: 7'
printf '%s\n/a/b = STRING [by=backend perms=w0]\n' "$good" | refused 'unknown permission: w0'
printf '%s\n/a/b = STRING [by=backend maybe]\n' "$good" | refused 'unknown tag: maybe'
printf '%s\n/a/b = STRING []\n' "$good" | refused 'expected tags in\|nobody writes /a/b'
printf '%s\n/a/b = STRING [by=backend]\n' "$good" | refused 'no note on what /a/b is for'
printf '%s\n/a/b = STRING [by=backend]\n/a/c = STRING [by=backend]\n  C.\n' "$good" | refused 'no note on what /a/b is for'
printf '%s\n%s\n' "$good" "$good" | refused 'twice: /a'
printf '/b/c = STRING [by=backend]\n  C.\n' | refused 'no directory above it has a name'
printf '  A note.\n' | refused 'no path before it'
