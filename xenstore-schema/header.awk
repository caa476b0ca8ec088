# SPDX-License-Identifier: MIT
# After read.awk: prints the header of typed nodes and the table of rows.
function identifier(name) { gsub(/-/, "_", name); return name }
function constant(name,   n, i, part, out) {
  n = split(name, part, "-")
  out = "k"
  for (i = 1; i <= n; i++) out = out toupper(substr(part[i], 1, 1)) substr(part[i], 2)
  return out
}
function type(of) {
  if (of == "INTEGER") return "uint64_t"
  if (of == "DOMID" || of ~ /^"[$](DOMAIN|BACKEND)"$/) return "xen::DomId"
  if (of == "GNTREF") return "xen::GrantRef"
  if (of == "EVTCHN") return "xen::Port"
  if (of == "UUID") return "Uuid"
  if (of == "PATH" || of ~ /^"\//) return "xen::Path"
  if (of == "XENBUS") return "Xenbus"
  if (of == "PROOF") return "xen::Proof"
  if (of == "\"$DEVICE\"") return "unsigned"
  return "std::string"
}
function flush() {
  if (words == "") return
  expression = expression (expression == "" ? "xen::Path(\"" lead words "\")" : " / \"" words "\"")
  words = ""
}
# The path from its variables: sets `expression`, `parameters` and `arguments`.
function take_apart(from,   n, i, part, name) {
  expression = parameters = arguments = words = ""
  lead = from ~ /^\// ? "/" : ""
  n = split(from, part, "/")
  for (i = lead == "" ? 1 : 2; i <= n; i++) {
    if (part[i] !~ /^[$]/) { words = words (words == "" ? "" : "/") part[i]; continue }
    flush()
    name = tolower(substr(part[i], 2))
    parameters = parameters (parameters == "" ? "" : ", ") (name == "device" ? "unsigned " : name == "vm" ? "const Uuid& " : "xen::DomId ") name
    arguments = arguments (arguments == "" ? "" : ", ") name
    expression = expression " / " (name == "device" ? name : name == "vm" ? "vm.text" : "static_cast<unsigned>(" name ")")
  }
  flush()
}
function directory(r,   own) {
  take_apart(path[r])
  printf "inline xen::Path dir(%s) { return %s; }\n", parameters, expression
  if (value[r] != "\"\"")
    printf "inline Node<%s> node(%s) { return {dir(%s), R\"s(%s)s\"}; }\n", type(value[r]), parameters, arguments, \
      value[r]
  # What is below a domain's home, for that domain itself.
  own = path[r]
  if (!sub(/^\/local\/domain\/[$][A-Z]+\//, "", own)) return
  take_apart(own)
  printf "inline xen::Path own_dir(%s) { return %s; }\n", parameters, expression
}
function leaf(r, name) {
  printf "inline constexpr std::string_view %s = \"%s\";\n", constant(name), name
  printf "inline Node<%s> %s(const xen::Path& dir) { return {dir / %s, R\"s(%s)s\"}; }\n", type(value[r]), \
    identifier(name), constant(name), value[r]
  if (dir_of[r] == "/local/domain/$DOMAIN")
    printf "inline Node<%s> own_%s() { return {\"%s\", R\"s(%s)s\"}; }\n", type(value[r]), identifier(name), name, \
      value[r]
}
# The nodes of a directory, and those of the directories in it that have no name of their own.
function contents(r,   k, j, part) {
  for (k = 1; k <= rows; k++) {
    if (k == r || dir_of[k] != path[r] || below[k] ~ /\//) continue
    if (value[k] != "\"\"") { leaf(k, below[k]); continue }
    printf "inline constexpr std::string_view %s = \"%s\";\n", constant(below[k]), below[k]
    printf "namespace %s {\n", identifier(below[k])
    printf "inline xen::Path dir(const xen::Path& %s) { return %s / %s; }\n", as[r], as[r], constant(below[k])
    for (j = 1; j <= rows; j++) {
      if (dir_of[j] == path[r] && split(below[j], part, "/") == 2 && part[1] == below[k]) leaf(j, part[2])
    }
    printf "}  // namespace %s\n", identifier(below[k])
  }
}
END {
  if (bad) exit 1
  print "// SPDX-License-Identifier: MIT"
  print "// Made from xenstore-schema/vtpm.schema."
  print "#pragma once\n\n#include <array>\n\n#include \"xenstore-schema/values.h\"\n\nnamespace schema {\n"
  for (r = 1; r <= rows; r++) if (below[r] == "") {
    printf "namespace %s {\n", as[r]
    directory(r)
    contents(r)
    printf "}  // namespace %s\n\n", as[r]
  }
  printf "inline constexpr std::array<Row, %d> kRows = {{\n", rows
  for (r = 1; r <= rows; r++)
    printf "{R\"s(%s)s\", R\"s(%s)s\", \"%s\", \"%s\", \"%s\", \"%s\", %s, \"%s\", %s},\n", path[r], value[r], \
      as[r], by[r], readers[r], perms[r], must[r] ? "true" : "false", must_in[r], others[r] ? "true" : "false"
  print "}};\n\n}  // namespace schema"
}
