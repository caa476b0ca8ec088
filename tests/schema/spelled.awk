# SPDX-License-Identifier: MIT
# Before xenstore-schema/read.awk, with the schema as the first file: finds paths and nodes of it that are spelled in
# sources.
FNR == 1 { reads_sources = FILENAME !~ /[.]schema$/ }
FNR == 1 && reads_sources && !prepared { prepare(); prepared = 1 }

# What nobody writes by accident: two names and more in a row, and names with a hyphen that are not an order's.
function prepare(   r, n, i, part, name) {
  for (r = 1; r <= rows; r++) {
    n = split(path[r], part, "/")
    for (i = 2; i <= n; i++) {
      if (part[i] ~ /^[$]/) continue
      if (i == 2 && n == 2) fragment["/" part[i]] = 1
      if (i < n && part[i + 1] !~ /^[$]/) fragment[part[i] "/" part[i + 1]] = 1
    }
    name = part[n]
    if (name ~ /^[$]/ || below[r] == "") continue
    joined[name] = 1
    if ((name ~ /-/ && by[r] != "administrator") || dir_of[r] == "/local/domain/$DOMAIN") alone[name] = 1
  }
}
function found(what) { printf "%s:%d: %s belongs in xenstore-schema/vtpm.schema: %s\n", FILENAME, FNR, what, $0; findings++ }
reads_sources {
  line = $0
  sub(/^[ \t]*\/\/.*/, "", line)
  if (line ~ /^#include/) next
  while (match(line, /"([^"\\]|\\.)*"/)) {
    text = substr(line, RSTART + 1, RLENGTH - 2)
    before = substr(line, 1, RSTART - 1)
    line = substr(line, RSTART + RLENGTH)
    for (f in fragment) if (index(text, f)) found("\"" f "\"")
    if (text in alone) found("\"" text "\"")
    else if (text in joined && before ~ /\/ *$/) found("/ \"" text "\"")
  }
  next
}
END { if (!prepared) { print "no sources" > "/dev/stderr"; exit 1 } if (findings) exit 1 }
