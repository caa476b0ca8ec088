// SPDX-License-Identifier: MIT
// golden-state DIR: writes a state of the engine and what a TPM in it must answer.
#include "tests/engine/golden.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  golden::write(argv[1], golden::make());
  return 0;
}
