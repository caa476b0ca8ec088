// SPDX-License-Identifier: MIT
#include "engine/state/counters.h"

#include <algorithm>

#include "engine/crypto/hash.h"
#include "lib/base/verify.h"

namespace tpm {

Digest Counter::digest() const { return crypto::sha1_of(id, value.label, auth); }

const Counter* Counters::find(uint32_t id) const {
  auto at = std::ranges::find(counters.items, id, &Counter::id);
  return at == counters.items.end() ? nullptr : &*at;
}

const Counter& Counters::create(const std::array<uint8_t, 4>& label, const Secret& auth) {
  VERIFY(free_slots() > 0);
  while (find(next_id) != nullptr || next_id >= kReleasedCounter)
    next_id = next_id >= kReleasedCounter ? 1 : next_id + 1;
  counters.items.push_back({.id = next_id++, .value = {.label = label, .count = ++base}, .auth = auth});
  return counters.items.back();
}

Result<CounterValue> Counters::increment(uint32_t id) {
  auto at = std::ranges::find(counters.items, id, &Counter::id);
  TRY(require(at != counters.items.end() && at->value.count != UINT32_MAX, Rc::BadCounter));
  at->value.count++;
  base = std::max(base, at->value.count);
  return at->value;
}

void Counters::release(uint32_t id) {
  std::erase_if(counters.items, [id](const Counter& counter) { return counter.id == id; });
}

}  // namespace tpm
