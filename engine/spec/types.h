// SPDX-License-Identifier: MIT
// The small types everything else is made of (Part 2, 4-7, 21): tags, digests, nonces, secrets, handles, enumerations.
#pragma once

#include <array>
#include <cstdint>

#include "lib/base/bytes.h"
#include "lib/base/secret.h"
#include "lib/wire/sized.h"

namespace tpm {

using base::Bytes;
using base::View;

using Digest = std::array<uint8_t, 20>;
using Nonce = std::array<uint8_t, 20>;
using Secret = base::Secret<20>;

// A secret as it travels, encrypted by ADIP.
struct EncAuth {
  std::array<uint8_t, 20> value{};
};

// Request and response tags (Part 2, 6).
enum class Tag : uint16_t {
  Request = 0x00c1,
  RequestAuth1 = 0x00c2,
  RequestAuth2 = 0x00c3,
  Response = 0x00c4,
  ResponseAuth1 = 0x00c5,
  ResponseAuth2 = 0x00c6,
};

// Structure tags (Part 2, 3.1).
enum class StructureTag : uint16_t {
  ContextBlob = 0x0001,
  ContextSensitive = 0x0002,
  ContextPointer = 0x0003,
  ContextList = 0x0004,
  SignInfo = 0x0005,
  PcrInfoLong = 0x0006,
  PersistentFlags = 0x0007,
  VolatileFlags = 0x0008,
  PersistentData = 0x0009,
  VolatileData = 0x000a,
  EkBlob = 0x000c,
  EkBlobAuth = 0x000d,
  CounterValue = 0x000e,
  TransportInternal = 0x000f,
  TransportLogIn = 0x0010,
  TransportLogOut = 0x0011,
  AuditEventIn = 0x0012,
  AuditEventOut = 0x0013,
  CurrentTicks = 0x0014,
  Key = 0x0015,
  StoredData12 = 0x0016,
  NvAttributes = 0x0017,
  NvDataPublic = 0x0018,
  NvDataSensitive = 0x0019,
  Delegations = 0x001a,
  DelegatePublic = 0x001b,
  DelegateTableRow = 0x001c,
  TransportAuth = 0x001d,
  TransportPublic = 0x001e,
  PermanentFlags = 0x001f,
  StClearFlags = 0x0020,
  StAnyFlags = 0x0021,
  PermanentData = 0x0022,
  StClearData = 0x0023,
  StAnyData = 0x0024,
  FamilyTableEntry = 0x0025,
  DelegateSensitive = 0x0026,
  DelegateKeyBlob = 0x0027,
  Key12 = 0x0028,
  CertifyInfo2 = 0x0029,
  DelegateOwnerBlob = 0x002a,
  EkBlobActivate = 0x002b,
  DaaBlob = 0x002c,
  DaaContext = 0x002d,
  DaaEnforce = 0x002e,
  DaaIssuer = 0x002f,
  CapVersionInfo = 0x0030,
  DaaSensitive = 0x0031,
  DaaTpm = 0x0032,
  CmkMigAuth = 0x0033,
  CmkSigTicket = 0x0034,
  CmkMaApproval = 0x0035,
  QuoteInfo2 = 0x0036,
  DaInfo = 0x0037,
  DaInfoLimited = 0x0038,
  DaActionType = 0x0039,
};

// Entity types (Part 2, 4.3); the high byte of the field is the ADIP encryption scheme.
enum class EntityType : uint8_t {
  KeyHandle = 0x01,
  Owner = 0x02,
  Data = 0x03,
  Srk = 0x04,
  Key = 0x05,
  Revoke = 0x06,
  DelegationOwnerBlob = 0x07,
  DelegationRow = 0x08,
  DelegationKeyBlob = 0x09,
  Counter = 0x0a,
  Nv = 0x0b,
  Operator = 0x0c,
};
enum class EntityScheme : uint8_t { Xor = 0x00, AesCtr = 0x06 };

// Reserved key handles (Part 2, 4.4).
inline constexpr uint32_t kSrkHandle = 0x40000000;
inline constexpr uint32_t kOwnerHandle = 0x40000001;
inline constexpr uint32_t kRevokeHandle = 0x40000002;
inline constexpr uint32_t kTransportHandle = 0x40000003;
inline constexpr uint32_t kOperatorHandle = 0x40000004;
inline constexpr uint32_t kAdminHandle = 0x40000005;
inline constexpr uint32_t kEkHandle = 0x40000006;

// Resource types (Part 2, 4.1).
enum class ResourceType : uint32_t {
  Key = 1,
  Auth = 2,
  Hash = 3,
  Trans = 4,
  Context = 5,
  Counter = 6,
  Delegate = 7,
  DaaTpm = 8,
  DaaV0 = 9,
  DaaV1 = 10,
};

// Payload types (Part 2, 4.2).
enum class Payload : uint8_t {
  Asym = 0x01,
  Bind = 0x02,
  Migrate = 0x03,
  Maint = 0x04,
  Seal = 0x05,
  MigrateRestricted = 0x06,
  MigrateExternal = 0x07,
  CmkMigrate = 0x08,
};

// Startup types (Part 2, 4.5).
enum class StartupType : uint16_t { Clear = 1, State = 2, Deactivated = 3 };

// Protocol ids (Part 2, 4.7).
enum class ProtocolId : uint16_t {
  Oiap = 1,
  Osap = 2,
  Adip = 3,
  Adcp = 4,
  Owner = 5,
  Dsap = 6,
  Transport = 7,
};

// TPM_VERSION and TPM_STRUCT_VER are four bytes: major, minor, revMajor, revMinor. Structures carry 1.1.0.0.
inline constexpr uint32_t kVersion11 = 0x01010000;
// Part 2, 5.1: major and minor tell whether a structure can be read, the revisions are ignored.
constexpr bool is_version11(uint32_t version) { return version >> 16 == kVersion11 >> 16; }

}  // namespace tpm
