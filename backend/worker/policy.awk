# SPDX-License-Identifier: MIT
# Turns syscalls.policy into the initialisers of a table of Allowed.
function fail(why) { printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"; bad = 1; exit 1 }
/^[ \t]*(#|$)/ { next }
{
  if (!match($0, /#[ \t]*[^ \t]/)) fail("no reason")
  sub(/[ \t]*#.*/, "")
  if (NF < 2 || NF > 3) fail("expected: NAME WHERE [ARGUMENT&MASK=VALUE]  # reason")
  if ($1 !~ /^[a-z0-9_]+$/) fail("not a system call: " $1)
  if ($2 !~ /^(any|xen|loopback|san)$/) fail("unknown place: " $2)
  condition = "false, 0, 0, 0"
  if (NF == 3) {
    if ($3 !~ /^[0-5]&(0x)?[0-9a-f]+=(0x)?[0-9a-f]+$/) fail("not a condition: " $3)
    split($3, part, /[&=]/)
    condition = "true, " part[1] ", " part[2] ", " part[3]
  }
  where = toupper(substr($2, 1, 1)) substr($2, 2)
  printf "{\"%s\", SCMP_SYS(%s), Where::%s, %s},\n", $1, $1, where, condition
}
