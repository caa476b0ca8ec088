// SPDX-License-Identifier: MIT
// Part 3, 20: NV storage.
#include <algorithm>

#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// Selections and localities this TPM has (20.1, actions 7 and 8).
bool valid(const PcrInfoShort& info) {
  return info.selection.valid() && valid_locality_selection(info.locality_at_release);
}

Result<> check_locality(const PcrInfoShort& info, uint8_t locality) {
  return require(locality_in(info.locality_at_release, locality), Rc::BadLocality);
}

Result<> check_pcrs(const PcrInfoShort& info, const Pcrs& pcrs) {
  if (info.selection.empty()) return {};
  return require(pcrs.composite_hash(info.selection) == info.digest_at_release, Rc::WrongPcrVal);
}

Result<> check_presence(const NvArea& area, uint32_t attribute, const Tpm& tpm) {
  return require(!area.pub.has(attribute) || tpm.physical_presence(), Rc::BadPresence);
}

// The locks that hold an area's writes back (20.2, actions 10-12; 20.3, actions 7-9).
Result<> check_unlocked(const NvArea& area, const Tpm& tpm) {
  TRY(require(!area.pub.has(kNvWriteDefine) || !area.pub.write_define, Rc::AreaLocked));
  TRY(require(!area.pub.has(kNvGlobalLock) || !tpm.stclear->global_lock, Rc::AreaLocked));
  return require(!area.pub.has(kNvWriteStClear) || !tpm.nv_locks->of(area.pub.index).write, Rc::AreaLocked);
}

// The area of an index; the DIR has none but stands for one. BadIndex.
Result<NvArea> find_area(const Tpm& tpm, uint32_t index) {
  if (index == kNvIndexDir) return dir_area(tpm.nv->dir);
  const NvArea* area = tpm.nv->find(index);
  TRY(require(area != nullptr, Rc::BadIndex));
  return *area;
}

// An area with an owner's attribute is the owner's only while the TPM is on (20.2 and 20.4, action 3). For the others
// that is left to the maker: platform software reads them from a TPM that is off.
Result<> check_operating(const NvArea& area, uint32_t owners, const Tpm& tpm) {
  if (!tpm.flags->nv_locked || !area.pub.has(owners)) return {};
  TRY(require(!tpm.disabled(), Rc::Disabled));
  return require(!tpm.deactivated(), Rc::Deactivated);
}

Result<> authorize_owner(Call& call) {
  TRY(require(call.tpm.owned(), Rc::AuthFail));
  return call.authorize(0, Entity::owner(call.tpm));
}

// ---- 20.1 TPM_NV_DefineSpace ----
struct NvDefineSpace {
  struct In {
    NvDataPublic pub_info;
    EncAuth enc_auth;
  };
  using Out = Nothing;

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const NvDataPublic& pub = in.pub_info;
    bool tags = pub.tag == StructureTag::NvDataPublic && pub.permission.tag == StructureTag::NvAttributes;
    TRY(require(tags, Rc::InvalidStructure));
    if (pub.index == kNvIndexLock && !call.has_auth(0)) {            // 1
      TRY(require(pub.data_bytes == 0, Rc::BadIndex));               // 1.a
      if (!tpm.flags->nv_locked) tpm.flags.edit().nv_locked = true;  // 1.b
      return Out{};                                                  // 1.c
    }
    bool locked = tpm.flags->nv_locked;                                                            // 2
    TRY(require(pub.index != kNvIndex0, Rc::BadIndex));                                            // 2.b
    TRY(require(!locked || (pub.index & kNvDefinedByMaker) == 0, Rc::BadIndex));                   // 3
    Secret auth = TRY(call.has_auth(0) ? owners_secret(call, in) : open_secret(tpm, in, locked));  // 4-5
    const NvArea* old = tpm.nv->find(pub.index);                                                   // 6.a
    if (old != nullptr && locked) TRY(check_removable(*old, tpm));                                 // 6.b-c
    bool only_remove = old != nullptr && pub.data_bytes == 0;                                      // 6.g

    NvArea area{.pub = pub, .auth = auth};
    if (!only_remove) {
      TRY(check_definition(pub));                                                      // 7-9
      area.pub.read_stclear = area.pub.write_stclear = area.pub.write_define = false;  // 10
      TRY(require(pub.data_bytes <= Nv::kQuotaBytes, Rc::NoSpace));                    // 11
      area.data.bytes().assign(pub.data_bytes, 0xff);                                  // 12.a-b
      Nv after = *tpm.nv;
      after.remove(pub.index);
      TRY(require(after.holds(area), Rc::NoSpace));  // 11.a
    }
    if (old != nullptr) remove(tpm, *old);                                                      // 6.d, 6.f
    bool stored = !only_remove && pub.index != kNvIndexTrial;                                   // 12
    if (!call.has_auth(0) && (old != nullptr || stored)) tpm.nv.edit().writes_without_owner++;  // 6.e, 12.c
    if (stored) tpm.nv.edit().areas.items.push_back(std::move(area));
    if (call.has_auth(0)) call.auth(0).close();  // 13
    return Out{};
  }

 private:
  // 4: the session and the area's secret in it.
  static Result<Secret> owners_secret(Call& call, const In& in) {
    TRY(authorize_owner(call));                  // 4.a-b
    return call.auth(0).open_even(in.enc_auth);  // 4.c
  }

  // 5: without a session the secret is in the clear.
  static Result<Secret> open_secret(const Tpm& tpm, const In& in, bool locked) {
    if (locked) {
      TRY(require(tpm.physical_presence(), Rc::BadPresence));      // 5.a
      TRY(require(!tpm.owned(), Rc::OwnerSet));                    // 5.b
      TRY(require(in.pub_info.data_bytes != 0, Rc::BadDataSize));  // 5.c
    }
    TRY(require(tpm.nv->may_write_without_owner(), Rc::MaxNvWrites));  // 5.d
    return Secret(in.enc_auth.value);                                  // 5.e
  }

  static Result<> check_removable(const NvArea& old, const Tpm& tpm) {
    TRY(require(!old.pub.has(kNvGlobalLock) || !tpm.stclear->global_lock, Rc::AreaLocked));                   // 6.b
    return require(!old.pub.has(kNvWriteStClear) || !tpm.nv_locks->of(old.pub.index).write, Rc::AreaLocked);  // 6.c
  }

  static Result<> check_definition(const NvDataPublic& pub) {
    TRY(require(valid(pub.read_pcrs), Rc::InvalidStructure));                           // 7
    TRY(require(valid(pub.write_pcrs), Rc::InvalidStructure));                          // 8.a
    bool localities = pub.write_pcrs.locality_at_release != kAllLocalities;             // 8.b-c
    TRY(require(!pub.has(kNvOwnerWrite) || !pub.has(kNvAuthWrite), Rc::AuthConflict));  // 9.b
    TRY(require(!pub.has(kNvOwnerRead) || !pub.has(kNvAuthRead), Rc::AuthConflict));    // 9.c
    bool guarded = pub.has(kNvOwnerWrite | kNvAuthWrite | kNvWriteDefine | kNvPpWrite) || localities;
    TRY(require(guarded, Rc::PerNoWrite));                  // 9.d
    TRY(require(applicable(pub.index), Rc::BadIndex));      // 9.e
    return require(pub.data_bytes != 0, Rc::BadParamSize);  // 9.f
  }

  // No pins are behind this TPM, so no index of theirs can be defined.
  static bool applicable(uint32_t index) {
    bool pins = index >= kNvGpioFirst && index <= kNvGpioLast;
    return index != kNvIndexLock && index != kNvIndexDir && (index & kNvReservedBits) == 0 && !pins;
  }

  static void remove(Tpm& tpm, const NvArea& old) {
    uint32_t index = old.pub.index;
    Digest digest = old.digest();
    tpm.sessions.edit().end_entity(EntityType::Nv, &digest);  // 6.f
    tpm.nv_locks.edit().set({.index = index});
    tpm.nv.edit().remove(index);  // 6.d: what it held is wiped by its allocator
  }
};

// What a write changes, when everything about it has been checked but its extent (20.2, 14-16; 20.3, 10-12).
Result<> write_area(Tpm& tpm, const NvArea& area, uint32_t offset, View data) {
  uint32_t index = area.pub.index;
  NvLocks::Lock lock = tpm.nv_locks->of(index);
  if (data.empty()) {
    if (index == kNvIndexDir) return {};
    if (!area.pub.write_define) tpm.nv.edit().find(index)->pub.write_define = true;
    tpm.nv_locks.edit().set({.index = index, .read = false, .write = true});
    return {};
  }
  TRY(require(uint64_t{offset} + data.size() <= area.pub.data_bytes, Rc::NoSpace));
  TRY(require(!area.pub.has(kNvWriteAll) || data.size() == area.pub.data_bytes, Rc::NotFullWrite));
  Nv& nv = tpm.nv.edit();
  auto to = index == kNvIndexDir ? std::span<uint8_t>(nv.dir) : std::span<uint8_t>(nv.find(index)->data.bytes());
  std::ranges::copy(data, to.subspan(offset).begin());
  if (lock.read) tpm.nv_locks.edit().set({.index = index, .read = false, .write = lock.write});
  return {};
}

// The bytes a read gives; a read of none locks the area instead (20.4, 10-11; 20.5, 8-9).
Result<wire::SizedBytes> read_area(Tpm& tpm, const NvArea& area, uint32_t offset, uint32_t n_bytes) {
  if (n_bytes == 0) {
    NvLocks::Lock lock = tpm.nv_locks->of(area.pub.index);
    lock.read = true;
    tpm.nv_locks.edit().set(lock);
    return wire::SizedBytes();
  }
  TRY(require(uint64_t{offset} + n_bytes <= area.pub.data_bytes, Rc::NoSpace));
  return wire::SizedBytes(area.data.view().subspan(offset, n_bytes));
}

bool read_locked(const NvArea& area, const Tpm& tpm) {
  return area.pub.has(kNvReadStClear) && tpm.nv_locks->of(area.pub.index).read;
}

// ---- 20.2 TPM_NV_WriteValue ----
struct NvWriteValue {
  struct In {
    uint32_t index = 0;
    uint32_t offset = 0;
    wire::SizedBytes data;
  };
  using Out = Nothing;

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    if (in.index == kNvIndex0) return lock_globally(call, in);  // 6
    bool locked = tpm.flags->nv_locked;                         // 1
    NvArea area = TRY(find_area(tpm, in.index));                // 2
    TRY(check_operating(area, kNvOwnerWrite, tpm));             // 3
    bool without_owner = !call.has_auth(0) && !tpm.owned();
    if (call.has_auth(0)) {                                         // 4
      TRY(require(area.pub.has(kNvOwnerWrite), Rc::AuthConflict));  // 4.a
      TRY(authorize_owner(call));                                   // 4.b
    } else {
      TRY(require(!locked || !area.pub.has(kNvOwnerWrite), Rc::AuthConflict));             // 5.a
      TRY(require(!without_owner || tpm.nv->may_write_without_owner(), Rc::MaxNvWrites));  // 5.b
    }
    TRY(require(!area.pub.has(kNvAuthWrite), Rc::AuthConflict));  // 7
    if (locked) {
      TRY(check_locality(area.pub.write_pcrs, call.locality));  // 8
      TRY(check_presence(area, kNvPpWrite, tpm));               // 9
      TRY(check_unlocked(area, tpm));                           // 10-12
      TRY(check_pcrs(area.pub.write_pcrs, *tpm.pcrs));          // 13
    }
    TRY(write_area(tpm, area, in.offset, in.data));                               // 14-16
    if (without_owner && !in.data.empty()) tpm.nv.edit().writes_without_owner++;  // 15.e
    return Out{};
  }

 private:
  // The owner's session is checked when it is there, but the lock needs none.
  static Result<Out> lock_globally(Call& call, const In& in) {
    if (call.has_auth(0)) TRY(authorize_owner(call));  // 4.b
    TRY(require(in.data.empty(), Rc::BadIndex));       // 6.a
    call.tpm.stclear.edit().global_lock = true;        // 6.b
    return Out{};                                      // 6.c
  }
};

// ---- 20.3 TPM_NV_WriteValueAuth ----
struct NvWriteValueAuth {
  using In = NvWriteValue::In;
  using Out = Nothing;

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    NvArea area = TRY(find_area(tpm, in.index));                 // 1
    TRY(require(area.pub.has(kNvAuthWrite), Rc::AuthConflict));  // 2
    TRY(call.authorize(0, Entity::of(area)));                    // 3
    TRY(check_locality(area.pub.write_pcrs, call.locality));     // 4
    TRY(check_presence(area, kNvPpWrite, tpm));                  // 5
    TRY(check_pcrs(area.pub.write_pcrs, *tpm.pcrs));             // 6
    TRY(check_unlocked(area, tpm));                              // 7-9
    TRY(write_area(tpm, area, in.offset, in.data));              // 10-12
    return Out{};
  }
};

// ---- 20.4 TPM_NV_ReadValue ----
struct NvReadValue {
  struct In {
    uint32_t index = 0;
    uint32_t offset = 0;
    uint32_t n_bytes = 0;
  };
  struct Out {
    wire::SizedBytes data;
  };

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    bool locked = tpm.flags->nv_locked;                            // 1
    NvArea area = TRY(find_area(tpm, in.index));                   // 2
    TRY(check_operating(area, kNvOwnerRead, tpm));                 // 3
    if (call.has_auth(0)) {                                        // 4
      TRY(require(area.pub.has(kNvOwnerRead), Rc::AuthConflict));  // 4.a
      TRY(authorize_owner(call));                                  // 4.b
    } else {
      TRY(require(!area.pub.has(kNvAuthRead), Rc::AuthConflict));              // 5.a
      TRY(require(!locked || !area.pub.has(kNvOwnerRead), Rc::AuthConflict));  // 5.b
    }
    if (locked) {
      TRY(check_locality(area.pub.read_pcrs, call.locality));  // 6
      TRY(check_presence(area, kNvPpRead, tpm));               // 7
      TRY(require(!read_locked(area, tpm), Rc::DisabledCmd));  // 8
      TRY(check_pcrs(area.pub.read_pcrs, *tpm.pcrs));          // 9
    }
    return Out{TRY(read_area(tpm, area, in.offset, in.n_bytes))};  // 10-11
  }
};

// ---- 20.5 TPM_NV_ReadValueAuth ----
struct NvReadValueAuth {
  using In = NvReadValue::In;
  using Out = NvReadValue::Out;

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    NvArea area = TRY(find_area(tpm, in.index));                   // 1
    TRY(require(area.pub.has(kNvAuthRead), Rc::AuthConflict));     // 2
    TRY(call.authorize(0, Entity::of(area)));                      // 3
    TRY(check_presence(area, kNvPpRead, tpm));                     // 4
    TRY(check_locality(area.pub.read_pcrs, call.locality));        // 5
    TRY(check_pcrs(area.pub.read_pcrs, *tpm.pcrs));                // 6
    TRY(require(!read_locked(area, tpm), Rc::DisabledCmd));        // 7
    return Out{TRY(read_area(tpm, area, in.offset, in.n_bytes))};  // 8-9
  }
};

constexpr Needs kUntilLocked = Needs::Unowned | Needs{.nv_noauth = true};

constexpr std::array kRows = {
    delegable(OwnerPermission::NvDefineSpace, row<NvDefineSpace>(ordinal::NV_DefineSpace, "TPM_NV_DefineSpace",
                                                                 kUntilLocked, optional(deferred(Protocol::Osap)))),
    delegable(OwnerPermission::NvWriteValue,
              row<NvWriteValue>(ordinal::NV_WriteValue, "TPM_NV_WriteValue", Needs::Started, optional(deferred()))),
    row<NvWriteValueAuth>(ordinal::NV_WriteValueAuth, "TPM_NV_WriteValueAuth", Needs::Operational, deferred()),
    delegable(OwnerPermission::NvReadValue,
              row<NvReadValue>(ordinal::NV_ReadValue, "TPM_NV_ReadValue", Needs::Started, optional(deferred()))),
    row<NvReadValueAuth>(ordinal::NV_ReadValueAuth, "TPM_NV_ReadValueAuth", Needs::Operational, deferred()),
};

}  // namespace

Chapter chapter_20() { return kRows; }

}  // namespace tpm
