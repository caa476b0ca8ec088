# SPDX-License-Identifier: MIT
# Reads what `gcov -t` prints for every object, and adds up by source file: a line counts as executed when it was in any
# object, and in any instance of a template.
BEGIN { FS = ":" }
NF < 3 { next }
$2 + 0 == 0 {
  if ($3 == "Source") file = $4
  next
}
file !~ /^engine\// { next }
{
  count = $1
  gsub(/[ *]/, "", count)
  if (count == "-") next
  line = file SUBSEP ($2 + 0)
  if (!(line in known)) { known[line] = 1; lines[file]++ }
  if (count !~ /^[#=%$]/ && !(line in executed)) { executed[line] = 1; hit[file]++ }
  if (file == show) text[$2 + 0] = substr($0, index($0, $3))
}
END {
  for (f in lines) {
    printf "%6.1f %%  %5d of %5d  %s\n", 100 * hit[f] / lines[f], hit[f], lines[f], f | "sort -k5"
    all += lines[f]
    good += hit[f]
  }
  close("sort -k5")
  if (show != "") for (i in text) if (!((show SUBSEP i) in executed)) printf "%s:%d: %s\n", show, i, text[i] | "sort -t: -k2n"
  close("sort -t: -k2n")
  if (all == 0) { print "coverage: nothing was counted"; exit 1 }
  percent = 100 * good / all
  printf "coverage: %.1f %% of the lines of engine/, %d of %d\n", percent, good, all
  if (percent < least) { printf "coverage: less than %s %%\n", least; exit 1 }
}
