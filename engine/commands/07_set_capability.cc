// SPDX-License-Identifier: MIT
// Part 3, 7.2: what can be set of a TPM. Areas and sub-capabilities are those of Part 2, 22.
#include <algorithm>
#include <optional>

#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

enum class SetArea : uint32_t {
  PermanentFlags = 1,
  PermanentData = 2,
  StClearFlags = 3,
  StClearData = 4,
  StAnyFlags = 5
};

// Who may set a flag to what, and when.
struct FlagRule {
  uint32_t sub_cap;
  bool PermanentFlags::*flag;
  bool by_owner;
  bool by_presence;
  bool enabled;                   // refused while disabled
  bool activated;                 // refused while deactivated
  std::optional<bool> only = {};  // the one value it takes
};

// clang-format off
constexpr std::array kFlagRules = {
    //        sub-capability, flag                             owner  presence enabled activated only
    FlagRule{1, &PermanentFlags::disable,                    true,  true,  false, false},
    FlagRule{2, &PermanentFlags::ownership,                  false, true,  true,  true},
    FlagRule{3, &PermanentFlags::deactivated,                false, true,  true,  false},
    FlagRule{4, &PermanentFlags::read_pubek,                 true,  false, true,  true},
    FlagRule{5, &PermanentFlags::disable_owner_clear,        true,  false, true,  true,  true},
    FlagRule{6, &PermanentFlags::allow_maintenance,          true,  false, true,  true,  false},
    FlagRule{17, &PermanentFlags::read_srk_pub,              true,  false, true,  true},
    FlagRule{20, &PermanentFlags::disable_full_da_logic_info, true, false, false, false},
};
// clang-format on
constexpr uint32_t kPermanentOwnership = 2;
constexpr uint32_t kPermanentEstablished = 18;
constexpr uint32_t kPermanentRestrictDelegate = 23;
constexpr uint32_t kPermanentDaaProof = 25;
constexpr uint32_t kStClearDeferredPresence = 6;
constexpr uint32_t kStClearDisableForceClear = 2;
constexpr uint32_t kStAnyTosPresent = 4;

Result<> check_operating(const Tpm& tpm, bool enabled, bool activated) {
  if (enabled) TRY(require(!tpm.disabled(), Rc::Disabled));
  if (activated) TRY(require(!tpm.deactivated(), Rc::Deactivated));
  return {};
}

bool from_trusted_os(const Call& call) { return call.locality == 3 || call.locality == 4; }

Result<> set_permanent_flag(Call& call, uint32_t sub_cap, bool value) {
  Tpm& tpm = call.tpm;
  if (sub_cap == kPermanentEstablished) {
    TRY(require(from_trusted_os(call), Rc::BadLocality));
    TRY(require(!value, Rc::BadParameter));
    tpm.flags.edit().tpm_established = false;
    return {};
  }
  auto rule = std::ranges::find(kFlagRules, sub_cap, &FlagRule::sub_cap);
  TRY(require(rule != kFlagRules.end(), Rc::BadParameter));
  if (sub_cap == kPermanentOwnership) TRY(require(!tpm.owned(), Rc::OwnerSet));
  bool allowed = (rule->by_owner && call.has_auth(0)) || (rule->by_presence && tpm.physical_presence());
  TRY(require(allowed, Rc::AuthFail));
  TRY(require(!rule->only || *rule->only == value, Rc::BadParameter));
  TRY(check_operating(tpm, rule->enabled, rule->activated));
  tpm.flags.edit().*(rule->flag) = value;
  return {};
}

Result<> set_permanent_data(Call& call, uint32_t sub_cap, const wire::SizedBytes& value) {
  Tpm& tpm = call.tpm;
  bool known = sub_cap == kPermanentRestrictDelegate || sub_cap == kPermanentDaaProof;
  TRY(require(known, Rc::BadParameter));
  bool renews = sub_cap == kPermanentDaaProof;  // and has no value
  auto restriction = renews ? 0 : TRY(value.as<uint32_t>(Rc::BadParameter));
  TRY(require(!renews || value.empty(), Rc::BadParameter));
  TRY(require(call.has_auth(0), Rc::AuthFail));
  TRY(check_operating(tpm, true, true));
  if (renews) {
    tpm.make_daa_secrets();
  } else if (tpm.transfer->restrict_delegate != restriction) {
    tpm.transfer.edit().restrict_delegate = restriction;
  }
  return {};
}

// Part 2, 7.5: without presence bits can only be taken away.
Result<> set_stclear_data(Call& call, uint32_t sub_cap, const wire::SizedBytes& bytes) {
  auto value = TRY(bytes.as<uint32_t>(Rc::BadParameter));
  TRY(require(sub_cap == kStClearDeferredPresence, Rc::BadParameter));
  bool adds = (value & ~call.tpm.stclear->deferred_presence) != 0;
  TRY(require(!adds || call.tpm.physical_presence(), Rc::BadPresence));
  call.tpm.stclear.edit().deferred_presence = value;
  return {};
}

Result<> set_stclear_flag(Call& call, uint32_t sub_cap, bool value) {
  TRY(require(sub_cap == kStClearDisableForceClear, Rc::BadParameter));
  TRY(check_operating(call.tpm, true, true));
  TRY(require(value, Rc::BadParameter));
  call.tpm.stclear.edit().disable_force_clear = true;
  return {};
}

Result<> set_stany_flag(Call& call, uint32_t sub_cap, bool value) {
  TRY(require(sub_cap == kStAnyTosPresent, Rc::BadParameter));
  TRY(require(from_trusted_os(call), Rc::BadLocality));
  TRY(check_operating(call.tpm, true, true));
  TRY(require(!value, Rc::BadParameter));
  call.tpm.stany.edit().tos_present = false;
  return {};
}

Result<> set_flag(Call& call, SetArea area, uint32_t sub_cap, const wire::SizedBytes& bytes) {
  bool value = TRY(bytes.as<bool>(Rc::BadParameter));
  if (area == SetArea::PermanentFlags) return set_permanent_flag(call, sub_cap, value);
  if (area == SetArea::StClearFlags) return set_stclear_flag(call, sub_cap, value);
  return set_stany_flag(call, sub_cap, value);
}

// ---- 7.2 TPM_SetCapability ----
struct SetCapability {
  struct In {
    SetArea area{};
    wire::SizedBytes sub_cap;
    wire::SizedBytes value;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    auto sub_cap = TRY(in.sub_cap.as<uint32_t>(Rc::BadParameter));
    switch (in.area) {  // 2-3
      case SetArea::PermanentFlags:
      case SetArea::StClearFlags:
      case SetArea::StAnyFlags:
        TRY(set_flag(call, in.area, sub_cap, in.value));
        break;
      case SetArea::PermanentData:
        TRY(set_permanent_data(call, sub_cap, in.value));
        break;
      case SetArea::StClearData:
        TRY(set_stclear_data(call, sub_cap, in.value));
        break;
      default:                    // nothing of TPM_SET_STANY_DATA can be set, and the maker has no area
        return Rc::BadParameter;  // 4
    }
    return Out{};
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::SetCapability,
              row<SetCapability>(ordinal::SetCapability, "TPM_SetCapability", Needs::Started, optional(owner()))),
};

}  // namespace

Chapter chapter_07_set() { return kRows; }

}  // namespace tpm
