// SPDX-License-Identifier: MIT
// Signing, attestation, ticks and counters (Part 2, 11, 13, 15).
#pragma once

#include "engine/spec/key_structures.h"

namespace tpm {

struct SignInfo {
  StructureTag tag = StructureTag::SignInfo;
  std::array<uint8_t, 4> fixed{};
  Nonce replay{};
  wire::SizedBytes data;
};

struct QuoteInfo {
  uint32_t version = kVersion11;
  std::array<uint8_t, 4> fixed = {'Q', 'U', 'O', 'T'};
  Digest composite{};
  Nonce external_data{};
};

struct QuoteInfo2 {
  StructureTag tag = StructureTag::QuoteInfo2;
  std::array<uint8_t, 4> fixed = {'Q', 'U', 'T', '2'};
  Nonce external_data{};
  PcrInfoShort info_short;
};

struct CertifyInfo {
  uint32_t version = kVersion11;
  KeyUsage usage{};
  uint32_t flags = 0;
  AuthDataUsage auth_data_usage{};
  KeyParms parms;
  Digest pubkey_digest{};
  Nonce data{};
  bool parent_pcr_status = false;
  wire::SizedBytes pcr_info;
};

struct CertifyInfo2 {
  StructureTag tag = StructureTag::CertifyInfo2;
  uint8_t fill = 0;
  Payload payload = Payload::Asym;
  KeyUsage usage{};
  uint32_t flags = 0;
  AuthDataUsage auth_data_usage{};
  KeyParms parms;
  Digest pubkey_digest{};
  Nonce data{};
  bool parent_pcr_status = false;
  wire::SizedBytes pcr_info;
  wire::SizedBytes migration_authority;
};

// Whose secret, with tpmProof, approves the migration authority of a certified migratable key (Part 2, 5.19).
struct CmkMigAuth {
  StructureTag tag = StructureTag::CmkMigAuth;
  Digest msa_digest{};
  Digest pubkey_digest{};
};

struct CounterValue {
  StructureTag tag = StructureTag::CounterValue;
  std::array<uint8_t, 4> label{};
  uint32_t count = 0;
};

struct CurrentTicks {
  StructureTag tag = StructureTag::CurrentTicks;
  uint64_t ticks = 0;
  uint16_t rate = 1;  // microseconds a tick
  Nonce nonce{};
};

// The defence against guessing (Part 2, 21.7-21.10).
enum class DaState : uint8_t { Inactive = 0, Active = 1 };
struct DaActionType {
  StructureTag tag = StructureTag::DaActionType;
  uint32_t actions = 1;  // a time-out
};
struct DaInfo {
  StructureTag tag = StructureTag::DaInfo;
  DaState state{};
  uint16_t current_count = 0;
  uint16_t threshold_count = 0;
  DaActionType action_at_threshold;
  uint32_t action_depend_value = 0;  // the seconds that are left
  wire::SizedBytes vendor_data;
};
struct DaInfoLimited {
  StructureTag tag = StructureTag::DaInfoLimited;
  DaState state{};
  DaActionType action_at_threshold;
  wire::SizedBytes vendor_data;
};

struct CapVersionInfo {
  StructureTag tag = StructureTag::CapVersionInfo;
  uint32_t version = 0;
  uint16_t spec_level = 2;
  uint8_t errata_rev = 3;
  std::array<uint8_t, 4> vendor{};
  uint16_t vendor_specific_size = 0;
};

struct Version {
  uint8_t major = 1, minor = 2, rev_major = 0, rev_minor = 0;
};

}  // namespace tpm
