// SPDX-License-Identifier: MIT
// A key that migrates with the approval of an authority only. The authority is a pair of keys of OpenSSL's.

#include <cstring>

#include "tests/clients/tspi/openssl.h"
#include "tests/engine/migration_client.h"

namespace tspi {
namespace {

constexpr TSS_FLAG kKind = TSS_KEY_TYPE_SIGNING | TSS_KEY_MIGRATABLE | TSS_KEY_CERTIFIED_MIGRATABLE |
                           TSS_KEY_STRUCT_KEY12 | TSS_KEY_AUTHORIZATION;

class Authority {
 public:
  Bytes public_key() const {
    client::KeyParms parms{.enc_scheme = client::kEsNone, .sig_scheme = client::kSsSha1};
    return client::PubKey{.parms = parms, .modulus = modulus_of(pair_)}.encode();
  }
  Bytes approve(const Bytes& digest) const { return signature_of(pair_, digest); }

 private:
  Key pair_ = make_pair();
};

void set(TSS_HOBJECT object, TSS_FLAG flag, TSS_FLAG sub_flag, Bytes data) {
  must(Tspi_SetAttribData(object, flag, sub_flag, static_cast<UINT32>(data.size()), data.data()), "Tspi_SetAttribData");
}

TSS_HKEY public_object(const Session& session, TSS_FLAG type, const Bytes& blob) {
  TSS_HKEY key = session.key_object(type);
  set(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY, blob);
  return key;
}

Bytes public_blob(TSS_HKEY key) { return attribute(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY); }

client::Digest digest_of(const Bytes& blob) {
  client::Digest digest;
  Bytes hash = sha1(blob);
  std::memcpy(digest.data(), hash.data(), digest.size());
  return digest;
}

UINT32 restrictions(const Session& session) {
  UINT32 size = 0, property = TSS_TPMCAP_PROP_CMKRESTRICTION, value = 0;
  BYTE* data = nullptr;
  must(Tspi_TPM_GetCapability(session.tpm, TSS_TPMCAP_PROPERTY, sizeof property,
                              static_cast<BYTE*>(static_cast<void*>(&property)), &size, &data),
       "Tspi_TPM_GetCapability");
  if (size == sizeof value) std::memcpy(&value, data, size);
  return value;
}

void test_restrictions(const Session& session) {
  gives(Tspi_TPM_CMKSetRestrictions(session.tpm, TSS_CMK_DELEGATE_SIGNING), TSS_SUCCESS,
        "the owner restricts what delegates do with certified keys");
  holds(restrictions(session) == TSS_CMK_DELEGATE_SIGNING, "the TPM tells so");
  must(Tspi_TPM_CMKSetRestrictions(session.tpm, 0), "Tspi_TPM_CMKSetRestrictions");
  holds(restrictions(session) == 0, "until the owner takes it back");
}

TSS_HMIGDATA migration_data(const Session& session, const Authority& authority) {
  TSS_HMIGDATA data = 0;
  must(Tspi_Context_CreateObject(session.context, TSS_OBJECT_TYPE_MIGDATA, 0, &data), "create migration data");
  set(data, TSS_MIGATTRIB_MIGRATIONBLOB, TSS_MIGATTRIB_MIG_MSALIST_PUBKEY_BLOB, authority.public_key());
  return data;
}

TSS_HKEY certified_object(const Session& session) {
  TSS_HKEY key = session.key_object(kKind);
  session.assign_secret(key);
  session.assign_secret(key, 0, TSS_POLICY_MIGRATION);
  return key;
}

TSS_RESULT create(const Session& session, TSS_HKEY key, TSS_HMIGDATA data, const Bytes& approval) {
  set(key, TSS_TSPATTRIB_KEY_CMKINFO, TSS_TSPATTRIB_KEYINFO_CMK_MA_APPROVAL, approval);
  set(key, TSS_TSPATTRIB_KEY_CMKINFO, TSS_TSPATTRIB_KEYINFO_CMK_MA_DIGEST,
      attribute(data, TSS_MIGATTRIB_AUTHORITY_DATA, TSS_MIGATTRIB_AUTHORITY_DIGEST));
  return Tspi_Key_CreateKey(key, session.srk, 0);
}

// A certified key under this authority, loaded; 0 if it came to none.
TSS_HKEY test_creation(const Session& session, const Authority& authority, TSS_HMIGDATA data) {
  holds(attribute(data, TSS_MIGATTRIB_AUTHORITY_DATA, TSS_MIGATTRIB_AUTHORITY_DIGEST) ==
            sha1(client::msa_composite({digest_of(authority.public_key())})),
        "libtspi's digest of the authorities is ours");
  gives(Tspi_TPM_CMKApproveMA(session.tpm, data), TSS_SUCCESS, "the owner approves a migration authority");
  Bytes approval = attribute(data, TSS_MIGATTRIB_AUTHORITY_DATA, TSS_MIGATTRIB_AUTHORITY_APPROVAL_HMAC);
  Bytes forged = approval;
  forged.back() ^= 1;
  gives(create(session, certified_object(session), data, forged), TPM_E_MA_AUTHORITY,
        "without this approval no key is made for it");
  TSS_HKEY key = certified_object(session);
  if (!gives(create(session, key, data, approval), TSS_SUCCESS, "with it a certified migratable key is made")) {
    return 0;
  }
  must(Tspi_Key_LoadKey(key, session.srk), "Tspi_Key_LoadKey");
  return key;
}

Bytes ticket(const Session& session, TSS_HKEY parent, TSS_MIGRATE_SCHEME scheme) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  must(Tspi_TPM_AuthorizeMigrationTicket(session.tpm, parent, scheme, &size, &data),
       "Tspi_TPM_AuthorizeMigrationTicket");
  return {data, data + size};
}

void test_no_other_way(const Session& session, TSS_HKEY key, TSS_HKEY parent) {
  Bytes plain = ticket(session, parent, TSS_MS_MIGRATE);
  UINT32 random_size = 0, blob_size = 0;
  BYTE *random = nullptr, *blob = nullptr;
  gives(Tspi_Key_CreateMigrationBlob(key, session.srk, static_cast<UINT32>(plain.size()), plain.data(), &random_size,
                                     &random, &blob_size, &blob),
        TPM_E_BAD_MIGRATION, "it does not leave as an uncertified key does");
}

// Has the TPM of the session turn the authority's signature into its own ticket.
TSS_RESULT accept(const Session& session, const Authority& authority, TSS_HMIGDATA data, const Bytes& signature) {
  set(data, TSS_MIGATTRIB_TICKET_DATA, TSS_MIGATTRIB_TICKET_SIG_VALUE, signature);
  return Tspi_TPM_CMKCreateTicket(session.tpm, public_object(session, TSS_KEY_TYPE_SIGNING, authority.public_key()),
                                  data);
}

// What the authority signs: from which key to which parent; gives its signature.
Bytes approval_of(const Authority& authority, TSS_HMIGDATA data, const Bytes& source, const Bytes& destination) {
  set(data, TSS_MIGATTRIB_MIGRATIONBLOB, TSS_MIGATTRIB_MIG_AUTHORITY_PUBKEY_BLOB, authority.public_key());
  set(data, TSS_MIGATTRIB_MIGRATIONBLOB, TSS_MIGATTRIB_MIG_DESTINATION_PUBKEY_BLOB, destination);
  set(data, TSS_MIGATTRIB_MIGRATIONBLOB, TSS_MIGATTRIB_MIG_SOURCE_PUBKEY_BLOB, source);
  return authority.approve(
      sha1(client::cmk_auth(digest_of(authority.public_key()), digest_of(destination), digest_of(source))));
}

TSS_RESULT leave(const Session& session, TSS_HKEY key, TSS_HMIGDATA data, Bytes& random) {
  UINT32 size = 0;
  BYTE* bytes = nullptr;
  TSS_RESULT result = Tspi_Key_CMKCreateBlob(key, session.srk, data, &size, &bytes);
  if (result == TSS_SUCCESS) random = Bytes(bytes, bytes + size);
  return result;
}

bool test_departure(const Session& session, const Authority& authority, TSS_HMIGDATA data, TSS_HKEY key,
                    const Bytes& destination, Bytes& random) {
  TSS_HKEY parent = public_object(session, TSS_KEY_TYPE_STORAGE, destination);
  test_no_other_way(session, key, parent);
  set(data, TSS_MIGATTRIB_MIGRATIONTICKET, 0, ticket(session, parent, TSS_MS_RESTRICT_APPROVE_DOUBLE));
  Bytes signature = approval_of(authority, data, public_blob(key), destination);
  gives(accept(session, authority, data, Authority().approve(sha1({'?'}))), TPM_E_BAD_SIGNATURE,
        "no other's signature becomes a ticket");
  gives(accept(session, authority, data, signature), TSS_SUCCESS, "the authority's signature becomes one");
  return gives(leave(session, key, data, random), TSS_SUCCESS, "with it the key leaves its TPM");
}

// The migration data stay the object they were: libtspi takes no blob that comes from elsewhere.
void test_arrival(const Session& session, const Authority& authority, TSS_HMIGDATA data, TSS_HKEY source,
                  TSS_HKEY parent, Bytes random) {
  auto arrive = [&](TSS_HKEY key) {
    return Tspi_Key_CMKConvertMigration(key, parent, data, static_cast<UINT32>(random.size()), random.data());
  };
  gives(arrive(certified_object(session)), TPM_E_MA_TICKET_SIGNATURE, "the ticket of one TPM is none for the other");
  Bytes signature = approval_of(authority, data, public_blob(source), public_blob(parent));
  gives(accept(session, authority, data, signature), TSS_SUCCESS, "which makes its own of the same signature");
  TSS_HKEY key = certified_object(session);
  if (!gives(arrive(key), TSS_SUCCESS, "then the key arrives")) return;
  if (!gives(Tspi_Key_LoadKey(key, parent), TSS_SUCCESS, "and is loaded")) return;
  Bytes message{'c', 'e', 'r', 't', 'i', 'f', 'i', 'e', 'd'};
  holds(verifies(modulus_of(source), message, session.sign(key, message)),
        "and signs there what OpenSSL verifies with the old public key");
}

}  // namespace

void test_cmk(const Session& source, const Session& destination) {
  test_restrictions(source);
  Authority authority;
  TSS_HMIGDATA data = migration_data(source, authority);
  TSS_HKEY key = test_creation(source, authority, data);
  if (key == 0) return;
  TSS_HKEY parent = destination.make_key(TSS_KEY_TYPE_STORAGE | TSS_KEY_NOT_MIGRATABLE);
  Bytes random;
  if (!test_departure(source, authority, data, key, public_blob(parent), random)) return;
  test_arrival(destination, authority, data, key, parent, random);
}

}  // namespace tspi
