// SPDX-License-Identifier: MIT
#include "backend/socket/blob.h"

#include <openssl/evp.h>

#include <algorithm>
#include <string_view>

#include "lib/base/verify.h"

namespace socketd {

namespace {

std::string_view magic_of(Part part) {
  return part == Part::Permanent ? "vtpm-socketd 1\n" : "vtpm-socketd volatile 1\n";
}

}  // namespace

Sha256 sha256(base::View bytes) {
  Sha256 digest{};
  unsigned n = 0;
  VERIFY(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &n, EVP_sha256(), nullptr) == 1);
  return digest;
}

base::Bytes pack(Part part, base::View state) {
  std::string_view magic = magic_of(part);
  base::Bytes blob(magic.begin(), magic.end());
  base::append(blob, sha256(state));
  base::append(blob, state);
  return blob;
}

Or<base::Bytes> unpack(Part part, base::View blob) {
  std::string_view magic = magic_of(part);
  size_t header = magic.size() + sizeof(Sha256);
  if (blob.size() < header || !std::equal(magic.begin(), magic.end(), blob.begin())) {
    return std::string("it is not a state of vtpm-socketd, or it has been cut short");
  }
  base::View state = blob.subspan(header);
  if (!std::ranges::equal(sha256(state), blob.subspan(magic.size(), sizeof(Sha256))))
    return std::string("it is damaged");
  return base::copy_of(state);
}

}  // namespace socketd
