// SPDX-License-Identifier: MIT
// Certificates of endorsement keys, read by OpenSSL as anybody would.
#include "backend/identity/authority.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "tests/engine/openssl.h"

namespace {

using identity::Authority;
using identity::Modulus;

using Cert = std::unique_ptr<X509, client::Frees<X509_free>>;
using Key = client::PKey;

std::string text(const ASN1_STRING* of) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(of));
  return {data, static_cast<size_t>(ASN1_STRING_length(of))};
}
base::Bytes bytes(const std::string& of) { return {of.begin(), of.end()}; }

Cert parsed(const base::Bytes& der) {
  const uint8_t* at = der.data();
  Cert certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  EXPECT_TRUE(certificate && at == der.data() + der.size()) << "one certificate and nothing behind it";
  return certificate;
}
Cert from_pem(const std::string& pem) {
  std::unique_ptr<BIO, client::Frees<BIO_free>> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}
template <class Write>
std::string written(Write write) {
  std::unique_ptr<BIO, client::Frees<BIO_free>> bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  long n = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(n)};
}

Key new_rsa(unsigned bits = 2048) { return Key(EVP_RSA_gen(bits)); }
Modulus modulus_of(const Key& key) {
  BIGNUM* n = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), "n", &n), 1);
  client::Bn owned(n);
  Modulus modulus{};
  EXPECT_EQ(BN_bn2binpad(n, modulus.data(), static_cast<int>(modulus.size())), static_cast<int>(modulus.size()));
  return modulus;
}

// Why `certificate` is not accepted under `root`; empty: it is.
std::string refusal(X509* certificate, X509* root) {
  std::unique_ptr<X509_STORE, client::Frees<X509_STORE_free>> store(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, client::Frees<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  X509_STORE_add_cert(store.get(), root);
  X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK);
  if (X509_verify_cert(context.get()) == 1) return "";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

struct Wanted {
  bool authority = true, signs = true;
  long from = -60, until = 86'400 * 365;
};
// An administrator's, made by other means than ours.
Cert authority_for(const Key& key, const Wanted& wanted = {}) {
  Cert cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 77);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), wanted.from);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), wanted.until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Example Corp"), -1, -1, 0);
  X509_set_issuer_name(cert.get(), X509_get_subject_name(cert.get()));
  X509_set_pubkey(cert.get(), key.get());
  auto add = [&](int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert.get(), cert.get(), nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, client::Frees<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    X509_add_ext(cert.get(), extension.get(), -1);
  };
  add(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add(NID_key_usage, wanted.signs ? "critical,keyCertSign" : "critical,digitalSignature");
  add(NID_subject_key_identifier, "hash");
  X509_sign(cert.get(), key.get(), EVP_sha256());
  return cert;
}
base::Bytes pem(const Cert& cert) {
  return bytes(written([&](BIO* bio) { PEM_write_bio_X509(bio, cert.get()); }));
}
base::Bytes pem(const Key& key, const EVP_CIPHER* cipher = nullptr) {
  return bytes(written([&](BIO* bio) {
    std::string password = "password";
    PEM_write_bio_PrivateKey(bio, key.get(), cipher, reinterpret_cast<unsigned char*>(password.data()),
                             static_cast<int>(password.size()), nullptr, nullptr);
  }));
}

Authority fresh() {
  std::atomic<bool> cancelled = false;
  auto made = Authority::make(cancelled);
  EXPECT_TRUE(made.ok());
  return std::move(made).take();
}

class EndorsementCertificate : public ::testing::Test {
 protected:
  static const Authority& authority() {
    static const Authority kOne = fresh();
    return kOne;
  }
  static const Key& key() {
    static const Key kOne = new_rsa();
    return kOne;
  }
  EndorsementCertificate() {
    auto der = authority().certify(modulus_of(key()),
                                   {.vendor = {'X', 'v', 'T', 'P'}, .spec_level = 2, .major = 1, .minor = 9});
    EXPECT_TRUE(der.ok());
    certificate_ = parsed(der.value());
    root_ = from_pem(authority().certificates());
  }
  // The extension's content; fails when it is not there once, or is critical when it should not be.
  template <class T, auto Free>
  std::unique_ptr<T, client::Frees<Free>> extension(int kind, bool wanted_critical) const {
    int critical = -2;
    std::unique_ptr<T, client::Frees<Free>> found(
        static_cast<T*>(X509_get_ext_d2i(certificate_.get(), kind, &critical, nullptr)));
    EXPECT_EQ(critical, wanted_critical ? 1 : 0) << OBJ_nid2sn(kind);
    return found;
  }

  Cert certificate_, root_;
};

TEST_F(EndorsementCertificate, IsVersion3AndHasNoSubject) {
  EXPECT_EQ(X509_get_version(certificate_.get()), 2);
  EXPECT_EQ(X509_NAME_entry_count(X509_get_subject_name(certificate_.get())), 0);
  EXPECT_EQ(X509_NAME_cmp(X509_get_issuer_name(certificate_.get()), X509_get_subject_name(root_.get())), 0);
  EXPECT_EQ(X509_get_signature_nid(certificate_.get()), NID_sha256WithRSAEncryption);
  EXPECT_EQ(X509_get_ext_count(certificate_.get()), 7) << "each of them is asserted below";
}

TEST_F(EndorsementCertificate, IsForThisKey) {
  EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(certificate_.get()), key().get()), 1);
}

TEST_F(EndorsementCertificate, VerifiesUnderItsAuthorityAndNoOther) {
  EXPECT_EQ(refusal(certificate_.get(), root_.get()), "");
  Cert other = from_pem(fresh().certificates());
  EXPECT_NE(refusal(certificate_.get(), other.get()), "");
  EXPECT_NE(X509_NAME_cmp(X509_get_subject_name(root_.get()), X509_get_subject_name(other.get())), 0)
      << "two hosts' authorities can be told apart";
}

TEST_F(EndorsementCertificate, NamesTheTpmInItsAlternativeName) {
  auto names = extension<GENERAL_NAMES, GENERAL_NAMES_free>(NID_subject_alt_name, true);
  ASSERT_EQ(sk_GENERAL_NAME_num(names.get()), 1);
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  ASSERT_EQ(name->type, GEN_DIRNAME);
  ASSERT_EQ(X509_NAME_entry_count(name->d.directoryName), 3);
  const std::array<std::pair<const char*, const char*>, 3> wanted = {
      {{"2.23.133.2.1", "id:58765450"}, {"2.23.133.2.2", "vTPM 1.2"}, {"2.23.133.2.3", "id:00010009"}}};
  for (int i = 0; i < 3; i++) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name->d.directoryName, i);
    char oid[64];
    OBJ_obj2txt(oid, sizeof(oid), X509_NAME_ENTRY_get_object(entry), 1);
    EXPECT_STREQ(oid, wanted[static_cast<size_t>(i)].first);
    EXPECT_EQ(text(X509_NAME_ENTRY_get_data(entry)), wanted[static_cast<size_t>(i)].second);
    EXPECT_EQ(ASN1_STRING_type(X509_NAME_ENTRY_get_data(entry)), V_ASN1_UTF8STRING);
  }
}

TEST_F(EndorsementCertificate, IsNoAuthoritysAndForEnciphermentOnly) {
  auto constraints = extension<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>(NID_basic_constraints, true);
  EXPECT_FALSE(constraints->ca);
  auto usage = extension<ASN1_BIT_STRING, ASN1_BIT_STRING_free>(NID_key_usage, true);
  for (int bit = 0; bit < 9; bit++) EXPECT_EQ(ASN1_BIT_STRING_get_bit(usage.get(), bit), bit == 2 ? 1 : 0) << bit;
}

TEST_F(EndorsementCertificate, IsOneOfAnEndorsementKey) {
  auto uses = extension<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>(NID_ext_key_usage, false);
  ASSERT_EQ(sk_ASN1_OBJECT_num(uses.get()), 1);
  char oid[64];
  OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(uses.get(), 0), 1);
  EXPECT_STREQ(oid, "2.23.133.8.1");
}

TEST_F(EndorsementCertificate, NamesItsAuthoritysKey) {
  auto key_id = extension<AUTHORITY_KEYID, AUTHORITY_KEYID_free>(NID_authority_key_identifier, false);
  ASSERT_NE(key_id->keyid, nullptr);
  EXPECT_EQ(ASN1_OCTET_STRING_cmp(key_id->keyid, X509_get0_subject_key_id(root_.get())), 0);
}

TEST_F(EndorsementCertificate, SaysWhatItIsToPeople) {
  auto policies = extension<CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free>(NID_certificate_policies, false);
  ASSERT_EQ(sk_POLICYINFO_num(policies.get()), 1);
  const POLICYINFO* policy = sk_POLICYINFO_value(policies.get(), 0);
  EXPECT_EQ(OBJ_obj2nid(policy->policyid), NID_any_policy);
  ASSERT_EQ(sk_POLICYQUALINFO_num(policy->qualifiers), 1);
  const POLICYQUALINFO* qualifier = sk_POLICYQUALINFO_value(policy->qualifiers, 0);
  ASSERT_EQ(OBJ_obj2nid(qualifier->pqualid), NID_id_qt_unotice);
  EXPECT_EQ(text(qualifier->d.usernotice->exptext), "TCPA Trusted Platform Module Endorsement");
}

TEST_F(EndorsementCertificate, SaysWhatSpecificationTheTpmFollows) {
  int at = X509_get_ext_by_NID(certificate_.get(), NID_subject_directory_attributes, -1);
  ASSERT_GE(at, 0);
  const X509_EXTENSION* found = X509_get_ext(certificate_.get(), at);
  EXPECT_EQ(X509_EXTENSION_get_critical(found), 0);
  // SEQUENCE { SEQUENCE { 2.23.133.2.16, SET { SEQUENCE { "1.2", 2, 116 } } } }
  const std::string wanted(
      "\x30\x18\x30\x16\x06\x05\x67\x81\x05\x02\x10\x31\x0d\x30\x0b\x0c\x03"
      "1.2\x02\x01\x02\x02\x01\x74",
      26);
  EXPECT_EQ(text(X509_EXTENSION_get_data(const_cast<X509_EXTENSION*>(found))), wanted);
}

TEST_F(EndorsementCertificate, IsGoodAsLongAsItsAuthority) {
  EXPECT_EQ(ASN1_TIME_compare(X509_get0_notAfter(certificate_.get()), X509_get0_notAfter(root_.get())), 0);
  EXPECT_LT(X509_cmp_current_time(X509_get0_notBefore(certificate_.get())), 0);
  EXPECT_GE(ASN1_TIME_compare(X509_get0_notBefore(certificate_.get()), X509_get0_notBefore(root_.get())), 0);
}

TEST_F(EndorsementCertificate, HasASerialNumberOfItsOwn) {
  auto again = authority().certify(modulus_of(key()), {});
  Cert other = parsed(again.value());
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(certificate_.get()), X509_get0_serialNumber(other.get())), 0);
  EXPECT_NE(X509_get0_serialNumber(other.get())->type, V_ASN1_NEG_INTEGER);
}

TEST_F(EndorsementCertificate, IsForNothingThatIsNoKey) {
  Modulus even = modulus_of(key()), small = even;
  even.back() ^= 1;
  small.front() = 0x7f;
  for (const Modulus& wrong : {even, small, Modulus{}}) EXPECT_FALSE(authority().certify(wrong, {}).ok());
}

TEST(Authority, IsSelfSignedAndMaySignCertificatesOnly) {
  Cert root = from_pem(fresh().certificates());
  EXPECT_EQ(refusal(root.get(), root.get()), "");
  EXPECT_EQ(X509_check_ca(root.get()), 1);
  EXPECT_EQ(X509_get_pathlen(root.get()), 0);
  EXPECT_EQ(X509_get_key_usage(root.get()), static_cast<uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(root.get())), 2048);
}

TEST(Authority, IsTheSameAfterItWasKept) {
  Authority one = fresh();
  auto again = Authority::from_kept(one.kept());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value().certificates(), one.certificates());
  Key key = new_rsa();
  Cert root = from_pem(one.certificates());
  EXPECT_EQ(refusal(parsed(again.value().certify(modulus_of(key), {}).value()).get(), root.get()), "");
}

TEST(Authority, WhatIsDamagedIsNotTakenUp) {
  base::Bytes kept = fresh().kept();
  for (size_t n : {size_t{0}, size_t{1}, kept.size() / 2, kept.size() - 1}) {
    EXPECT_FALSE(Authority::from_kept(base::View(kept).first(n)).ok()) << n;
  }
  kept[0] = 2;
  EXPECT_FALSE(Authority::from_kept(kept).ok()) << "another version";
}

TEST(Authority, GivesUpWhenItIsCancelled) {
  std::atomic<bool> cancelled = true;
  EXPECT_FALSE(Authority::make(cancelled).ok());
}

class GivenAuthority : public ::testing::Test {
 protected:
  static const Key& key() {
    static const Key kOne = new_rsa();
    return kOne;
  }
  static std::string why(const base::Bytes& certificate, const base::Bytes& with) {
    auto given = Authority::given(certificate, with);
    return given.ok() ? "" : given.error();
  }
};

TEST_F(GivenAuthority, Certifies) {
  Cert root = authority_for(key());
  auto given = Authority::given(pem(root), pem(key()));
  ASSERT_TRUE(given.ok()) << given.error();
  EXPECT_EQ(bytes(given.value().certificates()), pem(root));
  Key ek = new_rsa();
  Cert certificate = parsed(given.value().certify(modulus_of(ek), {}).value());
  EXPECT_EQ(refusal(certificate.get(), root.get()), "");
  EXPECT_EQ(ASN1_TIME_compare(X509_get0_notAfter(certificate.get()), X509_get0_notAfter(root.get())), 0);
  EXPECT_NEAR(given.value().days_left(), 364, 1);
}

TEST_F(GivenAuthority, MayHaveAnEllipticKey) {
  Key elliptic(EVP_EC_gen("P-256"));
  Cert root = authority_for(elliptic);
  auto given = Authority::given(pem(root), pem(elliptic));
  ASSERT_TRUE(given.ok()) << given.error();
  Key ek = new_rsa();
  EXPECT_EQ(refusal(parsed(given.value().certify(modulus_of(ek), {}).value()).get(), root.get()), "");
}

TEST_F(GivenAuthority, BringsThoseAboveIt) {
  base::Bytes both = pem(authority_for(key()));
  base::append(both, pem(authority_for(new_rsa())));
  auto given = Authority::given(both, pem(key()));
  ASSERT_TRUE(given.ok());
  EXPECT_EQ(bytes(given.value().certificates()), both);
}

TEST_F(GivenAuthority, MustHaveItsOwnKey) {
  EXPECT_NE(why(pem(authority_for(key())), pem(new_rsa())).find("not the key of its certificate"), std::string::npos);
}
TEST_F(GivenAuthority, MustBeOne) {
  EXPECT_NE(why(pem(authority_for(key(), {.authority = false})), pem(key())).find("not an authority's"),
            std::string::npos);
  EXPECT_NE(why(pem(authority_for(key(), {.signs = false})), pem(key())).find("not an authority's"), std::string::npos);
}
TEST_F(GivenAuthority, MustBeValidNow) {
  EXPECT_NE(why(pem(authority_for(key(), {.until = -10})), pem(key())).find("has expired"), std::string::npos);
  EXPECT_NE(why(pem(authority_for(key(), {.from = 3600})), pem(key())).find("not valid yet"), std::string::npos);
}
TEST_F(GivenAuthority, MustBeStrong) {
  Key weak = new_rsa(1024);
  EXPECT_NE(why(pem(authority_for(weak)), pem(weak)).find("weaker"), std::string::npos);
}
TEST_F(GivenAuthority, MustBeInPemWithoutAPassword) {
  EXPECT_NE(why({}, pem(key())).find("no certificate"), std::string::npos);
  EXPECT_NE(why(pem(authority_for(key())), {}).find("not a private key"), std::string::npos);
  EXPECT_NE(why(pem(authority_for(key())), pem(key(), EVP_aes_128_cbc())).find("without a password"),
            std::string::npos);
}

}  // namespace
