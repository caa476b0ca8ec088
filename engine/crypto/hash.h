// SPDX-License-Identifier: MIT
// SHA-1, HMAC-SHA-1 and MGF1.
#pragma once

#include <openssl/sha.h>

#include <span>

#include "engine/spec/types.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace tpm::crypto {

// A running SHA-1. It uses OpenSSL's plain SHA_CTX: an EVP context allocates at every start, and a command without RSA
// shall not allocate at all.
class Sha1 final : public wire::Sink {
 public:
  Sha1();
  ~Sha1();
  Sha1(const Sha1&) = delete;
  Sha1& operator=(const Sha1&) = delete;

  void update(View bytes) override;
  template <class T>
  Sha1& put(const T& value) {
    wire::Writer w;
    w.hash_into(this);
    w.put(value);
    return *this;
  }
  // The digest of what came so far; the object starts again from nothing.
  Digest finish();

 private:
  SHA_CTX ctx_;
};

Digest sha1(View bytes);
// Of the wire form of the values, one after the other.
template <class... T>
Digest sha1_of(const T&... values) {
  Sha1 hash;
  (hash.put(values), ...);
  return hash.finish();
}

// RFC 2104 over SHA-1.
class Hmac {
 public:
  explicit Hmac(View key);
  ~Hmac();
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  void update(View bytes) { inner_.update(bytes); }
  template <class T>
  Hmac& put(const T& value) {
    inner_.put(value);
    return *this;
  }
  Digest finish();

 private:
  std::array<uint8_t, 64> outer_pad_{};
  Sha1 inner_;
};

template <class... T>
Digest hmac_of(const Secret& key, const T&... values) {
  Hmac mac(key.reveal());
  (mac.put(values), ...);
  return mac.finish();
}

// PKCS#1 MGF1 with SHA-1: fills `out` from the seed.
void mgf1(View seed, std::span<uint8_t> out);

}  // namespace tpm::crypto
