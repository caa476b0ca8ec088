// SPDX-License-Identifier: MIT
// Vault: the durable, sealed store of instances. Compare-and-swap shaped, so that a store shared by several hosts fits
// behind it. An instance whose state cannot be had is quarantined: there is never a silent fresh TPM.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/vault/history.h"
#include "backend/vault/passage.h"
#include "lib/base/bytes.h"
#include "lib/base/result.h"
#include "lib/wire/sized.h"

namespace vault {

// What an administrator decides for an instance when it is made.
struct Settings {
  wire::SizedBytes label;  // text for people
  bool physical_presence_command = true;
  uint8_t localities = 1;       // bit n: locality n may be claimed from the page
  bool endorsement_key = true;  // made with the instance, as a maker ships it
  bool enabled = true;
  bool activated = true;
};

// What became of the volatile state when the instance was last served.
struct Power {
  enum class Kind : uint8_t {
    Off = 0,        // lost, as power was
    Running = 1,    // with a worker and its journal
    Parked = 2,     // in `snapshot`, while the same domain goes on without a frontend
    Suspended = 3,  // in `snapshot`, while its domain is saved
  };
  Kind kind = Kind::Off;
  uint64_t cycle = 0;              // counts the power cycles
  std::array<uint8_t, 16> host{};  // which boot of the host, and which of its domains
  uint16_t domain = 0;
  uint64_t epoch = 0;         // of the permanent state that goes with `snapshot`
  wire::SizedBytes snapshot;  // sealed, Purpose::Snapshot
  // A saved domain whose state was overtaken by another boot may still come back, or one whose image looks like a new
  // boot: every boot is marked until an administrator ends that.
  bool saved_stands = false;
};

struct Instance {
  InstanceKey key;
  Settings settings;
  uint64_t created = 0;  // seconds since 1970
  uint64_t epoch = 0;    // 0: never committed
  wire::SizedBytes permanent;
  Power power;
};

struct Entry {
  Uuid uuid{};
  uint64_t created = 0;
  uint64_t epoch = 0;
  Power::Kind power = Power::Kind::Off;
  uint64_t power_cycle = 0;
  bool saved_stands = false;
  Settings settings;
  bool leased = false;
  std::string quarantine;  // why; empty: it is not
  std::optional<Passage> passage;
};

// What is kept beside the state; the number is in the database.
enum class Item : uint8_t {
  History = 1,      // the vault keeps it
  EventLog = 2,     // what was extended before the guest could, in this power cycle
  Measure = 4,      // what is measured at a power-on
  Endorsement = 5,  // the endorsement key as it was last told, and its certificate
  Origin = 6,       // of one that was restored here: the vault keeps it
  // Of the host:
  Authority = 64,  // key and certificate that endorsement keys are certified with
  Identity = 65,   // the key other hosts know this one by
  Peers = 66,      // the keys this host knows others by
};
struct ItemValue {
  Item item{};
  base::Bytes bytes;
};
// A state that takes the place of whatever there is.
struct Return {
  Instance plain;                // as put_state() takes it; it gets an epoch above every one that was seen
  std::vector<ItemValue> items;  // in the place of those there are; an empty one: none
  Deed deed;
  // Of one that is not here: it is from now on.
  std::optional<Passage> passage;
  std::optional<History> history;  // what was told of it elsewhere
};
// A new instance with the state of another.
struct Copy {
  Uuid source{}, uuid{};
  Settings settings;
  uint64_t epoch = 0;     // of the new one
  base::Bytes permanent;  // plain
  std::vector<ItemValue> items;
  std::string identity;  // what became of its endorsement key, for the histories
};
// In the place of a uuid: what belongs to no instance.
inline constexpr Uuid kHost{};

class Vault;

// The right to serve an instance; only one exists at a time. The vault must outlive it.
class Lease {
 public:
  Lease(Vault& vault, const Uuid& uuid) : vault_(&vault), uuid_(uuid) {}
  Lease(Lease&& other) noexcept : vault_(std::exchange(other.vault_, nullptr)), uuid_(other.uuid_) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease();

 private:
  Vault* vault_;
  Uuid uuid_;
};

class Vault : public Holdings {
 public:
  // A new instance; durable when this returns. Only for a uuid that was never seen. It has the permanent state of a
  // spare that was made with the same settings, which nobody else gets then, or none yet. `items` come with it.
  virtual Result<> create(const Uuid& uuid, const Settings& settings, const std::vector<ItemValue>& items = {}) = 0;
  // As create(), and both histories tell of it.
  virtual Result<> create_copy(const Copy& copy) = 0;
  // Whether it was made so, of that source.
  virtual bool is_copy(const Uuid& uuid, const Uuid& source) = 0;
  // As create(), with this permanent state, which is plain, as epoch 1. The history tells `whose` it was.
  virtual Result<> create_from(const Uuid& uuid, const Settings& settings, base::View permanent,
                               const std::vector<ItemValue>& items, const std::string& whose) = 0;
  // Keeps a TPM that was made in advance: `permanent` is sealed under `key` as epoch 1 of `uuid`, which names nothing
  // else. The items become those of the instance.
  virtual Result<> add_spare(const Uuid& uuid, const InstanceKey& key, const Settings& settings, base::View permanent,
                             const std::vector<ItemValue>& items) = 0;
  // Nobody gets those that were kept until now.
  virtual Result<> drop_spares() = 0;
  // How many create() may take for these settings.
  virtual size_t spares(const Settings& settings) const = 0;
  virtual Result<Lease> lease(const Uuid& uuid) = 0;
  virtual Result<Instance> load(const Uuid& uuid) = 0;

  // Stores `permanent`, sealed as epoch expected + 1, and calls `done` when it is durable or refused: before it
  // returns, or later from completed(). A repeat of the last commit succeeds.
  using Done = std::function<void(Result<>)>;
  virtual void commit(const Uuid& uuid, uint64_t expected, base::View permanent, Done done) = 0;
  // Readable when completed() has something to do; -1 when commit() is always done at once.
  virtual int fd() const { return -1; }
  virtual void completed() {}

  virtual Result<> set_power(const Uuid& uuid, const Power& power) = 0;
  // An image of its domain may come back as a new boot: the record of its power says so from now on, in quarantine too.
  // Whether it did not before.
  virtual Result<bool> note_saved(const Uuid& uuid) = 0;
  // The guest let go in order: an older state than this one is a rollback from now on.
  virtual Result<> detached(const Uuid& uuid) = 0;
  // An empty reason ends the quarantine.
  virtual Result<> quarantine(const Uuid& uuid, const std::string& why) = 0;
  // Every uuid that is not removed, quarantined ones too.
  virtual Result<std::vector<Entry>> list() = 0;
  virtual Result<Entry> entry(const Uuid& uuid) = 0;
  // An item of an instance or of kHost; empty when there is none. What is kept may be of a removed instance.
  virtual Result<base::Bytes> item(const Uuid& uuid, Item item) = 0;
  // All of them or none; durable when this returns. Each takes the place of the one before it. The history is told.
  virtual Result<> put_items(const Uuid& uuid, const std::vector<ItemValue>& values,
                             const std::vector<Deed>& deeds = {}) = 0;
  // Also of one that was removed. What the vault does itself it tells itself.
  virtual Result<History> history(const Uuid& uuid) = 0;
  // Whether the register knows the uuid, whatever became of it.
  virtual bool known(const Uuid& uuid) const = 0;
  // One whose custody says that it is stored: this state, and nothing that may lie in its place. The instance gets a
  // key of its own; `permanent` and the snapshot are plain.
  virtual Result<> put_state(const Uuid& uuid, const Instance& plain) = 0;
  // The epoch it has now; durable, with its history, when this returns. Refused while somebody serves it.
  virtual Result<uint64_t> put_back(const Uuid& uuid, const Return& what) = 0;
  // As load(), of one that may not run here now.
  virtual Result<Instance> load_locked(const Uuid& uuid) = 0;
  // For ever: the uuid is not made again by itself.
  virtual Result<> remove(const Uuid& uuid) = 0;

  // Everything under a new master key: `given`, or one that is made when the vault keeps its key itself. What was
  // sealed under the old one is overwritten. Instance keys are renewed one by one.
  virtual Result<> renew_master(const std::optional<base::Secret<32>>& given) = 0;
  // A new key for one instance, with its permanent state and the snapshot in `power`, which is stored with it. Nobody
  // may hold the old one any more.
  virtual Result<> renew_key(const Uuid& uuid, const Power& power) = 0;
  // Gives the file system what is no longer needed, and leaves nothing old behind in logs.
  virtual Result<> compact() = 0;

 protected:
  friend class Lease;
  virtual void release(const Uuid& uuid) = 0;
};

inline Lease::~Lease() {
  if (vault_ != nullptr) vault_->release(uuid_);
}

// The usual form, lower case with four hyphens.
std::string text_of(const Uuid& uuid);
// Either case; nothing for anything else.
std::optional<Uuid> uuid_in(std::string_view text);

}  // namespace vault
