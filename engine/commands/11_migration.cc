// SPDX-License-Identifier: MIT
// Part 3, 11.1-11.4: migration.
#include "engine/commands/chapters.h"
#include "engine/commands/migration.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// ---- 11.1 TPM_CreateMigrationBlob ----
struct CreateMigrationBlob {
  struct In {
    KeyHandle parent;
    MigrateScheme type{};
    MigrationKeyAuth key_auth;
    wire::SizedBytes enc_data;
  };
  using Out = Migrating;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));  // 2 (1: the session)
    auto plain = in.parent->rsa->decrypt_oaep(in.enc_data);                         // 3
    TRY(require(plain.has_value(), Rc::DecryptError));
    auto read = wire::decode<StoreAsymKey>(plain->reveal());
    TRY(require(read.ok(), Rc::InvalidStructure));
    const StoreAsymKey& key = read.value();
    TRY(require(key.payload == Payload::Asym, Rc::BadMigration));  // 3.a
    TRY(call.authorize(1, Entity::bare(key.migration_auth)));      // 4
    TRY(check_approved(call.tpm, in.key_auth));                    // 5
    switch (in.type) {
      case MigrateScheme::Migrate:  // 6
        return migrate(call.tpm, key, Payload::Migrate, key.migration_auth, in.key_auth.migration_key);
      case MigrateScheme::Rewrap:  // 7
        return Out{.blob = TRY(encrypt_for(in.key_auth.migration_key, plain->reveal()))};
      default:
        return Rc::BadParameter;  // 8
    }
  }
};

// ---- 11.2 TPM_ConvertMigrationBlob ----
struct ConvertMigrationBlob {
  struct In {
    KeyHandle parent;
    wire::SizedBytes blob;
    wire::SizedBytes random;
  };
  struct Out {
    wire::SizedBytes enc_data;
  };
  static Result<Out> run(Call&, const In& in) {
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));  // 2 (1: the session)
    StoreAsymKey key = TRY(arrive(*in.parent, in.blob, in.random));                 // 3-6, 7.c-f
    TRY(require(key.payload == Payload::Migrate, Rc::BadMigration));                // 7.a
    key.payload = Payload::Asym;                                                    // 7.b
    return Out{TRY(in.parent->encrypt(key))};                                       // 8
  }
};

// ---- 11.3 TPM_AuthorizeMigrationKey ----
struct AuthorizeMigrationKey {
  struct In {
    MigrateScheme scheme{};
    PubKey migration_key;
  };
  struct Out {
    MigrationKeyAuth key_auth;
  };
  static Result<Out> run(Call& call, const In& in) {
    const KeyParms& parms = in.migration_key.parms;
    RsaKeyParms rsa = TRY(check_rsa_parms(parms));  // 1
    TRY(require(rsa.key_bits >= 2048, Rc::BadKeyProperty));
    TRY(require(parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1, Rc::InappropriateEnc));  // 4 (2: the session)
    MigrationKeyAuth approved{in.migration_key, in.scheme, {}};                            // 3, 5-6
    approved.digest = approval_of(call.tpm, approved);                                     // 7-9
    return Out{std::move(approved)};                                                       // 10
  }
};

// ---- 11.4 TPM_MigrateKey ----
struct MigrateKey {
  struct In {
    KeyHandle authority;
    PubKey to;
    wire::SizedBytes blob;
  };
  struct Out {
    wire::SizedBytes blob;
  };
  static Result<Out> run(Call&, const In& in) {
    const KeyBlob& authority = in.authority->blob;
    TRY(require(authority.usage == KeyUsage::Migrate, Rc::InvalidKeyUsage));  // 2 (1: the session)
    TRY(require(authority.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1, Rc::BadKeyProperty));
    static_cast<void>(TRY(public_rsa(in.to)));              // 3
    auto plain = in.authority->rsa->decrypt_oaep(in.blob);  // 4
    TRY(require(plain.has_value(), Rc::DecryptError));
    return Out{TRY(encrypt_for(in.to, plain->reveal()))};
  }
};

constexpr std::array kRows = {
    row<CreateMigrationBlob>(ordinal::CreateMigrationBlob, "TPM_CreateMigrationBlob", Needs::Operational,
                             optional(key<&CreateMigrationBlob::In::parent>()), deferred(Protocol::Oiap)),
    row<ConvertMigrationBlob>(ordinal::ConvertMigrationBlob, "TPM_ConvertMigrationBlob", Needs::Operational,
                              optional(key<&ConvertMigrationBlob::In::parent>())),
    row<AuthorizeMigrationKey>(ordinal::AuthorizeMigrationKey, "TPM_AuthorizeMigrationKey", Needs::Operational,
                               owner()),
    row<MigrateKey>(ordinal::MigrateKey, "TPM_MigrateKey", Needs::Operational,
                    optional(key<&MigrateKey::In::authority>())),
};

}  // namespace

Digest approval_of(const Tpm& tpm, const MigrationKeyAuth& key_auth) {
  return crypto::sha1_of(key_auth.migration_key, key_auth.scheme, tpm.ownership->tpm_proof);
}

Result<> check_approved(const Tpm& tpm, const MigrationKeyAuth& key_auth) {
  return require(base::equal_constant_time(approval_of(tpm, key_auth), key_auth.digest), Rc::AuthFail);
}

Chapter chapter_11() { return kRows; }

}  // namespace tpm
