// SPDX-License-Identifier: MIT
#include "backend/trace/layout.h"

#include <algorithm>

namespace trace {

namespace {

constexpr std::array kStructures = {
    Structure{"PCR_INFO", "pcrSelection:selection digestAtRelease:bytes20 digestAtCreation:bytes20"},
    Structure{"PCR_INFO_LONG",
              "tag:u16 localityAtCreation:u8 localityAtRelease:u8 creationPCRSelection:selection "
              "releasePCRSelection:selection digestAtCreation:bytes20 digestAtRelease:bytes20",
              0x0006},
    Structure{"PCR_INFO_SHORT", "pcrSelection:selection localityAtRelease:u8 digestAtRelease:bytes20"},
    Structure{"PCR_COMPOSITE", "select:selection pcrValue:sized"},
    Structure{"RSA_KEY_PARMS", "keyLength:u32 numPrimes:u32 exponent:sized"},
    Structure{"KEY_PARMS", "algorithmID:u32 encScheme:u16 sigScheme:u16 parms:[RSA_KEY_PARMS]"},
    Structure{"KEY",
              "ver:handle keyUsage:u16 keyFlags:handle authDataUsage:u8 algorithmParms:KEY_PARMS "
              "PCRInfo:[PCR_INFO_LONG/PCR_INFO] pubKey:sized encData:hidden"},
    Structure{"PUBKEY", "algorithmParms:KEY_PARMS pubKey:sized"},
    Structure{"STORED_DATA", "ver:handle sealInfo:[PCR_INFO_LONG/PCR_INFO] encData:hidden"},
    Structure{"CERTIFY_INFO",
              "version:handle keyUsage:u16 keyFlags:handle authDataUsage:u8 algorithmParms:KEY_PARMS "
              "pubkeyDigest:bytes20 data:bytes20 parentPCRStatus:flag PCRInfo:[PCR_INFO_LONG/PCR_INFO]"},
    Structure{"CERTIFY_INFO2",
              "tag:u16 fill:u8 payloadType:u8 keyUsage:u16 keyFlags:handle authDataUsage:u8 algorithmParms:KEY_PARMS "
              "pubkeyDigest:bytes20 data:bytes20 parentPCRStatus:flag PCRInfo:[PCR_INFO_LONG/PCR_INFO] "
              "migrationAuthority:hidden",
              0x0029},
    Structure{"COUNTER_VALUE", "tag:u16 label:bytes4 counter:u32"},
    Structure{"CURRENT_TICKS", "tag:u16 currentTicks:u64 tickRate:u16 tickNonce:bytes20"},
    Structure{"NV_DATA_PUBLIC",
              "tag:u16 nvIndex:handle pcrInfoRead:PCR_INFO_SHORT pcrInfoWrite:PCR_INFO_SHORT "
              "permission.tag:u16 permission.attributes:handle bReadSTClear:flag bWriteSTClear:flag bWriteDefine:flag "
              "dataSize:u32"},
    Structure{"DELEGATE_PUBLIC",
              "tag:u16 label:u8 pcrInfo:PCR_INFO_SHORT permissions.tag:u16 permissions.type:u32 "
              "permissions.per1:handle permissions.per2:handle familyID:u32 verificationCount:u32"},
    Structure{"TRANSPORT_PUBLIC", "tag:u16 transAttributes:handle algId:u32 encScheme:u16"},
    Structure{"CAP_VERSION_INFO",
              "tag:u16 version:handle specLevel:u16 errataRev:u8 tpmVendorID:bytes4 vendor:hidden-short"},
    Structure{"SYMMETRIC_KEY", "algId:u32 encScheme:u16 data:hidden-short"},
    Structure{"MIGRATIONKEYAUTH", "migrationKey:PUBKEY migrationScheme:u16 digest:hidden20"},
    Structure{"CMK_AUTH", "migrationAuthorityDigest:bytes20 destinationKeyDigest:bytes20 sourceKeyDigest:bytes20"},
    Structure{"CONTEXT_BLOB",
              "tag:u16 resourceType:u32 handle:handle label:bytes16 contextCount:u32 integrityDigest:hidden20 "
              "additionalData:hidden sensitiveData:hidden"},
};

constexpr std::array kLayouts = {
    Layout{0x0a, "TPM_OIAP", "", "authHandle:handle nonceEven:bytes20"},
    Layout{0x0b, "TPM_OSAP", "entityType:u16 entityValue:handle nonceOddOSAP:bytes20",
           "authHandle:handle nonceEven:bytes20 nonceEvenOSAP:bytes20"},
    Layout{0x0c, "TPM_ChangeAuth", "parentHandle:handle protocolID:u16 newAuth:hidden20 entityType:u16 encData:hidden",
           "outData:hidden"},
    Layout{0x0d, "TPM_TakeOwnership", "protocolID:u16 encOwnerAuth:hidden encSrkAuth:hidden srkParams:KEY",
           "srkPub:KEY"},
    Layout{0x0e, "TPM_ChangeAuthAsymStart", "idHandle:handle antiReplay:bytes20 tempKey:KEY_PARMS",
           "certifyInfo:CERTIFY_INFO sig:hidden ephHandle:handle tempKey:KEY"},
    Layout{0x0f, "TPM_ChangeAuthAsymFinish",
           "parentHandle:handle ephHandle:handle entityType:u16 newAuthLink:hidden20 encNewAuth:hidden encData:hidden",
           "outData:hidden saltNonce:hidden20 changeProof:hidden20"},
    Layout{0x10, "TPM_ChangeAuthOwner", "protocolID:u16 newAuth:hidden20 entityType:u16", ""},
    Layout{0x11, "TPM_DSAP", "entityType:u16 keyHandle:handle nonceOddDSAP:bytes20 entityValue:hidden",
           "authHandle:handle nonceEven:bytes20 nonceEvenDSAP:bytes20"},
    Layout{0x12, "TPM_CMK_CreateTicket", "verificationKey:PUBKEY signedData:bytes20 signatureValue:hidden",
           "sigTicket:hidden20"},
    Layout{0x13, "TPM_CMK_CreateKey",
           "parentHandle:handle dataUsageAuth:hidden20 keyInfo:KEY migrationAuthorityApproval:hidden20 "
           "migrationAuthorityDigest:bytes20",
           "wrappedKey:KEY"},
    Layout{0x14, "TPM_Extend", "pcrNum:u32 inDigest:bytes20", "outDigest:bytes20"},
    Layout{0x15, "TPM_PCRRead", "pcrIndex:u32", "outDigest:bytes20"},
    Layout{0x16, "TPM_Quote", "keyHandle:handle externalData:bytes20 targetPCR:selection",
           "pcrData:PCR_COMPOSITE sig:hidden"},
    Layout{0x17, "TPM_Seal", "keyHandle:handle encAuth:hidden20 pcrInfo:[PCR_INFO_LONG/PCR_INFO] inData:hidden",
           "sealedData:STORED_DATA"},
    Layout{0x18, "TPM_Unseal", "parentHandle:handle inData:STORED_DATA", "secret:hidden"},
    Layout{0x19, "TPM_DirWriteAuth", "dirIndex:u32 newContents:hidden20", ""},
    Layout{0x1a, "TPM_DirRead", "dirIndex:u32", "dirContents:hidden20"},
    Layout{0x1b, "TPM_CMK_CreateBlob",
           "parentHandle:handle migrationType:u16 migrationKeyAuth:MIGRATIONKEYAUTH pubSourceKeyDigest:bytes20 "
           "msaList:hidden restrictTicket:hidden sigTicket:hidden encData:hidden",
           "random:hidden outData:hidden"},
    Layout{0x1c, "TPM_CMK_SetRestrictions", "restriction:handle", ""},
    Layout{0x1d, "TPM_CMK_ApproveMA", "migrationAuthorityDigest:bytes20", "outData:hidden20"},
    Layout{0x1e, "TPM_UnBind", "keyHandle:handle inData:hidden", "outData:hidden"},
    Layout{0x1f, "TPM_CreateWrapKey",
           "parentHandle:handle dataUsageAuth:hidden20 dataMigrationAuth:hidden20 keyInfo:KEY", "wrappedKey:KEY"},
    Layout{0x20, "TPM_LoadKey", "parentHandle:handle inKey:KEY", "inkeyHandle:handle"},
    Layout{0x21, "TPM_GetPubKey", "keyHandle:handle", "pubKey:PUBKEY"},
    Layout{0x22, "TPM_EvictKey", "evictHandle:handle", ""},
    Layout{0x23, "TPM_KeyControlOwner", "keyHandle:handle pubKey:PUBKEY bitName:handle bitValue:flag", ""},
    Layout{
        0x24, "TPM_CMK_ConvertMigration",
        "parentHandle:handle restrictTicket:CMK_AUTH sigTicket:hidden20 migratedKey:KEY msaList:hidden random:hidden",
        "outData:hidden"},
    Layout{0x25, "TPM_MigrateKey", "maKeyHandle:handle pubKey:PUBKEY inData:hidden", "outData:hidden"},
    Layout{0x28, "TPM_CreateMigrationBlob",
           "parentHandle:handle migrationType:u16 migrationKeyAuth:MIGRATIONKEYAUTH encData:hidden",
           "random:hidden outData:hidden"},
    Layout{0x29, "TPM_DAA_Join", "handle:handle stage:u8 inputData0:hidden inputData1:hidden", "outputData:hidden"},
    Layout{0x2a, "TPM_ConvertMigrationBlob", "parentHandle:handle inData:hidden random:hidden", "outData:hidden"},
    Layout{0x2b, "TPM_AuthorizeMigrationKey", "migrationScheme:u16 migrationKey:PUBKEY", "outData:MIGRATIONKEYAUTH"},
    Layout{0x2c, "TPM_CreateMaintenanceArchive", "generateRandom:flag", "random:hidden archive:hidden"},
    Layout{0x2d, "TPM_LoadMaintenanceArchive", "archive:hidden random:hidden sig:hidden", ""},
    Layout{0x2e, "TPM_KillMaintenanceFeature", "", ""},
    Layout{0x2f, "TPM_LoadManuMaintPub", "antiReplay:bytes20 pubKey:PUBKEY", "checksum:bytes20"},
    Layout{0x30, "TPM_ReadManuMaintPub", "antiReplay:bytes20", "checksum:bytes20"},
    Layout{0x31, "TPM_DAA_Sign", "handle:handle stage:u8 inputData0:hidden inputData1:hidden", "outputData:hidden"},
    Layout{0x32, "TPM_CertifyKey", "certHandle:handle keyHandle:handle antiReplay:bytes20",
           "certifyInfo:CERTIFY_INFO2/CERTIFY_INFO outData:hidden"},
    Layout{0x33, "TPM_CertifyKey2", "keyHandle:handle certHandle:handle migrationPubDigest:bytes20 antiReplay:bytes20",
           "certifyInfo:CERTIFY_INFO2 outData:hidden"},
    Layout{0x3c, "TPM_Sign", "keyHandle:handle areaToSign:hidden", "sig:hidden"},
    Layout{0x3d, "TPM_Sealx", "keyHandle:handle encAuth:hidden20 pcrInfo:[PCR_INFO_LONG/PCR_INFO] inData:hidden",
           "sealedData:STORED_DATA"},
    Layout{0x3e, "TPM_Quote2", "keyHandle:handle externalData:bytes20 targetPCR:selection addVersion:flag",
           "pcrData:PCR_INFO_SHORT versionInfo:[CAP_VERSION_INFO] sig:hidden"},
    Layout{0x3f, "TPM_SetCapability", "capArea:u32 subCap:number setValue:number", ""},
    Layout{0x40, "TPM_ResetLockValue", "", ""},
    Layout{0x41, "TPM_LoadKey2", "parentHandle:handle inKey:KEY", "inkeyHandle:handle"},
    Layout{0x46, "TPM_GetRandom", "bytesRequested:u32", "randomBytes:hidden"},
    Layout{0x47, "TPM_StirRandom", "inData:hidden", ""},
    Layout{0x50, "TPM_SelfTestFull", "", ""},
    Layout{0x53, "TPM_ContinueSelfTest", "", ""},
    Layout{0x54, "TPM_GetTestResult", "", "outData:hidden"},
    Layout{0x5a, "TPM_Reset", "", ""},
    Layout{0x5b, "TPM_OwnerClear", "", ""},
    Layout{0x5c, "TPM_DisableOwnerClear", "", ""},
    Layout{0x5d, "TPM_ForceClear", "", ""},
    Layout{0x5e, "TPM_DisableForceClear", "", ""},
    Layout{0x65, "TPM_GetCapability", "capArea:u32 subCap:number", "resp:sized"},
    Layout{0x66, "TPM_GetCapabilityOwner", "", "version:handle nonVolatileFlags:handle volatileFlags:handle"},
    Layout{0x6e, "TPM_OwnerSetDisable", "disableState:flag", ""},
    Layout{0x6f, "TPM_PhysicalEnable", "", ""},
    Layout{0x70, "TPM_PhysicalDisable", "", ""},
    Layout{0x71, "TPM_SetOwnerInstall", "state:flag", ""},
    Layout{0x72, "TPM_PhysicalSetDeactivated", "state:flag", ""},
    Layout{0x73, "TPM_SetTempDeactivated", "", ""},
    Layout{0x74, "TPM_SetOperatorAuth", "operatorAuth:hidden20", ""},
    Layout{0x75, "TPM_SetOwnerPointer", "entityType:u16 entityValue:handle", ""},
    Layout{0x78, "TPM_CreateEndorsementKeyPair", "antiReplay:bytes20 keyInfo:KEY_PARMS",
           "pubEndorsementKey:PUBKEY checksum:bytes20"},
    Layout{0x79, "TPM_MakeIdentity", "identityAuth:hidden20 labelPrivCADigest:bytes20 idKeyParams:KEY",
           "idKey:KEY identityBinding:hidden"},
    Layout{0x7a, "TPM_ActivateIdentity", "idKeyHandle:handle blob:hidden", "symmetricKey:SYMMETRIC_KEY"},
    Layout{0x7c, "TPM_ReadPubek", "antiReplay:bytes20", "pubEndorsementKey:PUBKEY checksum:bytes20"},
    Layout{0x7d, "TPM_OwnerReadPubek", "", "pubEndorsementKey:PUBKEY"},
    Layout{0x7e, "TPM_DisablePubekRead", "", ""},
    Layout{0x7f, "TPM_CreateRevocableEK",
           "antiReplay:bytes20 keyInfo:KEY_PARMS generateReset:flag inputEKreset:hidden20",
           "pubEndorsementKey:PUBKEY checksum:bytes20 outputEKreset:hidden20"},
    Layout{0x80, "TPM_RevokeTrust", "EKReset:hidden20", ""},
    Layout{0x81, "TPM_OwnerReadInternalPub", "keyHandle:handle", "publicPortion:PUBKEY"},
    Layout{0x85, "TPM_GetAuditDigest", "startOrdinal:u32",
           "counterValue:COUNTER_VALUE auditDigest:bytes20 more:flag ordList:sized"},
    Layout{0x86, "TPM_GetAuditDigestSigned", "keyHandle:handle closeAudit:flag antiReplay:bytes20",
           "counterValue:COUNTER_VALUE auditDigest:bytes20 ordinalDigest:bytes20 sig:hidden"},
    Layout{0x8d, "TPM_SetOrdinalAuditStatus", "ordinalToAudit:ordinal auditState:flag", ""},
    Layout{0x96, "TPM_Terminate_Handle", "handle:handle", ""},
    Layout{0x98, "TPM_SaveState", "", ""},
    Layout{0x99, "TPM_Startup", "startupType:u16", ""},
    Layout{0xa0, "TPM_SHA1Start", "", "maxNumBytes:u32"},
    Layout{0xa1, "TPM_SHA1Update", "hashData:hidden", ""},
    Layout{0xa2, "TPM_SHA1Complete", "hashData:hidden", "hashValue:hidden20"},
    Layout{0xa3, "TPM_SHA1CompleteExtend", "pcrNum:u32 hashData:hidden", "hashValue:hidden20 outDigest:bytes20"},
    Layout{0xb4, "TPM_SaveKeyContext", "keyHandle:handle", "keyContextBlob:hidden"},
    Layout{0xb5, "TPM_LoadKeyContext", "keyContextBlob:hidden", "keyHandle:handle"},
    Layout{0xb6, "TPM_SaveAuthContext", "authHandle:handle", "authContextBlob:hidden"},
    Layout{0xb7, "TPM_LoadAuthContext", "authContextBlob:hidden", "authHandle:handle"},
    Layout{0xb8, "TPM_SaveContext", "handle:handle resourceType:u32 label:bytes16", "contextBlob:[CONTEXT_BLOB]"},
    Layout{0xb9, "TPM_LoadContext", "entityHandle:handle keepHandle:flag contextBlob:[CONTEXT_BLOB]", "handle:handle"},
    Layout{0xba, "TPM_FlushSpecific", "handle:handle resourceType:u32", ""},
    Layout{0xc8, "TPM_PCR_Reset", "pcrSelection:selection", ""},
    Layout{0xcc, "TPM_NV_DefineSpace", "pubInfo:NV_DATA_PUBLIC encAuth:hidden20", ""},
    Layout{0xcd, "TPM_NV_WriteValue", "nvIndex:handle offset:u32 data:hidden", ""},
    Layout{0xce, "TPM_NV_WriteValueAuth", "nvIndex:handle offset:u32 data:hidden", ""},
    Layout{0xcf, "TPM_NV_ReadValue", "nvIndex:handle offset:u32 dataSize:u32", "data:hidden"},
    Layout{0xd0, "TPM_NV_ReadValueAuth", "nvIndex:handle offset:u32 dataSize:u32", "data:hidden"},
    Layout{0xd1, "TPM_Delegate_UpdateVerification", "inputData:hidden", "outputData:hidden"},
    Layout{0xd2, "TPM_Delegate_Manage", "familyID:u32 opFlag:u32 opData:number", "retData:number"},
    Layout{0xd4, "TPM_Delegate_CreateKeyDelegation", "keyHandle:handle publicInfo:DELEGATE_PUBLIC delAuth:hidden20",
           "blob:hidden"},
    Layout{0xd5, "TPM_Delegate_CreateOwnerDelegation", "increment:flag publicInfo:DELEGATE_PUBLIC delAuth:hidden20",
           "blob:hidden"},
    Layout{0xd6, "TPM_Delegate_VerifyDelegation", "delegation:hidden", ""},
    Layout{0xd8, "TPM_Delegate_LoadOwnerDelegation", "index:u32 blob:hidden", ""},
    Layout{0xdb, "TPM_Delegate_ReadTable", "", "familyTable:hidden delegateTable:hidden"},
    Layout{0xdc, "TPM_CreateCounter", "authData:hidden20 label:bytes4", "countID:u32 counterValue:COUNTER_VALUE"},
    Layout{0xdd, "TPM_IncrementCounter", "countID:u32", "count:COUNTER_VALUE"},
    Layout{0xde, "TPM_ReadCounter", "countID:u32", "count:COUNTER_VALUE"},
    Layout{0xdf, "TPM_ReleaseCounter", "countID:u32", ""},
    Layout{0xe0, "TPM_ReleaseCounterOwner", "countID:u32", ""},
    Layout{0xe6, "TPM_EstablishTransport", "encHandle:handle transPublic:TRANSPORT_PUBLIC secret:hidden",
           "transHandle:handle locality:u32 currentTicks:CURRENT_TICKS transNonce:bytes20"},
    Layout{0xe7, "TPM_ExecuteTransport", "wrappedCmd:command", "currentTicks:u64 locality:u32 wrappedRsp:response"},
    Layout{0xe8, "TPM_ReleaseTransportSigned", "keyHandle:handle antiReplay:bytes20",
           "locality:u32 currentTicks:CURRENT_TICKS signature:hidden"},
    Layout{0xf1, "TPM_GetTicks", "", "currentTime:CURRENT_TICKS"},
    Layout{0xf2, "TPM_TickStampBlob", "keyHandle:handle antiReplay:bytes20 digestToStamp:bytes20",
           "currentTicks:CURRENT_TICKS sig:hidden"},
    Layout{0x4000000a, "TSC_PhysicalPresence", "physicalPresence:u16", ""},
    Layout{0x4000000b, "TSC_ResetEstablishmentBit", "", ""},
};
static_assert(std::ranges::is_sorted(kLayouts, {}, &Layout::ordinal));

}  // namespace

std::span<const Layout> layouts() { return kLayouts; }

const Layout* layout_of(uint32_t ordinal) {
  const auto* at = std::ranges::lower_bound(kLayouts, ordinal, {}, &Layout::ordinal);
  return at != kLayouts.end() && at->ordinal == ordinal ? at : nullptr;
}

std::span<const Structure> structures() { return kStructures; }

const Structure* structure(std::string_view name) {
  const auto* at = std::ranges::find(kStructures, name, &Structure::name);
  return at == kStructures.end() ? nullptr : at;
}

}  // namespace trace
