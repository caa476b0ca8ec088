// SPDX-License-Identifier: MIT
// Part 3, 11.5-11.10: certified migratable keys.
#include <algorithm>

#include "engine/commands/chapters.h"
#include "engine/commands/migration.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/other_structures.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// Tickets are HMACs of a structure under tpmProof.
template <class T>
Digest ticket(const Tpm& tpm, const T& structure) {
  return crypto::hmac_of(tpm.ownership->tpm_proof, structure);
}
template <class T>
bool is_ticket(const Tpm& tpm, const T& structure, View claimed) {
  return base::equal_constant_time(ticket(tpm, structure), claimed);
}

Result<MsaComposite> msa_list(const wire::SizedBytes& bytes) {
  MsaComposite list = TRY(bytes.as<MsaComposite>(Rc::InvalidStructure));
  TRY(require(!list.items.empty(), Rc::InvalidStructure));
  return list;
}

// Whether one of the authorities has signed the digest before this TPM (11.9, 9.a.i; 11.10, 11).
Result<> check_signed(const Tpm& tpm, const MsaComposite& authorities, const Digest& signed_data, View claimed) {
  bool any = std::ranges::any_of(authorities.items, [&](const Digest& authority) {
    return is_ticket(tpm, CmkSigTicket{.ver_key_digest = authority, .signed_data = signed_data}, claimed);
  });
  return require(any, Rc::MaTicketSignature);
}

// What binds a wrapped private key to the authorities and to the key itself, as OAEP's label hash.
Secret cmk_label(const Digest& msa_digest, const Digest& source_digest) {
  return Secret(crypto::sha1_of(msa_digest, source_digest));
}

// ---- 11.5 TPM_CMK_SetRestrictions ----
struct CmkSetRestrictions {
  struct In {
    uint32_t restriction = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    if (call.tpm.transfer->restrict_delegate != in.restriction) {
      call.tpm.transfer.edit().restrict_delegate = in.restriction;  // 2
    }
    return Out{};  // 3
  }
};

// ---- 11.6 TPM_CMK_ApproveMA ----
struct CmkApproveMa {
  struct In {
    Digest authority_digest{};
  };
  struct Out {
    Digest approval{};
  };
  static Result<Out> run(Call& call, const In& in) {                            // 1: the session
    CmkMaApproval approved{.migration_authority_digest = in.authority_digest};  // 2
    return Out{ticket(call.tpm, approved)};                                     // 3-4
  }
};

// ---- 11.7 TPM_CMK_CreateKey ----
struct CmkCreateKey {
  struct In {
    KeyHandle parent;
    EncAuth usage_auth;
    KeyBlob key_info;
    Digest approval{};
    Digest authority_digest{};
  };
  struct Out {
    KeyBlob wrapped;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Tpm& tpm = call.tpm;
    const KeyBlob& info = in.key_info;
    TRY(check_key_properties(info, tpm.flags->fips));                               // 3, 10-11 (1-2: the session)
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));  // 4
    TRY(require(!in.parent->blob.migratable(), Rc::InvalidKeyUsage));               // 5
    TRY(require(info.migratable(), Rc::InvalidKeyUsage));                           // 6
    TRY(require(info.has_flag(kMigrateAuthority), Rc::InvalidKeyUsage));            // 7
    CmkMaApproval approved{.migration_authority_digest = in.authority_digest};      // 8.a
    TRY(require(is_ticket(tpm, approved, in.approval), Rc::MaAuthority));           // 8.b
    bool usable = info.usage != KeyUsage::Identity && info.usage != KeyUsage::AuthChange;
    TRY(require(usable, Rc::InvalidKeyUsage));                       // 9
    TRY(require(info.is_key12(), Rc::InvalidStructure));             // 12
    Secret usage_auth = TRY(call.auth(0).open_even(in.usage_auth));  // 14
    call.auth(0).close();                                            // 15

    Key made{.blob = info};  // 13
    made.blob.enc_data = {};
    made.blob.pcr_info = TRY(pcr_info_at_creation(info, tpm, call.locality));  // 18
    TRY(generate_into(tpm, made));                                             // 16-17
    made.secret.payload = Payload::MigrateRestricted;                          // 17.b
    made.secret.usage_auth = usage_auth;                                       // 17.a
    CmkMigAuth bound{.msa_digest = in.authority_digest,                        // 17.c-d
                     .pubkey_digest = crypto::sha1_of(made.public_key())};
    made.secret.migration_auth = Secret(ticket(tpm, bound));  // 17.e
    made.secret.pub_data_digest = made.public_digest();
    made.blob.enc_data = TRY(in.parent->encrypt(made.secret));  // 19
    return Out{std::move(made.blob)};                           // 20
  }
};

// ---- 11.8 TPM_CMK_CreateTicket ----
struct CmkCreateTicket {
  struct In {
    PubKey verification_key;
    Digest signed_data{};
    wire::SizedBytes signature;
  };
  struct Out {
    Digest ticket{};
  };
  static Result<Out> run(Call& call, const In& in) {
    const KeyParms& parms = in.verification_key.parms;
    TRY(require(parms.algorithm == Algorithm::Rsa, Rc::BadKeyProperty));      // 2.a (1: the session)
    TRY(require(parms.enc_scheme == EncScheme::None, Rc::InappropriateEnc));  // 2.b
    TRY(require(signs_structures(parms.sig_scheme), Rc::InvalidKeyUsage));    // 2.c
    auto rsa = TRY(public_rsa(in.verification_key));
    TRY(require(rsa->verify_sha1(in.signed_data, in.signature), Rc::BadSignature));  // 3
    CmkSigTicket seen{.ver_key_digest = crypto::sha1_of(in.verification_key),        // 4
                      .signed_data = in.signed_data};
    return Out{ticket(call.tpm, seen)};  // 5-6
  }
};

// ---- 11.9 TPM_CMK_CreateBlob ----
struct CmkCreateBlob {
  struct In {
    KeyHandle parent;
    MigrateScheme type{};
    MigrationKeyAuth key_auth;
    Digest source_digest{};
    wire::SizedBytes msa_list;
    wire::SizedBytes restrict_ticket;
    wire::SizedBytes sig_ticket;
    wire::SizedBytes enc_data;
  };
  using Out = Migrating;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session; 2: the type is not looked at
    const Tpm& tpm = call.tpm;
    MsaComposite authorities = TRY(msa_list(in.msa_list));
    TRY(require(!in.parent->blob.migratable(), Rc::InvalidKeyUsage));  // 3
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));
    auto plain = in.parent->rsa->decrypt_oaep(in.enc_data);  // 4
    TRY(require(plain.has_value(), Rc::DecryptError));
    auto read = wire::decode<StoreAsymKey>(plain->reveal());
    TRY(require(read.ok(), Rc::InvalidStructure));
    const StoreAsymKey& key = read.value();
    TRY(check_approved(tpm, in.key_auth));  // 5
    bool restricted = key.payload == Payload::MigrateRestricted || key.payload == Payload::MigrateExternal;
    TRY(require(restricted, Rc::InvalidStructure));  // 6
    Digest msa_digest = crypto::sha1_of(authorities);
    CmkMigAuth bound{.msa_digest = msa_digest, .pubkey_digest = in.source_digest};          // 7.a
    TRY(require(is_ticket(tpm, bound, key.migration_auth.reveal()), Rc::MaAuthority));      // 7.b
    TRY(check_destination(tpm, in, authorities));                                           // 8-10
    return migrate(tpm, key, Payload::CmkMigrate, cmk_label(msa_digest, in.source_digest),  // 11-17
                   in.key_auth.migration_key);
  }

 private:
  static Result<> check_destination(const Tpm& tpm, const In& in, const MsaComposite& authorities) {
    switch (in.key_auth.scheme) {
      case MigrateScheme::RestrictMigrate:  // 8
        return check_authority(in, authorities);
      case MigrateScheme::RestrictApprove:  // 9
        return check_approval(tpm, in, authorities);
      default:
        return Rc::BadParameter;  // 10
    }
  }

  // The destination is one of the authorities itself.
  static Result<> check_authority(const In& in, const MsaComposite& authorities) {
    const PubKey& to = in.key_auth.migration_key;
    bool listed = std::ranges::count(authorities.items, crypto::sha1_of(to)) > 0;
    TRY(require(listed, Rc::MaTicketSignature));                                              // 8.a
    TRY(require(to.parms.algorithm == Algorithm::Rsa, Rc::BadKeyProperty));                   // 8.b.i
    TRY(require(to.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1, Rc::InappropriateEnc));  // 8.b.ii
    TRY(require(to.parms.sig_scheme == SigScheme::None, Rc::InvalidKeyUsage));                // 8.b.iii
    return require(in.restrict_ticket.empty() && in.sig_ticket.empty(), Rc::BadParameter);    // 8.c-d
  }

  // The destination was approved by one of the authorities.
  static Result<> check_approval(const Tpm& tpm, const In& in, const MsaComposite& authorities) {
    TRY(check_signed(tpm, authorities, crypto::sha1(in.restrict_ticket), in.sig_ticket));  // 9.a.i
    CmkAuth approved = TRY(in.restrict_ticket.as<CmkAuth>(Rc::InvalidStructure));
    Digest to = crypto::sha1_of(in.key_auth.migration_key);
    TRY(require(approved.destination_key == to, Rc::MaDestination));        // 9.a.ii
    return require(approved.source_key == in.source_digest, Rc::MaSource);  // 9.a.iii
  }
};

// ---- 11.10 TPM_CMK_ConvertMigration ----
struct CmkConvertMigration {
  struct In {
    KeyHandle parent;
    CmkAuth restrict_ticket;
    Digest sig_ticket{};
    KeyBlob migrated;
    wire::SizedBytes msa_list;
    wire::SizedBytes random;
  };
  struct Out {
    wire::SizedBytes enc_data;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Tpm& tpm = call.tpm;
    const Key& parent = *in.parent;
    MsaComposite authorities = TRY(msa_list(in.msa_list));
    TRY(require(parent.blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));  // 2 (1: the session)
    Key key{.blob = in.migrated};
    key.secret = TRY(arrive(parent, in.migrated.enc_data, in.random));  // 3-5, 7-8
    Digest source = crypto::sha1_of(key.public_key());                  // 6
    Digest msa_digest = crypto::sha1_of(authorities);
    bool bound = key.secret.migration_auth == cmk_label(msa_digest, source);
    TRY(require(bound, Rc::AuthFail));  // 6.a
    bool stays = !parent.blob.migratable() && parent.secret.migration_auth == tpm.ownership->tpm_proof;
    TRY(require(stays, Rc::InvalidKeyUsage));                                                 // 9
    TRY(require(key.secret.payload == Payload::CmkMigrate, Rc::BadMigration));                // 10
    TRY(check_signed(tpm, authorities, crypto::sha1_of(in.restrict_ticket), in.sig_ticket));  // 11
    Digest destination = crypto::sha1_of(parent.public_key());                                // 12
    TRY(require(in.restrict_ticket.destination_key == destination, Rc::MaDestination));       // 13
    bool corresponds = key.prepare() && key.secret.pub_data_digest == key.public_digest();
    TRY(require(corresponds, Rc::BadMigration));                                 // 14
    TRY(require(in.migrated.migratable(), Rc::InvalidKeyUsage));                 // 15
    TRY(require(in.migrated.has_flag(kMigrateAuthority), Rc::InvalidKeyUsage));  // 16
    TRY(require(in.restrict_ticket.source_key == source, Rc::MaSource));         // 17
    key.secret.payload = Payload::MigrateExternal;                               // 10
    CmkMigAuth here{.msa_digest = msa_digest, .pubkey_digest = source};          // 18
    key.secret.migration_auth = Secret(ticket(tpm, here));                       // 19
    return Out{TRY(parent.encrypt(key.secret))};                                 // 20-21
  }
};

constexpr std::array kRows = {
    row<CmkSetRestrictions>(ordinal::CMK_SetRestrictions, "TPM_CMK_SetRestrictions", Needs::Operational, owner()),
    row<CmkApproveMa>(ordinal::CMK_ApproveMA, "TPM_CMK_ApproveMA", Needs::Operational, owner()),
    row<CmkCreateKey>(ordinal::CMK_CreateKey, "TPM_CMK_CreateKey", Needs::Operational,
                      key<&CmkCreateKey::In::parent>(Protocol::Osap)),
    row<CmkCreateTicket>(ordinal::CMK_CreateTicket, "TPM_CMK_CreateTicket", Needs::Operational, owner()),
    row<CmkCreateBlob>(ordinal::CMK_CreateBlob, "TPM_CMK_CreateBlob", Needs::Operational,
                       key<&CmkCreateBlob::In::parent>()),
    row<CmkConvertMigration>(ordinal::CMK_ConvertMigration, "TPM_CMK_ConvertMigration", Needs::Operational,
                             key<&CmkConvertMigration::In::parent>()),
};

}  // namespace

Chapter chapter_11_cmk() { return kRows; }

}  // namespace tpm
