// SPDX-License-Identifier: MIT
// What the tests compute by OpenSSL alone, beside what session.h has of it.
#pragma once

#include <string>

#include "tests/clients/tspi/session.h"
#include "tests/engine/openssl.h"

namespace tspi {

using client::Frees;
using Key = client::PKey;

Key public_key(const Bytes& modulus);
Key make_pair();
// Of a file in PEM.
Key pair_in(const std::string& path);
Bytes modulus_of(const Key& pair);
// RSAES-PKCS1-v1_5; whatever was not encrypted for this pair gives nothing or noise.
Bytes decrypted(const Key& pair, const Bytes& encrypted);
// RSASSA-PKCS1-v1_5 of a SHA-1 digest.
Bytes signature_of(const Key& pair, const Bytes& digest);

// AES-128-CBC with PKCS #5 padding, the initial vector in front, as TrouSerS has it.
Bytes aes_encrypted(const Bytes& key, const Bytes& plain);
Bytes aes_decrypted(const Bytes& key, const Bytes& encrypted);

// X.509 in DER.
Bytes certificate(const std::string& subject, const Key& key, const std::string& issuer, const Key& issuer_pair);
// The modulus certified; empty unless the certificate is one and the issuer's signature verifies.
Bytes certified_modulus(const Bytes& certificate, const Key& issuer);

}  // namespace tspi
