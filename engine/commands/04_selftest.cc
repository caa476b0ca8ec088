// SPDX-License-Identifier: MIT
// Part 3, 4: admin testing.
#include <algorithm>

#include "engine/commands/chapters.h"
#include "engine/commands/selftest.h"
#include "engine/crypto/symmetric.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// FIPS 180-4, example of one block.
bool sha1_works() {
  static constexpr std::array<uint8_t, 3> kAbc = {'a', 'b', 'c'};
  static constexpr Digest kExpected = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                       0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
  Sha1Thread thread;
  thread.start();
  return crypto::sha1(kAbc) == kExpected && thread.complete(kAbc) == kExpected;
}

// RFC 2202, test case 2.
bool hmac_works() {
  static constexpr std::string_view kKey = "Jefe", kText = "what do ya want for nothing?";
  static constexpr Digest kExpected = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                       0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
  Bytes key(kKey.begin(), kKey.end()), text(kText.begin(), kText.end());
  crypto::Hmac mac(key);
  mac.update(text);
  return mac.finish() == kExpected;
}

// SP 800-38A, F.5.1, first block.
bool aes_works() {
  static constexpr std::array<uint8_t, 16> kKey = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                                   0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
  static constexpr std::array<uint8_t, 16> kCounter = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                                       0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
  static constexpr std::array<uint8_t, 16> kCipher = {0x87, 0x4d, 0x61, 0x91, 0xb6, 0x20, 0xe3, 0x26,
                                                      0x1b, 0xef, 0x68, 0x64, 0x99, 0x0d, 0xb6, 0xce};
  std::array<uint8_t, 16> block = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96,
                                   0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a};
  crypto::aes128_ctr(kKey, kCounter, block);
  return block == kCipher;
}

// The endorsement key, when there is one, must undo what it does, as must the storage root key.
bool rsa_works(const Key& key) {
  if (!key.present()) return true;
  static constexpr Digest kProbe = {1, 2, 3, 4, 5};
  auto cipher = key.rsa->encrypt_oaep(kProbe);
  if (!cipher) return false;
  auto plain = key.rsa->decrypt_oaep(*cipher);
  return plain && std::ranges::equal(plain->reveal(), kProbe);
}

bool random_works(const Tpm& tpm) { return tpm.nonce() != tpm.nonce(); }

}  // namespace

void test_in_full(Tpm& tpm) {
  bool passed = sha1_works() && hmac_works() && aes_works() && random_works(tpm) && rsa_works(tpm.endorsement->key) &&
                rsa_works(tpm.ownership->srk);
  StAny& any = tpm.stany.edit();
  any.full_tested = true;
  any.failed |= !passed;
}

namespace {

// ---- 4.1 TPM_SelfTestFull ----
struct SelfTestFull {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    test_in_full(call.tpm);
    if (!call.tpm.stany->failed) return Out{};
    TRY(call.tpm.commit());
    return Rc::FailedSelfTest;
  }
};

// ---- 4.2 TPM_ContinueSelfTest ----
struct ContinueSelfTest {
  using In = Nothing;
  using Out = Nothing;
  // The tests take less time than a round trip: they are over when the answer is there (action 1.a).
  static Result<Out> run(Call& call, const In& in) {
    if (call.tpm.stany->full_tested) return Out{};
    return SelfTestFull::run(call, in);
  }
};

// ---- 4.3 TPM_GetTestResult ----
struct GetTestResult {
  using In = Nothing;
  struct Out {
    wire::SizedBytes data;
  };
  static Result<Out> run(Call& call, const In&) {
    std::string_view text = call.tpm.stany->failed ? "failed" : call.tpm.stany->full_tested ? "passed" : "not run";
    return Out{wire::SizedBytes(Bytes(text.begin(), text.end()))};
  }
};

constexpr std::array kRows = {
    before_selftest(row<SelfTestFull>(ordinal::SelfTestFull, "TPM_SelfTestFull", Needs::Started)),
    before_selftest(row<ContinueSelfTest>(ordinal::ContinueSelfTest, "TPM_ContinueSelfTest", Needs::Started)),
    before_selftest(row<GetTestResult>(ordinal::GetTestResult, "TPM_GetTestResult", Needs{.no_lockout = true})),
};

}  // namespace

Chapter chapter_04() { return kRows; }

}  // namespace tpm
