# SPDX-License-Identifier: MIT
# After read.awk: prints Documentation/xenstore.md.
function listed(text) { gsub(/,/, ", ", text); return text == "" ? "-" : text }
function cell(text) { gsub(/[|]/, " or ", text); return "`" text "`" }
function present(r) { return !must[r] ? "" : must_in[r] == "" ? "always" : "state " listed(must_in[r]) }
END {
  if (bad) exit 1
  print "# XenStore\n"
  print "Printed by `make docs` from `xenstore-schema/vtpm.schema`; `make check` fails when it is stale."
  print "`vtpmctl check-xenstore` compares a live store with the same file.\n"
  print "`$BACKEND` is the number of the domain that serves, `$DOMAIN` the guest's, `$DEVICE` that of one of its devices."
  print "there: in which xenbus states of its directory a node must be there; empty: it may be missing. Permissions are as"
  print "`xenstore-chmod` has them: the owner first, then who may read; `r*` is whoever may. The special watches"
  print "`@introduceDomain` and `@releaseDomain` are no nodes and do not stand here."
  for (r = 1; r <= rows; r++) {
    if (below[r] == "") {
      printf "\n## %s\n\n%s\n", path[r], note[r]
      printf "\nWritten by: %s. Read by: %s.", listed(by[r]), listed(readers[r])
      if (perms[r] != "") printf " Permissions: `%s`.", perms[r]
      if (value[r] != "\"\"") printf " Value: %s.", cell(value[r])
      if (others[r]) printf " Others keep nodes there, too."
      print ""
      begun = 0
      continue
    }
    if (!begun) {
      print "\n| node | value | there | written by | read by | |"
      print "|---|---|---|---|---|---|"
      begun = 1
    }
    printf "| `%s` | %s | %s | %s | %s | %s |\n", below[r], value[r] == "\"\"" ? "" : cell(value[r]), present(r), \
      listed(by[r]), listed(readers[r]), note[r]
  }
  print "\n## Types\n"
  print "| | |\n|---|---|"
  for (i = 1; i <= types; i++) { gsub(/  +/, " ", type_note[i]); printf "| `%s` |%s |\n", type_name[i], type_note[i] }
}
