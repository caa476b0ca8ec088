// SPDX-License-Identifier: MIT
#include "backend/worker/journal.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "backend/manager/messages.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

constexpr size_t kBytes = message::kJournalBytes;
constexpr size_t kHeaderBytes = 4096;     // the wrapped key
constexpr size_t kWrappedKeyBytes = 110;  // an envelope around 32 bytes
constexpr size_t kSlotBytes = (kBytes - kHeaderBytes) / 2;
// In a slot: sequence, nonce and tag of the table, table, bodies.
constexpr size_t kSequenceAt = 0;
constexpr size_t kNonceAt = 8;
constexpr size_t kTagAt = 16;
constexpr size_t kTableAt = 32;
constexpr size_t kGrain = 64;
constexpr size_t rounded(size_t n) { return (n + kGrain - 1) / kGrain * kGrain; }
constexpr size_t kBodiesAt = rounded(kTableAt + sizeof(Journal::Table));
constexpr size_t kBodiesBytes = (kSlotBytes - kBodiesAt) / kGrain * kGrain;

// No padding: every byte of the table is authenticated, and none is of unknown value.
static_assert(sizeof(Journal::Entry) == 40);
static_assert(offsetof(Journal::Table, entries) == 32 && sizeof(Journal::Table) == 32 + 40 * Journal::kMostSections);

constexpr size_t table_bytes(uint64_t n_entries) {
  return offsetof(Journal::Table, entries) + n_entries * sizeof(Journal::Entry);
}

// The bytes of a table in private memory.
base::View raw(const Journal::Table& table) {
  return {static_cast<const uint8_t*>(static_cast<const void*>(&table)), table_bytes(table.n_entries)};
}

uint64_t* word_at(std::span<uint8_t> slot, size_t at) {
  return static_cast<uint64_t*>(static_cast<void*>(slot.subspan(at, sizeof(uint64_t)).data()));
}
// SAFETY: slots begin on 8 bytes, and the places of sequence and nonce are multiples of 8.
void store_release(std::span<uint8_t> slot, size_t at, uint64_t value) {
  __atomic_store_n(word_at(slot, at), value, __ATOMIC_RELEASE);
}
uint64_t load_acquire(std::span<uint8_t> slot, size_t at) {
  return __atomic_load_n(word_at(slot, at), __ATOMIC_ACQUIRE);
}

std::span<uint8_t> slot_memory(std::span<uint8_t> all, size_t i) {
  return all.subspan(kHeaderBytes + i * kSlotBytes, kSlotBytes);
}
std::span<uint8_t> body_memory(std::span<uint8_t> slot, const Journal::Entry& entry) {
  return slot.subspan(kBodiesAt + entry.offset, entry.length);
}

std::array<uint8_t, 4> authenticated_id(uint32_t id) {
  std::array<uint8_t, 4> bytes{};
  memcpy(bytes.data(), &id, sizeof(id));
  return bytes;
}

}  // namespace

const size_t Journal::kSlotCapacity = kBodiesBytes;

xen::Result<JournalMemory> JournalMemory::map(int fd, bool writable) {
  struct stat status {};
  if (fstat(fd, &status) < 0) return xen::failed("look at journal");
  int seals = fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  // A journal that somebody can shrink is a bus error waiting for us.
  if (status.st_size != kBytes || seals < 0 || (seals & kNeeded) != kNeeded)
    return xen::SysError{EINVAL, "use journal"};
  void* at = mmap(nullptr, kBytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return xen::failed("map journal");
  return JournalMemory({static_cast<uint8_t*>(at), kBytes});
}

JournalMemory::~JournalMemory() {
  if (!bytes_.empty()) static_cast<void>(munmap(bytes_.data(), bytes_.size()));
}

Journal::Journal(JournalMemory memory, Cipher cipher, uint64_t power_cycle)
    : memory_(std::move(memory)), cipher_(std::move(cipher)), power_cycle_(power_cycle) {
  for (size_t i = 0; i < slots_.size(); i++) slots_[i].memory = slot_memory(memory_.bytes(), i);
}

xen::Result<Journal> Journal::create(int fd, const vault::InstanceKey& key, const vault::Uuid& uuid,
                                     uint64_t power_cycle) {
  JournalMemory memory = TRY(JournalMemory::map(fd, true));
  for (size_t i = 0; i < 2; i++) store_release(slot_memory(memory.bytes(), i), kSequenceAt, 0);

  base::Secret<32> own_key;
  VERIFY(RAND_bytes(own_key.fill().data(), static_cast<int>(own_key.fill().size())) == 1);
  base::Bytes wrapped = vault::seal(key, uuid, vault::Purpose::JournalKey, power_cycle, own_key.reveal());
  VERIFY(wrapped.size() == kWrappedKeyBytes);
  std::copy(wrapped.begin(), wrapped.end(), memory.bytes().begin());
  return Journal(std::move(memory), Cipher(own_key), power_cycle);
}

void Journal::write(uint64_t epoch, std::span<const tpm::JournalSection> changed) {
  const Slot& newest = slots_[newest_];
  Slot& slot = slots_[1 - newest_];
  store_release(slot.memory, kSequenceAt, 0);
  // Whoever reads comes after our death, and finds our stores in the order of the program: the compiler must keep it.
  std::atomic_signal_fence(std::memory_order_seq_cst);

  compacting_ = !fits(slot, newest, changed);
  if (compacting_) {
    slot.table.n_entries = 0;
    slot.used_bytes = 0;
  }
  for (const tpm::JournalSection& section : changed) seal_into(slot, section);
  for (const Entry& entry : newest.table.used()) {
    auto same = [&](const tpm::JournalSection& s) { return s.id == entry.id; };
    if (std::none_of(changed.begin(), changed.end(), same)) copy_into(slot, newest, entry);
  }
  epoch_ = epoch;
  publish(slot);
  newest_ = 1 - newest_;
}

Journal::Entry* Journal::find(Table& table, uint16_t id) {
  std::span<Entry> used = std::span(table.entries).first(table.n_entries);
  auto found = std::find_if(used.begin(), used.end(), [id](const Entry& e) { return e.id == id; });
  return found == used.end() ? nullptr : &*found;
}

// Whether everything that must go into the slot finds room without moving what lies there.
bool Journal::fits(const Slot& slot, const Slot& newest, std::span<const tpm::JournalSection> changed) const {
  size_t more = 0;
  auto need = [&](uint32_t id, size_t n_bytes) {
    for (const Entry& e : slot.table.used()) {
      if (e.id == id && e.capacity >= n_bytes) return;
    }
    more += rounded(n_bytes + n_bytes / 2);
  };
  for (const tpm::JournalSection& section : changed) need(section.id, section.body.size());
  for (const Entry& entry : newest.table.used()) need(entry.id, entry.length);
  return more <= kBodiesBytes - slot.used_bytes;
}

// The entry of the section in the slot, with room for its body; a body that outgrew its area gets a new one, with
// slack while there is plenty.
Journal::Entry& Journal::place(Slot& slot, uint16_t id, size_t n_bytes) {
  Entry* entry = find(slot.table, id);
  if (entry == nullptr) {
    VERIFY(slot.table.n_entries < kMostSections);
    entry = &slot.table.entries[slot.table.n_entries++];
    *entry = Entry{.id = id};
  }
  if (entry->capacity < n_bytes) {
    size_t capacity = rounded(compacting_ ? n_bytes : n_bytes + n_bytes / 2);
    VERIFY(capacity <= kBodiesBytes - slot.used_bytes);
    entry->offset = static_cast<uint32_t>(slot.used_bytes);
    entry->capacity = static_cast<uint32_t>(capacity);
    slot.used_bytes += capacity;
  }
  entry->length = static_cast<uint32_t>(n_bytes);
  return *entry;
}

void Journal::seal_into(Slot& slot, const tpm::JournalSection& section) {
  Entry& entry = place(slot, section.id, section.body.size());
  entry.nonce = ++nonce_;
  entry.tag = cipher_.seal(entry.nonce, authenticated_id(entry.id), section.body, body_memory(slot.memory, entry));
}

// What did not change is taken over as it was sealed, unless the slot has it already.
void Journal::copy_into(Slot& slot, const Slot& from, const Entry& entry) {
  auto id = static_cast<uint16_t>(entry.id);
  const Entry* there = find(slot.table, id);
  if (there != nullptr && there->nonce == entry.nonce) return;
  Entry& to = place(slot, id, entry.length);
  to.nonce = entry.nonce;
  to.tag = entry.tag;
  std::span<uint8_t> body = body_memory(from.memory, entry);
  std::copy(body.begin(), body.end(), body_memory(slot.memory, to).begin());
}

void Journal::publish(Slot& slot) {
  slot.table.power_cycle = power_cycle_;
  slot.table.epoch = epoch_;
  slot.table.sequence = ++sequence_;
  base::View table = raw(slot.table);
  uint64_t nonce = ++nonce_;
  Tag tag = cipher_.seal(nonce, table, {}, {});
  std::copy(table.begin(), table.end(), slot.memory.begin() + kTableAt);
  std::copy(tag.begin(), tag.end(), slot.memory.begin() + kTagAt);
  store_release(slot.memory, kNonceAt, nonce);
  store_release(slot.memory, kSequenceAt, slot.table.sequence);
}

namespace {

// The table of a slot, proven to be written under the journal's key for this power cycle.
std::optional<Journal::Table> read_table(std::span<uint8_t> slot, Cipher& cipher, uint64_t power_cycle) {
  uint64_t sequence = load_acquire(slot, kSequenceAt);
  if (sequence == 0) return std::nullopt;
  Journal::Table table;
  memcpy(&table, slot.data() + kTableAt, sizeof(table));
  if (table.n_entries > Journal::kMostSections) return std::nullopt;
  Tag tag{};
  memcpy(tag.data(), slot.data() + kTagAt, tag.size());
  if (!cipher.open(load_acquire(slot, kNonceAt), raw(table), {}, tag, {})) return std::nullopt;
  if (table.sequence != sequence || table.power_cycle != power_cycle) return std::nullopt;
  return table;
}

std::optional<Recovered> read_slot(std::span<uint8_t> slot, Cipher& cipher, const Journal::Table& table) {
  Recovered recovered{.epoch = table.epoch};
  for (const Journal::Entry& entry : table.used()) {
    if (entry.offset > kBodiesBytes || entry.length > kBodiesBytes - entry.offset) return std::nullopt;
    base::Bytes body(entry.length);
    if (!cipher.open(entry.nonce, authenticated_id(entry.id), body_memory(slot, entry), entry.tag, body)) {
      return std::nullopt;
    }
    recovered.sections.push_back({static_cast<uint16_t>(entry.id), std::move(body)});
  }
  return recovered;
}

}  // namespace

std::optional<Recovered> recover(int fd, const vault::InstanceKey& key, const vault::Uuid& uuid, uint64_t power_cycle) {
  auto memory = JournalMemory::map(fd, false);
  if (!memory.ok()) return std::nullopt;
  std::span<uint8_t> all = memory.value().bytes();
  auto unwrapped = vault::unseal(key, uuid, vault::Purpose::JournalKey, power_cycle, all.first(kWrappedKeyBytes));
  if (!unwrapped || unwrapped->size() != 32) return std::nullopt;
  base::Secret<32> own_key;
  std::copy(unwrapped->begin(), unwrapped->end(), own_key.fill().begin());
  Cipher cipher(own_key);

  std::optional<Recovered> newest;
  uint64_t newest_sequence = 0;
  for (size_t i = 0; i < 2; i++) {
    std::span<uint8_t> slot = slot_memory(all, i);
    auto table = read_table(slot, cipher, power_cycle);
    if (!table || table->sequence < newest_sequence) continue;
    auto recovered = read_slot(slot, cipher, *table);
    if (!recovered) continue;
    newest = std::move(recovered);
    newest_sequence = table->sequence;
  }
  return newest;
}

}  // namespace backend
