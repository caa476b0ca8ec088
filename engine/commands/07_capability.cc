// SPDX-License-Identifier: MIT
// Part 3, 7.1 and 7.3: what a TPM tells of itself. Areas and sub-capabilities are those of Part 2, 21.
#include "engine/commands/chapters.h"
#include "engine/commands/version.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// Part 2, 21.1.
enum class Area : uint32_t {
  Ordinal = 0x01,
  Algorithm = 0x02,
  ProtocolId = 0x03,
  Flag = 0x04,
  Property = 0x05,
  Version = 0x06,
  KeyHandle = 0x07,
  CheckLoaded = 0x08,
  SymMode = 0x09,
  KeyStatus = 0x0c,
  NvList = 0x0d,
  Manufacturer = 0x10,
  NvIndex = 0x11,
  TransportAlgorithm = 0x12,
  Handle = 0x14,
  TransportScheme = 0x15,
  AuthEncrypt = 0x17,
  SelectSize = 0x18,
  DaLogic = 0x19,
  VersionVal = 0x1a,
};
enum class FlagSet : uint32_t { Permanent = 0x108, Volatile = 0x109 };

// Part 2, 21.2.
enum class Property : uint32_t {
  Pcrs = 0x101,
  Dirs = 0x102,
  Manufacturer = 0x103,
  Keys = 0x104,
  MinCounter = 0x107,
  AuthSessions = 0x10a,
  TransportSessions = 0x10b,
  Counters = 0x10c,
  MaxAuthSessions = 0x10d,
  MaxTransportSessions = 0x10e,
  MaxCounters = 0x10f,
  MaxKeys = 0x110,
  Owner = 0x111,
  Contexts = 0x112,
  MaxContexts = 0x113,
  FamilyRows = 0x114,
  TisTimeout = 0x115,
  StartupEffect = 0x116,
  DelegateRows = 0x117,
  MaxDaaSessions = 0x119,
  DaaSessions = 0x11a,
  ContextDistance = 0x11b,
  DaaInterrupt = 0x11c,
  Sessions = 0x11d,
  MaxSessions = 0x11e,
  CmkRestriction = 0x11f,
  Duration = 0x120,
  ActiveCounter = 0x122,
  MaxNvAvailable = 0x123,
  InputBuffer = 0x124,
};

// Microseconds: timeouts A to D are the TIS's; durations of small, medium and long commands leave room for a TPM that
// shares its processor with others.
constexpr std::array<uint32_t, 4> kTisTimeouts = {750'000, 2'000'000, 750'000, 750'000};
constexpr std::array<uint32_t, 3> kDurations = {2'000'000, 20'000'000, 120'000'000};

// TPM_STARTUP_EFFECTS (Part 2, 4.8): Startup(ST_STATE) starts authorization and transport sessions, hashes, saved
// session contexts and DAA sessions anew, but not keys.
constexpr uint32_t kStartupEffects = 0x10f;

struct TaggedPermanentFlags {
  StructureTag tag = StructureTag::PermanentFlags;
  PermanentFlags flags;
};
struct StClearFlags {
  bool deactivated = false;
  bool disable_force_clear = false;
  bool physical_presence = false;
  bool physical_presence_lock = false;
  bool global_lock = false;
};
struct TaggedStClearFlags {
  StructureTag tag = StructureTag::StClearFlags;
  StClearFlags flags;
};

StClearFlags stclear_flags(const Tpm& tpm) {
  const StClear& s = *tpm.stclear;
  return {s.deactivated, s.disable_force_clear, s.physical_presence, s.physical_presence_lock, s.global_lock};
}

// Bit N is the Nth flag of the structure.
template <class Flags>
uint32_t bitmap(const Flags& flags) {
  uint32_t bits = 0, at = 0;
  std::apply([&](auto... flag) { ((bits |= uint32_t{flag} << at++), ...); }, wire::fields_of(flags));
  return bits;
}

bool offers(uint32_t ordinal) { return find_command(ordinal) != nullptr; }

// What carries a protocol is the command that opens or ends it.
bool offers_protocol(ProtocolId id) {
  switch (id) {
    case ProtocolId::Oiap:
      return offers(ordinal::OIAP);
    case ProtocolId::Osap:
    case ProtocolId::Adip:
      return offers(ordinal::OSAP);
    case ProtocolId::Adcp:
      return offers(ordinal::ChangeAuth);
    case ProtocolId::Owner:
      return offers(ordinal::TakeOwnership);
    case ProtocolId::Dsap:
      return offers(ordinal::DSAP);
    case ProtocolId::Transport:
      return offers(ordinal::EstablishTransport);
    default:
      return false;
  }
}

Result<Bytes> flag_answer(const Tpm& tpm, FlagSet set) {
  switch (set) {
    case FlagSet::Permanent:
      return wire::encode(TaggedPermanentFlags{.flags = *tpm.flags});
    case FlagSet::Volatile:
      return wire::encode(TaggedStClearFlags{.flags = stclear_flags(tpm)});
    default:
      return Rc::BadMode;
  }
}

Bytes number(size_t value) { return wire::encode(static_cast<uint32_t>(value)); }

Result<Bytes> property_answer(const Tpm& tpm, Property property) {
  switch (property) {
    case Property::Pcrs:
      return number(kPcrCount);
    case Property::Manufacturer:
      return wire::encode(version_info().vendor);
    case Property::Keys:
      return number(tpm.keys->free_slots());
    case Property::MaxKeys:
      return number(KeySlots::kSlots);
    case Property::AuthSessions:
      return number(tpm.sessions->free_slots());
    case Property::MaxAuthSessions:
      return number(Sessions::kSlots);
    case Property::TransportSessions:
      return number(tpm.transports->free_slots());
    case Property::MaxTransportSessions:
      return number(Transports::kSlots);
    case Property::Sessions:
      return number(tpm.sessions->free_slots() + tpm.transports->free_slots());
    case Property::MaxSessions:
      return number(Sessions::kSlots + Transports::kSlots);
    case Property::Contexts:
      return number(tpm.contexts->free_slots());
    case Property::MaxContexts:
      return number(Contexts::kSlots);
    case Property::ContextDistance:
      return number(0xffffffff);
    case Property::FamilyRows:
      return number(Delegation::kFamilies);
    case Property::DelegateRows:
      return number(Delegation::kRows);
    case Property::Owner:
      return wire::encode(tpm.owned());
    case Property::TisTimeout:
      return wire::encode(kTisTimeouts);
    case Property::Duration:
      return wire::encode(kDurations);
    case Property::StartupEffect:
      return number(kStartupEffects);
    case Property::InputBuffer:
      return number(tpm.settings.buffer_bytes);
    case Property::DaaSessions:
      return number(tpm.daa->free_slots());
    case Property::MaxDaaSessions:
      return number(DaaSessions::kSlots);
    case Property::DaaInterrupt:
      return wire::encode(true);  // other commands may come between the stages
    case Property::CmkRestriction:
      return number(tpm.transfer->restrict_delegate);
    case Property::Dirs:
      return number(1);
    case Property::MinCounter:
      return number(0);  // tenths of a second between increments
    case Property::Counters:
      return number(tpm.counters->free_slots());
    case Property::MaxCounters:
      return number(Counters::kSlots);
    case Property::ActiveCounter: {
      uint32_t id = tpm.active_counter->id;
      return number(id == kReleasedCounter ? kNoCounter : id);
    }
    case Property::MaxNvAvailable:
      return number(tpm.nv->available());
    default:
      return Rc::BadMode;
  }
}

// TPM_KEY_HANDLE_LIST (Part 2, 4.11).
Bytes handle_list(const std::vector<uint32_t>& handles) {
  Bytes list;
  wire::Writer w(list);
  w.uint(static_cast<uint16_t>(handles.size()));
  for (uint32_t handle : handles) w.uint(handle);
  return list;
}

// The EK and the SRK are not among the keys.
Result<Bytes> handles_answer(const Tpm& tpm, ResourceType type) {
  std::vector<uint32_t> handles;
  switch (type) {
    case ResourceType::Key:
      for (const KeySlots::Slot& slot : tpm.keys->all()) handles.push_back(slot.handle);
      return handle_list(handles);
    case ResourceType::Auth:
      for (const Session& session : tpm.sessions->all()) {
        if (session.handle != 0) handles.push_back(session.handle);
      }
      return handle_list(handles);
    case ResourceType::Counter:
      for (const Counter& counter : tpm.counters->counters.items) handles.push_back(counter.id);
      return handle_list(handles);
    case ResourceType::DaaTpm:
      for (const DaaSession& session : tpm.daa->all()) {
        if (session.handle != 0) handles.push_back(session.handle);
      }
      return handle_list(handles);
    case ResourceType::Trans:
      for (const Transport& transport : tpm.transports->all()) {
        if (transport.handle != 0) handles.push_back(transport.handle);
      }
      return handle_list(handles);
    case ResourceType::Context:
      for (const Contexts::Saved& saved : tpm.contexts->list) {
        if (saved.count != 0) handles.push_back(saved.count);
      }
      return handle_list(handles);
    default:
      return Rc::BadParameter;
  }
}

// Whether a key of these parameters could be loaded now.
Result<Bytes> loadable_answer(const Tpm& tpm, const KeyParms& parms) {
  return wire::encode(check_rsa_parms(parms).ok() && tpm.keys->free_slots() > 0);
}

Result<Bytes> key_status_answer(const Tpm& tpm, uint32_t handle) {
  const KeySlots::Slot* slot = tpm.keys->slot(handle);
  TRY(require(slot != nullptr, Rc::InvalidKeyHandle));
  return wire::encode(slot->owner_evict);
}

// The areas that TPM_NV_DefineSpace made; the DIR is none of them.
Bytes nv_list(const Nv& nv) {
  Bytes list;
  wire::Writer w(list);
  for (const NvArea& area : nv.areas.items) w.uint(area.pub.index);
  return list;
}

Result<Bytes> nv_public(const Tpm& tpm, uint32_t index) {
  const NvArea* area = tpm.nv->find(index);
  TRY(require(area != nullptr, Rc::BadIndex));
  NvDataPublic pub = area->pub;
  NvLocks::Lock lock = tpm.nv_locks->of(index);
  pub.read_stclear = lock.read;
  pub.write_stclear = lock.write;
  return wire::encode(pub);
}

// TPM_SELECT_SIZE (Part 2, 21.5).
struct SelectSize {
  uint8_t major = 0;
  uint8_t minor = 0;
  uint16_t bytes = 0;
};
// Structures of version 1.1 know 16 PCRs.
bool holds(const SelectSize& size) {
  size_t most = size.major != 1 ? 0 : size.minor == 1 ? 2 : size.minor == 2 ? kPcrCount / 8 : 0;
  return size.bytes != 0 && size.bytes <= most;
}

// For a type of entity; what would tell an attacker when to go on is left out when the owner says so.
Result<Bytes> lockout_answer(const Tpm& tpm, uint16_t entity_type) {
  auto type = static_cast<EntityType>(entity_type & 0xff);
  TRY(require(type >= EntityType::KeyHandle && type <= EntityType::Operator, Rc::BadMode));
  uint32_t seconds = tpm.lockout->seconds_left(type, tpm.ticks());
  DaState state = seconds > 0 ? DaState::Active : DaState::Inactive;
  if (tpm.flags->disable_full_da_logic_info) return wire::encode(DaInfoLimited{.state = state});
  return wire::encode(DaInfo{.state = state,
                             .current_count = tpm.lockout->of(type).count,
                             .threshold_count = Lockout::kThreshold,
                             .action_depend_value = seconds});
}

bool encrypts_transport(Algorithm algorithm) {
  return offers(ordinal::EstablishTransport) && (algorithm == Algorithm::Mgf1 || algorithm == Algorithm::Aes128);
}
bool encrypts_transport(EncScheme scheme) {
  return offers(ordinal::EstablishTransport) && (scheme == EncScheme::SymCtr || scheme == EncScheme::SymOfb);
}
bool encrypts_auth(Algorithm algorithm) { return algorithm == Algorithm::Xor || algorithm == Algorithm::Aes128; }

template <class T>
Result<T> sub_capability(const wire::SizedBytes& bytes) {
  return bytes.as<T>(Rc::BadMode);
}

Result<Bytes> answer(const Tpm& tpm, Area area, const wire::SizedBytes& sub) {
  switch (area) {
    case Area::Ordinal:
      return wire::encode(offers(TRY(sub_capability<uint32_t>(sub))));
    case Area::Algorithm:
      return wire::encode(TRY(sub_capability<Algorithm>(sub)) == Algorithm::Rsa);
    case Area::ProtocolId:
      return wire::encode(offers_protocol(TRY(sub_capability<ProtocolId>(sub))));
    case Area::Flag:
      return flag_answer(tpm, TRY(sub_capability<FlagSet>(sub)));
    case Area::Property:
      return property_answer(tpm, TRY(sub_capability<Property>(sub)));
    case Area::Version:
      return wire::encode(kVersion11);
    case Area::KeyHandle:
      return handles_answer(tpm, ResourceType::Key);
    case Area::Handle:
      return handles_answer(tpm, TRY(sub_capability<ResourceType>(sub)));
    case Area::CheckLoaded:
      return loadable_answer(tpm, TRY(sub.as<KeyParms>(Rc::BadParamSize)));
    case Area::KeyStatus:
      return key_status_answer(tpm, TRY(sub_capability<uint32_t>(sub)));
    case Area::SymMode:  // no mode of a block cipher is for callers to choose
      TRY(sub_capability<uint32_t>(sub));
      return wire::encode(false);
    case Area::NvList:
      return nv_list(*tpm.nv);
    case Area::Manufacturer:
      return Bytes{};
    case Area::NvIndex:
      return nv_public(tpm, TRY(sub_capability<uint32_t>(sub)));
    case Area::TransportAlgorithm:
      return wire::encode(encrypts_transport(TRY(sub_capability<Algorithm>(sub))));
    case Area::TransportScheme:
      return wire::encode(encrypts_transport(TRY(sub_capability<EncScheme>(sub))));
    case Area::AuthEncrypt:
      return wire::encode(encrypts_auth(TRY(sub_capability<Algorithm>(sub))));
    case Area::SelectSize:
      return wire::encode(holds(TRY(sub.as<SelectSize>(Rc::BadParamSize))));
    case Area::DaLogic:
      return lockout_answer(tpm, TRY(sub_capability<uint16_t>(sub)));
    case Area::VersionVal:
      return wire::encode(version_info());
    default:
      return Rc::BadMode;
  }
}

// What a TPM in failure mode still tells.
bool told_in_failure(Area area, const wire::SizedBytes& sub) {
  if (area == Area::Version || area == Area::VersionVal || area == Area::Manufacturer) return true;
  if (area != Area::Property) return false;
  auto property = sub_capability<Property>(sub);
  return property.ok() && (property.value() == Property::Manufacturer || property.value() == Property::Duration ||
                           property.value() == Property::TisTimeout);
}

// ---- 7.1 TPM_GetCapability ----
struct GetCapability {
  struct In {
    Area area{};
    wire::SizedBytes sub_cap;
  };
  struct Out {
    wire::SizedBytes response;
  };
  static Result<Out> run(Call& call, const In& in) {
    bool told = !call.tpm.stany->failed || told_in_failure(in.area, in.sub_cap);  // 3
    TRY(require(told, Rc::FailedSelfTest));
    return Out{wire::SizedBytes(TRY(answer(call.tpm, in.area, in.sub_cap)))};  // 1-2
  }
};

// ---- 7.3 TPM_GetCapabilityOwner ----
struct GetCapabilityOwner {
  using In = Nothing;
  struct Out {
    uint32_t version = 0;
    uint32_t non_volatile_flags = 0;
    uint32_t volatile_flags = 0;
  };
  static Result<Out> run(Call& call, const In&) {  // 1: the session
    return Out{version_info().version,             // 4
               bitmap(*call.tpm.flags),            // 2
               bitmap(stclear_flags(call.tpm))};   // 3, 5
  }
};

constexpr std::array kRows = {
    before_selftest(row<GetCapability>(ordinal::GetCapability, "TPM_GetCapability", Needs{.no_lockout = true})),
    row<GetCapabilityOwner>(ordinal::GetCapabilityOwner, "TPM_GetCapabilityOwner", Needs::Operational, owner()),
};

}  // namespace

Chapter chapter_07() { return kRows; }

}  // namespace tpm
