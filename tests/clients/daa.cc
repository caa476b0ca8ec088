// SPDX-License-Identifier: MIT

#include "tests/clients/daa.h"

#include <cstdio>

#include "tests/engine/daa_client.h"

namespace clients {
namespace {

using client::Bytes;
using client::Tpm;
using client::daa::Issuer;
using client::daa::Join;
using client::daa::Sign;

constexpr uint32_t kReadPubek = 0x7d;

bool done(const client::Answer<Bytes>& answer, const std::string& defect, unsigned stage) {
  if (answer.ok() && defect.empty()) return true;
  printf("stage %u: code %u%s\n", stage, answer.code(), defect.c_str());
  return false;
}

bool join_stages(Tpm& tpm, Join& join) {
  for (uint8_t stage = 0; stage < Join::kStages; stage++) {
    for (size_t i = 0; i < join.calls(stage); i++) {
      auto answer = client::daa::stage(tpm, client::daa::kJoin, client::kWellKnown, join.handle, stage,
                                       join.in0(stage, i), join.in1(stage, i));
      if (!done(answer, answer.ok() ? join.take(stage, answer.value) : "", stage)) return false;
    }
  }
  return true;
}

bool sign_stages(Tpm& tpm, Sign& sign) {
  for (uint8_t stage = 0; stage < Sign::kStages; stage++) {
    auto answer = client::daa::stage(tpm, client::daa::kSign, client::kWellKnown, sign.handle, stage, sign.in0(stage),
                                     sign.in1(stage));
    if (!done(answer, answer.ok() ? sign.take(stage, answer.value) : "", stage)) return false;
  }
  return true;
}

}  // namespace

int daa(client::Stream& stream, char**) {
  constexpr uint8_t kDigest = 1;
  Tpm tpm(stream.transport());
  client::Reply read = tpm.run_oiap({.ordinal = kReadPubek}, client::kWellKnown);
  if (!read.ok()) return 1;
  client::In in(read.params);
  Issuer issuer;
  Join join(issuer, client::PubKey::decode(in).pub());
  if (!join_stages(tpm, join)) return 1;
  Bytes message = client::bytes_of(client::sha1(client::bytes_of("a message")));
  Sign sign(issuer, join.joined(), message, false);
  if (!sign_stages(tpm, sign)) return 1;
  bool accepted = client::daa::verify(issuer.pub(), sign.signature(), kDigest, message);
  message.back() ^= 1;
  bool fooled = client::daa::verify(issuer.pub(), sign.signature(), kDigest, message);
  printf("%s, another %s\n", accepted ? "accepted" : "refused", fooled ? "accepted" : "refused");
  return 0;
}

}  // namespace clients
