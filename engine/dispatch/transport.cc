// SPDX-License-Identifier: MIT
#include "engine/dispatch/transport.h"

#include "engine/crypto/hash.h"
#include "engine/crypto/symmetric.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

struct Head {
  Tag tag{};
  uint32_t size = 0;
  uint32_t code = 0;  // the ordinal, or the return code
};
constexpr size_t kHeadBytes = 10;
constexpr size_t kRequestTrailerBytes = 45;
constexpr size_t kResponseTrailerBytes = 41;

// A tag that is none of these is for the command itself to refuse.
size_t n_trailers(Tag tag) {
  if (tag == Tag::RequestAuth1 || tag == Tag::ResponseAuth1) return 1;
  if (tag == Tag::RequestAuth2 || tag == Tag::ResponseAuth2) return 2;
  return 0;
}

template <class T>
std::optional<T> field(View bytes, size_t at) {
  if (bytes.size() < at) return std::nullopt;
  wire::Reader reader(bytes.subspan(at));
  auto value = reader.get<T>();
  if (!value.ok()) return std::nullopt;
  return value.value();
}

}  // namespace

Result<Wrapped> Wrapped::command(Bytes bytes) {
  auto head = field<Head>(bytes, 0);
  TRY(require(head.has_value(), Rc::BadParameter));
  TRY(require(head->size == bytes.size(), Rc::BadParamSize));
  const CommandRow* row = find_command(head->code);
  TRY(require(row != nullptr, Rc::BadParameter));
  size_t at = kHeadBytes + row->clear_in, end = kRequestTrailerBytes * n_trailers(head->tag);
  TRY(require(bytes.size() >= at + end, Rc::BadParameter));
  size_t n = bytes.size() - at - end;
  return Wrapped(*row, std::move(bytes), at, n);
}

Wrapped Wrapped::answer(const CommandRow& row, Bytes bytes) {
  auto head = field<Head>(bytes, 0);
  bool success = head && head->code == static_cast<uint32_t>(Rc::Success);
  if (!success) return Wrapped(row, std::move(bytes), kHeadBytes, 0);
  size_t at = kHeadBytes + row.clear_out;
  size_t n = bytes.size() - at - kResponseTrailerBytes * n_trailers(head->tag);
  return Wrapped(row, std::move(bytes), at, n);
}

std::vector<uint32_t> Wrapped::named_keys() const {
  View params = View(bytes_).subspan(kHeadBytes);
  size_t first = 0, n = static_cast<size_t>(row_->key_handles);
  if (row_->key_handles == KeyHandles::ByType) {
    bool dsap = row_->ordinal == ordinal::DSAP;  // its type comes before the handle
    bool is_key = dsap ? field<EntityType>(params, 1) == EntityType::DelegationKeyBlob
                       : field<ResourceType>(params, 4) == ResourceType::Key;
    first = dsap ? 2 : 0;
    n = is_key ? 1 : 0;
  }
  std::vector<uint32_t> handles;
  for (size_t i = 0; i < n; i++) {
    if (auto handle = field<uint32_t>(params, first + 4 * i)) handles.push_back(*handle);
  }
  return handles;
}

void crypt_transport(const Transport& session, const Nonce& even, const Nonce& odd, std::string_view direction,
                     std::span<uint8_t> data) {
  Bytes seed;
  wire::Writer w(seed);
  w.put(even);
  w.put(odd);
  for (char c : direction) w.uint(static_cast<uint8_t>(c));
  if (session.pub.algorithm == Algorithm::Mgf1) {
    w.put(session.auth);
    base::SecretBytes pad(data.size());
    crypto::mgf1(seed, pad.fill());
    for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(data[i] ^ pad.reveal()[i]);
    return;
  }
  std::array<uint8_t, 16> iv{};
  crypto::mgf1(seed, iv);
  auto key = session.auth.reveal().first<16>();
  session.pub.scheme == EncScheme::SymCtr ? crypto::aes128_ctr(key, iv, data) : crypto::aes128_ofb(key, iv, data);
}

Result<> check_cipher(const TransportPublic& pub, bool fips) {
  if (pub.algorithm == Algorithm::Mgf1) {
    return require(!fips && pub.scheme == EncScheme::None, Rc::InappropriateEnc);
  }
  TRY(require(pub.algorithm == Algorithm::Aes128, Rc::BadKeyProperty));
  return require(pub.scheme == EncScheme::SymCtr || pub.scheme == EncScheme::SymOfb, Rc::InappropriateEnc);
}

void end_transport(Tpm& tpm, uint32_t handle) {
  tpm.transports.edit().end(handle);
  if (tpm.stany->transport_exclusive == handle) tpm.stany.edit().transport_exclusive = 0;
}

void end_exclusive_but(Tpm& tpm, uint32_t handle) {
  uint32_t exclusive = tpm.stany->transport_exclusive;
  if (exclusive != 0 && exclusive != handle) end_transport(tpm, exclusive);
}

}  // namespace tpm
