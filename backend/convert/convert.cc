// SPDX-License-Identifier: MIT
#include "backend/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/dispatch/command.h"
#include "engine/spec/features.h"
#include "engine/state/make_key.h"
#include "engine/state/snapshot.h"

namespace convert {

namespace {

using tpm::Key;
using tpm::Tpm;

// What other hosts are told of an endorsement key has this size and exponent.
constexpr uint32_t kEndorsementBits = 2048;
constexpr uint32_t kPhysicalPresence = 0x4000000a, kResetEstablishmentBit = 0x4000000b;

std::string plural(size_t n, const char* one, const char* many) { return fmt::format("{} {}", n, n == 1 ? one : many); }

bool sound(const tpm::PcrInfoShort& info) {
  return info.selection.valid() && (info.locality_at_release & ~tpm::kAllLocalities) == 0;
}

bool sound(const tpm::KeyBlob& blob) {
  auto parms = tpm::check_rsa_parms(blob.parms);
  if (!parms.ok() || parms.value().key_bits != blob.pub_key.size() * 8) return false;
  if (blob.pcr_info.empty()) return true;
  if (!blob.is_key12()) {
    auto info = blob.pcr_info.as<tpm::PcrInfo>(tpm::Rc::InvalidPcrInfo);
    return info.ok() && info.value().selection.valid();
  }
  auto info = blob.pcr_info.as<tpm::PcrInfoLong>(tpm::Rc::InvalidPcrInfo);
  return info.ok() && info.value().creation_selection.valid() && info.value().release_selection.valid();
}

Result<Key> made(Key key, const char* otherwise) {
  TRY(require(sound(key.blob) && key.prepare(), otherwise));
  return key;
}

// A key whose private half stands where a parent's cipher would.
Result<Key> key_of(const tpm::KeyBlob& stored, const char* otherwise) {
  Key key{.blob = stored};
  auto secret = stored.enc_data.as<tpm::StoreAsymKey>(tpm::Rc::InvalidStructure);
  if (!secret.ok()) return Reason{otherwise};
  key.secret = std::move(secret).take();
  key.blob.enc_data = {};
  return made(std::move(key), otherwise);
}

class Conversion {
 public:
  Conversion(const libtpms::State& from, tpm::Platform& platform) : from_(from), to_(platform, {}) {}

  Result<Converted> run() {
    set_flags();
    TRY(set_endorsement());
    TRY(set_ownership());
    TRY(set_owner_keys());
    TRY(set_areas());
    set_counters();
    TRY(set_delegation());
    set_audit();
    set_rest();
    TRY(require(to_.commit().ok(), "the state cannot be made"));
    Converted result{.permanent = tpm::save_permanent(to_),
                     .enabled = !to_.flags->disable,
                     .activated = !to_.flags->deactivated,
                     .remarks = std::move(remarks_)};
    if (to_.endorsement->key.present()) result.endorsement_modulus = to_.endorsement->key.blob.pub_key.bytes();
    return result;
  }

 private:
  template <class... T>
  void carry(fmt::format_string<T...> text, T&&... values) {
    remarks_.push_back({true, fmt::format(text, std::forward<T>(values)...)});
  }
  template <class... T>
  void leave(fmt::format_string<T...> text, T&&... values) {
    remarks_.push_back({false, fmt::format(text, std::forward<T>(values)...)});
  }

  void set_flags() {
    unsigned n = 0;
    tpm::PermanentFlags& flags = to_.flags.edit();
    std::apply([&](auto&... flag) { ((flag = (from_.flags >> n++ & 1) != 0), ...); }, wire::fields_of(flags));
    carry("permanent flags: {}, {}", flags.disable ? "disabled" : "enabled",
          flags.deactivated ? "deactivated" : "activated");
    if (flags.allow_maintenance && !tpm::kMaintenance) {
      flags.allow_maintenance = false;
      leave("allowMaintenance: a TPM here has no maintenance commands, and libtpms has none either");
    }
    if (flags.physical_presence_hw_enable) {
      leave("physical presence by hardware: a TPM here has no such line; the flag stays as it is");
    }
  }

  Result<> set_endorsement() {
    constexpr const char* kDamaged = "the state is damaged: its endorsement key does not fit together";
    const libtpms::EndorsementKey& stored = from_.endorsement;
    if (stored.secret.empty()) {
      leave("endorsement key: there is none; the guest may make one");
      return {};
    }
    auto secret = stored.secret.as<libtpms::EndorsementSecret>(tpm::Rc::InvalidStructure);
    if (!secret.ok()) return Reason{kDamaged};
    Key key{.blob = {.ver_or_tag = stored.ver_or_tag,
                     .usage = tpm::KeyUsage::Storage,
                     .flags = stored.flags,
                     .auth_data_usage = stored.auth_data_usage,
                     .parms = stored.parms,
                     .pub_key = stored.pub_key}};
    key.secret.pub_data_digest = secret.value().pub_data_digest;
    key.secret.prime = secret.value().prime;
    TRY(require(stored.pub_key.size() * 8 == kEndorsementBits,
                "the endorsement key does not have 2048 bits: a TPM here cannot have such a one"));
    to_.endorsement.edit().key = TRY(made(std::move(key), kDamaged));
    to_.endorsement.edit().reset_auth = from_.secrets.endorsement_reset;
    tpm::DaaSecrets& daa = to_.daa_secrets.edit();
    daa = {from_.tables.daa_seed, from_.tables.daa_proof, from_.tables.daa_blob_key.key};
    carry("endorsement key, RSA of {} bits", kEndorsementBits);
    leave("credentials of DAA: their blobs were encrypted by libtpms; join the issuers again");
    return {};
  }

  Result<> set_ownership() {
    constexpr const char* kDamaged = "the state is damaged: its storage root key does not fit together";
    tpm::Ownership& owner = to_.ownership.edit();
    owner.tpm_proof = from_.secrets.tpm_proof;
    owner.operator_auth = from_.secrets.operator_auth;
    owner.installed = from_.tables.owner_installed;
    if (to_.flags->operator_set) carry("secret of the operator");
    if (!owner.installed) {
      // libtpms makes it when somebody becomes the owner.
      if (owner.tpm_proof == tpm::Secret()) to_.random(owner.tpm_proof.fill());
      leave("owner: there is none");
      return {};
    }
    owner.owner_auth = from_.secrets.owner_auth;
    owner.srk = TRY(key_of(from_.storage_root, kDamaged));
    TRY(require(owner.srk.blob.usage == tpm::KeyUsage::Storage &&
                    owner.srk.blob.parms.enc_scheme == tpm::EncScheme::RsaesOaepSha1Mgf1 &&
                    !owner.srk.blob.migratable(),
                kDamaged));
    carry("owner and storage root key with their secrets: whatever they wrap or seal opens as before");
    leave(
        "contexts saved by TPM_SaveContext and delegation blobs: libtpms encrypted them with keys of its own; load the "
        "keys again, delegate again");
    return {};
  }

  Result<> set_owner_keys() {
    constexpr const char* kDamaged = "the state is damaged: its keys under owner control do not fit together";
    std::vector<tpm::KeySlot>& slots = to_.owner_keys.edit().slots;
    std::set<uint32_t> handles;
    for (const libtpms::OwnerKey& stored : from_.owner_keys) {
      Key key = TRY(key_of(stored.key, kDamaged));
      key.parent_pcr_status = stored.parent_pcr_status;
      bool reserved = stored.handle == 0 || (stored.handle >= tpm::kSrkHandle && stored.handle <= tpm::kEkHandle);
      bool good = !reserved && handles.insert(stored.handle).second;
      TRY(require(good, kDamaged));
      slots.push_back({.handle = stored.handle, .owner_evict = true, .key = std::move(key)});
      carry("key under owner control at handle {:#010x}", stored.handle);
    }
    return {};
  }

  Result<> set_areas() {
    tpm::Nv& nv = to_.nv.edit();
    nv.dir = from_.secrets.dir;
    nv.writes_without_owner = from_.tables.writes_without_owner;
    size_t n_bytes = 0;
    std::string listed;
    for (const libtpms::Area& stored : from_.areas) {
      const tpm::NvDataPublic& pub = stored.pub;
      if (libtpms::is_gpio(pub.index)) {
        leave("NV area {:#010x}: it stands for pins (GPIO), which a TPM here does not have", pub.index);
        continue;
      }
      bool reserved = pub.index == tpm::kNvIndexLock || pub.index == tpm::kNvIndex0 || pub.index == tpm::kNvIndexDir;
      TRY(require(!reserved && sound(pub.read_pcrs) && sound(pub.write_pcrs) && nv.find(pub.index) == nullptr,
                  "the state is damaged: its NV areas do not fit together"));
      tpm::NvArea area{.pub = pub, .auth = stored.auth, .data = wire::SizedBytes(base::View(stored.data))};
      area.pub.read_stclear = area.pub.write_stclear = false;  // until the power goes
      TRY(require(nv.holds(area), "its NV areas do not fit into the 16 KiB that a TPM has here: release some first"));
      nv.areas.items.push_back(std::move(area));
      n_bytes += pub.data_bytes;
      listed += fmt::format("{}{:#010x}", listed.empty() ? "" : ", ", pub.index);
    }
    if (!nv.areas.items.empty()) {
      carry("{} with {} bytes: {}", plural(nv.areas.items.size(), "NV area", "NV areas"), n_bytes, listed);
    }
    if (nv.dir != tpm::Digest{}) carry("the DIR");
    if (!to_.endorsement->key.present()) return {};
    if (nv.find(tpm::kNvIndexEndorsementCertificate) != nullptr) {
      carry("certificate of the endorsement key, as it stands in NV");
    } else {
      leave("certificate of the endorsement key: there is none; this host certifies it at the first power-on");
    }
    return {};
  }

  void set_counters() {
    tpm::Counters& to = to_.counters.edit();
    to.next_id = libtpms::kCounters;
    for (uint32_t id = 0; id < libtpms::kCounters; id++) {
      const libtpms::Counter& counter = from_.tables.counters[id];
      to.base = std::max(to.base, counter.value.count);  // of a released one too
      if (!counter.valid) continue;
      to.counters.items.push_back({.id = id, .value = counter.value, .auth = counter.auth});
      carry("monotonic counter {} at {}", id, counter.value.count);
    }
  }

  Result<> set_delegation() {
    tpm::Delegation& to = to_.delegation.edit();
    to.last_family_id = from_.tables.last_family;
    for (const libtpms::Family& family : from_.tables.families) {
      if (!family.valid) continue;
      TRY(require(to.family(family.id) == nullptr, "the state is damaged: its family table does not fit together"));
      to.families.items.push_back({.label = family.label,
                                   .id = family.id,
                                   .verification_count = family.verification_count,
                                   .flags = family.flags});
    }
    size_t n_rows = 0;
    for (size_t i = 0; i < libtpms::kRows; i++) {
      const libtpms::Row& row = from_.tables.rows[i];
      if (!row.valid) continue;
      TRY(require(sound(row.pub.pcr_info) && row.pub.permissions.only_defined(),
                  "the state is damaged: its delegate table does not fit together"));
      to.rows[i] = {.valid = true, .pub = row.pub, .auth = row.auth};
      n_rows++;
    }
    if (!to.families.items.empty()) {
      carry("delegation: {}, {}", plural(to.families.items.size(), "family", "families"),
            plural(n_rows, "row", "rows"));
    }
    return {};
  }

  // Only what differs from the specification's choice is written down here.
  void set_audit() {
    tpm::AuditStatus& to = to_.audit.edit();
    to.counter = from_.tables.audit.value;
    auto choose = [&](uint32_t ordinal, bool audited) {
      const tpm::CommandRow* row = tpm::find_command(ordinal);
      if (row == nullptr || row->audit == tpm::Audit::Never) return;
      to.choose(ordinal, audited, row->audit == tpm::Audit::ByDefault);
    };
    const auto& audited = from_.tables.audited;
    for (uint32_t ordinal = 0; ordinal < audited.size() * 8; ordinal++) {
      choose(ordinal, (audited[ordinal / 8] >> ordinal % 8 & 1) != 0);
    }
    choose(kPhysicalPresence, (from_.tables.audited_connection_commands & 1) != 0);
    choose(kResetEstablishmentBit, (from_.tables.audited_connection_commands & 2) != 0);
    carry("what is audited, and the audit counter at {}", to.counter.count);
  }

  void set_rest() {
    to_.transfer.edit().restrict_delegate = from_.tables.restrict_delegate;
    bool has_maintenance_key = from_.maintenance_key && !from_.maintenance_key->key.empty();
    if (has_maintenance_key) leave("the manufacturer's maintenance key");
    leave("guesses at secrets: they are counted anew");
  }

  const libtpms::State& from_;
  Tpm to_;
  std::vector<Remark> remarks_;
};

}  // namespace

Result<Converted> convert(const libtpms::State& state, tpm::Platform& platform) {
  return Conversion(state, platform).run();
}

}  // namespace convert
