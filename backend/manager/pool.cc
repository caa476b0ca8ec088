// SPDX-License-Identifier: MIT
// Manager: a small pool of TPMs with their endorsement keys, made while nothing else is to be done, so that a new
// instance need not wait for a key.
#include <openssl/rand.h>
#include <sys/resource.h>

#include <algorithm>

#include "backend/manager/manager.h"
#include "backend/vault/opening.h"
#include "lib/base/verify.h"

namespace backend {

using std::chrono::milliseconds;

namespace {
constexpr milliseconds kPause{500};  // after whatever has happened
constexpr unsigned kMostDoublings = 11;
constexpr int kLowestPriority = 19;
}  // namespace

// What fails is tried again, less and less often.
void Manager::fill_pool_later() {
  if (pool_due_ || policy_.pool == 0) return;
  pool_due_ = true;
  loop_.after(kPause * (1U << std::min(pool_failures_, kMostDoublings)), [this] {
    pool_due_ = false;
    fill_pool();
  });
}

bool Manager::idle() const {
  return makers_.empty() && to_make_.empty() && to_renew_.empty() &&
         std::none_of(devices_.begin(), devices_.end(),
                      [](const auto& device) { return device.second.stage == Stage::Starting; });
}

// One at a time; its end leads here again.
void Manager::fill_pool() {
  if (pool() >= policy_.pool) return;
  if (!idle()) return fill_pool_later();
  Maker maker;
  VERIFY(RAND_bytes(maker.uuid.data(), static_cast<int>(maker.uuid.size())) == 1);
  vault::fill_random(maker.key);
  pool_failures_++;  // until it is stored
  size_t before = makers_.size();
  add_maker(std::move(maker), policy_.defaults);
  if (makers_.size() == before) return fill_pool_later();
  const Process& process = makers_.rbegin()->second.process;
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(process.pid), kLowestPriority) != 0) {
    base::log(Level::Warning, "a TPM is made in advance with the priority of the others");
  }
}

vault::Result<> Manager::store_spare(const Maker& maker, const message::Commit& commit) {
  std::vector<vault::ItemValue> items;
  if (auto record = identity::Endorsement::from_kept(maker.endorsement)) {
    vault::History history;
    history.add(endorsed(*record));
    items = {{vault::Item::Endorsement, maker.endorsement}, {vault::Item::History, history.kept()}};
  }
  auto stored = vault_.add_spare(maker.uuid, maker.key, policy_.defaults, commit.permanent, items);
  if (stored.ok()) {
    pool_failures_ = 0;
    base::log(Level::Debug, "made a TPM in advance: " + std::to_string(pool()) + " of " + std::to_string(policy_.pool));
  } else {
    base::log(Level::Warning, "a TPM made in advance is not stored: " + stored.error().text);
  }
  return stored;
}

}  // namespace backend
