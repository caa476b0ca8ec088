// SPDX-License-Identifier: MIT
// Authority: the key and certificate that endorsement keys are certified with.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "backend/identity/extensions.h"
#include "lib/base/result.h"

namespace identity {

// Why not, for people.
template <class T = void>
using Result = base::Result<T, std::string>;

// Of an RSA-2048 endorsement key with the exponent 65537.
using Modulus = std::array<uint8_t, 256>;
// Whether it can be one.
bool sound(const Modulus& modulus);

class Authority {
 public:
  // A new RSA key with a certificate that it signs itself. Takes a processor for a moment; gives up when `cancelled`.
  static Result<Authority> make(const std::atomic<bool>& cancelled);
  // What an administrator gives, in PEM: the certificate, with those above it behind if it is not a root's, and its
  // key.
  static Result<Authority> given(base::View certificates, base::View key);
  // What kept() gave. The bytes hold the key.
  static Result<Authority> from_kept(base::View kept);
  base::Bytes kept() const;

  // The certificate of an endorsement key, in DER.
  Result<base::Bytes> certify(const Modulus& modulus, const Make& make) const;

  // In PEM, as it was given.
  std::string certificates() const;
  // Whether it may sign now: why not otherwise.
  Result<> check_validity() const;
  // How many days it has left; 100,000 at most.
  int days_left() const;

 private:
  Authority(Pkey key, std::vector<Certificate> chain) : key_(std::move(key)), chain_(std::move(chain)) {}
  const X509* own() const { return chain_.front().get(); }

  Pkey key_;
  std::vector<Certificate> chain_;  // its own first
};

// Authority::given() of two files; says which of them cannot be used, and why.
Result<Authority> read_authority(const std::string& certificate_file, const std::string& key_file);

// In PEM.
std::string pem_of_key(const Modulus& modulus);
std::string pem_of_certificate(base::View der);

}  // namespace identity
