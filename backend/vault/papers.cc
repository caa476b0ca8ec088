// SPDX-License-Identifier: MIT
#include "backend/vault/papers.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr std::array<uint8_t, 8> kMagic = {'V', 'T', 'P', 'M', 'M', 'O', 'V', 'E'};
constexpr uint8_t kVersion = 1;
constexpr uint8_t kIdentityVersion = 1;
constexpr size_t kLongestName = 64;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Signing = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Deriving = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

// A file: the magic, and what is signed together with it.
struct Signed {
  std::array<uint8_t, 8> magic = kMagic;
  uint8_t version = kVersion;
  PaperKind kind{};
  wire::SizedBytes body;
};
struct File {
  Signed content;
  Signature signature{};
};
struct Seeds {
  uint8_t version = kIdentityVersion;
  base::Secret<32> signing, agreeing;
};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }
const char* const kNotWhole = "it is damaged, or is no file of this kind";

Key private_key(int type, const base::Secret<32>& seed) {
  Key key(EVP_PKEY_new_raw_private_key(type, nullptr, seed.reveal().data(), 32), EVP_PKEY_free);
  VERIFY(key != nullptr);
  return key;
}
Key public_key(int type, const HostKey& bytes) {
  return {EVP_PKEY_new_raw_public_key(type, nullptr, bytes.data(), bytes.size()), EVP_PKEY_free};
}
HostKey public_half(const Key& key) {
  HostKey bytes{};
  size_t n = bytes.size();
  VERIFY(EVP_PKEY_get_raw_public_key(key.get(), bytes.data(), &n) == 1 && n == bytes.size());
  return bytes;
}

std::optional<base::Secret<32>> agreed(const Key& own, const HostKey& other) {
  Key theirs = public_key(EVP_PKEY_X25519, other);
  Deriving context(EVP_PKEY_CTX_new(own.get(), nullptr), EVP_PKEY_CTX_free);
  VERIFY(context != nullptr);
  base::Secret<32> secret;
  size_t n = secret.fill().size();
  bool done = theirs != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
              EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
              EVP_PKEY_derive(context.get(), secret.fill().data(), &n) == 1 && n == 32;
  return done ? std::optional(secret) : std::nullopt;
}

// The key of one export: bound to both ends' keys of the agreement and to everything that its paper says in clear.
InstanceKey export_key(const base::Secret<32>& secret, const ExportPaper& paper, const HostKey& agreeing) {
  base::Bytes bound = wire::encode(paper.from);
  base::append(bound, wire::encode(paper.transfer));
  base::append(bound, paper.ephemeral);
  base::append(bound, agreeing);
  return derive(secret, bound, "vtpm transfer");
}

base::Bytes paper_of(const Identity& own, PaperKind kind, base::Bytes body) {
  File file{.content = {.kind = kind, .body = wire::SizedBytes(std::move(body))}};
  file.signature = own.sign(wire::encode(file.content));
  return wire::encode(file);
}

std::optional<File> file_in(base::View paper, PaperKind kind) {
  if (paper.size() > kLargestPaper || kind_of_paper(paper) != kind) return std::nullopt;
  auto file = wire::decode<File>(paper);
  return file.ok() ? std::optional(std::move(file).take()) : std::nullopt;
}

// The body that is in it, when whoever `signer` names in it has signed it.
template <class Body>
Result<Body> signed_body(base::View paper, PaperKind kind, HostKey (*signer)(const Body&)) {
  auto file = file_in(paper, kind);
  auto body = file ? wire::decode<Body>(file->content.body) : wire::Result<Body>(wire::Malformed{});
  if (!body.ok()) return refused(kNotWhole);
  if (!verified(signer(body.value()), wire::encode(file->content), file->signature)) {
    return refused("its signature is wrong: it is damaged or forged");
  }
  return std::move(body).take();
}

}  // namespace

bool proper(const PublicIdentity& identity) {
  base::View name = identity.name;
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), [](uint8_t c) { return c > ' ' && c < 127; });
}

bool verified(const HostKey& by, base::View bytes, const Signature& signature) {
  Key key = public_key(EVP_PKEY_ED25519, by);
  Signing context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  VERIFY(context != nullptr);
  return key != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes.data(), bytes.size()) == 1;
}

std::optional<base::Secret<32>> agree(const base::Secret<32>& own, const HostKey& other) {
  return agreed(private_key(EVP_PKEY_X25519, own), other);
}

HostKey agreeing_half(const base::Secret<32>& own) { return public_half(private_key(EVP_PKEY_X25519, own)); }

std::optional<Agreement> agree_once(const HostKey& other) {
  base::Secret<32> once;
  VERIFY(RAND_priv_bytes(once.fill().data(), 32) == 1);
  auto secret = agree(once, other);
  return secret ? std::optional(Agreement{agreeing_half(once), *secret}) : std::nullopt;
}

std::string fingerprint(const HostKey& signing) {
  std::array<uint8_t, 32> digest{};
  VERIFY(EVP_Digest(signing.data(), signing.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return base::hex(base::View(digest).first(16));
}

Result<Identity> Identity::of(Vault& vault, const std::string& name) {
  base::Bytes item = TRY(vault.item(kHost, Item::Identity));
  Seeds seeds;
  if (item.empty()) {
    VERIFY(RAND_priv_bytes(seeds.signing.fill().data(), 32) == 1);
    VERIFY(RAND_priv_bytes(seeds.agreeing.fill().data(), 32) == 1);
    TRY(vault.put_items(kHost, {{Item::Identity, wire::encode(seeds)}}));
  } else {
    auto read = wire::decode<Seeds>(item);
    if (!read.ok() || read.value().version != kIdentityVersion) {
      return Refusal{Refusal::Kind::Broken, "this host's identity is of an unknown form"};
    }
    seeds = read.value();
  }
  Identity identity;
  identity.signing_ = seeds.signing;
  identity.agreeing_ = seeds.agreeing;
  identity.shown_ = {wire::SizedBytes(base::Bytes(name.begin(), name.end())),
                     public_half(private_key(EVP_PKEY_ED25519, seeds.signing)),
                     public_half(private_key(EVP_PKEY_X25519, seeds.agreeing))};
  if (!proper(identity.shown_)) return refused("the host's name is not one: see --host-name of vtpm-managerd");
  return identity;
}

Signature Identity::sign(base::View bytes) const {
  Key key = private_key(EVP_PKEY_ED25519, signing_);
  Signing context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  VERIFY(context != nullptr);
  Signature signature{};
  size_t n = signature.size();
  VERIFY(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  VERIFY(EVP_DigestSign(context.get(), signature.data(), &n, bytes.data(), bytes.size()) == 1 && n == 64);
  return signature;
}

std::optional<base::Secret<32>> Identity::agree(const HostKey& other) const {
  return vault::agree(agreeing_, other);
}

std::optional<PaperKind> kind_of_paper(base::View paper) {
  if (paper.size() < kMagic.size() + 2 || !std::equal(kMagic.begin(), kMagic.end(), paper.begin())) return std::nullopt;
  uint8_t kind = paper[kMagic.size() + 1];
  if (paper[kMagic.size()] != kVersion || kind < 1 || kind > 5) return std::nullopt;
  return static_cast<PaperKind>(kind);
}

base::Bytes write_invitation(const Identity& own, const Nonce& nonce, const Uuid& uuid, uint64_t time) {
  return paper_of(own, PaperKind::Invitation, wire::encode(InvitationPaper{own.shown(), nonce, uuid, time}));
}

Result<InvitationPaper> read_invitation(base::View paper) {
  auto signer = [](const InvitationPaper& body) { return body.from.signing; };
  auto invitation = signed_body<InvitationPaper>(paper, PaperKind::Invitation, signer);
  if (!invitation.ok()) return refused("the invitation cannot be used: " + invitation.error().text);
  if (!proper(invitation.value().from)) return refused("the invitation's host has no proper name");
  return invitation;
}

Result<base::Bytes> write_export(const Identity& own, const PublicIdentity& to, const Transfer& transfer,
                                 base::View state) {
  auto agreement = agree_once(to.agreeing);
  if (!agreement) return refused("the invitation's key is none");
  ExportPaper paper{own.shown(), transfer, agreement->ephemeral, {}};
  InstanceKey key = export_key(agreement->secret, paper, to.agreeing);
  paper.state = wire::SizedBytes(seal(key, transfer.uuid, Purpose::Transfer, transfer.epoch, state));
  return paper_of(own, PaperKind::Export, wire::encode(paper));
}

Result<ExportPaper> read_export(base::View paper) {
  auto signer = [](const ExportPaper& body) { return body.from.signing; };
  auto read = signed_body<ExportPaper>(paper, PaperKind::Export, signer);
  if (!read.ok()) return refused("the export cannot be used: " + read.error().text);
  if (!proper(read.value().from) || read.value().transfer.source != read.value().from.signing) {
    return refused("the export contradicts itself");
  }
  return read;
}

Result<base::SecretBytes> open_export(const Identity& own, const ExportPaper& paper) {
  auto secret = own.agree(paper.ephemeral);
  auto plain = secret ? unseal(export_key(*secret, paper, own.shown().agreeing), paper.transfer.uuid, Purpose::Transfer,
                               paper.transfer.epoch, paper.state)
                      : std::nullopt;
  if (!plain) return refused("the export does not open: it is for another host, or damaged");
  return base::SecretBytes(std::move(*plain));
}

base::Bytes write_transfer(const Identity& own, PaperKind kind, const Transfer& transfer) {
  return paper_of(own, kind, wire::encode(TransferPaper{transfer}));
}

Result<Transfer> read_transfer(base::View paper, PaperKind kind) {
  auto by_source = [](const TransferPaper& body) { return body.transfer.source; };
  auto by_destination = [](const TransferPaper& body) { return body.transfer.destination; };
  auto read = kind == PaperKind::Receipt ? signed_body<TransferPaper>(paper, kind, by_destination)
                                         : signed_body<TransferPaper>(paper, kind, by_source);
  if (!read.ok()) {
    const char* name = kind == PaperKind::Receipt ? "receipt" : kind == PaperKind::Token ? "token" : "notice";
    return refused(std::string("the ") + name + " cannot be used: " + read.error().text);
  }
  return read.value().transfer;
}

}  // namespace vault
