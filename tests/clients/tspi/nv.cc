// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/session.h"

namespace tspi {
namespace {

constexpr UINT32 kSize = 16;
constexpr UINT32 kOwnerIndex = 0x00011101;

TSS_HNVSTORE area(const Session& session, UINT32 index, UINT32 permissions) {
  TSS_HNVSTORE nv = 0;
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_NV, 0, &nv), "create an NV object");
  must(Tspi_SetAttribUint32(nv, TSS_TSPATTRIB_NV_INDEX, 0, index), "set the index");
  must(Tspi_SetAttribUint32(nv, TSS_TSPATTRIB_NV_PERMISSIONS, 0, permissions), "set the permissions");
  must(Tspi_SetAttribUint32(nv, TSS_TSPATTRIB_NV_DATASIZE, 0, kSize), "set the size");
  return nv;
}

Bytes read(TSS_HNVSTORE nv, TSS_RESULT& result) {
  UINT32 size = kSize;
  BYTE* data = nullptr;
  result = Tspi_NV_ReadValue(nv, 0, &size, &data);
  return result == TSS_SUCCESS ? Bytes(data, data + size) : Bytes();
}

bool listed(const Session& session, UINT32 index) {
  UINT32 size = 0;
  BYTE* list = nullptr;
  must(Tspi_TPM_GetCapability(session.tpm, TSS_TPMCAP_NV_LIST, 0, nullptr, &size, &list), "Tspi_TPM_GetCapability");
  for (UINT32 at = 0; at + 4 <= size; at += 4) {
    UINT32 found = 0;
    for (UINT32 i = 0; i < 4; ++i) found = found << 8 | list[at + i];
    if (found == index) return true;
  }
  return false;
}

void test_owner_area(const Session& session) {
  TSS_HNVSTORE nv = area(session, kOwnerIndex, TPM_NV_PER_OWNERREAD | TPM_NV_PER_OWNERWRITE);
  Bytes value(kSize, 0x11);
  TSS_RESULT result = TSS_SUCCESS;
  if (!gives(Tspi_NV_DefineSpace(nv, 0, 0), TSS_SUCCESS, "the owner defines an area of the owner's")) return;
  session.assign_secret(nv, 0x77);
  gives(Tspi_NV_WriteValue(nv, 0, kSize, value.data()), TPM_E_AUTHFAIL, "with another secret nobody writes it");
  session.assign_secret(nv);
  gives(Tspi_NV_WriteValue(nv, 0, kSize, value.data()), TSS_SUCCESS, "the owner writes it");
  holds(read(nv, result) == value, "and reads what was written");
  gives(Tspi_NV_WriteValue(nv, 1, kSize, value.data()), TPM_E_NOSPACE, "nobody writes beyond its end");
  holds(listed(session, kOwnerIndex), "the TPM lists it");
  gives(Tspi_NV_ReleaseSpace(nv), TSS_SUCCESS, "the owner releases it");
  holds(!listed(session, kOwnerIndex), "and the TPM lists it no more");
}

void test_pcr_area(const Session& session) {
  constexpr UINT32 kPcr = 12;
  TSS_HPCRS pcrs = 0;
  UINT32 size = 0;
  BYTE* data = nullptr;
  must(Tspi_TPM_PcrRead(session.tpm, kPcr, &size, &data), "Tspi_TPM_PcrRead");
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_PCRS, TSS_PCRS_STRUCT_INFO_SHORT, &pcrs),
       "create PCRs");
  must(Tspi_PcrComposite_SelectPcrIndexEx(pcrs, kPcr, TSS_PCRS_DIRECTION_RELEASE), "select a PCR");
  must(Tspi_PcrComposite_SetPcrValue(pcrs, kPcr, size, data), "set its value");
  must(Tspi_PcrComposite_SetPcrLocality(pcrs, 0x1f), "set the localities");
  TSS_HNVSTORE nv = area(session, 0x00011102, TPM_NV_PER_OWNERWRITE);
  if (!gives(Tspi_NV_DefineSpace(nv, pcrs, 0), TSS_SUCCESS, "an area is defined whose reading a PCR guards")) return;
  session.assign_secret(nv);
  Bytes value(kSize, 0x22);
  gives(Tspi_NV_WriteValue(nv, 0, kSize, value.data()), TSS_SUCCESS, "the owner writes it");
  TSS_HNVSTORE reader = area(session, 0x00011102, TPM_NV_PER_OWNERWRITE);
  TSS_RESULT result = TSS_SUCCESS;
  holds(read(reader, result) == value, "everybody reads it while the PCR is the same");
  Bytes measurement(20, 0x33);
  must(Tspi_TPM_PcrExtend(session.tpm, kPcr, 20, measurement.data(), nullptr, &size, &data), "Tspi_TPM_PcrExtend");
  read(reader, result);
  gives(result, TPM_E_WRONGPCRVAL, "and nobody once it is extended");
}

}  // namespace

void test_nv(const Session& session) {
  test_owner_area(session);
  test_pcr_area(session);
}

}  // namespace tspi
