// SPDX-License-Identifier: MIT
// Part 3, 6: admin ownership.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// A secret that its sender encrypted for the endorsement key. BadKeyProperty when it is no secret's size.
Result<Secret> secret_for_ek(const Tpm& tpm, const wire::SizedBytes& cipher) {
  auto plain = tpm.endorsement->key.rsa->decrypt_oaep(cipher);
  TRY(require(plain.has_value(), Rc::DecryptError));
  TRY(require(plain->size() == Secret::kSize, Rc::BadKeyProperty));
  Secret secret;
  std::ranges::copy(plain->reveal(), secret.fill().begin());
  return secret;
}

// 6.1, action 8.
Result<> check_srk_parms(const KeyBlob& srk, bool fips) {
  TRY(require(srk.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));                       // 8.a
  TRY(require(!srk.migratable(), Rc::InvalidKeyUsage));                                    // 8.b
  RsaKeyParms rsa = TRY(check_rsa_parms(srk.parms));                                       // 8.c
  TRY(require(srk.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1, Rc::BadKeyProperty));  // 8.d
  TRY(require(srk.parms.sig_scheme == SigScheme::None, Rc::BadKeyProperty));               // 8.e
  TRY(require(rsa.key_bits >= 2048, Rc::BadKeyProperty));                                  // 8.f
  TRY(require(rsa.exponent.empty(), Rc::BadKeyProperty));                                  // 8.g
  TRY(require(!fips || srk.auth_data_usage != AuthDataUsage::Never, Rc::NotFips));         // 8.h
  return check_key_header(srk);
}

// Enters into a new key's PCR information what the PCRs are while it is created (Part 2, 8.3 and 8.4).
Result<> note_creation(const Tpm& tpm, uint8_t locality, KeyBlob& key) {
  if (key.pcr_info.empty()) return {};
  if (key.is_key12()) {
    PcrInfoLong info = TRY(key.pcr_info.as<PcrInfoLong>(Rc::BadKeyProperty));
    TRY(require(info.tag == StructureTag::PcrInfoLong && info.creation_selection.valid() &&
                    info.release_selection.valid() && valid_locality_selection(info.locality_at_release),
                Rc::InvalidPcrInfo));
    info.locality_at_creation = static_cast<uint8_t>(1u << locality);
    info.digest_at_creation = tpm.pcrs->composite_hash(info.creation_selection);
    key.pcr_info = wire::SizedBytes(wire::encode(info));
    return {};
  }
  PcrInfo info = TRY(key.pcr_info.as<PcrInfo>(Rc::BadKeyProperty));
  TRY(require(info.selection.valid(), Rc::InvalidPcrInfo));
  info.digest_at_creation = tpm.pcrs->composite_hash(info.selection);
  key.pcr_info = wire::SizedBytes(wire::encode(info));
  return {};
}

// ---- 6.1 TPM_TakeOwnership ----
struct TakeOwnership {
  struct In {
    ProtocolId protocol{};
    wire::SizedBytes enc_owner_auth;
    wire::SizedBytes enc_srk_auth;
    KeyBlob srk_parms;
  };
  struct Out {
    KeyBlob srk_pub;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(!tpm.owned(), Rc::OwnerSet));                          // 1
    TRY(require(tpm.flags->ownership, Rc::InstallDisabled));           // 2
    TRY(require(tpm.endorsement->key.present(), Rc::NoEndorsement));   // 3
    TRY(require(in.protocol == ProtocolId::Owner, Rc::BadParameter));  // 5 (4: the row)
    Secret owner_auth = TRY(secret_for_ek(tpm, in.enc_owner_auth));    // 6
    TRY(call.authorize(0, Entity::bare(owner_auth)));                  // 7
    TRY(check_srk_parms(in.srk_parms, tpm.flags->fips));               // 8

    Ownership fresh{.installed = true, .owner_auth = owner_auth};  // 12
    fresh.operator_auth = tpm.ownership->operator_auth;
    tpm.random(fresh.tpm_proof.fill());                    // 15
    fresh.srk = TRY(make_srk(call, in, fresh.tpm_proof));  // 9-10; 13-14: the keys follow from tpmProof
    Out out{fresh.srk.blob};                               // 16
    tpm.ownership.edit() = std::move(fresh);               // 11
    tpm.flags.edit().read_pubek = false;                   // 17
    return out;
  }

 private:
  static Result<Key> make_srk(const Call& call, const In& in, const Secret& tpm_proof) {
    Key srk{.blob = in.srk_parms};
    srk.blob.enc_data = {};
    TRY(note_creation(call.tpm, call.locality, srk.blob));                  // 9.a
    srk.secret.usage_auth = TRY(secret_for_ek(call.tpm, in.enc_srk_auth));  // 10
    srk.secret.migration_auth = tpm_proof;
    TRY(generate_into(call.tpm, srk));  // 9, last: it is what takes long
    srk.secret.pub_data_digest = srk.public_digest();
    return srk;
  }
};

// ---- 6.2 TPM_OwnerClear ----
struct OwnerClear {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {                           // 1: the session
    TRY(require(!call.tpm.flags->disable_owner_clear, Rc::ClearDisabled));  // 2
    call.tpm.clear_owner();                                                 // 3-14
    call.auth(0).close();
    return Out{};
  }
};

// ---- 6.3 TPM_ForceClear ----
struct ForceClear {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));              // 1
    TRY(require(!call.tpm.stclear->disable_force_clear, Rc::ClearDisabled));  // 2
    call.tpm.clear_owner();                                                   // 3
    return Out{};
  }
};

// ---- 6.4 TPM_DisableOwnerClear ----
struct DisableOwnerClear {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {      // 1: the session
    call.tpm.flags.edit().disable_owner_clear = true;  // 2
    return Out{};
  }
};

// ---- 6.5 TPM_DisableForceClear ----
struct DisableForceClear {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    call.tpm.stclear.edit().disable_force_clear = true;  // 1
    return Out{};
  }
};

// TPM_PHYSICAL_PRESENCE (Part 2, 4.9).
enum Presence : uint16_t {
  kLock = 0x0004,
  kPresent = 0x0008,
  kNotPresent = 0x0010,
  kCmdEnable = 0x0020,
  kHwEnable = 0x0040,
  kLifetimeLock = 0x0080,
  kCmdDisable = 0x0100,
  kHwDisable = 0x0200,
};
constexpr uint16_t kLifetimeSettings = kCmdEnable | kHwEnable | kLifetimeLock | kCmdDisable | kHwDisable;  // A1
constexpr uint16_t kAssertionSettings = kLock | kPresent | kNotPresent;                                    // A2

// ---- 6.6 TSC_PhysicalPresence ----
struct PhysicalPresence {
  struct In {
    uint16_t presence = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    uint16_t presence = in.presence;
    TRY(require((presence & ~(kLifetimeSettings | kAssertionSettings)) == 0, Rc::BadParameter));
    bool lifetime = (presence & kLifetimeSettings) != 0, assertion = (presence & kAssertionSettings) != 0;  // 1
    TRY(require(lifetime != assertion, Rc::BadParameter));  // 2.b, 3.a, 4
    TRY(lifetime ? set_lifetime(call.tpm, presence) : assert_presence(call.tpm, presence));
    return Out{};
  }

 private:
  static bool both(uint16_t presence, int two) { return (presence & two) == two; }

  static Result<> set_lifetime(Tpm& tpm, uint16_t presence) {                     // 2
    TRY(require(!tpm.flags->physical_presence_lifetime_lock, Rc::BadParameter));  // 2.a
    TRY(require(!both(presence, kHwEnable | kHwDisable), Rc::BadParameter));      // 2.c
    TRY(require(!both(presence, kCmdEnable | kCmdDisable), Rc::BadParameter));    // 2.d
    PermanentFlags& flags = tpm.flags.edit();
    if (presence & kHwEnable) flags.physical_presence_hw_enable = true;          // 2.e
    if (presence & kHwDisable) flags.physical_presence_hw_enable = false;        // 2.f
    if (presence & kCmdEnable) flags.physical_presence_cmd_enable = true;        // 2.g
    if (presence & kCmdDisable) flags.physical_presence_cmd_enable = false;      // 2.h
    if (presence & kLifetimeLock) flags.physical_presence_lifetime_lock = true;  // 2.i
    return {};                                                                   // 2.j
  }

  static Result<> assert_presence(Tpm& tpm, uint16_t presence) {  // 3
    bool by_command = tpm.settings.physical_presence_command && tpm.flags->physical_presence_cmd_enable;
    TRY(require(by_command, Rc::BadParameter));                               // 3.b
    TRY(require(!both(presence, kLock | kPresent), Rc::BadParameter));        // 3.c
    TRY(require(!both(presence, kPresent | kNotPresent), Rc::BadParameter));  // 3.d
    TRY(require(!tpm.stclear->physical_presence_lock, Rc::BadParameter));     // 3.e
    StClear& stclear = tpm.stclear.edit();
    stclear.physical_presence = (presence & kPresent) != 0;       // 3.f.i, 3.g, 3.h
    if (presence & kLock) stclear.physical_presence_lock = true;  // 3.f.ii
    return {};                                                    // 3.i
  }
};

// ---- 6.7 TSC_ResetEstablishmentBit ----
struct ResetEstablishmentBit {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    TRY(require(call.locality == 3 || call.locality == 4, Rc::BadLocality));  // 1
    call.tpm.flags.edit().tpm_established = false;                            // 2
    return Out{};                                                             // 3
  }
};

constexpr Needs kEnabled{.started = true, .enabled = true, .no_lockout = true};

constexpr std::array kRows = {
    audited(row<TakeOwnership>(ordinal::TakeOwnership, "TPM_TakeOwnership", kEnabled,
                               refusing(Rc::AuthFail, deferred(Protocol::Oiap)))),
    delegable(OwnerPermission::OwnerClear,
              audited(row<OwnerClear>(ordinal::OwnerClear, "TPM_OwnerClear", Needs::Operational, owner()))),
    audited(row<ForceClear>(ordinal::ForceClear, "TPM_ForceClear", Needs::Unowned)),
    delegable(OwnerPermission::DisableOwnerClear,
              audited(row<DisableOwnerClear>(ordinal::DisableOwnerClear, "TPM_DisableOwnerClear", Needs::Operational,
                                             owner()))),
    audited(row<DisableForceClear>(ordinal::DisableForceClear, "TPM_DisableForceClear", Needs::Unowned)),
    before_selftest(row<PhysicalPresence>(ordinal::TSC_PhysicalPresence, "TSC_PhysicalPresence", Needs::Started)),
    row<ResetEstablishmentBit>(ordinal::TSC_ResetEstablishmentBit, "TSC_ResetEstablishmentBit", Needs::Started),
};

}  // namespace

Chapter chapter_06() { return kRows; }

}  // namespace tpm
