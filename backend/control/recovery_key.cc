// SPDX-License-Identifier: MIT
#include "backend/control/recovery_key.h"

#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace backend {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using File = std::unique_ptr<FILE, int (*)(FILE*)>;

std::nullopt_t complain(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "vtpmctl: %s: %s\n", path.c_str(), why.c_str());
  return std::nullopt;
}

Key read_key(const std::string& path, bool is_private) {
  File file(std::fopen(path.c_str(), "r"), std::fclose);
  if (file == nullptr) {
    complain(path, strerror(errno));
    return {nullptr, EVP_PKEY_free};
  }
  Key key(is_private ? PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr)
                     : PEM_read_PUBKEY(file.get(), nullptr, nullptr, nullptr),
          EVP_PKEY_free);
  if (key != nullptr && EVP_PKEY_is_a(key.get(), "X25519") == 1) return key;
  complain(path, is_private ? "is no private key of X25519 in PEM, or its passphrase is another one"
                            : "is no public key of X25519 in PEM: `openssl genpkey -algorithm X25519 -out KEY` makes "
                              "a key, `openssl pkey -in KEY -pubout` prints the public one");
  return {nullptr, EVP_PKEY_free};
}

}  // namespace

std::optional<vault::HostKey> read_recovery_key(const std::string& path) {
  Key key = read_key(path, false);
  vault::HostKey bytes{};
  size_t n = bytes.size();
  if (key == nullptr) return std::nullopt;
  if (EVP_PKEY_get_raw_public_key(key.get(), bytes.data(), &n) == 1 && n == bytes.size()) return bytes;
  return complain(path, "is no public key");
}

std::optional<base::Secret<32>> recover_file_key(const std::string& path, base::View file) {
  auto backup = vault::read_backup(file);
  if (!backup.ok()) {
    std::fprintf(stderr, "vtpmctl: %s\n", backup.error().text.c_str());
    return std::nullopt;
  }
  Key key = read_key(path, true);
  base::Secret<32> secret;
  size_t n = secret.kSize;
  if (key == nullptr) return std::nullopt;
  if (EVP_PKEY_get_raw_private_key(key.get(), secret.fill().data(), &n) != 1 || n != secret.kSize) {
    return complain(path, "is no private key");
  }
  auto found = vault::file_key(backup.value(), secret);
  if (!found) return complain(path, "the backup was not made to this recovery key");
  return found;
}

}  // namespace backend
