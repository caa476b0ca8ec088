// SPDX-License-Identifier: MIT
#include "backend/convert/container.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <memory>
#include <optional>

#include "lib/wire/sized.h"

namespace convert {

namespace {

struct Header {
  uint8_t version = 0;
  uint8_t least_version = 0;
  uint16_t header_bytes = 0;
  uint16_t flags = 0;
  uint32_t total_bytes = 0;
};
constexpr size_t kHeaderBytes = 10;
constexpr uint16_t kEncrypted = 0x01, kForMigration = 0x02 | 0x04, kHasLongKey = 0x08;
constexpr uint8_t kNewest = 2;

enum class Tag : uint16_t { Data = 1, EncryptedData = 2, Hmac = 3, Iv = 6 };
struct Field {
  Tag tag{};
  wire::SizedBytes value;
};

constexpr size_t kBlock = 16;
using Iv = std::array<uint8_t, kBlock>;
using Sha256 = std::array<uint8_t, SHA256_DIGEST_LENGTH>;

Reason damaged() { return {"the file is damaged: it is not as swtpm writes it"}; }
Reason wrong_key() { return {"the file does not open: the key or password is another one, or the file was changed"}; }

Result<Header> header_of(wire::Reader& r) {
  auto header = r.get<Header>();
  if (!header.ok()) return Reason{"the file is too short to be a state of swtpm"};
  const Header& h = header.value();
  if (h.header_bytes != kHeaderBytes || h.total_bytes != kHeaderBytes + r.left()) {
    return Reason{"the file is not a state of swtpm, or not whole"};
  }
  if (h.version < 1 || h.version > kNewest || h.least_version > kNewest) {
    return Reason{"the file is of a newer swtpm than this program knows"};
  }
  if ((h.flags & kForMigration) != 0) return Reason{"the file is what swtpm_ioctl saves, not one of swtpm's directory"};
  return h;
}

class Fields {
 public:
  static Result<Fields> in(wire::Reader& r) {
    Fields fields;
    while (!r.empty()) {
      auto field = r.get<Field>();
      if (!field.ok()) return damaged();
      fields.all_.push_back(std::move(field).take());
    }
    return fields;
  }
  std::optional<base::View> find(Tag tag) const {
    for (const Field& field : all_) {
      if (field.tag == tag) return field.value.view();
    }
    return std::nullopt;
  }

 private:
  std::vector<Field> all_;
};

// The last byte says how many there are of it; whole keys' worth of bytes were written.
Result<base::Bytes> without_padding(base::Bytes plain, size_t key_bytes) {
  size_t n = plain.empty() ? 0 : plain.back();
  if (n == 0 || n > key_bytes || n > plain.size()) return wrong_key();
  for (size_t i = plain.size() - n; i < plain.size(); i++) {
    if (plain[i] != n) return wrong_key();
  }
  plain.resize(plain.size() - n);
  return plain;
}

Result<base::Bytes> decrypted(base::View key, const Iv& iv, base::View cipher) {
  if (cipher.empty() || cipher.size() % kBlock != 0) return damaged();
  std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const EVP_CIPHER* how = key.size() == kLongKey ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
  base::Bytes plain(cipher.size());
  int n = 0, end = 0;
  bool done = context != nullptr && EVP_DecryptInit_ex(context.get(), how, nullptr, key.data(), iv.data()) == 1 &&
              EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
              EVP_DecryptUpdate(context.get(), plain.data(), &n, cipher.data(), static_cast<int>(cipher.size())) == 1 &&
              EVP_DecryptFinal_ex(context.get(), plain.data() + n, &end) == 1;
  if (!done) return Reason{"the file cannot be decrypted on this machine"};
  return without_padding(std::move(plain), key.size());
}

Result<base::View> key_of(const FileKey& key, size_t n_bytes) {
  base::View all = key.bytes.reveal();
  if (all.size() == n_bytes || (key.of_password && all.size() > n_bytes)) return all.first(n_bytes);
  return Reason{n_bytes == kLongKey ? "the file is encrypted with a key of 256 bits, not of 128"
                                    : "the file is encrypted with a key of 128 bits, not of 256"};
}

// Version 1: no initial vector, and the digest of the state is encrypted with it.
Result<base::Bytes> opened_old(const FileKey& key, base::View cipher) {
  base::View bytes = TRY(key_of(key, kShortKey));
  base::Bytes plain = TRY(decrypted(bytes, {}, cipher));
  Sha256 digest{};
  if (plain.size() < digest.size()) return wrong_key();
  base::View state = base::View(plain).subspan(digest.size());
  SHA256(state.data(), state.size(), digest.data());
  if (!base::equal_constant_time(digest, base::View(plain).first(digest.size()))) return wrong_key();
  return base::copy_of(state);
}

Result<base::Bytes> opened(const FileKey& key, size_t key_bytes, const Fields& fields) {
  base::View bytes = TRY(key_of(key, key_bytes));
  auto cipher = fields.find(Tag::EncryptedData), mac = fields.find(Tag::Hmac), given = fields.find(Tag::Iv);
  Sha256 expected{};
  if (!cipher || !mac || mac->size() != expected.size()) return damaged();
  base::Bytes authentic = base::copy_of(*cipher);
  Iv iv{};
  if (given) {
    if (given->size() < iv.size()) return damaged();
    base::append(authentic, *given);
    std::copy_n(given->begin(), iv.size(), iv.begin());
  }
  unsigned n = 0;
  const uint8_t* made = HMAC(EVP_sha256(), bytes.data(), static_cast<int>(bytes.size()), authentic.data(),
                             authentic.size(), expected.data(), &n);
  if (made == nullptr || !base::equal_constant_time(expected, *mac)) return wrong_key();
  return decrypted(bytes, iv, *cipher);
}

}  // namespace

Result<base::Bytes> open_container(base::View file, const FileKey& key) {
  wire::Reader r(file);
  Header header = TRY(header_of(r));
  bool encrypted = (header.flags & kEncrypted) != 0;
  if (encrypted && key.bytes.empty()) {
    return Reason{"the file is encrypted: say with --key or --pwdfile what it was encrypted with"};
  }
  if (!encrypted && !key.bytes.empty())
    return Reason{"the file is not encrypted: it needs neither --key nor --pwdfile"};
  if (header.version == 1) {
    base::View body = file.subspan(kHeaderBytes);
    return encrypted ? opened_old(key, body) : base::copy_of(body);
  }
  Fields fields = TRY(Fields::in(r));
  if (encrypted) return opened(key, (header.flags & kHasLongKey) != 0 ? kLongKey : kShortKey, fields);
  auto plain = fields.find(Tag::Data);
  if (!plain) return damaged();
  return base::copy_of(*plain);
}

}  // namespace convert
