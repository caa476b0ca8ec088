// SPDX-License-Identifier: MIT
// A TPM as libtspi shows it, behind the tcsd of one port: owned, with owner and storage root key of the well-known
// secret.
#pragma once

#include <tss/tspi.h>

#include <string>
#include <vector>

// Uses the types of tspi.h and size_t without including them.
#include <trousers/trousers.h>

namespace tspi {

using Bytes = std::vector<BYTE>;

// Prints a line for run.sh: what was asserted, and whether it holds.
bool holds(bool condition, const std::string& text, const std::string& detail = "");
bool gives(TSS_RESULT got, TSS_RESULT wanted, const std::string& text);
// Ends the program unless it succeeded: what the next steps stand on.
void must(TSS_RESULT result, const char* what);

struct Session {
  explicit Session(const std::string& port);

  TSS_HPOLICY assign_secret(TSS_HOBJECT object, BYTE filler = 0, TSS_FLAG kind = TSS_POLICY_USAGE) const;
  TSS_HKEY key_object(TSS_FLAG type) const;
  // A key of this type, made and loaded under the storage root key.
  TSS_HKEY make_key(TSS_FLAG type, TSS_FLAG authorization = TSS_KEY_AUTHORIZATION) const;
  Bytes sign(TSS_HKEY key, const Bytes& message) const;

  TSS_HCONTEXT context = 0;
  TSS_HTPM tpm = 0;
  TSS_HKEY srk = 0;
};

Bytes attribute(TSS_HOBJECT object, TSS_FLAG flag, TSS_FLAG sub_flag);
Bytes modulus_of(TSS_HKEY key);

// By OpenSSL: RSASSA-PKCS1-v1_5 with SHA-1 and the exponent 65537.
bool verifies(const Bytes& modulus, const Bytes& message, const Bytes& signature);
Bytes sha1(const Bytes& message);
bool contains(const Bytes& where, const Bytes& what);

// What the TPM is asked to sign with what it signs: the nonce is not copied.
TSS_VALIDATION challenge(Bytes& nonce);
Bytes signed_data(const TSS_VALIDATION& validation);
Bytes signature_in(const TSS_VALIDATION& validation);

void test_migration(const Session& source, const Session& destination);
void test_cmk(const Session& source, const Session& destination);
void test_attestation(const Session& session);
void test_nv(const Session& session);
// Gives the identity key, loaded; 0 if it came to none. The files: the key of who has certified the endorsement key,
// and that certificate.
TSS_HKEY test_identity(const Session& session, const std::string& maker_path, const std::string& certificate_path);
void test_ticks(const Session& session);
// Beside `plain`, which shares the TPM and wraps nothing.
void test_transport(const std::string& port, const Session& plain);
// Leaves the blob of a delegation in a file.
void test_delegation(const Session& session, const std::string& path);
void test_audit(const Session& session, TSS_HKEY identity);
void test_counter(const Session& session, UINT32 id);

}  // namespace tspi
