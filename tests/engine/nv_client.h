// SPDX-License-Identifier: MIT
// The NV commands of Part 3, 20, for the client.
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

inline constexpr uint32_t kNvPpWrite = 1, kNvOwnerWrite = 2, kNvAuthWrite = 4, kNvWriteAll = 0x1000,
                          kNvWriteDefine = 0x2000, kNvWriteStClear = 0x4000, kNvGlobalLock = 0x8000,
                          kNvPpRead = 0x10000, kNvOwnerRead = 0x20000, kNvAuthRead = 0x40000,
                          kNvReadStClear = 0x80000000;
inline constexpr uint32_t kNvLock = 0xffffffff, kNvDir = 0x10000001, kNvTrial = 0xf004;
inline constexpr uint16_t kEtNv = 0x0b;

// TPM_PCR_INFO_SHORT.
struct PcrShort {
  Bytes selection = pcr_selection({});
  uint8_t locality = 0x1f;
  Digest at_release{};
  Bytes encode() const { return Out().raw(selection).u8(locality).raw(at_release); }
};

// TPM_NV_DATA_PUBLIC.
struct NvPublic {
  uint32_t index = 0;
  uint32_t attributes = 0;
  uint32_t bytes = 0;
  PcrShort read{};
  PcrShort write{};
  bool read_stclear = false;
  bool write_stclear = false;
  bool write_define = false;
  Bytes encode() const;
  static NvPublic decode(const Bytes& bytes);
};

class Nv {
 public:
  explicit Nv(Tpm& tpm) : tpm_(tpm) {}

  Reply define(const NvPublic& area, const Digest& auth = {});
  Reply define_as_owner(const NvPublic& area, const Digest& owner, const Digest& auth = {});
  // Sets nvLocked.
  Reply lock();

  Reply write(uint32_t index, uint32_t offset, const Bytes& data);
  Reply write_as_owner(uint32_t index, uint32_t offset, const Bytes& data, const Digest& owner);
  Reply write_auth(uint32_t index, uint32_t offset, const Bytes& data, const Digest& auth);

  Answer<Bytes> read(uint32_t index, uint32_t offset, uint32_t n);
  Answer<Bytes> read_as_owner(uint32_t index, uint32_t offset, uint32_t n, const Digest& owner);
  Answer<Bytes> read_auth(uint32_t index, uint32_t offset, uint32_t n, const Digest& auth);

  Answer<Bytes> list() { return tpm_.get_capability(0x0d); }
  Answer<NvPublic> public_of(uint32_t index);

 private:
  Tpm& tpm_;
};

}  // namespace client
