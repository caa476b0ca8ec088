// SPDX-License-Identifier: MIT
#include "engine/state/contexts.h"

#include <algorithm>

namespace tpm {

Result<uint32_t> Contexts::add(bool of_11) {
  TRY(require(count < 0xffffffff, Rc::TooManyContexts));
  auto free = std::ranges::find(list, 0u, &Saved::count);
  TRY(require(free != list.end(), Rc::NoContextSpace));
  *free = {++count, of_11};
  return count;
}

bool Contexts::holds(uint32_t saved) const {
  return saved != 0 && std::ranges::find(list, saved, &Saved::count) != list.end();
}

bool Contexts::remove(uint32_t saved) {
  if (!holds(saved)) return false;
  *std::ranges::find(list, saved, &Saved::count) = {};
  return true;
}

void Contexts::forget_11() {
  for (Saved& saved : list) {
    if (saved.of_11) saved = {};
  }
}

size_t Contexts::free_slots() const { return static_cast<size_t>(std::ranges::count(list, 0u, &Saved::count)); }

}  // namespace tpm
