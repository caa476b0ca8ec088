// SPDX-License-Identifier: MIT

#include <chrono>
#include <cstring>
#include <thread>

#include "tests/clients/tspi/session.h"
#include "tests/engine/tpm_client.h"

namespace tspi {
namespace {

constexpr size_t kTicksBytes = 32;
constexpr auto kPause = std::chrono::milliseconds(60);

client::Ticks now(const Session& session) {
  TPM_CURRENT_TICKS ticks{};
  must(Tspi_TPM_ReadCurrentTicks(session.tpm, &ticks), "Tspi_TPM_ReadCurrentTicks");
  client::Ticks read{.count = ticks.currentTicks, .rate = ticks.tickRate};
  std::memcpy(read.nonce.data(), ticks.tickNonce.nonce, read.nonce.size());
  return read;
}

client::Ticks at_the_end_of(const Bytes& data) {
  client::In in(Bytes(data.end() - kTicksBytes, data.end()));
  in.u16();
  client::Ticks ticks;
  ticks.count = in.u64();
  ticks.rate = in.u16();
  ticks.nonce = in.digest();
  return ticks;
}

// TPM_SIGN_INFO as TPM_TickStampBlob signs it.
Bytes stamp(const Bytes& nonce, const Bytes& digest, const client::Ticks& ticks) {
  client::Out info;
  info.u16(0x0005).raw(client::bytes_of("TSTP")).raw(nonce).u32(20 + kTicksBytes).raw(digest);
  return info.u16(0x0014).u64(ticks.count).u16(ticks.rate).raw(ticks.nonce);
}

bool between(const client::Ticks& before, const client::Ticks& middle, const client::Ticks& after) {
  return before.count <= middle.count && middle.count <= after.count && before.nonce == middle.nonce &&
         middle.nonce == after.nonce;
}

}  // namespace

void test_ticks(const Session& session) {
  TSS_HKEY key = session.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE);
  client::Ticks before = now(session);
  auto started = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(kPause);
  TSS_HHASH hash = 0;
  Bytes digest = sha1({'s', 't', 'a', 'm', 'p'}), nonce(20, 0x71);
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_HASH, TSS_HASH_SHA1, &hash), "create a hash");
  must(Tspi_Hash_SetHashValue(hash, 20, digest.data()), "Tspi_Hash_SetHashValue");
  TSS_VALIDATION validation = challenge(nonce);
  if (!gives(Tspi_Hash_TickStampBlob(hash, key, &validation), TSS_SUCCESS, "a digest is stamped with ticks")) return;
  client::Ticks stamped = at_the_end_of(signed_data(validation));
  client::Ticks after = now(session);
  auto elapsed = std::chrono::steady_clock::now() - started;
  Bytes info = stamp(nonce, digest, stamped);
  holds(verifies(modulus_of(key), info, signature_in(validation)), "OpenSSL verifies the stamp over digest and ticks");
  ++stamped.count;
  holds(!verifies(modulus_of(key), stamp(nonce, digest, stamped), signature_in(validation)), "and over no later ticks");
  --stamped.count;
  holds(between(before, stamped, after), "its ticks lie between those read before and after it, in the same session");
  auto told = std::chrono::microseconds((after.count - before.count) * after.rate);
  auto slack = std::chrono::milliseconds(20);
  holds(told + slack >= kPause && told <= elapsed + slack, "ticks pass as the clock does");
}

}  // namespace tspi
