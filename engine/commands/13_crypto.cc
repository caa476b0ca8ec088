// SPDX-License-Identifier: MIT
// Part 3, 13: cryptographic functions.
#include <algorithm>

#include "engine/commands/chapters.h"
#include "engine/commands/extend.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/other_structures.h"

namespace tpm {

namespace {

constexpr uint32_t kSha1Block = 64;
// Of a command or response before its one sized field's bytes: header and length.
constexpr uint32_t kBytesBeforeData = 14;

uint32_t sha1_max_bytes(const Tpm& tpm) {
  return (tpm.settings.buffer_bytes - kBytesBeforeData) / kSha1Block * kSha1Block;
}

// An error ends the thread (13.1).
Result<> end_sha1_unless(Tpm& tpm, bool fits) {
  if (fits) return {};
  tpm.sha1.edit() = {};
  TRY(tpm.commit());
  return Rc::ShaError;
}

Result<Digest> complete_sha1(Tpm& tpm, View last) {
  TRY(require(tpm.sha1->running, Rc::ShaThread));
  TRY(end_sha1_unless(tpm, last.size() <= kSha1Block));
  return tpm.sha1.edit().complete(last);
}

// ---- 13.1 TPM_SHA1Start ----
struct Sha1Start {
  using In = Nothing;
  struct Out {
    uint32_t max_bytes = 0;
  };
  static Result<Out> run(Call& call, const In&) {
    call.tpm.sha1.edit().start();
    return Out{sha1_max_bytes(call.tpm)};
  }
};

// ---- 13.2 TPM_SHA1Update ----
struct Sha1Update {
  struct In {
    wire::SizedBytes data;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.sha1->running, Rc::ShaThread));                         // 1
    TRY(end_sha1_unless(call.tpm, in.data.size() % kSha1Block == 0));            // 2
    TRY(end_sha1_unless(call.tpm, in.data.size() <= sha1_max_bytes(call.tpm)));  // 3
    call.tpm.sha1.edit().update(in.data);                                        // 4
    return Out{};
  }
};

// ---- 13.3 TPM_SHA1Complete ----
struct Sha1Complete {
  struct In {
    wire::SizedBytes data;
  };
  struct Out {
    Digest value{};
  };
  static Result<Out> run(Call& call, const In& in) { return Out{TRY(complete_sha1(call.tpm, in.data))}; }
};

// ---- 13.4 TPM_SHA1CompleteExtend ----
struct Sha1CompleteExtend {
  struct In {
    uint32_t pcr = 0;
    wire::SizedBytes data;
  };
  struct Out {
    Digest value{};
    Digest pcr_value{};
  };
  static Result<Out> run(Call& call, const In& in) {
    Out out;
    out.value = TRY(complete_sha1(call.tpm, in.data));         // 5
    out.pcr_value = TRY(extend_pcr(call, in.pcr, out.value));  // 1-4, 6-7
    return out;
  }
};

// ---- 13.5 TPM_Sign ----
struct Sign {
  struct In {
    KeyHandle key;
    wire::SizedBytes area;
  };
  struct Out {
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Key& key = *in.key;
    TRY(require(!in.area.empty(), Rc::BadParameter));  // 2 (1: the session)
    bool usage = key.blob.usage == KeyUsage::Signing || key.blob.usage == KeyUsage::Legacy;
    TRY(require(usage, Rc::InvalidKeyUsage));  // 3
    switch (key.blob.parms.sig_scheme) {       // 4
      case SigScheme::RsassaPkcs1v15Sha1:      // 5
        return by_digest(key, in.area);
      case SigScheme::RsassaPkcs1v15Der:  // 6
        return by_der(key, in.area);
      case SigScheme::RsassaPkcs1v15Info:  // 7
        return by_info(call, key, in.area);
      default:
        return Rc::InvalidKeyUsage;  // 8
    }
  }

 private:
  static Result<Out> by_digest(const Key& key, View area) {
    Digest digest;
    TRY(require(area.size() == digest.size(), Rc::BadParameter));  // 5.a
    std::ranges::copy(area, digest.begin());                       // 5.b
    auto signature = key.rsa->sign_sha1(digest);                   // 9
    TRY(require(signature.has_value(), Rc::Fail));
    return Out{wire::SizedBytes(std::move(*signature))};  // 10
  }
  static Result<Out> by_der(const Key& key, View area) {
    constexpr size_t kPkcs1Overhead = 11;
    TRY(require(area.size() + kPkcs1Overhead <= key.rsa->bytes(), Rc::BadParameter));  // 6.a
    auto signature = key.rsa->sign_der(area);                                          // 6.b, 9
    TRY(require(signature.has_value(), Rc::Fail));
    return Out{wire::SizedBytes(std::move(*signature))};  // 10
  }
  static Result<Out> by_info(Call& call, const Key& key, const wire::SizedBytes& area) {
    TRY(require(call.has_auth(0), Rc::BadParameter));                                                // 7.c.i
    SignInfo info{.fixed = {'S', 'I', 'G', 'N'}, .replay = call.auth(0).nonce_odd(), .data = area};  // 7.a-e
    return Out{TRY(signed_by(key, info))};                                                           // 7.f, 9-10
  }
};

// ---- 13.6 TPM_GetRandom ----
struct GetRandom {
  struct In {
    uint32_t n_bytes = 0;
  };
  struct Out {
    wire::SizedBytes bytes;
  };
  static Result<Out> run(Call& call, const In& in) {
    uint32_t available = call.tpm.settings.buffer_bytes - kBytesBeforeData;
    Bytes bytes(std::min(in.n_bytes, available));  // 1-2
    call.tpm.random(bytes);                        // 3
    return Out{wire::SizedBytes(std::move(bytes))};
  }
};

// ---- 13.7 TPM_StirRandom ----
struct StirRandom {
  struct In {
    wire::SizedBytes data;
  };
  using Out = Nothing;
  static Result<Out> run(Call&, const In& in) {
    // The host's generator serves every TPM and is seeded by the host alone: what one guest sends is not mixed into it.
    TRY(require(in.data.size() < 256, Rc::BadParameter));  // 1
    return Out{};
  }
};

// What a key says of PCRs and localities at its use, whichever form its pcrInfo has.
Result<PcrInfoShort> release_info(const KeyBlob& key) {
  if (!key.is_key12()) {
    PcrInfo info = TRY(key.pcr_info.as<PcrInfo>(Rc::InvalidPcrInfo));
    return PcrInfoShort{.selection = info.selection, .digest_at_release = info.digest_at_release};
  }
  PcrInfoLong info = TRY(key.pcr_info.as<PcrInfoLong>(Rc::InvalidPcrInfo));
  return PcrInfoShort{info.release_selection, info.locality_at_release, info.digest_at_release};
}

// 13.8, 6 and 13.9, 5.
bool certifiable(KeyUsage usage) { return may_sign(usage) || usage == KeyUsage::Storage || usage == KeyUsage::Bind; }

// Filled in from the key, but for the PCRs and the migration authority (13.8, 11-13; 13.9, 6-10).
template <class Info>
Info certify_info(const Key& key, const Nonce& anti_replay) {
  Info info;
  info.usage = key.blob.usage;
  info.flags = key.blob.flags;
  info.auth_data_usage = key.blob.auth_data_usage;
  info.parms = key.blob.parms;
  info.pubkey_digest = key.modulus_digest();
  info.data = anti_replay;
  info.parent_pcr_status = key.parent_pcr_status;
  return info;
}

// A structure of one of several types, already in its wire form.
struct Encoded {
  Bytes bytes;
  void write_to(wire::Writer& w) const { w.bytes(bytes); }
};

// ---- 13.8 TPM_CertifyKey ----
struct CertifyKey {
  struct In {
    KeyHandle cert_key;
    KeyHandle key;
    Nonce anti_replay{};
  };
  struct Out {
    Encoded certify_info;  // TPM_CERTIFY_INFO or TPM_CERTIFY_INFO2
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call&, const In& in) {
    const Key& key = *in.key;
    KeyUsage by = in.cert_key->blob.usage;
    TRY(require(signs_structures(in.cert_key->blob.parms.sig_scheme), Rc::BadKeyProperty));  // 1 (2: the sessions)
    TRY(require(key.secret.payload == Payload::Asym, Rc::InvalidKeyUsage));                  // 3
    TRY(require(by != KeyUsage::Identity || !key.blob.migratable(), Rc::MigrateFail));       // 4
    TRY(require(may_sign(by), Rc::InvalidKeyUsage));                                         // 5
    TRY(require(certifiable(key.blob.usage), Rc::InvalidKeyUsage));                          // 6
    Out out{.certify_info = {TRY(describe(key, in.anti_replay))}};                           // 7-14
    out.signature = TRY(signed_by(*in.cert_key, out.certify_info));                          // 15
    return out;
  }

 private:
  static constexpr uint16_t kSelectionBytes11 = 2;

  static Result<Bytes> describe(const Key& key, const Nonce& anti_replay) {
    if (key.blob.pcr_info.empty()) return wire::encode(certify_info<CertifyInfo>(key, anti_replay));  // 10
    PcrInfoShort release = TRY(release_info(key.blob));          // 9.a: find_key compared them
    if (!fits_11(release)) {                                     // 7-8
      auto info = certify_info<CertifyInfo2>(key, anti_replay);  // 9.c.i-ii, 9.c.v
      info.pcr_info = wire::SizedBytes(wire::encode(release));   // 9.c.iii-iv
      return wire::encode(info);
    }
    auto info = certify_info<CertifyInfo>(key, anti_replay);  // 9.b.i-ii
    PcrInfo pcrs{.selection = PcrSelection::none(kSelectionBytes11), .digest_at_release = release.digest_at_release};
    for (size_t i = 0; i < kSelectionBytes11 * 8u; i++) {
      if (release.selection.selects(i)) pcrs.selection.select(i);
    }
    info.pcr_info = wire::SizedBytes(wire::encode(pcrs));  // 9.b.iii-v
    return wire::encode(info);
  }

  // Whether version 1.1, with its 16 PCRs and without localities, can tell it.
  static bool fits_11(const PcrInfoShort& release) {
    for (size_t i = kSelectionBytes11 * 8u; i < kPcrCount; i++) {
      if (release.selection.selects(i)) return false;
    }
    return release.locality_at_release == kAllLocalities;
  }
};

// ---- 13.9 TPM_CertifyKey2 ----
struct CertifyKey2 {
  struct In {
    KeyHandle key;
    KeyHandle cert_key;
    Digest migration_pub{};
    Nonce anti_replay{};
  };
  struct Out {
    CertifyInfo2 certify_info;
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Key& key = *in.key;
    KeyUsage by = in.cert_key->blob.usage;
    TRY(require(signs_structures(in.cert_key->blob.parms.sig_scheme), Rc::BadKeyProperty));  // 1 (2: the sessions)
    TRY(require(by != KeyUsage::Identity || !leaves_freely(key), Rc::MigrateFail));          // 3
    TRY(require(may_sign(by), Rc::InvalidKeyUsage));                                         // 4
    TRY(require(certifiable(key.blob.usage), Rc::InvalidKeyUsage));                          // 5
    Out out{.certify_info = certify_info<CertifyInfo2>(key, in.anti_replay)};                // 6-10, 12
    if (restricted(key)) {                                                                   // 11
      TRY(name_authority(call.tpm, key, in.migration_pub, out.certify_info));
    }
    if (!key.blob.pcr_info.empty()) {  // 13 (14: nothing to do)
      out.certify_info.pcr_info = wire::SizedBytes(wire::encode(TRY(release_info(key.blob))));
    }
    out.signature = TRY(signed_by(*in.cert_key, out.certify_info));  // 15
    return out;
  }

 private:
  // A certified migratable key, made here or elsewhere.
  static bool restricted(const Key& key) {
    return key.secret.payload == Payload::MigrateRestricted || key.secret.payload == Payload::MigrateExternal;
  }
  static bool leaves_freely(const Key& key) {
    return key.blob.migratable() && !(key.blob.has_flag(kMigrateAuthority) && restricted(key));
  }
  // Action 11.
  static Result<> name_authority(const Tpm& tpm, const Key& key, const Digest& migration_pub, CertifyInfo2& info) {
    CmkMigAuth approved{.msa_digest = migration_pub, .pubkey_digest = crypto::sha1_of(key.public_key())};
    Secret expected(crypto::hmac_of(tpm.ownership->tpm_proof, approved));
    TRY(require(key.secret.migration_auth == expected, Rc::MaSource));
    info.migration_authority = wire::SizedBytes(View(crypto::sha1_of(migration_pub, key.secret.payload)));
    info.payload = key.secret.payload;
    return {};
  }
};

constexpr Use kReadPublic{.public_only = true};

constexpr std::array kRows = {
    before_selftest(row<Sha1Start>(ordinal::SHA1Start, "TPM_SHA1Start", Needs::Started)),
    before_selftest(row<Sha1Update>(ordinal::SHA1Update, "TPM_SHA1Update", Needs::Started)),
    before_selftest(row<Sha1Complete>(ordinal::SHA1Complete, "TPM_SHA1Complete", Needs::Started)),
    before_selftest(row<Sha1CompleteExtend>(ordinal::SHA1CompleteExtend, "TPM_SHA1CompleteExtend", Needs::Started)),
    delegable(KeyPermission::Sign,
              row<Sign>(ordinal::Sign, "TPM_Sign", Needs::Operational, optional(key<&Sign::In::key>()))),
    row<GetRandom>(ordinal::GetRandom, "TPM_GetRandom", Needs::Unowned),
    row<StirRandom>(ordinal::StirRandom, "TPM_StirRandom", Needs::Unowned),
    delegable(KeyPermission::CertifyKey,
              row<CertifyKey>(ordinal::CertifyKey, "TPM_CertifyKey", Needs::Operational,
                              optional(key<&CertifyKey::In::cert_key>()),
                              optional(key<&CertifyKey::In::key>(Protocol::Any, kReadPublic)))),
    delegable(KeyPermission::CertifyKey2,
              row<CertifyKey2>(ordinal::CertifyKey2, "TPM_CertifyKey2", Needs::Operational,
                               optional(key<&CertifyKey2::In::key>(Protocol::Any, kReadPublic)),
                               optional(key<&CertifyKey2::In::cert_key>()))),
};

}  // namespace

Chapter chapter_13() { return kRows; }

}  // namespace tpm
