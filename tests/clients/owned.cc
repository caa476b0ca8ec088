// SPDX-License-Identifier: MIT

#include "tests/clients/owned.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/engine/counter_client.h"
#include "tests/engine/delegation_client.h"

namespace clients {

using client::Bytes;
using client::Digest;
using client::Tpm;

namespace {

// Of the delegation that tests/clients/tspi leaves.
constexpr uint8_t kFiller = 0x61;
constexpr uint32_t kRow = 1, kReadInternalPub = 0x81, kReadPubek = 0x7d, kSetTempDeactivated = 0x73;

Digest filled(uint8_t filler) {
  Digest digest;
  digest.fill(filler);
  return digest;
}

// The modulus of the storage root key by this delegation; prints the code when there is none.
Bytes storage_root(Tpm& tpm, uint16_t type, const Bytes& value, uint8_t filler) {
  auto session = client::dsap(tpm, type, client::kOwner, value, filled(filler));
  if (!session.ok()) {
    printf("DSAP: code %u\n", session.code());
    return {};
  }
  client::Command command{
      .ordinal = kReadInternalPub, .params = client::Out().u32(client::kSrk), .proofs = {{.session = &session.value}}};
  client::Reply reply = tpm.run(command);
  if (!reply.ok()) {
    printf("code %u%s\n", reply.code, reply.defect.c_str());
    return {};
  }
  client::In in(reply.params);
  return client::PubKey::decode(in).modulus;
}

}  // namespace

int count(client::Stream& stream, char** args) {
  Tpm tpm(stream.transport());
  client::Counters counters(tpm);
  Digest auth = client::secret("counter");
  auto made = counters.create(client::kWellKnown, auth, "test");
  if (!made.ok()) return 1;
  uint32_t id = made.value.id, first = made.value.count;
  printf("%u:", id);
  for (int left = atoi(args[0]); left > 0; --left) {
    auto next = counters.increment(id, auth);
    if (!next.ok()) return 1;
    printf(" +%u", next.value.count - first);
  }
  auto read = counters.read(id);
  if (!read.ok()) return 1;
  printf(" read +%u %s, active %u\n", read.value.count - first, client::hex(read.value.label).c_str(),
         counters.active());
  return 0;
}

int count_on(client::Stream& stream, char** args) {
  Tpm tpm(stream.transport());
  auto next = client::Counters(tpm).increment(static_cast<uint32_t>(atoi(args[0])), client::secret("counter"));
  if (!next.ok()) return 1;
  printf("%u\n", next.value.count);
  return 0;
}

int delegated(client::Stream& stream, char** args) {
  std::ifstream file(args[0], std::ios::binary);
  Bytes blob{std::istreambuf_iterator<char>(file), {}};
  Tpm tpm(stream.transport());
  Bytes row = client::Out().u32(kRow);
  Bytes by_blob = storage_root(tpm, client::kEtDelOwnerBlob, blob, kFiller);
  Bytes by_row = storage_root(tpm, client::kEtDelRow, row, kFiller);
  printf("%zu bytes, %s\n", by_blob.size(), by_blob == by_row ? "the same by the row" : "others by the row");
  storage_root(tpm, client::kEtDelRow, row, kFiller + 1);

  auto session = client::dsap(tpm, client::kEtDelOwnerBlob, client::kOwner, blob, filled(kFiller));
  if (!session.ok()) return 1;
  printf("code %u\n", tpm.run({.ordinal = kReadPubek, .proofs = {{.session = &session.value}}}).code);
  return 0;
}

int deactivate_as_operator(client::Stream& stream, char** args) {
  auto filler = static_cast<uint8_t>(strtoul(args[0], nullptr, 0));
  Tpm tpm(stream.transport());
  client::Reply reply = tpm.run_oiap({.ordinal = kSetTempDeactivated}, filled(filler));
  printf("code %u%s\n", reply.code, reply.defect.c_str());
  return 0;
}

}  // namespace clients
