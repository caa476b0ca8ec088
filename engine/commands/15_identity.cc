// SPDX-License-Identifier: MIT
// Part 3, 15: identity creation and activation.
#include "engine/commands/chapters.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/identity_structures.h"
#include "engine/spec/ordinals.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// ---- 15.1 TPM_MakeIdentity ----
struct MakeIdentity {
  struct In {
    EncAuth identity_auth;
    Digest label_priv_ca{};
    KeyBlob params;
  };
  struct Out {
    KeyBlob identity;
    wire::SizedBytes binding;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(check_key_properties(in.params, tpm.flags->fips));                             // 1
    TRY(authorize_srk(call));                                                          // 3 (2: the session)
    TRY(require(in.params.usage == KeyUsage::Identity, Rc::InvalidKeyUsage));          // 4
    TRY(require(!in.params.migratable(), Rc::InvalidKeyUsage));                        // 5
    Secret usage_auth = TRY(call.auth(1).open_even(in.identity_auth));                 // 6
    call.auth(0).close();                                                              // 7
    call.auth(1).close();

    Key identity{.blob = in.params};  // 8
    identity.blob.enc_data = {};
    identity.blob.pcr_info = TRY(pcr_info_at_creation(in.params, tpm, call.locality));  // 9
    TRY(generate_into(tpm, identity));                                                 // 10, 12, 14
    identity.secret.usage_auth = usage_auth;                                           // 11
    identity.secret.migration_auth = tpm.ownership->tpm_proof;                         // 13
    identity.secret.pub_data_digest = identity.public_digest();
    identity.blob.enc_data = TRY(tpm.ownership->srk.encrypt(identity.secret));         // 15
    IdentityContents contents{.ordinal = ordinal::MakeIdentity,                        // 16
                              .label_priv_ca = in.label_priv_ca,
                              .identity_pub = identity.public_key()};
    wire::SizedBytes binding = TRY(signed_by(identity, contents));                     // 17
    return Out{std::move(identity.blob), std::move(binding)};
  }

 private:
  static Result<> authorize_srk(Call& call) {
    const Key& srk = call.tpm.ownership->srk;
    if (call.has_auth(0)) return call.authorize(0, Entity::of(srk));
    return require(srk.blob.auth_data_usage == AuthDataUsage::Never, Rc::AuthFail);
  }
};

// ---- 15.2 TPM_ActivateIdentity ----
struct ActivateIdentity {
  struct In {
    KeyHandle identity;
    wire::SizedBytes blob;
  };
  struct Out {
    SymmetricKey session_key;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Key& ek = call.tpm.endorsement->key;
    TRY(require(in.identity->blob.usage == KeyUsage::Identity, Rc::BadParameter));  // 3 (1-2: the sessions)
    Digest id_digest = crypto::sha1_of(in.identity->public_key());                  // 4
    TRY(require(ek.present(), Rc::NoEndorsement));
    auto plain = ek.rsa->decrypt_oaep(in.blob);  // 5
    TRY(require(plain.has_value(), Rc::DecryptError));
    View content = plain->reveal();
    bool tagged = starts_with_tag(content);  // 6
    return Out{TRY(tagged ? from_ek_blob(call, content, id_digest) : from_ca(content, id_digest))};  // 9
  }

 private:
  static bool starts_with_tag(View plain) {
    wire::Reader reader(plain);
    auto tag = reader.get<StructureTag>();
    return tag.ok() && tag.value() == StructureTag::EkBlob;
  }

  // Action 7: the form of version 1.1, which has no tag.
  static Result<SymmetricKey> from_ca(View plain, const Digest& id_digest) {
    auto read = wire::decode<AsymCaContents>(plain);
    TRY(require(read.ok(), Rc::InvalidStructure));
    AsymCaContents contents = std::move(read).take();
    TRY(require(contents.id_digest == id_digest, Rc::BadParameter));  // 7.a
    return std::move(contents.session_key);                           // 7.b
  }

  // Action 8.
  static Result<SymmetricKey> from_ek_blob(const Call& call, View plain, const Digest& id_digest) {
    auto read = wire::decode<EkBlob>(plain);
    TRY(require(read.ok(), Rc::InvalidStructure));
    const EkBlob& outer = read.value();
    TRY(require(outer.type == EkType::Activate, Rc::BadType));                        // 8.a
    EkBlobActivate inner = TRY(outer.blob.as<EkBlobActivate>(Rc::InvalidStructure));  // 8.b
    TRY(require(inner.tag == StructureTag::EkBlobActivate, Rc::InvalidStructure));
    TRY(require(inner.id_digest == id_digest, Rc::BadParameter));  // 8.c
    const PcrInfoShort& pcrs = inner.pcr_info;
    TRY(require(pcrs.selection.valid(), Rc::InvalidPcrInfo));
    if (!pcrs.selection.empty()) {  // 8.d
      TRY(require(call.tpm.pcrs->composite_hash(pcrs.selection) == pcrs.digest_at_release, Rc::WrongPcrVal));
    }
    TRY(require(locality_in(pcrs.locality_at_release, call.locality), Rc::BadLocality));  // 8.e
    return std::move(inner.session_key);                                                  // 8.f
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::MakeIdentity,
              delegable(KeyPermission::MakeIdentity,
                        audited(row<MakeIdentity>(ordinal::MakeIdentity, "TPM_MakeIdentity", Needs::Operational,
                                                  optional(deferred()), owner(Protocol::Osap))))),
    delegable(
        OwnerPermission::ActivateIdentity,
        delegable(KeyPermission::ActivateIdentity,
                  audited(row<ActivateIdentity>(ordinal::ActivateIdentity, "TPM_ActivateIdentity", Needs::Operational,
                                                optional(key<&ActivateIdentity::In::identity>()), owner())))),
};

}  // namespace

Chapter chapter_15() { return kRows; }

}  // namespace tpm
