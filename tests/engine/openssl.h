// SPDX-License-Identifier: MIT
// Owners of OpenSSL objects, on the tests' side.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <memory>

namespace client {

template <auto Free>
struct Frees {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bn = std::unique_ptr<BIGNUM, Frees<BN_free>>;
using PKey = std::unique_ptr<EVP_PKEY, Frees<EVP_PKEY_free>>;
using PKeyCtx = std::unique_ptr<EVP_PKEY_CTX, Frees<EVP_PKEY_CTX_free>>;

}  // namespace client
