// SPDX-License-Identifier: MIT
// Owners of OpenSSL objects.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <memory>

namespace tpm::crypto {

template <auto Free>
struct Frees {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using MdCtx = std::unique_ptr<EVP_MD_CTX, Frees<EVP_MD_CTX_free>>;
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Frees<EVP_CIPHER_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Frees<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, Frees<EVP_PKEY_CTX_free>>;
using Bignum = std::unique_ptr<BIGNUM, Frees<BN_clear_free>>;
using BignumCtx = std::unique_ptr<BN_CTX, Frees<BN_CTX_free>>;

}  // namespace tpm::crypto
