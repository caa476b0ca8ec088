// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/privacy_ca.h"

#include <openssl/rand.h>

namespace tspi {
namespace {

constexpr uint32_t kAes128 = 6, kMakeIdentity = 0x79;
constexpr uint16_t kCbc = 0xff, kAesBytes = 16;

}  // namespace

client::PubKey PrivacyCa::public_key() const {
  // Not OAEP, for which TrouSerS leaves out the label.
  return {.parms = {.enc_scheme = client::kEsPkcs, .sig_scheme = client::kSsNone}, .modulus = modulus_of(pair_)};
}

std::optional<Applicant> PrivacyCa::open(const Bytes& request) const {
  client::In in(request);
  uint32_t asym_size = in.u32();
  uint32_t sym_size = in.u32();
  client::KeyParms::decode(in);
  uint32_t algorithm = client::KeyParms::decode(in).algorithm;
  Bytes asym = in.raw(asym_size);
  Bytes sym = in.raw(sym_size);
  if (!in.done() || algorithm != kAes128) return {};

  client::In session(decrypted(pair_, asym));
  session.u32();
  session.u16();
  Bytes key = session.raw(session.u16());
  if (!session.done()) return {};

  client::In proof(aes_decrypted(key, sym));
  uint32_t version = proof.u32(), label_size = proof.u32(), binding_size = proof.u32(), endorsement_size = proof.u32();
  uint32_t platform_size = proof.u32(), conformance_size = proof.u32();
  Applicant applicant;
  applicant.identity = client::PubKey::decode(proof);
  Bytes label = proof.raw(label_size);
  applicant.label = std::string(label.begin(), label.end());
  applicant.binding = proof.raw(binding_size);
  applicant.endorsement = proof.raw(endorsement_size);
  proof.raw(platform_size);
  proof.raw(conformance_size);
  if (!proof.done() || version != 0x01010000) return {};
  return applicant;
}

bool PrivacyCa::is_bound(const Applicant& applicant) const {
  client::Out chosen;
  chosen.raw(client::bytes_of(applicant.label)).raw(public_key().encode());
  client::Out contents;
  contents.u32(0x01010000).u32(kMakeIdentity).raw(client::sha1(chosen)).raw(applicant.identity.encode());
  return verifies(applicant.identity.modulus, contents, applicant.binding);
}

Bytes PrivacyCa::endorsed_by_maker(const Applicant& applicant) const {
  return certified_modulus(applicant.endorsement, maker_);
}

Attestation PrivacyCa::answer(const client::PubKey& identity, const Bytes& endorsement_key) const {
  Bytes key(kAesBytes);
  RAND_bytes(key.data(), kAesBytes);
  client::Out contents;
  contents.u32(kAes128).u16(kCbc).u16(kAesBytes).raw(key).raw(client::sha1(identity.encode()));
  Bytes credential =
      aes_encrypted(key, certificate("identity", tspi::public_key(identity.modulus), "privacy CA", pair_));
  client::Out attestation;
  attestation.u32(static_cast<uint32_t>(credential.size()));
  attestation.u32(kAes128).u16(kCbc).u16(client::kSsNone).u32(0).raw(credential);
  return {client::oaep_tcpa({.modulus = endorsement_key}, contents), attestation};
}

}  // namespace tspi
