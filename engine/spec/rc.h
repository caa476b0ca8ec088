// SPDX-License-Identifier: MIT
// Return codes (Part 2, 16).
#pragma once

#include <cstdint>
#include <type_traits>

#include "lib/base/result.h"
#include "lib/wire/reader.h"

namespace tpm {

enum class Rc : uint32_t {
  Success = 0,
  AuthFail = 1,
  BadIndex = 2,
  BadParameter = 3,
  AuditFailure = 4,
  ClearDisabled = 5,
  Deactivated = 6,
  Disabled = 7,
  DisabledCmd = 8,
  Fail = 9,
  BadOrdinal = 10,
  InstallDisabled = 11,
  InvalidKeyHandle = 12,
  KeyNotFound = 13,
  InappropriateEnc = 14,
  MigrateFail = 15,
  InvalidPcrInfo = 16,
  NoSpace = 17,
  NoSrk = 18,
  NotSealedBlob = 19,
  OwnerSet = 20,
  Resources = 21,
  ShortRandom = 22,
  Size = 23,
  WrongPcrVal = 24,
  BadParamSize = 25,
  ShaThread = 26,
  ShaError = 27,
  FailedSelfTest = 28,
  Auth2Fail = 29,
  BadTag = 30,
  IoError = 31,
  EncryptError = 32,
  DecryptError = 33,
  InvalidAuthHandle = 34,
  NoEndorsement = 35,
  InvalidKeyUsage = 36,
  WrongEntityType = 37,
  InvalidPostInit = 38,
  InappropriateSig = 39,
  BadKeyProperty = 40,
  BadMigration = 41,
  BadScheme = 42,
  BadDataSize = 43,
  BadMode = 44,
  BadPresence = 45,
  BadVersion = 46,
  NoWrapTransport = 47,
  AuditFailUnsuccessful = 48,
  AuditFailSuccessful = 49,
  NotResetable = 50,
  NotLocal = 51,
  BadType = 52,
  InvalidResource = 53,
  NotFips = 54,
  InvalidFamily = 55,
  NoNvPermission = 56,
  RequiresSign = 57,
  KeyNotSupported = 58,
  AuthConflict = 59,
  AreaLocked = 60,
  BadLocality = 61,
  ReadOnly = 62,
  PerNoWrite = 63,
  FamilyCount = 64,
  WriteLocked = 65,
  BadAttributes = 66,
  InvalidStructure = 67,
  KeyOwnerControl = 68,
  BadCounter = 69,
  NotFullWrite = 70,
  ContextGap = 71,
  MaxNvWrites = 72,
  NoOperator = 73,
  ResourceMissing = 74,
  DelegateLock = 75,
  DelegateFamily = 76,
  DelegateAdmin = 77,
  TransportNotExclusive = 78,
  OwnerControl = 79,
  DaaResources = 80,
  DaaInputData0 = 81,
  DaaInputData1 = 82,
  DaaIssuerSettings = 83,
  DaaTpmSettings = 84,
  DaaStage = 85,
  DaaIssuerValidity = 86,
  DaaWrongW = 87,
  BadHandle = 88,
  BadDelegate = 89,
  BadContext = 90,
  TooManyContexts = 91,
  MaTicketSignature = 92,
  MaDestination = 93,
  MaSource = 94,
  MaAuthority = 95,
  PermanentEk = 97,
  BadSignature = 98,
  NoContextSpace = 99,
  Retry = 0x800,
  NeedsSelfTest = 0x801,
  DoingSelfTest = 0x802,
  DefendLockRunning = 0x803,
};

template <class T = void>
using Result = base::Result<T, Rc>;

// A field that does not fit its bytes is a wrong parameter size wherever a command is decoded; a boolean is 0 or 1 (Part
// 2, 2.2.2).
constexpr Rc as_reason(wire::Malformed why, std::type_identity<Rc>) {
  return why.illegal ? Rc::BadParameter : Rc::BadParamSize;
}

inline Result<> require(bool holds, Rc otherwise) {
  if (!holds) return otherwise;
  return {};
}

}  // namespace tpm
