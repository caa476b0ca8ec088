// SPDX-License-Identifier: MIT
#include "backend/control/base64.h"

#include <openssl/evp.h>

namespace backend {

std::string base64(base::View bytes) {
  base::Bytes text(4 * ((bytes.size() + 2) / 3) + 1);
  int n = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
  return {text.begin(), text.begin() + n};
}

std::optional<base::Bytes> from_base64(const std::string& text) {
  base::Bytes in(text.begin(), text.end()), out(3 * (text.size() / 4));
  if (text.empty()) return out;
  int n = EVP_DecodeBlock(out.data(), in.data(), static_cast<int>(in.size()));
  if (n < 0) return std::nullopt;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  out.resize(static_cast<size_t>(n) - padding);
  return out;
}

}  // namespace backend
