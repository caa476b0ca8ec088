# SPDX-License-Identifier: MIT
# Reads vtpm.schema into arrays by row: path, value, note, and the tags as, by, readers, perms, must, others. What is
# done with them stands in header.awk and page.awk.
function fail(why) { printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"; bad = 1; exit 1 }
function known(list, words, what,   n, i, part) {
  n = split(list, part, ",")
  for (i = 1; i <= n; i++) if (part[i] !~ "^(" words ")$") fail("unknown " what ": " part[i])
}
function read_tags(text,   n, i, part, name, to) {
  n = split(text, part, " ")
  for (i = 1; i <= n; i++) {
    name = part[i]; to = ""
    if (match(name, /=/)) { to = substr(name, RSTART + 1); name = substr(name, 1, RSTART - 1) }
    if (name == "as") as[rows] = to
    else if (name == "by") { by[rows] = to; known(to, who, "writer") }
    else if (name == "for") { readers[rows] = to; known(to, who, "reader") }
    else if (name == "perms") { perms[rows] = to; known(to, "n0|[nr][$](BACKEND|DOMAIN)|r[*]", "permission") }
    else if (name == "must") { must[rows] = 1; must_in[rows] = to; known(to, "[1-6]", "state") }
    else if (name == "others") others[rows] = 1
    else fail("unknown tag: " part[i])
  }
}
BEGIN { who = "toolstack|backend|frontend|domwatch|administrator" }
# The types stand in the comments at the beginning.
/^#   ([A-Z]+|"text") +[^ ]/ {
  match($0, /[A-Z]+|"text"/)
  type_name[++types] = substr($0, RSTART, RLENGTH)
  type_note[types] = substr($0, RSTART + RLENGTH)
  reads_type = 1
  next
}
/^#      / && reads_type { type_note[types] = type_note[types] " " substr($0, 2); next }
{ reads_type = 0 }
/^#|^$/ { next }
/^  [^ ]/ {
  if (!rows || note[rows] != "") fail("a note, but no path before it")
  note[rows] = substr($0, 3)
  next
}
{
  if (!match($0, / = /)) fail("expected: PATH = VALUE [TAGS]")
  if (rows && note[rows] == "") fail("no note on what " path[rows] " is for")
  rows++
  path[rows] = substr($0, 1, RSTART - 1)
  rest = substr($0, RSTART + 3)
  if (path[rows] !~ /^(\/([a-z0-9-]+|[$](BACKEND|DOMAIN|DEVICE|VM)))+$/) fail("not a path: " path[rows])
  if (path[rows] in row_of) fail("twice: " path[rows])
  row_of[path[rows]] = rows
  if (!match(rest, / \[[^]]*\]$/)) fail("expected tags in [] at the end")
  value[rows] = substr(rest, 1, RSTART - 1)
  if (value[rows] !~ /^(STRING|INTEGER|DOMID|GNTREF|EVTCHN|UUID|PATH|XENBUS|PROOF|"[^"]*"([|]"[^"]+")*)$/)
    fail("not a value: " value[rows])
  read_tags(substr(rest, RSTART + 2, RLENGTH - 3))
  if (by[rows] == "") fail("nobody writes " path[rows])
  # The directory whose name in the header it belongs to, and what is below that.
  for (home = path[rows]; home != "" && as[row_of[home]] == ""; sub(/\/[^\/]*$/, "", home)) continue
  if (home == "") fail("no directory above it has a name")
  dir_of[rows] = home
  below[rows] = substr(path[rows], length(home) + 2)
}
END {
  if (!bad && rows && note[rows] == "") {
    printf "%s: no note on what %s is for\n", FILENAME, path[rows] > "/dev/stderr"
    bad = 1
  }
}
