// SPDX-License-Identifier: MIT
// What a vTPM can show of where it comes from: the certificate of its endorsement key, from the guest's NV to the
// host's authority.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/engine/nv_client.h"
#include "tests/engine/openssl.h"
#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Bytes;
using client::Digest;
using nlohmann::json;

constexpr uint32_t kIndex = 0x1000f000, kBadIndex = 2, kDecryptError = 33, kBadParameter = 3;
const Digest kOwner = client::secret("owner"), kSrk = client::secret("srk"), kIdentity = client::secret("identity");

using Cert = std::unique_ptr<X509, client::Frees<X509_free>>;

Cert from_der(const Bytes& der) {
  const uint8_t* at = der.data();
  Cert certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  return certificate && at == der.data() + der.size() ? std::move(certificate) : nullptr;
}
Cert from_pem(const std::string& pem) {
  std::unique_ptr<BIO, client::Frees<BIO_free>> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}
// Of a certificate that holds under this authority; empty otherwise.
Bytes certified_modulus(X509* certificate, X509* authority) {
  std::unique_ptr<X509_STORE, client::Frees<X509_STORE_free>> store(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, client::Frees<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  X509_STORE_add_cert(store.get(), authority);
  X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr);
  BIGNUM* n = nullptr;
  if (X509_verify_cert(context.get()) != 1) return {};
  if (EVP_PKEY_get_bn_param(X509_get0_pubkey(certificate), "n", &n) != 1) return {};
  client::Bn owned(n);
  Bytes modulus(static_cast<size_t>(BN_num_bytes(n)));
  BN_bn2bin(n, modulus.data());
  return modulus;
}

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What stands in NV, without the header of the PC client; empty when it is not in that form.
Bytes in_nv(client::Tpm& tpm) {
  client::Nv nv(tpm);
  uint32_t bytes = nv.public_of(kIndex).value.bytes;
  Bytes all;
  while (all.size() < bytes) {
    auto part = nv.read(kIndex, static_cast<uint32_t>(all.size()),
                        std::min<uint32_t>(500, bytes - static_cast<uint32_t>(all.size())));
    if (!part.ok()) return {};
    all.insert(all.end(), part.value.begin(), part.value.end());
  }
  client::In in(all);
  bool stored = in.u16() == 0x1001 && in.u8() == 0;
  uint16_t size = in.u16();
  bool full = in.u16() == 0x1002;
  Bytes der = in.rest();
  return stored && full && size == der.size() + 2 ? der : Bytes();
}

class Identity : public ::testing::Test {
 protected:
  ~Identity() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  std::string ca_file() const { return stack_.directory() + "/state/ca.crt"; }
  Cert authority() const {
    EXPECT_TRUE(eventually([this] { return std::filesystem::exists(ca_file()); }));
    return from_pem(content(ca_file()));
  }
  json shown(const std::string& uuid) const {
    return stack_.control({"show", uuid, "--ek"}).value("endorsement", json::object());
  }
  uint64_t epoch(const std::string& uuid) const {
    return stack_.control({"show", uuid}).value("instance", json::object()).value("epoch", 0U);
  }
  bool created(const std::string& uuid, Words options = {}) const {
    options.insert(options.begin(), {"create", uuid});
    return stack_.control(options).value("ok", false) && eventually([&] { return epoch(uuid) > 0; }, 60'000);
  }
  std::vector<std::string> findings() const {
    std::vector<std::string> texts;
    for (const json& f : stack_.control({"doctor"}).value("findings", json::array())) {
      texts.push_back(f.value("level", "") + ": " + f.value("text", ""));
    }
    return texts;
  }
  unsigned ready() const { return stack_.control({"stats"}).value("pool", json::object()).value("ready", 0U); }
  std::string origin() const {
    return stack_.control({"show", "--ca"}).value("authority", json::object()).value("origin", "");
  }
  bool finds(const std::string& level, const std::string& text) const {
    for (const std::string& finding : findings()) {
      if (finding.starts_with(level + ": ") && finding.find(text) != std::string::npos) return true;
    }
    return false;
  }
  // Its workers are tests/system/liar.
  void start_manager_of_liars(const std::string& lie) {
    std::string libexec = stack_.directory() + "/libexec";
    std::filesystem::create_directory(libexec);
    std::ofstream(libexec + "/vtpmd") << "#!/bin/sh\nexec " << program("../system/liar") << " " << lie << "\n";
    EXPECT_EQ(run({"chmod", "+x", libexec + "/vtpmd"}).status, 0);
    stack_.start_manager(libexec);
  }
  // An authority as an administrator makes one, by the program openssl.
  std::string given(const std::string& name, const std::string& days = "3650", bool is_one = true) const {
    std::string at = stack_.directory() + "/" + name;
    Finished key = run({"openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-out", at + ".key"});
    Finished made =
        run({"openssl", "req", "-x509", "-key", at + ".key", "-out", at + ".crt", "-days", days, "-subj", "/CN=" + name,
             "-addext", is_one ? "keyUsage=critical,keyCertSign" : "keyUsage=critical,digitalSignature"});
    EXPECT_EQ(key.status + made.status, 0) << made.output;
    return at;
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
};

// Who certifies identities: it never meets the TPM, and believes the host's authority alone.
class PrivacyCa {
 public:
  explicit PrivacyCa(X509* root) : root_(root) {}
  // A session key for this identity, for the TPM alone whose endorsement key is certified; nothing if it is not.
  std::optional<Bytes> answer(const Bytes& certificate, const client::PubKey& identity) {
    Cert parsed = from_der(certificate);
    Bytes modulus = parsed ? certified_modulus(parsed.get(), root_) : Bytes();
    if (modulus.empty()) return std::nullopt;
    return client::oaep_tcpa({.modulus = modulus}, client::Out().raw(key).raw(client::sha1(identity.encode())));
  }
  const Bytes key = client::Out().u32(6).u16(0xff).u16(16).raw(client::bytes_of("0123456789abcdef"));

 private:
  X509* root_;
};

TEST_F(Identity, AGuestReadsACertificateThatHoldsUnderTheHostsAuthority) {
  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect(60'000));
  Bytes der = in_nv(frontend.tpm());
  Cert certificate = from_der(der), root = authority();
  ASSERT_TRUE(certificate && root);
  Bytes modulus = frontend.tpm().read_pubek().value.modulus;
  EXPECT_EQ(certified_modulus(certificate.get(), root.get()), modulus);

  Cert told = from_pem(shown(uuid_).value("certificate", ""));
  ASSERT_TRUE(told);
  EXPECT_EQ(X509_cmp(told.get(), certificate.get()), 0);
}

TEST_F(Identity, IsActivatedForATpmWithThatCertificateAndNoOther) {
  Frontend frontend(stack_, create_domain(uuid_)), stranger(stack_, create_domain(fresh_uuid()));
  ASSERT_TRUE(frontend.connect(60'000) && stranger.connect(60'000));
  client::Tpm& tpm = frontend.tpm();
  Bytes certificate = in_nv(tpm), others = in_nv(stranger.tpm());
  ASSERT_TRUE(tpm.take_ownership(tpm.read_pubek().value, kOwner, kSrk).ok());
  auto made = tpm.make_identity(kOwner, kSrk, kIdentity, client::secret("label and CA"), client::identity_key());
  ASSERT_TRUE(made.ok());
  auto loaded = tpm.load_key2(client::kSrk, kSrk, made.value.key.encode());
  ASSERT_TRUE(loaded.ok());
  auto activate = [&](const Bytes& blob) {
    client::Session key = tpm.oiap().value, owner = tpm.oiap().value;
    return tpm.run({.ordinal = 0x7a,
                    .handles = client::Out().u32(loaded.value.handle),
                    .params = client::Out().sized(blob),
                    .proofs = {{.session = &key, .secret = kIdentity}, {.session = &owner, .secret = kOwner}}});
  };
  client::PubKey identity{.parms = made.value.key.parms, .modulus = made.value.key.modulus};
  Cert root = authority();
  PrivacyCa ca(root.get());
  auto for_other = ca.answer(others, identity), for_this = ca.answer(certificate, identity);
  ASSERT_TRUE(for_other && for_this);
  EXPECT_EQ(activate(*for_other).code, kDecryptError) << "it is for another TPM";
  client::PubKey forged = identity;
  forged.modulus[100] ^= 1;
  EXPECT_EQ(activate(*ca.answer(certificate, forged)).code, kBadParameter) << "it is for another identity";
  client::Reply activated = activate(*for_this);
  ASSERT_TRUE(activated.ok()) << activated.code << " " << activated.defect;
  EXPECT_EQ(activated.params, ca.key);
  certificate[certificate.size() - 5] ^= 1;
  EXPECT_FALSE(ca.answer(certificate, identity)) << "a forged certificate is worth nothing";
}

TEST_F(Identity, IsShownByProgramsThatKnowPem) {
  ASSERT_TRUE(created(uuid_));
  Words ask = {program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "show"};
  auto save = [&](Words more, const std::string& name) {
    Words words = ask;
    words.insert(words.end(), more.begin(), more.end());
    Finished shown = run(words);
    EXPECT_EQ(shown.status, 0);
    std::ofstream(stack_.directory() + "/" + name) << shown.output << "\n";
    return stack_.directory() + "/" + name;
  };
  std::string ek = save({uuid_, "--ek"}, "ek"), ca = save({"--ca"}, "ca");
  EXPECT_EQ(run({"openssl", "verify", "-x509_strict", "-CAfile", ca, ek}).status, 0);
  EXPECT_EQ(run({"sh", "-c", "openssl verify -CAfile " + given("another") + ".crt " + ek + " 2>&1"}).status, 2)
      << "another authority";
  Finished by_key = run({"openssl", "rsa", "-pubin", "-in", ek, "-modulus", "-noout"});
  Finished by_certificate = run({"openssl", "x509", "-in", ek, "-modulus", "-noout"});
  EXPECT_EQ(by_key.status, 0);
  EXPECT_EQ(by_key.output, by_certificate.output);
  EXPECT_EQ(content(ca), content(ca_file())) << "as in the state directory";
}

TEST_F(Identity, OfTpmsMadeInAdvanceIsTheirOwn) {
  stack_.start_manager("", {"--pool", "2"});
  ASSERT_TRUE(eventually([&] { return ready() == 2; }, 60'000));
  stack_.start_manager("", {"--pool", "0"});
  std::string other = fresh_uuid();
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false) &&
              stack_.control({"create", other}).value("ok", false));
  EXPECT_EQ(ready(), 0U);
  std::string one = shown(uuid_).value("certificate", ""), two = shown(other).value("certificate", "");
  EXPECT_FALSE(one.empty() || two.empty()) << "before anybody was served";
  EXPECT_NE(one, two);
  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect());
  Cert in_tpm = from_der(in_nv(frontend.tpm())), told = from_pem(one);
  ASSERT_TRUE(in_tpm && told);
  EXPECT_EQ(X509_cmp(in_tpm.get(), told.get()), 0);
}

TEST_F(Identity, OfAKeyThatTheGuestHasMadeComesWithTheNextPowerOn) {
  ASSERT_TRUE(created(uuid_, {"--endorsement-key", "false"}));
  json unknown = stack_.control({"show", uuid_, "--ek"});
  EXPECT_FALSE(unknown.value("ok", true));
  unsigned domain = create_domain(uuid_);
  Bytes modulus;
  {
    Frontend frontend(stack_, domain);
    ASSERT_TRUE(frontend.connect());
    EXPECT_NE(stack_.control({"show", uuid_, "--ek"}).value("error", "").find("no endorsement key"), std::string::npos);
    client::Out params;
    params.raw(client::secret("replay"));
    params.raw(client::KeyParms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone}.encode());
    ASSERT_TRUE(frontend.tpm().run(0x78, params).ok());
    modulus = frontend.tpm().read_pubek().value.modulus;
    EXPECT_EQ(client::Nv(frontend.tpm()).read(kIndex, 0, 7).reply.code, kBadIndex);
  }
  destroy_domain(domain);
  Frontend again(stack_, create_domain(uuid_));
  ASSERT_TRUE(again.connect());
  Cert certificate = from_der(in_nv(again.tpm())), root = authority();
  ASSERT_TRUE(certificate && root);
  EXPECT_EQ(certified_modulus(certificate.get(), root.get()), modulus);
  EXPECT_NE(shown(uuid_).value("certificate", ""), "");
}

TEST_F(Identity, OfTheHostOutlivesRestartsAndANewMasterKey) {
  ASSERT_TRUE(created(uuid_));
  std::string root = content(ca_file()), certificate = shown(uuid_).value("certificate", "");
  struct stat about {};
  ASSERT_EQ(::stat(ca_file().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0644U);
  ASSERT_TRUE(stack_.control({"rekey"}).value("ok", false));
  ASSERT_TRUE(eventually([&] { return !finds("warning", "wait for their new key"); }));
  stack_.end_manager();
  std::filesystem::remove(ca_file());
  stack_.start_manager();
  EXPECT_EQ(content(ca_file()), root) << "it is written again";
  EXPECT_EQ(shown(uuid_).value("certificate", ""), certificate);
  std::string other = fresh_uuid();
  ASSERT_TRUE(created(other));
  Cert fresh = from_pem(shown(other).value("certificate", "")), authority = from_pem(root);
  ASSERT_TRUE(fresh && authority);
  EXPECT_FALSE(certified_modulus(fresh.get(), authority.get()).empty()) << "by the same authority";
}

TEST_F(Identity, ADamagedAuthorityIsNotReplaced) {
  ASSERT_TRUE(created(uuid_));
  stack_.end_manager();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((stack_.directory() + "/state/vtpm.db").c_str(), &database), SQLITE_OK);
  EXPECT_EQ(
      sqlite3_exec(database, "UPDATE items SET envelope = zeroblob(200) WHERE item = 64", nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(database);
  stack_.start_manager();
  EXPECT_TRUE(eventually([&] { return finds("error", "endorsement keys are not certified"); }));
  EXPECT_FALSE(stack_.control({"show", "--ca"}).value("ok", true));
  std::string other = fresh_uuid();
  ASSERT_TRUE(created(other)) << "guests get TPMs all the same";
  EXPECT_FALSE(shown(other).contains("certificate"));
  EXPECT_TRUE(shown(other).contains("public_key"));
}

TEST_F(Identity, AnAdministratorsAuthorityTakesThePlaceOfTheHosts) {
  ASSERT_TRUE(authority());
  std::string own = content(ca_file()), mine = given("mine");
  stack_.start_manager("", {"--ca-certificate", mine + ".crt", "--ca-key", mine + ".key"});
  ASSERT_TRUE(created(uuid_));
  EXPECT_EQ(content(ca_file()), content(mine + ".crt"));
  EXPECT_EQ(origin(), "given");
  Cert certificate = from_pem(shown(uuid_).value("certificate", "")), root = from_pem(content(mine + ".crt"));
  ASSERT_TRUE(certificate && root);
  EXPECT_FALSE(certified_modulus(certificate.get(), root.get()).empty());
  EXPECT_FALSE(finds("warning", "authority") || finds("error", "authority"));
  stack_.start_manager();
  EXPECT_EQ(content(ca_file()), own) << "and gives it back";
  EXPECT_TRUE(eventually([&] { return origin() == "own"; }));
}

TEST_F(Identity, NobodyGetsATpmMadeInAdvanceUnderAnotherAuthority) {
  stack_.start_manager("", {"--pool", "1"});
  ASSERT_TRUE(eventually([&] { return ready() == 1; }, 60'000));
  stack_.start_manager("", {"--pool", "0"});
  EXPECT_EQ(ready(), 1U) << "it is still the same one";
  std::string mine = given("mine");
  stack_.start_manager("", {"--pool", "0", "--ca-certificate", mine + ".crt", "--ca-key", mine + ".key"});
  EXPECT_EQ(ready(), 0U);
}

TEST_F(Identity, AnAuthorityThatCannotBeIsRefusedAtTheStart) {
  std::string one = given("one"), two = given("two"), none = given("none", "3650", false);
  auto refused = [&](const Words& options, const std::string& why) {
    stack_.kill_manager();
    Words words = {program("vtpm-managerd"),      "--foreground",  "--state-dir",
                   stack_.directory() + "/state", "--runtime-dir", stack_.directory() + "/run"};
    words.insert(words.end(), options.begin(), options.end());
    std::string log = stack_.directory() + "/refused";
    std::filesystem::remove(log);
    Program manager(words, log);
    EXPECT_TRUE(eventually([&] { return !manager.lives(); })) << why;
    EXPECT_NE(content(log).find(why), std::string::npos) << content(log);
  };
  refused({"--ca-certificate", one + ".crt", "--ca-key", two + ".key"}, "not the key of its certificate");
  refused({"--ca-certificate", none + ".crt", "--ca-key", none + ".key"}, "not an authority's");
  refused({"--ca-certificate", one + ".crt"}, "needs both --ca-certificate and --ca-key");
  refused({"--ca-certificate", one + ".crt", "--ca-key", one + ".gone"}, one + ".gone cannot be read");
  stack_.start_manager();
}

TEST_F(Identity, TheDoctorSeesAnAuthorityThatEndsSoonOrIsNotWhereItShouldBe) {
  EXPECT_TRUE(authority());
  EXPECT_FALSE(finds("warning", "authority") || finds("error", "authority"));
  std::filesystem::remove(ca_file());
  EXPECT_TRUE(finds("warning", ca_file() + " is missing"));
  std::string soon = given("soon", "20");
  stack_.start_manager("", {"--ca-certificate", soon + ".crt", "--ca-key", soon + ".key"});
  EXPECT_TRUE(eventually([&] { return finds("warning", "expires in "); })) << json(findings()).dump();
}

TEST_F(Identity, WhatATakenWorkerSaysOfAKeyIsRefused) {
  for (const char* lie : {"even", "small", "absent", "short", "twice", "late"}) {
    start_manager_of_liars(lie);
    std::string uuid = fresh_uuid();
    unsigned domain = create_domain(uuid);
    Frontend frontend(stack_, domain);
    auto killed = [&] {
      std::string log = stack_.log();
      return log.find("device " + std::to_string(domain) + "/0: worker sent a malformed message: killed") !=
             std::string::npos;
    };
    EXPECT_TRUE(eventually(killed)) << lie;
    std::string known = shown(uuid).value("public_key", "");
    EXPECT_EQ(known.empty(), std::string(lie) != "twice") << lie << ": only the first word of a worker counts";
    if (!known.empty()) {
      std::ofstream(stack_.directory() + "/key") << known;
      Finished modulus = run({"openssl", "rsa", "-pubin", "-in", stack_.directory() + "/key", "-modulus", "-noout"});
      EXPECT_EQ(modulus.output.substr(0, 12), "Modulus=F3F3");
    }
    destroy_domain(domain);
  }
}

TEST_F(Identity, AnotherKeyThanTheTpmWasMadeWithIsNotCertified) {
  ASSERT_TRUE(created(uuid_));
  json before = shown(uuid_);
  start_manager_of_liars("another");
  Frontend frontend(stack_, create_domain(uuid_));
  EXPECT_TRUE(eventually([&] {
    for (const json& event : stack_.control({"events", "--past"}).value("events", json::array())) {
      if (event.value("event", "") == "endorsement-changed") return true;
    }
    return false;
  }));
  EXPECT_EQ(shown(uuid_), before);
}

}  // namespace
}  // namespace system_test
