// SPDX-License-Identifier: MIT
// Commands inside a transport session (Part 3, 24): what is executed is taken from its wrapping, decrypted, dispatched
// again, and its answer is wrapped. All of it happens in private memory that is wiped.
#pragma once

#include "engine/crypto/hash.h"
#include "engine/dispatch/command.h"
#include "engine/state/tpm.h"

namespace tpm {

// What the dispatcher must know of a command that did not come from outside.
struct Envelope {
  uint32_t transport = 0;
  bool encrypts = false;
};

// A command or an answer in one piece, and the part of it that a transport encrypts: DATAw.
class Wrapped {
 public:
  // BadParameter when the command is unknown or shorter than what stays in clear; BadParamSize when its size is not
  // that of its bytes.
  static Result<Wrapped> command(Bytes bytes);
  static Wrapped answer(const CommandRow& row, Bytes bytes);

  const CommandRow& row() const { return *row_; }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() && { return std::move(bytes_); }
  std::span<uint8_t> data() { return std::span(bytes_).subspan(at_, n_); }
  View data() const { return View(bytes_).subspan(at_, n_); }
  // The handles of the keys it names; of none when it is too short to name one.
  std::vector<uint32_t> named_keys() const;

 private:
  Wrapped(const CommandRow& row, Bytes bytes, size_t at, size_t n)
      : row_(&row), bytes_(std::move(bytes)), at_(at), n_(n) {}

  const CommandRow* row_;
  Bytes bytes_;
  size_t at_;
  size_t n_;
};

// Encrypts or decrypts in place, as the session was established for. `direction` is "in" or "out".
void crypt_transport(const Transport& session, const Nonce& even, const Nonce& odd, std::string_view direction,
                     std::span<uint8_t> data);
// BadKeyProperty or InappropriateEnc for an algorithm or a scheme that crypt_transport() does not know.
Result<> check_cipher(const TransportPublic& pub, bool fips);

// transDigest := SHA-1(transDigest || entry).
template <class Entry>
void log(Transport& session, const Entry& entry) {
  session.log = crypto::sha1_of(session.log, entry);
}

// Ends the session, and with it its exclusiveness.
void end_transport(Tpm& tpm, uint32_t handle);
// Part 3, 24.1, action 9: another command than one of the exclusive session itself ends it.
void end_exclusive_but(Tpm& tpm, uint32_t handle);

}  // namespace tpm
