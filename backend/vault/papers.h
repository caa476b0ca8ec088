// SPDX-License-Identifier: MIT
// Papers: the files that two hosts exchange when an instance moves. Each is signed by the host that it is from; an
// export is encrypted to the host that it is for. They come from elsewhere: nothing of one is believed before its
// signature has been checked. Documentation/state-format.md has the layout.
#pragma once

#include "backend/vault/vault.h"

namespace vault {

struct PublicIdentity {
  wire::SizedBytes name;  // text
  HostKey signing{};      // Ed25519
  HostKey agreeing{};     // X25519
};
// What administrators compare: 32 hexadecimal digits.
std::string fingerprint(const HostKey& signing);

// A name that is one; the keys are looked at where they are used.
bool proper(const PublicIdentity& identity);

using Signature = std::array<uint8_t, 64>;
bool verified(const HostKey& by, base::View bytes, const Signature& signature);

// X25519: the secret that the holders of two keys have in common; nothing when `other` is no key.
std::optional<base::Secret<32>> agree(const base::Secret<32>& own, const HostKey& other);
HostKey agreeing_half(const base::Secret<32>& own);
// With a key that is made for it and forgotten.
struct Agreement {
  HostKey ephemeral{};
  base::Secret<32> secret;
};
std::optional<Agreement> agree_once(const HostKey& other);

class Identity {
 public:
  // The host's own, made when there is none.
  static Result<Identity> of(Vault& vault, const std::string& name);
  const PublicIdentity& shown() const { return shown_; }
  const HostKey& key() const { return shown_.signing; }
  Signature sign(base::View bytes) const;
  // The secret that both ends of a key agreement get.
  std::optional<base::Secret<32>> agree(const HostKey& other) const;

 private:
  base::Secret<32> signing_, agreeing_;
  PublicIdentity shown_;
};

enum class PaperKind : uint8_t { Invitation = 1, Export = 2, Receipt = 3, Token = 4, Notice = 5 };

struct InvitationPaper {
  PublicIdentity from;
  Nonce nonce{};
  Uuid uuid{};  // zero: for any
  uint64_t time = 0;
};
struct ExportPaper {
  PublicIdentity from;
  Transfer transfer;
  HostKey ephemeral{};     // X25519
  wire::SizedBytes state;  // an envelope, Purpose::Transfer
};
// Receipt, token and notice of an abort.
struct TransferPaper {
  Transfer transfer;
};

inline constexpr size_t kLargestPaper = 4 << 20;

// Nothing: it is no paper, or of a later version of this program.
std::optional<PaperKind> kind_of_paper(base::View paper);

base::Bytes write_invitation(const Identity& own, const Nonce& nonce, const Uuid& uuid, uint64_t time);
Result<InvitationPaper> read_invitation(base::View paper);
// `state` is plain.
Result<base::Bytes> write_export(const Identity& own, const PublicIdentity& to, const Transfer& transfer,
                                 base::View state);
Result<ExportPaper> read_export(base::View paper);
Result<base::SecretBytes> open_export(const Identity& own, const ExportPaper& paper);
base::Bytes write_transfer(const Identity& own, PaperKind kind, const Transfer& transfer);
// Signed by the destination if it is a receipt, and by the source otherwise.
Result<Transfer> read_transfer(base::View paper, PaperKind kind);

}  // namespace vault
