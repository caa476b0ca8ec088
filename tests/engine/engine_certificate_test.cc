// SPDX-License-Identifier: MIT
// The certificate of the endorsement key as the maker leaves it in NV, seen by a guest.
#include <gtest/gtest.h>

#include "tests/engine/engine_machine.h"
#include "tests/engine/nv_client.h"

namespace {

using client::Bytes;

constexpr uint32_t kIndex = 0x1000f000;
constexpr uint32_t kBadIndex = 2, kAreaLocked = 0x3c;
const Bytes kCertificate = client::bytes_of("a certificate");

base::Bytes of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

class CertificateInNv : public ::testing::Test {
 protected:
  void make(const Bytes& certificate) {
    engine_ = tpm::Engine::manufacture(platform_, {}, {.certify = [&, certificate](base::View modulus) {
                                         asked_.emplace_back(modulus.begin(), modulus.end());
                                         commits_when_asked_ = platform_.commits;
                                         return of(certificate);
                                       }});
    commits_when_made_ = platform_.commits;
    if (engine_ != nullptr) power_on();
  }
  void make_bare() {
    engine_ = tpm::Engine::manufacture(platform_, {}, {.endorsement_key = false});
    power_on();
  }
  void power_on() {
    engine_->power_on();
    ASSERT_TRUE(engine_->startup());
  }
  // Makes an endorsement key as its owner may, when the maker has not; revocable with a secret.
  void create_key(client::Tpm& guest, const std::optional<client::Digest>& reset = {}) {
    client::Out params;
    params.raw(client::secret("replay"));
    params.raw(client::KeyParms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone}.encode());
    if (reset) params.u8(0).raw(*reset);
    ASSERT_TRUE(guest.run(reset ? 0x7f : 0x78, params).ok());
  }
  client::Tpm tpm() {
    return client::Tpm([this](const Bytes& command, uint8_t locality) {
      Bytes response(4096);
      response.resize(engine_->execute(locality, base::ForeignBytes::read_only(command), base::ForeignBytes(response)));
      return response;
    });
  }

  machine::MemoryPlatform platform_;
  std::unique_ptr<tpm::Engine> engine_;
  std::vector<Bytes> asked_;
  size_t commits_when_asked_ = 99, commits_when_made_ = 99;
};

TEST_F(CertificateInNv, StandsThereWhenTheTpmIsMadeInTheFormOfThePcClient) {
  make(kCertificate);
  client::Tpm guest = tpm();
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0], guest.read_pubek().value.modulus);
  EXPECT_EQ(commits_when_asked_, 0U) << "one commit has all of it";
  EXPECT_EQ(commits_when_made_, 1U);
  client::Out wanted;
  wanted.u16(0x1001).u8(0).u16(static_cast<uint32_t>(2 + kCertificate.size())).u16(0x1002).raw(kCertificate);
  auto read = client::Nv(guest).read(kIndex, 0, static_cast<uint32_t>(wanted.bytes().size()));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value, wanted.bytes());
  EXPECT_EQ(client::Nv(guest).list().value, client::Out().u32(kIndex).bytes());
}

TEST_F(CertificateInNv, NobodyWritesReleasesOrDefinesItAnew) {
  make(kCertificate);
  client::Tpm guest = tpm();
  client::Nv nv(guest);
  EXPECT_EQ(nv.write(kIndex, 0, {1}).code, kAreaLocked);
  client::NvPublic area = nv.public_of(kIndex).value;
  EXPECT_EQ(area.attributes, client::kNvWriteDefine);
  EXPECT_TRUE(area.write_define);
  for (uint32_t bytes : {0U, 8U}) {
    area.bytes = bytes;
    EXPECT_EQ(nv.define(area).code, kBadIndex);
  }
}

TEST_F(CertificateInNv, StaysWithAnOwnerAndWithoutOne) {
  make(kCertificate);
  client::Tpm guest = tpm();
  client::Digest owner = client::secret("owner"), srk = client::secret("srk");
  ASSERT_TRUE(guest.take_ownership(guest.read_pubek().value, owner, srk).ok());
  client::Nv nv(guest);
  EXPECT_TRUE(nv.read(kIndex, 0, 7).ok());
  client::NvPublic area = nv.public_of(kIndex).value;
  area.bytes = 0;
  EXPECT_EQ(nv.define_as_owner(area, owner).code, kBadIndex);
  ASSERT_TRUE(guest.presence(0x08).ok());
  ASSERT_TRUE(guest.run(0x5d).ok());  // TPM_ForceClear
  EXPECT_TRUE(nv.read(kIndex, 0, 7).ok());
}

TEST_F(CertificateInNv, IsNotThereWhenNobodyGivesOne) {
  make({});
  client::Tpm guest = tpm();
  EXPECT_EQ(client::Nv(guest).read(kIndex, 0, 7).reply.code, kBadIndex);
  EXPECT_FALSE(engine_->has_endorsement_certificate());
}

TEST_F(CertificateInNv, OneThatNvDoesNotHoldMakesNoTpm) {
  make(Bytes(20'000, 1));
  EXPECT_EQ(engine_, nullptr);
  EXPECT_EQ(platform_.commits, 0U);
}

TEST_F(CertificateInNv, ABareTpmGetsItWhenItHasAKey) {
  make_bare();
  EXPECT_TRUE(asked_.empty());
  EXPECT_TRUE(engine_->endorsement_modulus().empty());
  client::Tpm guest = tpm();
  create_key(guest);
  Bytes modulus = guest.read_pubek().value.modulus;
  EXPECT_EQ(engine_->endorsement_modulus(), of(modulus));
  EXPECT_FALSE(engine_->has_endorsement_certificate());
  ASSERT_TRUE(engine_->store_endorsement_certificate(of(kCertificate)));
  EXPECT_FALSE(engine_->store_endorsement_certificate(of(kCertificate))) << "there is one";
  auto again = tpm::Engine::load(platform_, {}, platform_.committed);
  ASSERT_TRUE(again.ok());
  engine_ = std::move(again).take();
  power_on();
  EXPECT_TRUE(engine_->has_endorsement_certificate());
  EXPECT_EQ(client::Nv(guest).read(kIndex, 7, static_cast<uint32_t>(kCertificate.size())).value, kCertificate);
}

TEST_F(CertificateInNv, WhatIsNotDurableIsNotThere) {
  make_bare();
  client::Tpm guest = tpm();
  create_key(guest);
  platform_.broken = true;
  EXPECT_FALSE(engine_->store_endorsement_certificate(of(kCertificate)));
  EXPECT_FALSE(engine_->has_endorsement_certificate());
}

TEST_F(CertificateInNv, LeavesAGuestsOwnAreasTheirRoom) {
  make_bare();
  client::Tpm guest = tpm();
  create_key(guest);
  ASSERT_TRUE(client::Nv(guest).define({.index = 0x11200, .attributes = client::kNvPpWrite, .bytes = 16'000}).ok());
  EXPECT_FALSE(engine_->store_endorsement_certificate(base::Bytes(1000, 1)));
  EXPECT_TRUE(engine_->store_endorsement_certificate(base::Bytes(100, 1)));
}

TEST_F(CertificateInNv, GoesWithTheKeyThatIsRevoked) {
  make_bare();
  client::Tpm guest = tpm();
  client::Digest reset = client::secret("reset");
  create_key(guest, reset);
  ASSERT_TRUE(engine_->store_endorsement_certificate(of(kCertificate)));
  ASSERT_TRUE(guest.presence(0x08).ok());
  ASSERT_TRUE(guest.run(0x80, client::Out().raw(reset)).ok());
  EXPECT_FALSE(engine_->has_endorsement_certificate());
  EXPECT_TRUE(engine_->endorsement_modulus().empty());
}

// Another key with the same state otherwise: as a copy of a TPM gets one.
TEST_F(CertificateInNv, ANewKeyBringsItsOwn) {
  make(kCertificate);
  client::Tpm guest = tpm();
  client::PubKey old = guest.read_pubek().value;
  const client::Digest owner = client::secret("owner"), srk = client::secret("srk"), data = client::secret("data");
  ASSERT_TRUE(guest.take_ownership(old, owner, srk).ok());
  auto blob = guest.seal(0x40000000, srk, client::bytes_of("kept"), data);
  ASSERT_TRUE(blob.ok());
  const Bytes other = client::bytes_of("another certificate");
  size_t commits = platform_.commits;
  ASSERT_TRUE(engine_->renew_endorsement_key({.certify = [&](base::View modulus) {
    asked_.emplace_back(modulus.begin(), modulus.end());
    return of(other);
  }}));
  EXPECT_EQ(platform_.commits, commits + 1) << "one commit has all of it";
  base::Bytes permanent = engine_->save_permanent();
  auto loaded = tpm::Engine::load(platform_, {}, permanent);
  ASSERT_TRUE(loaded.ok());
  engine_ = std::move(loaded).take();
  power_on();
  client::Tpm copy = tpm();
  EXPECT_EQ(base::Bytes(engine_->endorsement_modulus()), of(asked_.back()));
  EXPECT_NE(asked_.back(), old.modulus);
  client::Out wanted;
  wanted.u16(0x1001).u8(0).u16(static_cast<uint32_t>(2 + other.size())).u16(0x1002).raw(other);
  EXPECT_EQ(client::Nv(copy).read(kIndex, 0, static_cast<uint32_t>(wanted.bytes().size())).value, wanted.bytes());
  EXPECT_EQ(copy.unseal(0x40000000, srk, blob.value, data).value, client::bytes_of("kept")) << "the rest is the same";
}

TEST_F(CertificateInNv, ANewKeyWithoutOneLeavesNoneOfTheOldKey) {
  make(kCertificate);
  ASSERT_TRUE(engine_->renew_endorsement_key({}));
  EXPECT_FALSE(engine_->has_endorsement_certificate());
}

TEST_F(CertificateInNv, ANewKeyThatIsNotStoredIsNone) {
  make(kCertificate);
  base::Bytes before = engine_->save_permanent();
  platform_.broken = true;
  EXPECT_FALSE(engine_->renew_endorsement_key({}));
  EXPECT_EQ(engine_->save_permanent(), before);
  platform_.broken = false;
  EXPECT_FALSE(engine_->renew_endorsement_key({.certify = [](base::View) { return base::Bytes(20000); }})) << "no room";
  EXPECT_EQ(engine_->save_permanent(), before);
}

TEST_F(CertificateInNv, ThereIsNoNewKeyWithoutAnOldOne) {
  make_bare();
  base::Bytes before = engine_->save_permanent();
  EXPECT_FALSE(engine_->renew_endorsement_key({}));
  EXPECT_EQ(engine_->save_permanent(), before);
}

}  // namespace
