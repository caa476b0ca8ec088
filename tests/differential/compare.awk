# SPDX-License-Identifier: MIT
# awk -v least=N -f compare.awk deviations.md deviations.tsv engine.cases libtpms.cases
# Every case on both sides; every difference listed with the number of its entry in deviations.md; everything listed seen,
# but for lines of chance ("-"), which match a few cases at most; every entry shown by a line or by a test.
BEGIN { FS = "\t" }
function glob(text,   re) {
  re = text
  gsub(/[][\\.^$+(){}]/, "\\\\&", re)
  gsub(/\*/, ".*", re)
  gsub(/\?/, ".", re)
  return "^(" re ")$"
}
function complain(text) { if (++broken <= 60) print "differential: " text }
FNR == 1 { file++ }
file == 1 {
  if (match($0, /^\| D[0-9]+ \|/)) {
    number = substr($0, 3, RLENGTH - 4)
    known[number] = 1
    if ($0 !~ /`[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*`|`rows_test`|[Nn]o test/) unshown[number] = 1
  }
  next
}
file == 2 {
  if ($0 ~ /^#/ || $0 == "") next
  if (NF != 4) { complain("deviations.tsv:" FNR ": four columns are wanted"); next }
  if ($1 != "-" && !($1 in known)) complain("deviations.tsv:" FNR ": " $1 " is no entry of deviations.md")
  delete unshown[$1]
  n++
  entry[n] = $1; line[n] = FNR; text[n] = $2; name[n] = glob($2); ours[n] = glob($3); theirs[n] = glob($4)
  next
}
$1 ~ /\/died$/ { complain($1 ": " $2); next }
file == 3 {
  if ($1 in engine) complain($1 ": a name for two cases")
  engine[$1] = $2
  next
}
{
  if ($1 in seen) next
  seen[$1] = 1
  if (!($1 in engine)) { complain($1 ": only libtpms has this case: " $2); next }
  compared++
  if (engine[$1] == $2) next
  different++
  found = 0
  for (i = 1; i <= n && !found; i++)
    if ($1 ~ name[i] && engine[$1] ~ ours[i] && $2 ~ theirs[i]) { hits[i]++; found = 1 }
  if (!found) { complain($1 ": engine " engine[$1] ", libtpms " $2); unlisted++ }
}
END {
  for (c in engine) if (!(c in seen)) complain(c ": only the engine has this case: " engine[c])
  for (i = 1; i <= n; i++)
    if (!hits[i] && entry[i] != "-") complain("deviations.tsv:" line[i] ": " entry[i] " " text[i] " never occurs")
  for (i = 1; i <= n; i++)
    if (hits[i] > 5 && entry[i] == "-") complain("deviations.tsv:" line[i] ": " hits[i] " cases are no chance: " text[i])
  for (d in unshown) complain("deviations.md: " d " has neither a test nor a line of deviations.tsv")
  if (compared < least) complain(compared " cases, fewer than " least)
  printf "differential: %d cases, %d of them differ as deviations.md says, %d otherwise\n", compared,
         different - unlisted, unlisted
  if (broken > 60) print "differential: and " broken - 60 " complaints more"
  exit broken > 0
}
