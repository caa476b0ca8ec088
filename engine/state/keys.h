// SPDX-License-Identifier: MIT
// Keys in the TPM: what one is, and the slots that hold the loaded ones.
#pragma once

#include <memory>
#include <vector>

#include "engine/crypto/rsa.h"
#include "engine/spec/key_structures.h"
#include "engine/spec/rc.h"
#include "engine/state/pcrs.h"

namespace tpm {

// A key whose private half the TPM knows.
struct Key {
  KeyBlob blob;
  StoreAsymKey secret;
  bool parent_pcr_status = false;
  std::shared_ptr<const crypto::RsaKey> rsa;  // made by prepare() from the fields above

  static wire::Result<Key> read_from(wire::Reader& r);
  void write_to(wire::Writer& w) const;

  // Makes `rsa`; false when modulus, exponent and prime do not belong together.
  bool prepare();
  bool present() const { return rsa != nullptr; }

  // SHA-1 of the public part: everything but encData (Part 2, 10.2).
  Digest public_digest() const;
  // SHA-1 of the modulus, as certificates name a key.
  Digest modulus_digest() const;
  PubKey public_key() const { return {blob.parms, blob.pub_key}; }

  // Whether the key names PCRs, locality included (Part 1, 25.1).
  bool uses_pcrs() const;
  Result<> check_pcrs(const Pcrs& pcrs, uint8_t locality) const;

  // OAEP of a structure's wire form under the public half; BadDataSize when it is too long.
  template <class T>
  Result<wire::SizedBytes> encrypt(const T& value) const {
    auto cipher = rsa->encrypt_oaep(wire::encode(value));
    if (!cipher) return Rc::BadDataSize;
    return wire::SizedBytes(std::move(*cipher));
  }
};

// What a command is going to do with a key decides which checks apply (Part 1, 25.1).
struct Use {
  bool public_only = false;  // reads the public half: PCRs do not matter when the key says pcrIgnoredOnRead
  bool ignore_pcrs = false;
  bool allow_ek = false;
};

struct KeySlot {
  uint32_t handle = 0;
  bool owner_evict = false;
  Key key;
};

// Keys under owner control: they are in their slots again when the power comes back (Part 3, 21.1).
struct OwnerKeys {
  std::vector<KeySlot> slots;

  static wire::Result<OwnerKeys> read_from(wire::Reader& r);
  void write_to(wire::Writer& w) const;
};

class KeySlots {
 public:
  static constexpr size_t kSlots = 20;
  using Slot = KeySlot;

  KeySlots() = default;
  explicit KeySlots(const OwnerKeys& owners) : slots_(owners.slots) {}

  // The new handle; NoSpace when every slot is taken. `handle` is used when it is free and not 0.
  Result<uint32_t> load(Key key, uint32_t handle = 0);
  const Slot* slot(uint32_t handle) const;
  Slot* slot(uint32_t handle);
  // KeyOwnerControl for a key under owner control; InvalidKeyHandle for none.
  Result<> evict(uint32_t handle);
  size_t free_slots() const { return kSlots - slots_.size(); }
  // Those that hold no key under owner control.
  size_t evictable_slots() const { return kSlots - owners().slots.size(); }
  OwnerKeys owners() const;
  const std::vector<Slot>& all() const { return slots_; }
  // Everything but keys under owner control.
  void clear_volatile();

  static wire::Result<KeySlots> read_from(wire::Reader& r);
  void write_to(wire::Writer& w) const;

 private:
  std::vector<Slot> slots_;
  uint32_t next_handle_ = 0x01000000;
};

}  // namespace tpm
