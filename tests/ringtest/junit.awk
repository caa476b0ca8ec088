# SPDX-License-Identifier: MIT
# Whether a JUnit report is well-formed XML, as far as the kit uses XML, and counts what it holds. Says what is wrong.
function wrong(why) { print "line " NR ": " why >"/dev/stderr"; failed = 1; exit 1 }
NR == 1 { if ($0 != "<?xml version=\"1.0\" encoding=\"UTF-8\"?>") wrong("no declaration"); next }
{
  text = $0
  while (match(text, /<[^<>]*>/)) {
    at = RSTART
    long = RLENGTH
    plain(substr(text, 1, at - 1))
    tag(substr(text, at + 1, long - 2))
    text = substr(text, at + long)
  }
  plain(text)
}
function plain(part) {
  gsub(/&(amp|lt|gt|quot|#10);/, "", part)
  if (part ~ /[<>&]/) wrong("not escaped: " part)
}
function tag(part,   name, rest) {
  if (part ~ /^\//) {
    name = substr(part, 2)
    if (depth == 0 || open[depth--] != name) wrong("</" name "> closes nothing")
    return
  }
  name = part
  sub(/[ \/].*/, "", name)
  rest = substr(part, length(name) + 1)
  gsub(/ [a-z]+="([^"&<]|&(amp|lt|gt|quot|#10);)*"/, "", rest)
  if (rest != "" && rest != "/") wrong("attributes of <" part ">")
  seen[name]++
  if (name == "testsuite") { tests = value(part, "tests"); failures = value(part, "failures"); skipped = value(part, "skipped") }
  if (rest != "/") open[++depth] = name
}
function value(part, name) {
  match(part, name "=\"[0-9]+\"")
  return substr(part, RSTART + length(name) + 2, RLENGTH - length(name) - 3)
}
END {
  if (failed) exit 1
  if (depth != 0) wrong("<" open[depth] "> is not closed")
  if (tests != seen["testcase"] || failures != seen["failure"] + 0 || skipped != seen["skipped"] + 0) wrong("counts")
}
