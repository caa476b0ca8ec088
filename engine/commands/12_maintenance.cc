// SPDX-License-Identifier: MIT
// Part 3, 12: maintenance. An archive moves a TPM's storage root key, tpmProof and owner to another TPM, by way of the
// manufacturer. What Part 3 leaves to the vendor is told in Documentation/maintenance.md.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/features.h"
#include "engine/spec/ordinals.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"
#include "engine/state/migration_blob.h"

namespace tpm {

namespace {

// 12.1, 10: a pad that the owner can make again.
Bytes pad_of(const Secret& owner_auth, size_t n_bytes) {
  Bytes pad(n_bytes);
  crypto::mgf1(owner_auth.reveal(), pad);
  return pad;
}

// ---- 12.1 TPM_CreateMaintenanceArchive ----
struct CreateMaintenanceArchive {
  struct In {
    bool generate_random = false;
  };
  struct Out {
    wire::SizedBytes random;
    wire::Sized<KeyBlob> archive;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const Ownership& own = *tpm.ownership;
    TRY(require(tpm.flags->allow_maintenance, Rc::DisabledCmd));          // 1 (2: the session)
    TRY(require(tpm.transfer->maintenance_key_loaded, Rc::KeyNotFound));  // 3
    StoreAsymKey srk = own.srk.secret;                                    // 5
    srk.usage_auth = own.tpm_proof;                                       // 7.a
    srk.pub_data_digest = own.srk.public_digest();                        // 7.b
    Bytes inner = TRY(wrap_inner(srk, Payload::Maint, own.owner_auth));   // 6, 7.c-d, 8
    Bytes pad = pad_of(own.owner_auth, inner.size());                     // 10
    Out out{.archive = {own.srk.blob}};                                   // 4
    if (in.generate_random) {                                             // 9
      tpm.random(pad);
      out.random = wire::SizedBytes(View(pad));
    }
    out.archive.value.enc_data = TRY(encrypt_for(tpm.transfer->maintenance_key, exclusive_or(inner, pad)));  // 11-13
    tpm.flags.edit().maintenance_done = true;                                                                // 14
    return out;                                                                                              // 15
  }
};

// ---- 12.2 TPM_LoadMaintenanceArchive ----
struct LoadMaintenanceArchive {
  struct In {
    wire::SizedBytes archive;  // a TPM_KEY as 12.1 makes it, but under this TPM's storage root key
    wire::SizedBytes random;   // empty: this TPM's owner has the secret of the archive's
    wire::SizedBytes signature;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    Tpm& tpm = call.tpm;
    TRY(check_sender(tpm, in));  // 2
    Key srk{.blob = TRY(in.archive.as<KeyBlob>(Rc::InvalidStructure))};
    StoreAsymKey inner = TRY(open(tpm, srk.blob.enc_data, in.random));  // 3-4
    Ownership arrived{.installed = true, .owner_auth = inner.migration_auth, .tpm_proof = inner.usage_auth};
    srk.secret = std::move(inner);
    srk.blob.enc_data = {};
    srk.secret.payload = Payload::Asym;
    srk.secret.usage_auth = arrived.owner_auth;  // 6.a
    srk.secret.migration_auth = arrived.tpm_proof;
    TRY(check(srk, tpm.flags->fips));
    arrived.srk = std::move(srk);
    tpm.clear_owner();                          // 5
    tpm.ownership.edit() = std::move(arrived);  // 6.a-c
    tpm.flags.edit().maintenance_done = true;   // 7
    return Out{};
  }

 private:
  static Result<> check_sender(const Tpm& tpm, const In& in) {
    TRY(require(tpm.transfer->maintenance_key_loaded, Rc::KeyNotFound));
    auto sender = TRY(public_rsa(tpm.transfer->maintenance_key));
    Digest sent = crypto::sha1_of(in.archive, in.random);
    return require(sender->verify_sha1(sent, in.signature), Rc::BadSignature);
  }

  static Result<StoreAsymKey> open(const Tpm& tpm, const wire::SizedBytes& cipher, const wire::SizedBytes& random) {
    auto padded = tpm.ownership->srk.rsa->decrypt_oaep(cipher);
    TRY(require(padded.has_value(), Rc::DecryptError));
    Bytes pad = random.empty() ? pad_of(tpm.ownership->owner_auth, padded->size()) : random.bytes();
    TRY(require(pad.size() == padded->size(), Rc::BadParameter));
    StoreAsymKey inner = TRY(unwrap_inner(exclusive_or(padded->reveal(), pad)));
    TRY(require(inner.payload == Payload::Maint, Rc::BadMigration));
    return inner;
  }

  static Result<> check(Key& srk, bool fips) {
    TRY(check_key_properties(srk.blob, fips));
    bool storage = srk.blob.usage == KeyUsage::Storage && !srk.blob.migratable();
    TRY(require(storage, Rc::InvalidKeyUsage));
    TRY(require(srk.public_digest() == srk.secret.pub_data_digest, Rc::Fail));
    return require(srk.prepare(), Rc::BadKeyProperty);
  }
};

// ---- 12.3 TPM_KillMaintenanceFeature ----
struct KillMaintenanceFeature {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {     // 1: the session
    call.tpm.flags.edit().allow_maintenance = false;  // 2
    return Out{};
  }
};

struct KeyChecksum {
  Digest checksum{};
};

// ---- 12.4 TPM_LoadManuMaintPub ----
struct LoadManuMaintPub {
  struct In {
    Nonce anti_replay{};
    PubKey key;
  };
  using Out = KeyChecksum;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(!call.tpm.transfer->maintenance_key_loaded, Rc::DisabledCmd));  // 4
    bool storage =
        in.key.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1 && in.key.parms.sig_scheme == SigScheme::None;
    auto rsa = TRY(public_rsa(in.key));
    TRY(require(storage && rsa->bytes() >= 2048 / 8, Rc::BadKeyProperty));
    KeyTransfer& transfer = call.tpm.transfer.edit();
    transfer.maintenance_key = in.key;  // 1
    transfer.maintenance_key_loaded = true;
    return Out{crypto::sha1_of(in.key, in.anti_replay)};  // 2-3
  }
};

// ---- 12.5 TPM_ReadManuMaintPub ----
struct ReadManuMaintPub {
  struct In {
    Nonce anti_replay{};
  };
  using Out = KeyChecksum;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.transfer->maintenance_key_loaded, Rc::KeyNotFound));
    return Out{crypto::sha1_of(call.tpm.transfer->maintenance_key, in.anti_replay)};  // 1-2
  }
};

constexpr std::array kRows = {
    offered_if(kMaintenance,
               row<CreateMaintenanceArchive>(ordinal::CreateMaintenanceArchive, "TPM_CreateMaintenanceArchive",
                                             Needs::Operational, owner())),
    offered_if(kMaintenance, row<LoadMaintenanceArchive>(ordinal::LoadMaintenanceArchive, "TPM_LoadMaintenanceArchive",
                                                         Needs::Operational, owner())),
    offered_if(kMaintenance, row<KillMaintenanceFeature>(ordinal::KillMaintenanceFeature, "TPM_KillMaintenanceFeature",
                                                         Needs::Operational, owner())),
    offered_if(kMaintenance, row<LoadManuMaintPub>(ordinal::LoadManuMaintPub, "TPM_LoadManuMaintPub", Needs::Unowned)),
    offered_if(kMaintenance, row<ReadManuMaintPub>(ordinal::ReadManuMaintPub, "TPM_ReadManuMaintPub", Needs::Unowned)),
};

}  // namespace

Chapter chapter_12() { return kRows; }

}  // namespace tpm
