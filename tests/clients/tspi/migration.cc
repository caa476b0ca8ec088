// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/session.h"

namespace tspi {
namespace {

struct Package {
  Bytes random;
  Bytes blob;
};

TSS_HKEY public_copy(const Session& session, TSS_HKEY foreign) {
  Bytes blob = attribute(foreign, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY);
  TSS_HKEY key = session.key_object(TSS_KEY_TYPE_STORAGE);
  must(Tspi_SetAttribData(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY,
                          static_cast<UINT32>(blob.size()), blob.data()),
       "set a public key");
  return key;
}

TSS_RESULT leave(TSS_HKEY key, TSS_HKEY parent, Bytes ticket, Package& package) {
  UINT32 random_size = 0, blob_size = 0;
  BYTE *random = nullptr, *blob = nullptr;
  TSS_RESULT result = Tspi_Key_CreateMigrationBlob(key, parent, static_cast<UINT32>(ticket.size()), ticket.data(),
                                                   &random_size, &random, &blob_size, &blob);
  if (result == TSS_SUCCESS) package = {{random, random + random_size}, {blob, blob + blob_size}};
  return result;
}

TSS_RESULT arrive(const Session& session, TSS_HKEY parent, Package package, TSS_HKEY& key) {
  key = session.key_object(TSS_KEY_TYPE_SIGNING | TSS_KEY_MIGRATABLE | TSS_KEY_AUTHORIZATION);
  session.assign_secret(key);
  session.assign_secret(key, 0, TSS_POLICY_MIGRATION);
  TSS_RESULT result =
      Tspi_Key_ConvertMigrationBlob(key, parent, static_cast<UINT32>(package.random.size()), package.random.data(),
                                    static_cast<UINT32>(package.blob.size()), package.blob.data());
  return result != TSS_SUCCESS ? result : Tspi_Key_LoadKey(key, parent);
}

}  // namespace

void test_migration(const Session& source, const Session& destination) {
  TSS_HKEY parent = destination.make_key(TSS_KEY_TYPE_STORAGE | TSS_KEY_NOT_MIGRATABLE);
  TSS_HKEY key = source.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_MIGRATABLE);
  UINT32 size = 0;
  BYTE* data = nullptr;
  TSS_HKEY target = public_copy(source, parent);
  TSS_RESULT result = Tspi_TPM_AuthorizeMigrationTicket(source.tpm, target, TSS_MS_MIGRATE, &size, &data);
  if (!gives(result, TSS_SUCCESS, "the owner authorizes a migration to the other TPM")) return;
  Bytes ticket(data, data + size);
  Package package;
  if (!gives(leave(key, source.srk, ticket, package), TSS_SUCCESS, "a migratable key leaves its TPM")) return;

  TSS_HKEY bound = source.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE);
  source.assign_secret(bound, 0, TSS_POLICY_MIGRATION);
  Package none;
  holds(leave(bound, source.srk, ticket, none) != TSS_SUCCESS, "a key that is not migratable stays");
  Bytes forged = ticket;
  forged.back() ^= 1;
  gives(leave(key, source.srk, forged, none), TPM_E_AUTHFAIL, "nor does a forged ticket move a key");

  TSS_HKEY moved = 0;
  gives(arrive(destination, parent, package, moved), TSS_SUCCESS, "it arrives in the other TPM");
  Bytes message{'m', 'o', 'v', 'e', 'd'};
  holds(verifies(modulus_of(key), message, destination.sign(moved, message)),
        "and signs there what OpenSSL verifies with the old public key");
  package.random[0] ^= 1;
  TSS_HKEY broken = 0;
  holds(arrive(destination, parent, package, broken) != TSS_SUCCESS, "with another random it does not arrive");
}

}  // namespace tspi
