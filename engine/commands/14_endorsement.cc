// SPDX-License-Identifier: MIT
// Part 3, 14: endorsement key handling.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// An endorsement key and proof of its freshness.
struct FreshPubek {
  PubKey pub_endorsement_key;
  Digest checksum{};
};

FreshPubek pubek_for(const Key& key, const Nonce& anti_replay) {
  FreshPubek out{.pub_endorsement_key = key.public_key()};
  out.checksum = crypto::sha1_of(out.pub_endorsement_key, anti_replay);
  return out;
}

// 14.1, actions 1-3: the scheme and everything else in the parameters do not matter.
Result<Key> create_ek(const Tpm& tpm, const KeyParms& parms) {
  TRY(require(!tpm.endorsement->key.present(), Rc::DisabledCmd));  // 1
  RsaKeyParms rsa = TRY(check_rsa_parms(parms));                   // 2
  TRY(require(rsa.key_bits == 2048, Rc::BadKeyProperty));          // 2.a
  return make_endorsement_key(tpm, rsa.key_bits);                  // 3
}

// ---- 14.1 TPM_CreateEndorsementKeyPair ----
struct CreateEndorsementKeyPair {
  struct In {
    Nonce anti_replay{};
    KeyParms key_info;
  };
  using Out = FreshPubek;
  static Result<Out> run(Call& call, const In& in) {
    Key key = TRY(create_ek(call.tpm, in.key_info));   // 1-3
    Out out = pubek_for(key, in.anti_replay);          // 4
    call.tpm.endorsement.edit().key = std::move(key);  // 5
    call.tpm.make_daa_secrets();                       // 6-8
    PermanentFlags& flags = call.tpm.flags.edit();
    flags.cekp_used = true;          // 9
    flags.enable_revoke_ek = false;  // 10
    return out;
  }
};

// ---- 14.2 TPM_CreateRevocableEK ----
struct CreateRevocableEk {
  struct In {
    Nonce anti_replay{};
    KeyParms key_info;
    bool generate_reset = false;
    Secret input_reset;
  };
  struct Out {
    FreshPubek pubek;
    Secret output_reset;
  };
  static Result<Out> run(Call& call, const In& in) {
    Key key = TRY(create_ek(call.tpm, in.key_info));                                   // 1-2
    Out out{.pubek = pubek_for(key, in.anti_replay), .output_reset = in.input_reset};  // 3.b
    if (in.generate_reset) call.tpm.random(out.output_reset.fill());                   // 3.a
    Endorsement& endorsement = call.tpm.endorsement.edit();
    endorsement.key = std::move(key);
    call.tpm.make_daa_secrets();
    endorsement.reset_auth = out.output_reset;  // 3.a.i, 3.b.i
    PermanentFlags& flags = call.tpm.flags.edit();
    flags.cekp_used = true;
    flags.enable_revoke_ek = true;  // 3
    return out;                     // 4
  }
};

// ---- 14.3 TPM_RevokeTrust ----
struct RevokeTrust {
  struct In {
    Secret reset;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(tpm.flags->enable_revoke_ek, Rc::PermanentEk));           // 1
    TRY(require(in.reset == tpm.endorsement->reset_auth, Rc::AuthFail));  // 2
    TRY(require(tpm.physical_presence(), Rc::BadPresence));               // 3
    tpm.clear_owner(true);                                                // 4, 4.a
    PermanentFlags& flags = tpm.flags.edit();
    flags.nv_locked = false;  // 4.b
    flags.cekp_used = false;
    flags.enable_revoke_ek = false;
    tpm.endorsement.edit() = {};  // 8
    tpm.daa_secrets.edit() = {};  // 5-7
    return Out{};
  }
};

// ---- 14.4 TPM_ReadPubek ----
struct ReadPubek {
  struct In {
    Nonce anti_replay{};
  };
  using Out = FreshPubek;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.flags->read_pubek, Rc::DisabledCmd));             // 1
    TRY(require(call.tpm.endorsement->key.present(), Rc::NoEndorsement));  // 2
    return pubek_for(call.tpm.endorsement->key, in.anti_replay);           // 3-4
  }
};

// ---- 14.5 TPM_OwnerReadInternalPub ----
struct OwnerReadInternalPub {
  struct In {
    uint32_t key = 0;  // a parameter, not a handle: it is authorised
  };
  struct Out {
    PubKey public_portion;
  };
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    const Tpm& tpm = call.tpm;
    if (in.key == kSrkHandle) return Out{tpm.ownership->srk.public_key()};  // 3, 5
    TRY(require(in.key == kEkHandle, Rc::BadParameter));                    // 4
    TRY(require(tpm.endorsement->key.present(), Rc::NoEndorsement));
    return Out{tpm.endorsement->key.public_key()};  // 2, 5
  }
};

constexpr std::array kRows = {
    row<CreateEndorsementKeyPair>(ordinal::CreateEndorsementKeyPair, "TPM_CreateEndorsementKeyPair", Needs::Unowned),
    row<CreateRevocableEk>(ordinal::CreateRevocableEK, "TPM_CreateRevocableEK", Needs::Unowned),
    row<RevokeTrust>(ordinal::RevokeTrust, "TPM_RevokeTrust", Needs::Unowned),
    audited(row<ReadPubek>(ordinal::ReadPubek, "TPM_ReadPubek", Needs::Unowned)),
    delegable(OwnerPermission::OwnerReadInternalPub,
              names_key(row<OwnerReadInternalPub>(ordinal::OwnerReadInternalPub, "TPM_OwnerReadInternalPub",
                                                  Needs::Operational, owner()))),
};

}  // namespace

Chapter chapter_14() { return kRows; }

}  // namespace tpm
