// SPDX-License-Identifier: MIT
#include "backend/convert/file_key.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <string_view>

namespace convert {

namespace {

constexpr int kRounds = 1000;
constexpr std::string_view kSalt = "swtpm";

int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

const uint8_t* bytes_in(std::string_view text) {
  return static_cast<const uint8_t*>(static_cast<const void*>(text.data()));
}
const char* text_in(base::View bytes) { return static_cast<const char*>(static_cast<const void*>(bytes.data())); }

Result<base::Bytes> from_hex(base::View text) {
  if (text.size() >= 2 && text[0] == '0' && text[1] == 'x') text = text.subspan(2);
  base::Bytes bytes;
  for (size_t at = 0; at < text.size() && !space(text[at]); at += 2) {
    int high = digit(text[at]), low = at + 1 < text.size() ? digit(text[at + 1]) : -1;
    if (high < 0 || low < 0) return Reason{"the key is not in hexadecimal digits: is it binary? See --key-format"};
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

Result<FileKey> key_in(base::View content, bool binary) {
  base::Bytes bytes = binary ? base::copy_of(content) : TRY(from_hex(content));
  if (bytes.size() != kShortKey && bytes.size() != kLongKey) return Reason{"the key has neither 128 nor 256 bits"};
  return FileKey{.bytes = base::SecretBytes(std::move(bytes))};
}

Result<FileKey> key_from_password(base::View content, bool by_sha512) {
  if (content.empty()) return Reason{"the password is empty"};
  base::SecretBytes made(size_t{SHA512_DIGEST_LENGTH});
  if (by_sha512) {
    SHA512(content.data(), content.size(), made.fill().data());
  } else if (PKCS5_PBKDF2_HMAC(text_in(content), static_cast<int>(content.size()), bytes_in(kSalt),
                               static_cast<int>(kSalt.size()), kRounds, EVP_sha512(), static_cast<int>(made.size()),
                               made.fill().data()) != 1) {
    return Reason{"no key can be made of the password on this machine"};
  }
  made.resize(kLongKey);
  return FileKey{.bytes = std::move(made), .of_password = true};
}

}  // namespace convert
