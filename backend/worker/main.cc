// SPDX-License-Identifier: MIT
// vtpmd: one TPM for one guest, started by the manager with the descriptors of messages.h.
#include <openssl/crypto.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "backend/worker/serve.h"
#include "lib/base/log.h"

namespace {

// Users of this number and the domain's above it; a range that no convention gives to anybody.
constexpr uid_t kUidBase = 1'900'000'000;

bool parse(int argc, char** argv, uid_t& uid_base) {
  if (argc == 1) return true;
  if (argc != 3 || std::string_view(argv[1]) != "--uid-base") return false;
  std::string_view text(argv[2]);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid_base);
  constexpr uid_t kDomains = 0x7ff0;
  return error == std::errc{} && end == text.data() + text.size() && uid_base > 0 && uid_base < UINT32_MAX - kDomains;
}

}  // namespace

int main(int argc, char** argv) {
  base::log_name("vtpmd");
  uid_t uid_base = kUidBase;
  if (!parse(argc, argv, uid_base)) {
    base::log(base::Level::Error, "usage: vtpmd [--uid-base N], with the descriptors that vtpm-managerd gives it");
    return 2;
  }
  // A log whose reader has gone must not end a TPM.
  signal(SIGPIPE, SIG_IGN);
  // No configuration file decides what this process computes with.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);

  backend::Inheritance inheritance{backend::Descriptor(message::kManagerFd), backend::Descriptor(message::kListenFd),
                                   backend::Descriptor(message::kJournalFd)};
  auto worker = backend::start_worker(std::move(inheritance), uid_base);
  bool served = worker != nullptr && backend::serve(*worker);
  worker.reset();
  // Past the filter nothing that libraries do at exit may be counted on.
  _exit(served ? 0 : 1);
}
