#!/bin/sh
# SPDX-License-Identifier: MIT
# spelled_test.sh SOURCE...: no source spells a path of the schema; and what does is found.
set -eu
find_spelled() { awk -f tests/schema/spelled.awk -f xenstore-schema/read.awk xenstore-schema/vtpm.schema "$@"; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
while read -r line; do
  echo "$line" >"$scratch/planted.cc"
  if ! find_spelled "$scratch/planted.cc" | grep -q 'planted.cc:1: .* belongs in'; then
    echo "spelled_test: this is not found: $line" >&2
    exit 1
  fi
done <<'PLANTED'
xen::Path home = xen::Path("/local/domain") / 3;
watch(home_ / "backend/vtpm", kToken);
const xen::Path errors = home_ / "error/backend";
find("warning", "remove /local/domain/0/backend/vtpm/" + text_of(id));
list(store_, "/libxl")
static const Path path = "/tool/vtpm/domain";
auto own = TRY(store.read_number<uint16_t>("domid"));
store->read(front / "backend")
write(back_ / "info" / name, value)
constexpr const char* kFeature = "feature-protocol-v2";
number_into(nodes, path_of("ring-ref"), 0)
PLANTED
cat >"$scratch/planted.cc" <<'INNOCENT'
// One node for a domain, below "/local/domain".
#include "backend/vtpm/state.h"
const char* message = "the frontend's ring-ref is wrong";
json j = {{"error", text}, {"state", name}, {"power-cycle", 1}};
auto watch = store.watch(path, "backend");
INNOCENT
find_spelled "$scratch/planted.cc"
find_spelled "$@"
