// SPDX-License-Identifier: MIT
#include "backend/vault/file.h"

#include <openssl/rand.h>

#include <ctime>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr const char* kKey = "master.key";
// Under this name until everything else of a new vault is durable: its rename is what makes the vault.
constexpr const char* kFirstKey = "master.key.first";
constexpr const char* kRegister = "register";
constexpr const char* kInstances = "instances";
constexpr const char* kSuffix = ".vtpm";
constexpr Uuid kNobody{};

Refusal broken(std::string text) { return {Refusal::Kind::Broken, std::move(text)}; }
Refusal broken(const xen::SysError& error) { return broken("state directory: " + error.text()); }
Refusal quarantined(std::string why) {
  return {Refusal::Kind::Quarantined, std::move(why) +
                                          "; the stored state is kept: restore it from a backup, trust it " +
                                          "again with `vtpmctl quarantine --lift`, or remove it with `vtpmctl delete`"};
}
// Reports what the operating system refused.
template <class T>
Result<T> told(Io<T> result) {
  if (!result.ok()) return broken(result.error());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(result).take();
  }
}

template <size_t N>
void fill_random(base::Secret<N>& secret) {
  VERIFY(RAND_priv_bytes(secret.fill().data(), static_cast<int>(N)) == 1);
}

std::string file_of(const Uuid& uuid) { return text_of(uuid) + kSuffix; }

}  // namespace

Result<std::unique_ptr<FileVault>> FileVault::open(const std::string& path) {
  Directory directory = TRY(told(Directory::open(path, true)));
  auto lock = TRY(told(directory.lock("lock")));
  if (!lock) return broken("the state directory " + path + " is in use by another manager");
  bool has_key = TRY(told(directory.read(kKey))).has_value();
  if (!has_key) TRY(start_first(directory));
  auto opened = directory.below(kInstances, false);
  if (!opened.ok()) return broken("the directory `instances` is missing or closed: restore it from a backup");
  Directory instances = std::move(opened).take();
  std::unique_ptr<FileVault> vault(new FileVault(std::move(directory), std::move(instances), *std::move(lock)));
  TRY(vault->read_key_and_register());
  TRY(vault->take_up_orphans());
  return vault;
}

// Only where nothing of a vault is: a register or an instance without its key is a loss, not a beginning.
Result<> FileVault::start_first(const Directory& directory) {
  auto interrupted = TRY(told(directory.read(kFirstKey)));
  auto old_register = TRY(told(directory.read(kRegister)));
  base::Secret<32> key;
  if (interrupted && interrupted->size() == key.kSize) {
    std::copy(interrupted->begin(), interrupted->end(), key.fill().begin());
  } else {
    fill_random(key);
  }
  if (old_register && !unseal(key, kNobody, Purpose::Register, 0, *old_register)) {
    return broken("master.key is missing while the register is there: restore master.key from a backup");
  }
  Directory instances = TRY(told(directory.below(kInstances, true)));
  for (const std::string& name : TRY(told(instances.names()))) {
    return broken("master.key is missing while " + name + " is there: restore master.key from a backup");
  }
  TRY(told(directory.write(kFirstKey, key.reveal())));
  TRY(told(directory.write(kRegister, seal(key, kNobody, Purpose::Register, 0, wire::encode(Register{})))));
  TRY(told(directory.rename(kFirstKey, kKey)));
  base::log(base::Level::Notice, "new state directory: made a master key; back it up apart from the states");
  return {};
}

Result<> FileVault::read_key_and_register() {
  auto key = TRY(told(directory_.read(kKey)));
  if (!key || key->size() != base::Secret<32>::kSize) return broken("master.key is damaged: restore it from a backup");
  std::copy(key->begin(), key->end(), master_.fill().begin());
  auto envelope = TRY(told(directory_.read(kRegister)));
  if (!envelope) return broken("the register is missing: restore `register` from a backup");
  auto version = claimed_epoch(*envelope);
  auto plain = version ? unseal(master_, kNobody, Purpose::Register, *version, *envelope) : std::nullopt;
  if (!plain) return broken("the register does not open with master.key: restore the two from one backup");
  auto content = wire::decode<Register>(*plain);
  if (!content.ok()) return broken("the register is malformed: restore `register` from a backup");
  register_ = std::move(content).take();
  return {};
}

// A crash between the first write of an instance and that of the register leaves a file that nobody knows.
Result<> FileVault::take_up_orphans() {
  for (const std::string& name : TRY(told(instances_.names()))) {
    if (!name.ends_with(kSuffix)) continue;
    auto uuid = uuid_in(std::string_view(name).substr(0, name.size() - std::string_view(kSuffix).size()));
    if (!uuid || known(*uuid) != nullptr) continue;
    register_.known.items.push_back({.uuid = *uuid});
    base::log(base::Level::Notice, "instance " + text_of(*uuid) + " was not in the register: added");
    TRY(write_register());
  }
  return {};
}

FileVault::Known* FileVault::known(const Uuid& uuid) {
  for (Known& k : register_.known.items) {
    if (k.uuid == uuid) return &k;
  }
  return nullptr;
}

Result<> FileVault::write_register() {
  register_.version++;
  return told(directory_.write(kRegister,
                               seal(master_, kNobody, Purpose::Register, register_.version, wire::encode(register_))));
}

Result<> FileVault::write_instance(const Uuid& uuid, const Instance& instance) {
  return told(
      instances_.write(file_of(uuid), seal(master_, uuid, Purpose::Record, instance.epoch, wire::encode(instance))));
}

Result<Instance> FileVault::read_instance(const Uuid& uuid) {
  auto envelope = TRY(told(instances_.read(file_of(uuid))));
  if (!envelope) return quarantined("its state file is missing");
  auto epoch = claimed_epoch(*envelope);
  auto plain = epoch ? unseal(master_, uuid, Purpose::Record, *epoch, *envelope) : std::nullopt;
  if (!plain) return quarantined("its state file is damaged or was sealed with another master key");
  auto instance = wire::decode<Instance>(*plain);
  if (!instance.ok()) return quarantined("its state file is of an unknown form");
  if (instance.value().epoch != *epoch) return quarantined("its state file contradicts itself");
  return std::move(instance).take();
}

Result<> FileVault::create(const Uuid& uuid) {
  if (Known* old = known(uuid)) {
    return Refusal{Refusal::Kind::Exists, old->removed ? "the instance was removed; its uuid is not used again"
                                                       : "there is such an instance already"};
  }
  Instance instance;
  fill_random(instance.key);
  instance.created = static_cast<uint64_t>(::time(nullptr));
  TRY(write_instance(uuid, instance));
  register_.known.items.push_back({.uuid = uuid});
  return write_register();
}

Result<Lease> FileVault::lease(const Uuid& uuid) {
  if (!leased_.insert(uuid).second) return Refusal{Refusal::Kind::Leased, "another device serves this instance"};
  return Lease(*this, uuid);
}

Result<Instance> FileVault::load(const Uuid& uuid) {
  Known* k = known(uuid);
  if (k == nullptr) return Refusal{Refusal::Kind::Unknown, "there is no such instance"};
  if (k->removed) return quarantined("the instance was removed");
  if (!k->quarantine.empty()) {
    return quarantined(std::string(k->quarantine.view().begin(), k->quarantine.view().end()));
  }
  if (auto at = loaded_.find(uuid); at != loaded_.end()) return at->second;
  Instance instance = TRY(read_instance(uuid));
  if (instance.epoch < k->epoch) return quarantined("its state file is older than one seen before");
  if (instance.epoch > 0 && !unseal(instance.key, uuid, Purpose::Permanent, instance.epoch, instance.permanent)) {
    return quarantined("its permanent state does not open");
  }
  loaded_[uuid] = instance;
  return instance;
}

void FileVault::commit(const Uuid& uuid, uint64_t expected, base::View permanent, Done done) {
  done(store_commit(uuid, expected, permanent));
}

Result<> FileVault::store_commit(const Uuid& uuid, uint64_t expected, base::View permanent) {
  Instance instance = TRY(load(uuid));
  if (instance.epoch == expected + 1 && std::ranges::equal(instance.permanent.view(), permanent)) return {};
  if (instance.epoch != expected) return Refusal{Refusal::Kind::Conflict, "the stored epoch is another one"};
  instance.epoch = expected + 1;
  instance.permanent = wire::SizedBytes(permanent);
  TRY(write_instance(uuid, instance));
  loaded_[uuid] = std::move(instance);
  return {};
}

Result<> FileVault::set_power(const Uuid& uuid, const Power& power) {
  Instance instance = TRY(load(uuid));
  instance.power = power;
  TRY(write_instance(uuid, instance));
  loaded_[uuid] = std::move(instance);
  return {};
}

Result<> FileVault::detached(const Uuid& uuid) {
  uint64_t epoch = TRY(load(uuid)).epoch;
  Known* k = known(uuid);
  if (k->epoch == epoch) return {};
  k->epoch = epoch;
  return write_register();
}

Result<> FileVault::quarantine(const Uuid& uuid, const std::string& why) {
  Known* k = known(uuid);
  if (k == nullptr || k->removed) return Refusal{Refusal::Kind::Unknown, "there is no such instance"};
  k->quarantine = wire::SizedBytes(base::Bytes(why.begin(), why.end()));
  loaded_.erase(uuid);
  return write_register();
}

Result<std::vector<Entry>> FileVault::list() {
  std::vector<Entry> entries;
  for (const Known& k : register_.known.items) {
    if (k.removed) continue;
    Entry entry{.uuid = k.uuid, .leased = leased_.contains(k.uuid)};
    auto instance = load(k.uuid);
    if (instance.ok()) {
      entry.created = instance.value().created;
      entry.epoch = instance.value().epoch;
      entry.power = instance.value().power.kind;
      entry.power_cycle = instance.value().power.cycle;
    } else {
      entry.quarantine = instance.error().text;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

// The register first: a removed instance whose file is left over must not come back.
Result<> FileVault::remove(const Uuid& uuid) {
  Known* k = known(uuid);
  if (k == nullptr || k->removed) return Refusal{Refusal::Kind::Unknown, "there is no such instance"};
  if (leased_.contains(uuid)) return Refusal{Refusal::Kind::Leased, "a device serves this instance: detach it first"};
  k->removed = true;
  TRY(write_register());
  loaded_.erase(uuid);
  return told(instances_.remove(file_of(uuid)));
}

}  // namespace vault
