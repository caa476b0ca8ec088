// SPDX-License-Identifier: MIT
// Transport sessions as a caller sees them: wrapping commands, unwrapping answers, keeping the log (Part 3, 24).
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

inline constexpr uint32_t kTransportEncrypt = 1, kTransportLog = 2, kTransportExclusive = 4;
inline constexpr uint32_t kAlgMgf1 = 7, kAlgAes128 = 6;
inline constexpr uint16_t kEsCtr = 4, kEsOfb = 5;
inline constexpr uint32_t kTransportHandle = 0x40000003;

struct TransportSession {
  Session* session = nullptr;  // its handle and nonces
  Digest auth{};
  uint32_t attributes = 0;
  uint32_t algorithm = 0;
  uint16_t scheme = 1;
  Digest log{};
  uint32_t locality = 0;
  Digest tick_nonce{};

  Bytes public_part() const;  // TPM_TRANSPORT_PUBLIC
};

// TPM_EstablishTransport with the secret `t.auth`: under the key of `enc_key`, or in clear under kTransportHandle.
Command establish_transport(const TransportSession& t, uint32_t enc_handle, const RsaPublic& enc_key,
                            const Proof& proof);
// Takes up what TPM_EstablishTransport answered.
void established(TransportSession& t, const Command& command, const Reply& reply);
Reply open_transport(Tpm& tpm, TransportSession& t, uint32_t enc_handle, const RsaPublic& enc_key,
                     const Digest& key_auth);

// What of a command a transport leaves in clear and logs.
struct Carried {
  size_t clear_in = 0;
  size_t clear_out = 0;
  Digest key_hash{};  // of the keys its handles name
};
// The command in a TPM_ExecuteTransport, whose reply is that of the command. `tpm` must outlive it.
Command execute_transport(const Tpm& tpm, const std::shared_ptr<TransportSession>& t, const Command& inner,
                          const Carried& carried, bool keep = true);
// What a log names one key by: the hash of the hash of its TPM_STORE_PUBKEY.
Digest logged_key(const RsaPublic& key);

}  // namespace client
