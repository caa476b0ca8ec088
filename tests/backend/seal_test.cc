// SPDX-License-Identifier: MIT
#include "backend/vault/seal.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <numeric>
#include <set>
#include <string>

namespace {

using vault::Purpose;

constexpr uint64_t kEpoch = 0x0102030405060708;

class Seal : public testing::Test {
 protected:
  Seal() {
    std::iota(key_.fill().begin(), key_.fill().end(), uint8_t{1});
    std::iota(uuid_.begin(), uuid_.end(), uint8_t{0xa0});
    plain_.assign({'s', 't', 'a', 't', 'e'});
  }
  base::Bytes sealed() const { return vault::seal(key_, uuid_, Purpose::Permanent, kEpoch, plain_); }
  auto opened(base::View envelope) const { return vault::unseal(key_, uuid_, Purpose::Permanent, kEpoch, envelope); }

  vault::InstanceKey key_;
  vault::Uuid uuid_{};
  base::Bytes plain_;
};

TEST_F(Seal, ReturnsWhatWasSealed) {
  for (size_t n : {size_t{0}, size_t{1}, size_t{16}, size_t{4096}, size_t{300000}}) {
    plain_.assign(n, 0x5a);
    EXPECT_EQ(opened(sealed()), plain_) << n;
  }
}

TEST_F(Seal, LaysOutTheEnvelopeAsDocumented) {
  base::Bytes envelope = sealed();
  ASSERT_EQ(envelope.size(), 8 + 1 + 1 + 8 + 32 + 12 + plain_.size() + 16);
  EXPECT_EQ(std::string(envelope.begin(), envelope.begin() + 8), "VTPMSEAL");
  EXPECT_EQ(envelope[8], 1);
  EXPECT_EQ(envelope[9], 1);
  for (size_t i = 0; i < 8; i++) EXPECT_EQ(envelope[10 + i], i + 1);
  EXPECT_EQ(vault::claimed_epoch(envelope), kEpoch);
}

// An independent reader of the format: HKDF written out as HMACs, the cipher called directly.
TEST_F(Seal, OpensWithHkdfWrittenOut) {
  base::Bytes e = sealed();
  auto hmac = [](base::View key, base::View text) {
    std::array<uint8_t, 32> mac{};
    unsigned n = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text.data(), text.size(), mac.data(), &n);
    return mac;
  };
  auto extracted = hmac(base::View(e).subspan(18, 32), key_.reveal());
  std::string info = std::string("vtpm envelope") + '\x01';
  auto key = hmac(extracted, {reinterpret_cast<const uint8_t*>(info.data()), info.size()});  // NOLINT: text to bytes

  EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
  base::Bytes plain(plain_.size());
  int n = 0;
  ASSERT_EQ(EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), nullptr, key.data(), e.data() + 50), 1);
  ASSERT_EQ(EVP_DecryptUpdate(c, nullptr, &n, uuid_.data(), 16), 1);
  ASSERT_EQ(EVP_DecryptUpdate(c, nullptr, &n, e.data(), 50), 1);
  ASSERT_EQ(EVP_DecryptUpdate(c, plain.data(), &n, e.data() + 62, static_cast<int>(plain.size())), 1);
  ASSERT_EQ(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, e.data() + e.size() - 16), 1);
  EXPECT_EQ(EVP_DecryptFinal_ex(c, plain.data(), &n), 1);
  EVP_CIPHER_CTX_free(c);
  EXPECT_EQ(plain, plain_);
}

TEST_F(Seal, RefusesEveryChangedBit) {
  base::Bytes envelope = sealed();
  for (size_t bit = 0; bit < envelope.size() * 8; bit++) {
    base::Bytes changed = envelope;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(opened(changed)) << "bit " << bit;
  }
}

TEST_F(Seal, RefusesEveryTruncationAndAByteMore) {
  base::Bytes envelope = sealed();
  for (size_t n = 0; n < envelope.size(); n++) EXPECT_FALSE(opened(base::View(envelope).first(n))) << n;
  envelope.push_back(0);
  EXPECT_FALSE(opened(envelope));
}

TEST_F(Seal, RefusesAnotherKeyUuidPurposeOrEpoch) {
  base::Bytes envelope = sealed();
  vault::InstanceKey other_key = key_;
  other_key.fill()[31] ^= 1;
  vault::Uuid other_uuid = uuid_;
  other_uuid[0] ^= 1;
  EXPECT_FALSE(vault::unseal(other_key, uuid_, Purpose::Permanent, kEpoch, envelope));
  EXPECT_FALSE(vault::unseal(key_, other_uuid, Purpose::Permanent, kEpoch, envelope));
  EXPECT_FALSE(vault::unseal(key_, uuid_, Purpose::Snapshot, kEpoch, envelope));
  EXPECT_FALSE(vault::unseal(key_, uuid_, Purpose::Permanent, kEpoch + 1, envelope));
}

TEST_F(Seal, TakesAFreshSaltAndNonceEachTime) {
  std::set<base::Bytes> seen;
  for (int i = 0; i < 100; i++) {
    base::Bytes e = sealed();
    EXPECT_TRUE(seen.insert(base::Bytes(e.begin() + 18, e.begin() + 62)).second);
  }
}

TEST_F(Seal, ClaimsNoEpochForSomethingElse) {
  EXPECT_FALSE(vault::claimed_epoch({}));
  base::Bytes envelope = sealed();
  envelope[0] ^= 1;
  EXPECT_FALSE(vault::claimed_epoch(envelope));
}

}  // namespace
