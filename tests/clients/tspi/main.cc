// SPDX-License-Identifier: MIT
// What libtspi offers and no tool uses, with two TPMs: tspi PORT PORT. Prints `ok TEXT` or `bad TEXT`, a line a step.

#include <cstdio>

#include "tests/clients/tspi/session.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tspi PORT PORT\n");
    return 2;
  }
  tspi::Session first(argv[1]);
  tspi::Session second(argv[2]);
  tspi::test_migration(first, second);
  tspi::test_attestation(first);
  tspi::test_nv(first);
  tspi::test_identity(first);
  tspi::test_ticks(first);
  tspi::test_transport(argv[1], first);
  std::puts("done");
  return 0;
}
