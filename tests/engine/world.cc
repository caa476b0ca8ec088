// SPDX-License-Identifier: MIT
#include "tests/engine/world.h"

#include <cstdio>
#include <cstdlib>
#include <map>

namespace world {

using client::bytes_of;
using client::kSrk;

namespace {

// What the process has made once and keeps.
struct Made {
  std::map<Stage, World::Point> points;
  Keys keys;
  Key srk;
};
Made& made() {
  static Made made;
  return made;
}

Key checked(client::Answer<Key> answer) {
  World::must(answer.reply, "CreateWrapKey");
  return answer.value;
}

Key outside(Key key) {
  key.flags = client::kMigratable;
  client::RsaPair pair = client::make_rsa(static_cast<int>(key.parms.bits));
  return Key::decode(client::wrap_outside(key, pair, made().srk.pub(), kKeyAuth, kMigrationAuth));
}

}  // namespace

void World::must(const client::Reply& reply, const char* what) {
  if (reply.ok()) return;
  fprintf(stderr, "world: %s answered %u %s\n", what, reply.code, reply.defect.c_str());
  abort();
}

World::World(Stage stage)
    : tpm([this](const Bytes& command, uint8_t locality) { return machine_->execute(command, locality); }) {
  start(stage);
}

const Keys& World::keys() const { return made().keys; }
Key World::srk() const { return made().srk; }

World::Point World::point() { return {machine_->snapshot(), sessions_}; }

void World::restore(const Point& point) {
  machine_.reset();
  machine_ = machine::make(point.snapshot);
  sessions_ = point.sessions;
}

void World::start(Stage stage) {
  // Only a machine that was never started is made anew each time: a snapshot of it would be of a running one.
  if (stage == Stage::Made) {
    static machine::Snapshot fresh;
    if (fresh.permanent.empty()) fresh = machine::make()->snapshot();
    machine_ = machine::make(fresh);
    machine_->power_cycle();
    return;
  }
  auto known = made().points.find(stage);
  if (known != made().points.end()) return restore(known->second);
  switch (stage) {
    case Stage::Bare:
      machine_ = machine::make(false);
      must(tpm.startup(), "Startup");
      break;
    case Stage::Started:
      start(Stage::Made);
      must(tpm.startup(), "Startup");
      break;
    case Stage::Owned: {
      start(Stage::Started);
      auto ek = tpm.read_pubek();
      must(ek.reply, "ReadPubek");
      auto srk = tpm.take_ownership(ek.value, kOwnerAuth, kSrkAuth);
      must(srk.reply, "TakeOwnership");
      made().srk = srk.value;
      make_keys();
      break;
    }
    case Stage::Disabled:
      start(Stage::Owned);
      must(tpm.run({.ordinal = 0x6e, .params = Out().u8(1), .proofs = {by_owner()}}), "OwnerSetDisable");
      break;
    case Stage::Deactivated:
      start(Stage::Owned);
      presence();
      must(tpm.run(0x73), "SetTempDeactivated");
      no_presence();
      break;
    case Stage::Made:
      break;
  }
  made().points[stage] = point();
}

void World::make_keys() {
  auto make = [&](const Key& key) { return checked(tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth)); };
  Keys& keys = made().keys;
  keys.sign = make(client::signing_key());
  keys.sign_der = make(client::signing_key(1024, client::kSsDer));
  keys.sign_info = make(client::signing_key(1024, client::kSsInfo));
  keys.bind = make(client::bind_key());
  keys.bind_pkcs = make(client::bind_key(1024, client::kEsPkcs));
  keys.legacy = make(client::legacy_key());
  keys.storage = make(client::storage_key());
  Key open = client::signing_key();
  open.auth_usage = 0;
  keys.open = make(open);
  open.auth_usage = 3;
  keys.no_read_auth = make(open);
  keys.migratable_storage = outside(client::storage_key());
  keys.migratable_sign = outside(client::signing_key());
  auto identity = tpm.make_identity(kOwnerAuth, kSrkAuth, kKeyAuth, Digest{}, client::identity_key());
  must(identity.reply, "MakeIdentity");
  keys.identity = identity.value.key;
}

Session* World::oiap() {
  auto session = tpm.oiap();
  must(session.reply, "OIAP");
  return &sessions_.emplace_back(session.value);
}

Session* World::osap(uint16_t type, uint32_t value, const Digest& secret) {
  auto session = tpm.osap(type, value, secret);
  must(session.reply, "OSAP");
  return &sessions_.emplace_back(session.value);
}

uint32_t World::load(const Key& key) {
  auto loaded = tpm.load_key2(kSrk, kSrkAuth, key.encode());
  must(loaded.reply, "LoadKey2");
  return loaded.value.handle;
}

Bytes World::fingerprint() {
  Out seen;
  auto ask = [&](uint32_t area, const Bytes& sub) {
    auto answer = tpm.get_capability(area, sub);
    seen.u32(answer.code()).sized(answer.value);
  };
  ask(4, Out().u32(0x108));  // permanent flags
  ask(4, Out().u32(0x109));  // volatile flags
  ask(5, Out().u32(0x111));  // owner
  ask(7, {});                // key handles
  ask(0x14, Out().u32(1));
  seen.raw(tpm.run(0x85, Out().u32(0)).params);  // audit
  ask(0x0d, {});                                 // NV areas
  client::In areas(tpm.get_capability(0x0d).value);
  for (uint32_t area = areas.u32(); areas.ok(); area = areas.u32()) ask(0x11, Out().u32(area));
  seen.raw(tpm.run(0xcf, Out().u32(0x10000001).u32(0).u32(20)).params);  // the DIR
  ask(5, Out().u32(0x122));                                              // the active counter
  client::In counters(tpm.get_capability(0x14, Out().u32(6)).value);
  for (uint16_t n = counters.u16(); n > 0; n--) seen.raw(tpm.run(0xde, Out().u32(counters.u32())).params);
  for (uint32_t pcr = 0; pcr < 24; pcr++) seen.raw(tpm.pcr_read(pcr).value);
  // TPM_ReadPubek is audited unless the owner says otherwise, and asking must change nothing.
  auto copy = machine::make(machine_->snapshot());
  Tpm asked([&copy](const Bytes& command, uint8_t locality) { return copy->execute(command, locality); });
  seen.u32(asked.read_pubek().code());
  return seen;
}

}  // namespace world
