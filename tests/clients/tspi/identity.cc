// SPDX-License-Identifier: MIT
// An attestation identity: made, certified by a privacy CA, activated, and used.

#include <fstream>
#include <iterator>

#include "tests/clients/tspi/applicant.h"

namespace tspi {
namespace {

constexpr UINT32 kPcr = 8;

Bytes endorsement_of(const Session& session) {
  TSS_HKEY key = 0;
  must(Tspi_TPM_GetPubEndorsementKey(session.tpm, TRUE, nullptr, &key), "Tspi_TPM_GetPubEndorsementKey");
  return modulus_of(key);
}

Bytes request(const Session& session, const PrivacyCa& ca, TSS_HKEY identity, const std::string& label) {
  Bytes requested;
  TSS_RESULT result = collate(session, ca, identity, label, requested);
  return gives(result, TSS_SUCCESS, "an identity is made and its request collated") ? requested : Bytes();
}

bool test_application(const PrivacyCa& ca, const Bytes& requested, const std::string& label, Applicant& applicant,
                      const Key& maker) {
  holds(!PrivacyCa(maker).open(requested), "another CA cannot open the request");
  auto opened = ca.open(requested);
  if (!holds(opened.has_value(), "the CA opens the request")) return false;
  applicant = *opened;
  holds(applicant.label == label, "it reads the label");
  Applicant other = applicant;
  other.label += "!";
  holds(!ca.is_bound(other), "the binding is to no other label");
  return holds(ca.is_bound(applicant), "the identity key has signed its binding to label and CA");
}

void test_activation(const Session& session, const PrivacyCa& ca, const Applicant& applicant, const Key& maker,
                     TSS_HKEY identity) {
  Bytes endorsement = endorsement_of(session), credential;
  holds(ca.endorsed_by_maker(applicant) == endorsement, "the maker's certificate names the TPM's endorsement key");
  client::PubKey other = applicant.identity;
  other.modulus.back() ^= 2;
  gives(activate(session, identity, ca.answer(other, endorsement), credential), TPM_E_BAD_PARAMETER,
        "a certificate for another identity is not activated");
  gives(activate(session, identity, ca.answer(applicant.identity, modulus_of(maker)), credential), TPM_E_DECRYPT_ERROR,
        "nor one for another TPM");
  gives(activate(session, identity, ca.answer(applicant.identity, endorsement), credential), TSS_SUCCESS,
        "the identity is activated");
  holds(certified_modulus(credential, ca.pair()) == modulus_of(identity),
        "which gives the CA's certificate for the identity key");
}

Bytes pcr_value(const Session& session) {
  UINT32 size = 0;
  BYTE* value = nullptr;
  must(Tspi_TPM_PcrRead(session.tpm, kPcr, &size, &value), "Tspi_TPM_PcrRead");
  return {value, value + size};
}

client::Digest extended_composite(const Session& session, const Bytes& selection) {
  Bytes before = pcr_value(session), event(20, 0x44);
  UINT32 size = 0;
  BYTE* value = nullptr;
  must(Tspi_TPM_PcrExtend(session.tpm, kPcr, 20, event.data(), nullptr, &size, &value), "Tspi_TPM_PcrExtend");
  client::Digest after = client::sha1(client::Out().raw(before).raw(event));
  return client::composite(selection, {after});
}

void test_quote(const Session& session, TSS_HKEY identity, const Bytes& certified) {
  TSS_HPCRS pcrs = 0;
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_PCRS, TSS_PCRS_STRUCT_INFO, &pcrs), "create PCRs");
  must(Tspi_PcrComposite_SelectPcrIndex(pcrs, kPcr), "select a PCR");
  client::Digest composite = extended_composite(session, client::pcr_selection({kPcr}, 2));
  Bytes nonce(20, 0x3c);
  TSS_VALIDATION validation = challenge(nonce);
  if (!gives(Tspi_TPM_Quote(session.tpm, identity, pcrs, &validation), TSS_SUCCESS, "the identity quotes")) return;
  client::Out info;  // TPM_QUOTE_INFO
  info.u32(0x01010000).raw(client::bytes_of("QUOT")).raw(composite).raw(nonce);
  Bytes wanted = info;
  holds(verifies(certified, wanted, signature_in(validation)),
        "OpenSSL verifies the quote by the certified key over the PCR that SHA-1 tells");
  wanted.back() ^= 1;
  holds(!verifies(certified, wanted, signature_in(validation)), "and for no other nonce");
}

void test_quote2(const Session& session, TSS_HKEY identity, const Bytes& certified) {
  TSS_HPCRS pcrs = 0;
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_PCRS, TSS_PCRS_STRUCT_INFO_SHORT, &pcrs),
       "create PCRs");
  must(Tspi_PcrComposite_SelectPcrIndexEx(pcrs, kPcr, TSS_PCRS_DIRECTION_RELEASE), "select a PCR");
  Bytes selection = client::pcr_selection({kPcr});
  client::Digest composite = extended_composite(session, selection);
  Bytes nonce(20, 0x3d);
  TSS_VALIDATION validation = challenge(nonce);
  UINT32 size = 0;
  BYTE* version = nullptr;
  TSS_RESULT result = Tspi_TPM_Quote2(session.tpm, identity, TRUE, pcrs, &validation, &size, &version);
  if (!gives(result, TSS_SUCCESS, "the identity quotes with locality and version")) return;
  client::Out info;  // TPM_QUOTE_INFO2, locality 0, TPM_CAP_VERSION_INFO
  info.u16(0x36).raw(client::bytes_of("QUT2")).raw(nonce).raw(selection).u8(1).raw(composite);
  info.raw(Bytes(version, version + size));
  holds(verifies(certified, info, signature_in(validation)), "which OpenSSL verifies too");
}

}  // namespace

TSS_HKEY test_identity(const Session& session, const std::string& maker_path, const std::string& certificate_path) {
  Key maker = pair_in(maker_path);
  PrivacyCa ca(maker);
  std::ifstream certificate(certificate_path, std::ios::binary);
  set_certificate(session, {std::istreambuf_iterator<char>(certificate), {}});
  TSS_HKEY identity = session.key_object(TSS_KEY_TYPE_IDENTITY | TSS_KEY_AUTHORIZATION);
  session.assign_secret(identity, 0x1d);
  const std::string label = "an identity";
  Bytes requested = request(session, ca, identity, label);
  if (requested.empty()) return 0;
  must(Tspi_Key_LoadKey(identity, session.srk), "load the identity key");
  Applicant applicant;
  if (!test_application(ca, requested, label, applicant, maker)) return 0;
  test_activation(session, ca, applicant, maker, identity);
  test_quote(session, identity, applicant.identity.modulus);
  test_quote2(session, identity, applicant.identity.modulus);
  return identity;
}

}  // namespace tspi
