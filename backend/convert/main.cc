// SPDX-License-Identifier: MIT
// vtpm-convert: makes the state of a TPM of ours from one of swtpm, for the manager, which does not look into such
// states. It gives up everything before it reads the first byte, and ends.
#include <openssl/crypto.h>
#include <seccomp.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/convert/container.h"
#include "backend/convert/convert.h"
#include "backend/convert/question.h"
#include "backend/manager/messages.h"
#include "backend/worker/lockdown.h"
#include "engine/engine.h"
#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace convert {
namespace {

using backend::Where;

constexpr uid_t kNobody = 65534;
constexpr backend::Allowed kAllowed[] = {
#include "backend/convert/syscalls.inc"
};

class EntropyOnly : public tpm::Platform {
 public:
  void entropy(std::span<uint8_t> out) override {
    VERIFY(::getrandom(out.data(), out.size(), 0) == static_cast<ssize_t>(out.size()));
  }
  uint64_t now_us() override { return 0; }
  bool commit(base::View) override { return true; }
  void journal(std::span<const tpm::JournalSection>) override {}
  bool cancelled() override { return false; }
};

wire::SizedBytes bytes_of(const std::string& text) { return wire::SizedBytes(base::Bytes(text.begin(), text.end())); }

template <class M>
void tell(const M& message) {
  base::Bytes datagram = message::encode(message);
  // A manager that has gone wants to know nothing.
  static_cast<void>(::send(message::kManagerFd, datagram.data(), datagram.size(), MSG_NOSIGNAL));
}

Result<Question> question() {
  base::Bytes bytes(kLargestQuestion + 1);
  size_t n = 0;
  for (ssize_t more = 1; more > 0 && n < bytes.size(); n += static_cast<size_t>(more)) {
    more = ::pread(kQuestionFd, bytes.data() + n, bytes.size() - n, static_cast<off_t>(n));
    if (more < 0) return Reason{"the state cannot be read"};
  }
  auto decoded = wire::decode<Question>(base::View(bytes).first(n));
  if (!decoded.ok() || decoded.value().version != Question{}.version) {
    return Reason{"what vtpmctl handed over is not understood: are both of one version?"};
  }
  return std::move(decoded).take();
}

void add(message::Converted& to, bool carried, const std::string& text) {
  to.remarks.items.push_back({carried, bytes_of(text)});
}

Result<message::Converted> answer() {
  Question asked = TRY(question());
  base::Bytes state = TRY(open_container(asked.file, {base::SecretBytes(asked.key.view()), asked.key_of_password}));
  EntropyOnly platform;
  libtpms::State read = TRY(libtpms::read(state));
  Converted converted = TRY(convert(read, platform));
  // What no worker would take up is not given out.
  TRY(require(tpm::Engine::load(platform, {}, converted.permanent).ok(), "the state that was made is not sound"));
  message::Converted result;
  result.permanent = wire::SizedBytes(base::View(converted.permanent));
  result.enabled = converted.enabled;
  result.activated = converted.activated;
  result.endorsement_key = converted.endorsement_modulus.size() == result.modulus.size();
  if (result.endorsement_key) std::ranges::copy(converted.endorsement_modulus, result.modulus.begin());
  for (const Remark& remark : converted.remarks) add(result, remark.carried, remark.text);
  if (asked.volatile_state) {
    add(result, false, "tpm-00.volatilestate: PCRs, sessions and loaded keys end as with a loss of power");
  }
  if (asked.saved_state) add(result, false, "tpm-00.savestate: what TPM_SaveState kept for a resume from sleep");
  return result;
}

Result<message::Converted> answer_confined() {
  auto confined = backend::lock_down({kNobody, kNobody, Where::Any}, kAllowed);
  if (!confined.ok()) return Reason{"the process that converts could not be confined: " + confined.error().text()};
  return answer();
}

}  // namespace
}  // namespace convert

int main() {
  base::log_name("vtpm-convert");
  base::log_level(base::Level::Warning);
  // Everything that OpenSSL wants from the file system, while there is one.
  OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS, nullptr);
  auto result = convert::answer_confined();
  if (result.ok()) {
    convert::tell(result.value());
    return 0;
  }
  convert::tell(message::NotConverted{convert::bytes_of(result.error().text)});
  return 1;
}
