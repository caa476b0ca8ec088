// SPDX-License-Identifier: MIT
// commands-page ROOT: prints Documentation/commands.md.
#include <cstdio>

#include "tests/docs/commands_page.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: commands-page ROOT\n", stderr);
    return 2;
  }
  std::string page = docs::commands_page(argv[1]);
  return fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
