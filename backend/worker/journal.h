// SPDX-License-Identifier: MIT
// Journal: the newest volatile state, kept in a memfd that outlives the worker. Two slots are written in turn; a slot
// counts when it is whole, so that a worker killed in the middle of a write leaves the state of the command before.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "backend/vault/seal.h"
#include "backend/worker/cipher.h"
#include "engine/platform.h"
#include "lib/base/bytes.h"
#include "lib/xen/handle.h"

namespace backend {

// The shared memory behind a descriptor, for as long as this lives.
class JournalMemory {
 public:
  // Fails when it is not of kJournalBytes or could be resized under us.
  static xen::Result<JournalMemory> map(int fd, bool writable);
  JournalMemory(JournalMemory&& from) noexcept : bytes_(std::exchange(from.bytes_, {})) {}
  JournalMemory& operator=(JournalMemory&&) = delete;
  ~JournalMemory();

  std::span<uint8_t> bytes() const { return bytes_; }

 private:
  explicit JournalMemory(std::span<uint8_t> bytes) : bytes_(bytes) {}
  std::span<uint8_t> bytes_;
};

class Journal {
 public:
  static constexpr size_t kMostSections = 32;
  // What one slot can hold of all sections' bodies together.
  static const size_t kSlotCapacity;

  // Makes a new journal under a random key of its own; what the memory held before is gone.
  static xen::Result<Journal> create(int fd, const vault::InstanceKey& key, const vault::Uuid& uuid,
                                     uint64_t power_cycle);

  // When this returns the newest body of every section ever given counts, and `epoch` with them. Makes no system call
  // and allocates nothing. More than kSlotCapacity is a broken invariant: the engine bounds its state.
  void write(uint64_t epoch, std::span<const tpm::JournalSection> changed);

  // The one of the last write().
  uint64_t epoch() const { return epoch_; }

  // The layout of a slot's table, as it lies in the memory and is authenticated.
  struct Entry {
    uint64_t nonce = 0;
    uint32_t offset = 0;
    uint32_t length = 0;
    uint32_t id = 0;
    uint32_t capacity = 0;
    Tag tag{};
  };
  struct Table {
    uint64_t power_cycle = 0;
    uint64_t epoch = 0;
    uint64_t sequence = 0;
    uint64_t n_entries = 0;
    std::array<Entry, kMostSections> entries{};

    std::span<const Entry> used() const { return std::span(entries).first(n_entries); }
  };

 private:
  struct Slot {
    std::span<uint8_t> memory;
    Table table;
    size_t used_bytes = 0;  // of the area for bodies
  };
  Journal(JournalMemory memory, Cipher cipher, uint64_t power_cycle);

  static Entry* find(Table& table, uint16_t id);
  Entry& place(Slot& slot, uint16_t id, size_t n_bytes);
  bool fits(const Slot& slot, const Slot& newest, std::span<const tpm::JournalSection> changed) const;
  void seal_into(Slot& slot, const tpm::JournalSection& section);
  void copy_into(Slot& slot, const Slot& from, const Entry& entry);
  void publish(Slot& slot);

  JournalMemory memory_;
  Cipher cipher_;
  uint64_t power_cycle_;
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
  uint64_t nonce_ = 0;
  std::array<Slot, 2> slots_;
  size_t newest_ = 1;
  bool compacting_ = false;
};

struct Recovered {
  struct Section {
    uint16_t id;
    base::Bytes body;
  };
  uint64_t epoch = 0;
  std::vector<Section> sections;
};

// The newest whole state of a journal whose writer is gone; nothing when there is none of this instance and power
// cycle.
std::optional<Recovered> recover(int fd, const vault::InstanceKey& key, const vault::Uuid& uuid, uint64_t power_cycle);

}  // namespace backend
