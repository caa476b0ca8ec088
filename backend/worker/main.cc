// SPDX-License-Identifier: MIT
// vtpmd: one TPM for one guest, started by the manager with the descriptors of messages.h.
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "backend/worker/serve.h"
#include "lib/base/log.h"

namespace {

template <class T>
bool parse_number(std::string_view text, T highest, T& to) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc{} && end == text.data() + text.size() && to > 0 && to <= highest;
}

bool parse(int argc, char** argv, backend::Options& options) {
  constexpr uid_t kDomains = 0x7ff0;
  constexpr unsigned kDay = 86400;
  for (int i = 1; i < argc; i += 2) {
    std::string_view name(argv[i]), value(i + 1 < argc ? argv[i + 1] : "");
    unsigned seconds = 0;
    if (name == "--uid-base" && parse_number<uid_t>(value, UINT32_MAX - kDomains - 1, options.uid_base)) continue;
    if (name != "--commit-patience" || !parse_number(value, kDay, seconds)) return false;
    options.commit_patience = std::chrono::seconds(seconds);
  }
  return true;
}

// Not everybody is born with it.
vault::Fd inherited(int fd) { return fcntl(fd, F_GETFD) < 0 ? vault::Fd() : vault::Fd(fd); }

}  // namespace

int main(int argc, char** argv) {
  base::log_name("vtpmd");
  backend::Options options;
  if (!parse(argc, argv, options)) {
    base::log(
        base::Level::Error,
        "usage: vtpmd [--uid-base N] [--commit-patience SECONDS], with the descriptors that vtpm-managerd gives it");
    return 2;
  }
  // A log whose reader has gone must not end a TPM.
  signal(SIGPIPE, SIG_IGN);
  // No configuration file decides what this process computes with.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);

  backend::Inheritance inheritance{vault::Fd(message::kManagerFd), vault::Fd(message::kListenFd),
                                   vault::Fd(message::kJournalFd), inherited(message::kGrantdFd),
                                   inherited(message::kTransferFd)};
  auto live = backend::start_worker(std::move(inheritance), options);
  bool served = live != nullptr && backend::serve(*live);
  live.reset();
  // Past the filter nothing that libraries do at exit may be counted on.
  _exit(served ? 0 : 1);
}
