// SPDX-License-Identifier: MIT
// Delegation by libtspi. A delegated owner's secret is used by raw_client, which finds the blob in a file.

#include <fstream>

#include "tests/clients/tspi/session.h"

namespace tspi {
namespace {

constexpr BYTE kFamilyLabel = 0x46, kOwnerFiller = 0x61, kKeyFiller = 0x62;
constexpr UINT32 kRow = 1;

TSS_HDELFAMILY add_family(const Session& session) {
  TSS_HDELFAMILY family = 0;
  if (!gives(Tspi_TPM_Delegate_AddFamily(session.tpm, kFamilyLabel, &family), TSS_SUCCESS,
             "the owner adds a family of delegations")) {
    return 0;
  }
  must(Tspi_SetAttribUint32(family, TSS_TSPATTRIB_DELFAMILY_STATE, TSS_TSPATTRIB_DELFAMILYSTATE_ENABLED, TRUE),
       "enable a family");
  return family;
}

UINT32 info(TSS_HOBJECT object, TSS_FLAG flag, TSS_FLAG sub_flag) {
  UINT32 value = 0;
  must(Tspi_GetAttribUint32(object, flag, sub_flag, &value), "Tspi_GetAttribUint32");
  return value;
}

UINT32 family_count(const Session& session, TSS_HDELFAMILY family) {
  UINT32 id = info(family, TSS_TSPATTRIB_DELFAMILY_INFO, TSS_TSPATTRIB_DELFAMILYINFO_FAMILYID);
  must(Tspi_TPM_Delegate_GetFamily(session.tpm, id, &family), "Tspi_TPM_Delegate_GetFamily");
  return info(family, TSS_TSPATTRIB_DELFAMILY_INFO, TSS_TSPATTRIB_DELFAMILYINFO_VERCOUNT);
}

UINT32 count_of(TSS_HPOLICY policy) {
  return info(policy, TSS_TSPATTRIB_POLICY_DELEGATION_INFO, TSS_TSPATTRIB_POLDEL_VERCOUNT);
}

TSS_HPOLICY delegate(const Session& session, UINT32 type, UINT32 permissions, BYTE filler) {
  TSS_HPOLICY policy = 0;
  Bytes secret(20, filler);
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_POLICY, TSS_POLICY_USAGE, &policy),
       "create a policy");
  must(Tspi_Policy_SetSecret(policy, TSS_SECRET_MODE_SHA1, 20, secret.data()), "Tspi_Policy_SetSecret");
  constexpr TSS_FLAG kInfo = TSS_TSPATTRIB_POLICY_DELEGATION_INFO;
  must(Tspi_SetAttribUint32(policy, kInfo, TSS_TSPATTRIB_POLDEL_TYPE, type), "set the type of a delegation");
  must(Tspi_SetAttribUint32(policy, kInfo, TSS_TSPATTRIB_POLDEL_PER1, permissions), "set its permissions");
  must(Tspi_SetAttribUint32(policy, kInfo, TSS_TSPATTRIB_POLDEL_PER2, 0), "set its other permissions");
  return policy;
}

// Whether it verifies does not show who made it: one that was changed must not.
void test_verification(const Session& session, TSS_HPOLICY policy) {
  gives(Tspi_TPM_Delegate_VerifyDelegation(policy), TSS_SUCCESS, "the TPM verifies it");
  Bytes blob = attribute(policy, TSS_TSPATTRIB_POLICY_DELEGATION_INFO, TSS_TSPATTRIB_POLDEL_OWNERBLOB);
  blob.back() ^= 1;
  TSS_HPOLICY other = delegate(session, TSS_DELEGATIONTYPE_OWNER, 0, kOwnerFiller);
  must(Tspi_SetAttribData(other, TSS_TSPATTRIB_POLICY_DELEGATION_INFO, TSS_TSPATTRIB_POLDEL_OWNERBLOB,
                          static_cast<UINT32>(blob.size()), blob.data()),
       "set a blob");
  gives(Tspi_TPM_Delegate_VerifyDelegation(other), TPM_E_AUTHFAIL, "and not when a bit of it is changed");
}

void test_count(const Session& session, TSS_HDELFAMILY family, TSS_HPOLICY policy) {
  UINT32 before = family_count(session, family);
  TSS_HPOLICY later = delegate(session, TSS_DELEGATIONTYPE_OWNER, TPM_DELEGATE_OwnerClear, kOwnerFiller);
  gives(Tspi_TPM_Delegate_CreateDelegation(session.tpm, 2, TSS_DELEGATE_INCREMENTVERIFICATIONCOUNT, 0, family, later),
        TSS_SUCCESS, "a later delegation increments the family's count");
  holds(family_count(session, family) == before + 1, "by one");
  gives(Tspi_TPM_Delegate_VerifyDelegation(policy), TPM_E_FAMILYCOUNT, "which ends the earlier one");
  gives(Tspi_TPM_Delegate_UpdateVerificationCount(session.tpm, policy), TSS_SUCCESS, "until the owner renews it");
  holds(count_of(policy) == before + 1, "with the family's count");
  gives(Tspi_TPM_Delegate_VerifyDelegation(policy), TSS_SUCCESS, "then it verifies again");
}

bool leave_blob(TSS_HPOLICY policy, const std::string& path) {
  Bytes blob = attribute(policy, TSS_TSPATTRIB_POLICY_DELEGATION_INFO, TSS_TSPATTRIB_POLDEL_OWNERBLOB);
  std::ofstream file(path, std::ios::binary);
  for (BYTE byte : blob) file.put(static_cast<char>(byte));
  return file.good();
}

void test_cached(const Session& session, TSS_HPOLICY policy) {
  gives(Tspi_TPM_Delegate_CacheOwnerDelegation(session.tpm, policy, kRow, 0), TSS_SUCCESS,
        "the TPM keeps it in its table");
  holds(info(policy, TSS_TSPATTRIB_POLICY_DELEGATION_INFO, TSS_TSPATTRIB_POLDEL_PER1) ==
            TPM_DELEGATE_OwnerReadInternalPub,
        "where its permissions are what they were");
}

// tcsd looks for a key where there is none, and does not ask the TPM.
void test_owner_by_libtspi(const Session& session, TSS_HDELFAMILY family, TSS_HPOLICY policy) {
  must(Tspi_Policy_AssignToObject(policy, session.tpm), "Tspi_Policy_AssignToObject");
  TSS_HPOLICY other = delegate(session, TSS_DELEGATIONTYPE_OWNER, 0, kOwnerFiller);
  gives(Tspi_TPM_Delegate_CreateDelegation(session.tpm, 5, 0, 0, family, other), TSS_LAYER_TCS | TSS_E_KEY_NOT_LOADED,
        "libtspi itself cannot use the owner's delegation");
  session.assign_secret(session.tpm);
}

TSS_RESULT seal(const Session& session, TSS_HKEY key, TSS_HENCDATA& sealed) {
  Bytes data{'s', 'e', 'c', 'r', 'e', 't'};
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_ENCDATA, TSS_ENCDATA_SEAL, &sealed), "create data");
  session.assign_secret(sealed);
  return Tspi_Data_Seal(sealed, key, static_cast<UINT32>(data.size()), data.data(), 0);
}

Bytes unsealed(TSS_HENCDATA sealed, TSS_HKEY key) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  return Tspi_Data_Unseal(sealed, key, &size, &data) == TSS_SUCCESS ? Bytes(data, data + size) : Bytes();
}

void test_key(const Session& session, TSS_HDELFAMILY family) {
  TSS_HKEY key = session.make_key(TSS_KEY_TYPE_STORAGE | TSS_KEY_NOT_MIGRATABLE);
  TSS_HPOLICY policy = delegate(session, TSS_DELEGATIONTYPE_KEY, TPM_KEY_DELEGATE_Seal, kKeyFiller);
  gives(Tspi_TPM_Delegate_CreateDelegation(key, 3, 0, 0, family, policy), TSS_SUCCESS,
        "the use of a key is delegated for sealing");
  gives(Tspi_TPM_Delegate_VerifyDelegation(policy), TSS_SUCCESS, "the TPM verifies that too");
  must(Tspi_Policy_AssignToObject(policy, key), "Tspi_Policy_AssignToObject");
  TSS_HENCDATA sealed = 0, never = 0;
  gives(seal(session, key, sealed), TSS_SUCCESS, "who knows the delegated secret alone seals with the key");
  TSS_HKEY child = session.key_object(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE | TSS_KEY_NO_AUTHORIZATION);
  gives(Tspi_Key_CreateKey(child, key, 0), TPM_E_AUTHFAIL, "but makes no keys below it");
  Bytes wrong(20, kOwnerFiller);
  must(Tspi_Policy_SetSecret(policy, TSS_SECRET_MODE_SHA1, 20, wrong.data()), "Tspi_Policy_SetSecret");
  gives(seal(session, key, never), TPM_E_AUTHFAIL, "nor does another secret seal");
  session.assign_secret(key);
  holds(unsealed(sealed, key) == Bytes{'s', 'e', 'c', 'r', 'e', 't'}, "the key's own secret opens what was sealed");
}

void test_end(const Session& session) {
  TSS_HDELFAMILY family = add_family(session);
  TSS_HPOLICY policy = delegate(session, TSS_DELEGATIONTYPE_OWNER, TPM_DELEGATE_OwnerClear, kOwnerFiller);
  must(Tspi_TPM_Delegate_CreateDelegation(session.tpm, 4, 0, 0, family, policy), "Tspi_TPM_Delegate_CreateDelegation");
  must(Tspi_TPM_Delegate_VerifyDelegation(policy), "Tspi_TPM_Delegate_VerifyDelegation");
  UINT32 id = info(family, TSS_TSPATTRIB_DELFAMILY_INFO, TSS_TSPATTRIB_DELFAMILYINFO_FAMILYID);
  gives(Tspi_TPM_Delegate_InvalidateFamily(session.tpm, family), TSS_SUCCESS, "the owner invalidates a family");
  gives(Tspi_TPM_Delegate_GetFamily(session.tpm, id, &family), TSS_LAYER_TSP | TSS_E_BAD_PARAMETER,
        "the TPM knows it no more");
  gives(Tspi_TPM_Delegate_VerifyDelegation(policy), TPM_E_BADINDEX, "and its delegation is worth nothing");
}

}  // namespace

void test_delegation(const Session& session, const std::string& path) {
  TSS_HDELFAMILY family = add_family(session);
  if (family == 0) return;
  TSS_HPOLICY policy = delegate(session, TSS_DELEGATIONTYPE_OWNER, TPM_DELEGATE_OwnerReadInternalPub, kOwnerFiller);
  if (!gives(Tspi_TPM_Delegate_CreateDelegation(session.tpm, 1, 0, 0, family, policy), TSS_SUCCESS,
             "the owner delegates the reading of internal keys")) {
    return;
  }
  test_verification(session, policy);
  test_count(session, family, policy);
  holds(leave_blob(policy, path), "the delegation is left for another");
  test_owner_by_libtspi(session, family, policy);
  test_cached(session, policy);
  test_key(session, family);
  test_end(session);
}

}  // namespace tspi
