// SPDX-License-Identifier: MIT

#include "tests/clients/migrate.h"

#include <cstdio>

#include "tests/engine/migration_client.h"

namespace clients {
namespace {

using client::Digest;
using client::Key;
using client::kSrk;
using client::kWellKnown;
using client::Migrating;
using client::Tpm;

const Digest kAuth = client::secret("migrating");

struct Made {
  Key key;
  uint32_t handle = 0;
};

std::optional<Made> make(Tpm& tpm, const Key& kind) {
  auto key = tpm.create_wrap_key(kSrk, kWellKnown, kind, kAuth, kAuth);
  if (!key.ok()) return {};
  auto loaded = tpm.load_key2(kSrk, kWellKnown, key.value.encode());
  if (!loaded.ok()) return {};
  return Made{key.value, loaded.value.handle};
}

Key of_usage(uint16_t usage) {
  Key key = client::storage_key();
  key.usage = usage;
  return key;
}

std::optional<Migrating> leave(Tpm& tpm, const Key& key, const Key& authority) {
  auto ticket = client::authorize_migration_key(tpm, kWellKnown, client::kMsMigrate, client::public_part(authority));
  if (!ticket.ok()) return {};
  auto blob =
      client::create_migration_blob(tpm, kSrk, kWellKnown, client::kMsMigrate, ticket.value, key.encrypted, kAuth);
  return blob.ok() ? std::optional(blob.value) : std::nullopt;
}

const char* signs(Tpm& tpm, uint32_t parent, Key key) {
  Digest digest = client::sha1(client::bytes_of("migrated"));
  auto loaded = tpm.load_key2(parent, kAuth, key.encode());
  if (!loaded.ok()) return "does not load";
  auto signature = tpm.sign(loaded.value.handle, kAuth, client::bytes_of(digest));
  if (!signature.ok()) return "does not sign";
  return client::verify_sha1(key.pub(), digest, signature.value) ? "signs" : "signs wrongly";
}

}  // namespace

int migrate(client::Stream& stream, char** args) {
  client::Stream there(args[0]);
  Tpm source(stream.transport()), destination(there.transport());
  Key migratable = client::signing_key(2048);
  migratable.flags = client::kMigratable;
  auto key = make(source, migratable);
  auto authority = make(destination, of_usage(client::kMigrate)), parent = make(destination, client::storage_key());
  if (!key || !authority || !parent) return 1;
  auto left = leave(source, key->key, authority->key);
  if (!left) return 1;
  Migrating direct = *left;
  printf("without the authority: code %u\n",
         client::convert_migration_blob(destination, parent->handle, kAuth, direct).code());
  auto passed =
      client::migrate_key(destination, authority->handle, kAuth, client::public_part(parent->key), left->blob);
  if (!passed.ok()) return 1;
  auto arrived = client::convert_migration_blob(destination, parent->handle, kAuth, {left->random, passed.value});
  if (!arrived.ok()) return 1;
  key->key.encrypted = arrived.value;
  printf("with it: %s\n", signs(destination, parent->handle, key->key));
  return 0;
}

}  // namespace clients
