// SPDX-License-Identifier: MIT
#include "backend/identity/extensions.h"

#include <openssl/rand.h>

#include <array>
#include <ctime>
#include <string>
#include <string_view>

#include "lib/base/verify.h"

namespace identity {

namespace {

constexpr const char* kForEver = "99991231235959Z";  // RFC 5280, 4.1.2.5
constexpr long kClocksDiffer = 3600;
constexpr unsigned kSpecRevision = 116;  // of family 1.2, level 2

constexpr const char* kManufacturer = "2.23.133.2.1";
constexpr const char* kModel = "2.23.133.2.2";
constexpr const char* kVersion = "2.23.133.2.3";
constexpr const char* kEndorsementUsage = "2.23.133.8.1";
// 2.23.133.2.16, tpmSpecification; 2.5.29.32.0, anyPolicy; 1.3.6.1.5.5.7.2.2, a notice to users.
constexpr std::array<uint8_t, 5> kSpecification = {0x67, 0x81, 0x05, 0x02, 0x10};
constexpr std::array<uint8_t, 4> kAnyPolicy = {0x55, 0x1d, 0x20, 0x00};
constexpr std::array<uint8_t, 8> kUserNotice = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x02};
// What the profile has such a certificate say to people.
constexpr std::string_view kNotice = "TCPA Trusted Platform Module Endorsement";

enum class Tag : uint8_t { Integer = 0x02, Oid = 0x06, Utf8 = 0x0c, Sequence = 0x30, Set = 0x31 };

base::View view_of(std::string_view text) {
  return {static_cast<const uint8_t*>(static_cast<const void*>(text.data())), text.size()};
}

// Short DER: what is less than 128 bytes.
base::Bytes der(Tag tag, std::initializer_list<base::View> parts) {
  base::Bytes out = {static_cast<uint8_t>(tag), 0};
  for (base::View part : parts) base::append(out, part);
  VERIFY(out.size() < 2 + 128);
  out[1] = static_cast<uint8_t>(out.size() - 2);
  return out;
}
base::Bytes der(unsigned number) {
  std::array<uint8_t, 3> bytes = {0, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
  size_t skip = number < 0x80 ? 2 : number < 0x8000 ? 1 : 0;
  return der(Tag::Integer, {base::View(bytes).subspan(skip)});
}

bool add(X509* certificate, X509_EXTENSION* given) {
  Extension extension(given);
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add(X509* certificate, int kind, base::View der_bytes) {
  OctetString octets(ASN1_OCTET_STRING_new());
  if (!octets || ASN1_OCTET_STRING_set(octets.get(), der_bytes.data(), static_cast<int>(der_bytes.size())) != 1) {
    return false;
  }
  return add(certificate, X509_EXTENSION_create_by_NID(nullptr, kind, 0, octets.get()));
}

// In OpenSSL's own words.
bool add(X509* certificate, const X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);  // both are only read
  return add(certificate, X509V3_EXT_conf_nid(nullptr, &context, kind, value));
}

bool add_entry(X509_NAME* name, const char* type, const std::string& value) {
  Object object(OBJ_txt2obj(type, 1));
  return object && X509_NAME_add_entry_by_OBJ(name, object.get(), V_ASN1_UTF8STRING, view_of(value).data(),
                                              static_cast<int>(value.size()), -1, 0) == 1;
}

std::string id_of(const std::array<uint8_t, 4>& bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text = "id:";
  for (uint8_t byte : bytes) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

// The subject is empty; this names it instead, and must be understood.
bool add_name(X509* certificate, const Make& make) {
  Name name(X509_NAME_new());
  Names names(GENERAL_NAMES_new());
  Owned<GENERAL_NAME, GENERAL_NAME_free> one(GENERAL_NAME_new());
  bool filled = name && names && one && add_entry(name.get(), kManufacturer, id_of(make.vendor)) &&
                add_entry(name.get(), kModel, "vTPM 1.2") &&
                add_entry(name.get(), kVersion, id_of({0, make.major, 0, make.minor}));
  if (!filled) return false;
  GENERAL_NAME_set0_value(one.get(), GEN_DIRNAME, name.release());
  if (sk_GENERAL_NAME_push(names.get(), one.get()) == 0) return false;
  static_cast<void>(one.release());
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, X509V3_ADD_APPEND) == 1;
}

bool add_specification(X509* certificate, const Make& make) {
  base::Bytes family = der(Tag::Utf8, {view_of("1.2")});
  base::Bytes value = der(Tag::Sequence, {family, der(make.spec_level), der(kSpecRevision)});
  base::Bytes attribute = der(Tag::Sequence, {der(Tag::Oid, {kSpecification}), der(Tag::Set, {value})});
  return add(certificate, NID_subject_directory_attributes, der(Tag::Sequence, {attribute}));
}

bool add_policy(X509* certificate) {
  base::Bytes notice = der(Tag::Sequence, {der(Tag::Utf8, {view_of(kNotice)})});
  base::Bytes qualifier = der(Tag::Sequence, {der(Tag::Oid, {kUserNotice}), notice});
  base::Bytes policy = der(Tag::Sequence, {der(Tag::Oid, {kAnyPolicy}), der(Tag::Sequence, {qualifier})});
  return add(certificate, NID_certificate_policies, der(Tag::Sequence, {policy}));
}

}  // namespace

bool add_authority_extensions(X509* certificate) {
  return add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         add(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         add(certificate, certificate, NID_subject_key_identifier, "hash") &&
         add(certificate, certificate, NID_authority_key_identifier, "keyid:always");
}

bool add_endorsement_extensions(X509* certificate, const X509* issuer, const Make& make) {
  return add_name(certificate, make) && add(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add(certificate, issuer, NID_key_usage, "critical,keyEncipherment") &&
         add(certificate, issuer, NID_ext_key_usage, kEndorsementUsage) &&
         add(certificate, issuer, NID_authority_key_identifier, "keyid,issuer") && add_policy(certificate) &&
         add_specification(certificate, make);
}

bool set_validity(X509* certificate, const X509* issuer) {
  time_t from = ::time(nullptr) - kClocksDiffer;
  bool too_soon = issuer != nullptr && X509_cmp_time(X509_get0_notBefore(issuer), &from) > 0;
  bool begins = too_soon ? X509_set1_notBefore(certificate, X509_get0_notBefore(issuer)) == 1
                         : ASN1_TIME_adj(X509_getm_notBefore(certificate), from, 0, 0) != nullptr;
  bool ends = issuer != nullptr ? X509_set1_notAfter(certificate, X509_get0_notAfter(issuer)) == 1
                                : ASN1_TIME_set_string(X509_getm_notAfter(certificate), kForEver) == 1;
  return begins && ends;
}

bool set_random_serial(X509* certificate) {
  std::array<uint8_t, 16> bytes{};
  VERIFY(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7f) | 0x40);  // positive, and always as long
  Bignum number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

}  // namespace identity
