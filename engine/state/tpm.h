// SPDX-License-Identifier: MIT
// Tpm: the whole state of one TPM, and the transaction over it.
#pragma once

#include "engine/engine.h"
#include "engine/spec/other_structures.h"
#include "engine/spec/rc.h"
#include "engine/state/audit_log.h"
#include "engine/state/contexts.h"
#include "engine/state/counters.h"
#include "engine/state/daa.h"
#include "engine/state/delegation.h"
#include "engine/state/lockout.h"
#include "engine/state/nv.h"
#include "engine/state/pcrs.h"
#include "engine/state/permanent.h"
#include "engine/state/sessions.h"
#include "engine/state/transports.h"
#include "engine/state/versioned.h"
#include "engine/state/volatile.h"

namespace tpm {

struct Tpm {
  Tpm(Platform& host, const Settings& set) : platform(host), settings(set) {}

  Platform& platform;
  Settings settings;

  // Permanent sections.
  Versioned<PermanentFlags> flags;
  Versioned<Ownership> ownership;
  Versioned<Endorsement> endorsement;
  Versioned<SavedState> saved;
  Versioned<Nv> nv;
  Versioned<Counters> counters;
  Versioned<Delegation> delegation;
  Versioned<AuditStatus> audit;
  Versioned<Lockout> lockout;
  Versioned<KeyTransfer> transfer;
  Versioned<DaaSecrets> daa_secrets;
  Versioned<OwnerKeys> owner_keys;

  // Volatile sections.
  Versioned<StClear> stclear;
  Versioned<StAny> stany;
  Versioned<Pcrs> pcrs;
  Versioned<Sessions> sessions;
  Versioned<KeySlots> keys;
  Versioned<Sha1Thread> sha1;
  Versioned<Transports> transports;
  Versioned<DaaSessions> daa;
  Versioned<Sha1Thread> launch_hash;  // of a dynamic launch
  Versioned<Contexts> contexts;
  Versioned<AuditDigest> audit_digest;
  Versioned<NvLocks> nv_locks;
  Versioned<ActiveCounter> active_counter;

  uint64_t commits = 0;

  // Makes every draft real: permanent ones are durable first, then the volatile ones are journaled. Fail, and every
  // draft dropped, when the host could not make them durable.
  Result<> commit();
  void abort();
  bool permanent_drafted() const;
  bool volatile_drafted() const;

  bool disabled() const { return flags->disable; }
  bool deactivated() const { return stclear->deactivated; }
  bool owned() const { return ownership->installed; }
  // Part 2, 7.1: by hardware never, by command when that is enabled.
  bool physical_presence() const { return flags->physical_presence_cmd_enable && stclear->physical_presence; }

  // The key of a handle with every check of Part 1, 25.1.
  Result<const Key*> find_key(uint32_t handle, Use use, uint8_t locality) const;

  // Part 2, 5.17: whether delegated sessions may use a key that is certified migratable. InvalidKeyUsage.
  Result<> check_delegated_use(const KeyBlob& key) const;

  CurrentTicks ticks() const;
  void random(std::span<uint8_t> out) const { platform.entropy(out); }
  Nonce nonce() const {
    Nonce n;
    random(n);
    return n;
  }

  // TPM_Init: volatile state is gone.
  void init();
  // With every endorsement key (Part 3, 14.1, actions 6-8).
  void make_daa_secrets();
  // What owner clear does (Part 3, 6.2): everything an owner brought goes, the endorsement key stays.
  void clear_owner(bool makers_nv_too = false);
};

// Visits every section: f(id, version, section). Ids and versions are the file format; Documentation/state-format.md.
template <class T, class F>
void each_permanent(T& tpm, F f) {
  f(uint16_t{1}, uint16_t{1}, tpm.flags);
  f(uint16_t{2}, uint16_t{1}, tpm.ownership);
  f(uint16_t{3}, uint16_t{1}, tpm.endorsement);
  f(uint16_t{4}, uint16_t{1}, tpm.saved);
  f(uint16_t{5}, uint16_t{1}, tpm.nv);
  f(uint16_t{6}, uint16_t{1}, tpm.counters);
  f(uint16_t{7}, uint16_t{1}, tpm.delegation);
  f(uint16_t{8}, uint16_t{1}, tpm.audit);
  f(uint16_t{9}, uint16_t{1}, tpm.lockout);
  f(uint16_t{10}, uint16_t{1}, tpm.transfer);
  f(uint16_t{11}, uint16_t{1}, tpm.daa_secrets);
  f(uint16_t{13}, uint16_t{1}, tpm.owner_keys);
}
template <class T, class F>
void each_volatile(T& tpm, F f) {
  f(uint16_t{0x101}, uint16_t{3}, tpm.stclear);
  f(uint16_t{0x102}, uint16_t{1}, tpm.stany);
  f(uint16_t{0x103}, uint16_t{1}, tpm.pcrs);
  f(uint16_t{0x104}, uint16_t{1}, tpm.sessions);
  f(uint16_t{0x105}, uint16_t{1}, tpm.keys);
  f(uint16_t{0x106}, uint16_t{1}, tpm.sha1);
  f(uint16_t{0x107}, uint16_t{1}, tpm.transports);
  f(uint16_t{0x108}, uint16_t{1}, tpm.daa);
  f(uint16_t{0x109}, uint16_t{1}, tpm.launch_hash);
  f(uint16_t{0x10a}, uint16_t{1}, tpm.contexts);
  f(uint16_t{0x10b}, uint16_t{1}, tpm.audit_digest);
  f(uint16_t{0x10c}, uint16_t{1}, tpm.nv_locks);
  f(uint16_t{0x10d}, uint16_t{1}, tpm.active_counter);
}

}  // namespace tpm
