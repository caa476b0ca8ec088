// SPDX-License-Identifier: MIT
// The traits of the commands, typed from Part 2 (17: audit; 20.2: delegation) and Part 3 (handles; 24.2: transport),
// against the rows of the table.
#include <gtest/gtest.h>

#include <ostream>

#include "engine/dispatch/command.h"

namespace tpm {

namespace {

constexpr int kNo = -1;
constexpr bool kWrap = true;
constexpr KeyHandles kNoKey = KeyHandles::None, kOneKey = KeyHandles::One, kTwoKeys = KeyHandles::Two,
                     kByType = KeyHandles::ByType;

struct Traits {
  uint32_t ordinal;
  std::string_view name;
  int owner_bit;
  int key_bit;
  Audit audit;
  bool wrappable;
  KeyHandles keys;
  size_t clear_in;
  size_t clear_out;
};

// clang-format off
constexpr Traits kTraits[] = {
    {0xa, "TPM_OIAP", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 24},
    {0xb, "TPM_OSAP", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 26, 44},
    {0xc, "TPM_ChangeAuth", kNo, 6, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0xd, "TPM_TakeOwnership", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0xe, "TPM_ChangeAuthAsymStart", kNo, 26, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0xf, "TPM_ChangeAuthAsymFinish", kNo, 25, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x10, "TPM_ChangeAuthOwner", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x11, "TPM_DSAP", kNo, kNo, Audit::Selectable, kWrap, kByType, 30, 44},
    {0x12, "TPM_CMK_CreateTicket", 26, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x13, "TPM_CMK_CreateKey", kNo, 24, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x14, "TPM_Extend", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x15, "TPM_PCRRead", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x16, "TPM_Quote", kNo, 3, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x17, "TPM_Seal", kNo, 1, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x18, "TPM_Unseal", kNo, 2, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x19, "TPM_DirWriteAuth", 29, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x1a, "TPM_DirRead", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x1b, "TPM_CMK_CreateBlob", kNo, 10, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x1c, "TPM_CMK_SetRestrictions", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x1d, "TPM_CMK_ApproveMA", 28, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x1e, "TPM_UnBind", kNo, 4, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x1f, "TPM_CreateWrapKey", kNo, 11, Audit::ByDefault, kWrap, kOneKey, 4, 0},
    {0x20, "TPM_LoadKey", kNo, 0, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x21, "TPM_GetPubKey", kNo, 5, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x22, "TPM_EvictKey", kNo, kNo, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x23, "TPM_KeyControlOwner", 31, kNo, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x24, "TPM_CMK_ConvertMigration", kNo, 28, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x25, "TPM_MigrateKey", kNo, 23, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x28, "TPM_CreateMigrationBlob", kNo, 9, Audit::ByDefault, kWrap, kOneKey, 4, 0},
    {0x29, "TPM_DAA_Join", 23, kNo, Audit::Selectable, kWrap, kNoKey, 4, 0},
    {0x2a, "TPM_ConvertMigrationBlob", kNo, 8, Audit::ByDefault, kWrap, kOneKey, 4, 0},
    {0x2b, "TPM_AuthorizeMigrationKey", 22, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x2c, "TPM_CreateMaintenanceArchive", 21, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x2d, "TPM_LoadMaintenanceArchive", 20, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x2e, "TPM_KillMaintenanceFeature", 19, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x2f, "TPM_LoadManuMaintPub", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x30, "TPM_ReadManuMaintPub", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x31, "TPM_DAA_Sign", 0, kNo, Audit::Selectable, kWrap, kNoKey, 4, 0},
    {0x32, "TPM_CertifyKey", kNo, 12, Audit::Selectable, kWrap, kTwoKeys, 8, 0},
    {0x33, "TPM_CertifyKey2", kNo, 13, Audit::Selectable, kWrap, kTwoKeys, 8, 0},
    {0x3c, "TPM_Sign", kNo, 14, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x3d, "TPM_Sealx", kNo, 18, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x3e, "TPM_Quote2", kNo, 19, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x3f, "TPM_SetCapability", 12, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x40, "TPM_ResetLockValue", 17, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x41, "TPM_LoadKey2", kNo, 22, Audit::Selectable, kWrap, kOneKey, 4, 4},
    {0x46, "TPM_GetRandom", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x47, "TPM_StirRandom", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x50, "TPM_SelfTestFull", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x53, "TPM_ContinueSelfTest", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x54, "TPM_GetTestResult", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x5a, "TPM_Reset", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x5b, "TPM_OwnerClear", 16, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x5c, "TPM_DisableOwnerClear", 15, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x5d, "TPM_ForceClear", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x5e, "TPM_DisableForceClear", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x65, "TPM_GetCapability", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x66, "TPM_GetCapabilityOwner", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x6e, "TPM_OwnerSetDisable", 13, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x6f, "TPM_PhysicalEnable", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x70, "TPM_PhysicalDisable", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x71, "TPM_SetOwnerInstall", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x72, "TPM_PhysicalSetDeactivated", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x73, "TPM_SetTempDeactivated", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x74, "TPM_SetOperatorAuth", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x75, "TPM_SetOwnerPointer", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x78, "TPM_CreateEndorsementKeyPair", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x79, "TPM_MakeIdentity", 11, 17, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x7a, "TPM_ActivateIdentity", 10, 16, Audit::ByDefault, kWrap, kOneKey, 4, 0},
    {0x7c, "TPM_ReadPubek", kNo, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x7d, "TPM_OwnerReadPubek", 9, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x7e, "TPM_DisablePubekRead", 8, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x7f, "TPM_CreateRevocableEK", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x80, "TPM_RevokeTrust", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x81, "TPM_OwnerReadInternalPub", 18, kNo, Audit::Selectable, kWrap, kOneKey, 0, 0},
    {0x85, "TPM_GetAuditDigest", kNo, kNo, Audit::Never, kWrap, kNoKey, 0, 0},
    {0x86, "TPM_GetAuditDigestSigned", kNo, 15, Audit::Never, kWrap, kOneKey, 4, 0},
    {0x8d, "TPM_SetOrdinalAuditStatus", 30, kNo, Audit::ByDefault, kWrap, kNoKey, 0, 0},
    {0x96, "TPM_Terminate_Handle", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 4, 0},
    {0x98, "TPM_SaveState", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x99, "TPM_Startup", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xa0, "TPM_SHA1Start", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xa1, "TPM_SHA1Update", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xa2, "TPM_SHA1Complete", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xa3, "TPM_SHA1CompleteExtend", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xb4, "TPM_SaveKeyContext", kNo, kNo, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0xb5, "TPM_LoadKeyContext", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 4},
    {0xb6, "TPM_SaveAuthContext", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 4, 0},
    {0xb7, "TPM_LoadAuthContext", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 4},
    {0xb8, "TPM_SaveContext", kNo, kNo, Audit::Selectable, kWrap, kByType, 4, 0},
    {0xb9, "TPM_LoadContext", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 4, 4},
    {0xba, "TPM_FlushSpecific", kNo, kNo, Audit::Selectable, kWrap, kByType, 4, 0},
    {0xc8, "TPM_PCR_Reset", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xcc, "TPM_NV_DefineSpace", 14, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xcd, "TPM_NV_WriteValue", 27, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xce, "TPM_NV_WriteValueAuth", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xcf, "TPM_NV_ReadValue", 25, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd0, "TPM_NV_ReadValueAuth", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd1, "TPM_Delegate_UpdateVerification", 5, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd2, "TPM_Delegate_Manage", 2, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd4, "TPM_Delegate_CreateKeyDelegation", kNo, 7, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0xd5, "TPM_Delegate_CreateOwnerDelegation", 1, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd6, "TPM_Delegate_VerifyDelegation", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xd8, "TPM_Delegate_LoadOwnerDelegation", 24, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xdb, "TPM_Delegate_ReadTable", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xdc, "TPM_CreateCounter", 4, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xdd, "TPM_IncrementCounter", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xde, "TPM_ReadCounter", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xdf, "TPM_ReleaseCounter", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xe0, "TPM_ReleaseCounterOwner", 3, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xe6, "TPM_EstablishTransport", kNo, 21, Audit::Selectable, !kWrap, kOneKey, 4, 0},
    {0xe7, "TPM_ExecuteTransport", kNo, kNo, Audit::Selectable, !kWrap, kNoKey, 0, 0},
    {0xe8, "TPM_ReleaseTransportSigned", kNo, 20, Audit::Selectable, !kWrap, kOneKey, 4, 0},
    {0xf1, "TPM_GetTicks", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0xf2, "TPM_TickStampBlob", kNo, 27, Audit::Selectable, kWrap, kOneKey, 4, 0},
    {0x4000000a, "TSC_PhysicalPresence", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
    {0x4000000b, "TSC_ResetEstablishmentBit", kNo, kNo, Audit::Selectable, kWrap, kNoKey, 0, 0},
};
// clang-format on

uint32_t mask(int bit) { return bit == kNo ? 0 : uint32_t{1} << bit; }

const Traits* traits_of(uint32_t ordinal) {
  for (const Traits& traits : kTraits) {
    if (traits.ordinal == ordinal) return &traits;
  }
  return nullptr;
}

}  // namespace

class Row : public testing::TestWithParam<const CommandRow*> {};

TEST_P(Row, HasTheTraitsOfPart2) {
  const CommandRow& row = *GetParam();
  const Traits* want = traits_of(row.ordinal);
  ASSERT_NE(want, nullptr) << row.name;
  EXPECT_EQ(row.name, want->name);
  EXPECT_EQ(static_cast<uint32_t>(row.owner_permission), mask(want->owner_bit));
  EXPECT_EQ(static_cast<uint32_t>(row.key_permission), mask(want->key_bit));
  EXPECT_EQ(row.audit, want->audit);
  EXPECT_EQ(row.wrappable, want->wrappable);
  EXPECT_EQ(row.key_handles, want->keys);
  EXPECT_EQ(row.clear_in, want->clear_in);
  EXPECT_EQ(row.clear_out, want->clear_out);
}

TEST_P(Row, IsWhatItsOrdinalFinds) { EXPECT_EQ(find_command(GetParam()->ordinal), GetParam()); }

// A delegation needs a session in which to show it.
TEST_P(Row, IsDelegableOnlyWhenItTakesASession) {
  const CommandRow& row = *GetParam();
  bool delegable = row.owner_permission != OwnerPermission::None || row.key_permission != KeyPermission::None;
  EXPECT_TRUE(!delegable || row.n_auth > 0);
}

namespace {

std::vector<const CommandRow*> every_row() {
  std::vector<const CommandRow*> rows;
  for (Chapter chapter : all_chapters()) {
    for (const CommandRow& row : chapter) rows.push_back(&row);
  }
  return rows;
}

std::string row_name(const testing::TestParamInfo<const CommandRow*>& info) { return std::string(info.param->name); }

}  // namespace

INSTANTIATE_TEST_SUITE_P(Table, Row, testing::ValuesIn(every_row()), row_name);

}  // namespace tpm
