// SPDX-License-Identifier: MIT
// NV storage structures (Part 2, 19).
#pragma once

#include "engine/spec/pcr_structures.h"

namespace tpm {

// Required and reserved values of TPM_NV_INDEX (Part 2, 19.1.1 and 19.1.2).
inline constexpr uint32_t kNvIndexLock = 0xffffffff;   // defining it sets nvLocked
inline constexpr uint32_t kNvIndex0 = 0x00000000;      // writing to it sets bGlobalLock
inline constexpr uint32_t kNvIndexDir = 0x10000001;    // the DIR of TPM 1.1
inline constexpr uint32_t kNvIndexEndorsementCertificate = 0x1000f000;  // TPM_NV_INDEX_EKCert, of the maker
inline constexpr uint32_t kNvIndexTrial = 0x0000f004;  // a definition that is only tried
inline constexpr uint32_t kNvGpioFirst = 0x00011600;
inline constexpr uint32_t kNvGpioLast = 0x000116ff;
inline constexpr uint32_t kNvDefinedByMaker = 0x10000000;  // the D bit
inline constexpr uint32_t kNvReservedBits = 0x0f000000;

// TPM_NV_ATTRIBUTES (Part 2, 19.2).
inline constexpr uint32_t kNvPpWrite = 1u << 0;
inline constexpr uint32_t kNvOwnerWrite = 1u << 1;
inline constexpr uint32_t kNvAuthWrite = 1u << 2;
inline constexpr uint32_t kNvWriteAll = 1u << 12;
inline constexpr uint32_t kNvWriteDefine = 1u << 13;
inline constexpr uint32_t kNvWriteStClear = 1u << 14;
inline constexpr uint32_t kNvGlobalLock = 1u << 15;
inline constexpr uint32_t kNvPpRead = 1u << 16;
inline constexpr uint32_t kNvOwnerRead = 1u << 17;
inline constexpr uint32_t kNvAuthRead = 1u << 18;
inline constexpr uint32_t kNvReadStClear = 1u << 31;

struct NvAttributes {
  StructureTag tag = StructureTag::NvAttributes;
  uint32_t attributes = 0;
};

struct NvDataPublic {
  StructureTag tag = StructureTag::NvDataPublic;
  uint32_t index = 0;
  PcrInfoShort read_pcrs;
  PcrInfoShort write_pcrs;
  NvAttributes permission;
  bool read_stclear = false;
  bool write_stclear = false;
  bool write_define = false;
  uint32_t data_bytes = 0;

  bool has(uint32_t attribute) const { return (permission.attributes & attribute) != 0; }
};

}  // namespace tpm
