// SPDX-License-Identifier: MIT
// Owners of the OpenSSL objects that certificates are made of.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "lib/base/bytes.h"

namespace identity {

template <auto Free>
struct Frees {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Frees<Free>>;

using Bio = Owned<BIO, BIO_free>;
using Bignum = Owned<BIGNUM, BN_free>;
using Pkey = Owned<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtx = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Certificate = Owned<X509, X509_free>;
using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using Name = Owned<X509_NAME, X509_NAME_free>;
using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using Object = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;
using OctetString = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;

inline Bio reading(base::View bytes) { return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

// What an i2d function of OpenSSL writes; it may be wiped.
template <class T>
base::Bytes der_of(int (*write)(const T*, unsigned char**), const T* object) {
  int n = write(object, nullptr);
  base::Bytes bytes(n > 0 ? static_cast<size_t>(n) : 0);
  uint8_t* at = bytes.data();
  if (n > 0) write(object, &at);
  return bytes;
}

}  // namespace identity
