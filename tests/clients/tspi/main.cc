// SPDX-License-Identifier: MIT
// What libtspi offers and no tool uses, with two TPMs: tspi PORT PORT BLOB COUNTER MAKER.key CERTIFICATE.der. Prints
// `ok TEXT` or `bad TEXT`, a line a step.

#include <cstdio>
#include <cstdlib>

#include "tests/clients/tspi/session.h"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: tspi PORT PORT BLOB COUNTER MAKER.key CERTIFICATE.der\n");
    return 2;
  }
  tspi::Session first(argv[1]);
  tspi::Session second(argv[2]);
  tspi::test_migration(first, second);
  tspi::test_cmk(first, second);
  tspi::test_attestation(first);
  tspi::test_nv(first);
  TSS_HKEY identity = tspi::test_identity(first, argv[5], argv[6]);
  tspi::test_ticks(first);
  tspi::test_transport(argv[1], first);
  tspi::test_delegation(first, argv[3]);
  if (identity != 0) tspi::test_audit(first, identity);
  tspi::test_counter(first, static_cast<UINT32>(std::strtoul(argv[4], nullptr, 10)));
  std::puts("done");
  return 0;
}
