// SPDX-License-Identifier: MIT
#include "backend/vault/history.h"

#include <algorithm>
#include <ctime>

namespace vault {

Deed deed(Happened what, const std::string& text, uint64_t number) {
  Deed made{.time = static_cast<uint64_t>(::time(nullptr)), .what = what, .number = number};
  std::string shortened = text.substr(0, History::kLongestText);
  made.text = wire::SizedBytes(base::Bytes(shortened.begin(), shortened.end()));
  return made;
}

void History::add(Deed deed) {
  if (deed.what == Happened::Rekeyed) {
    std::erase_if(deeds.items, [](const Deed& old) { return old.what == Happened::Rekeyed; });
  }
  deeds.items.push_back(std::move(deed));
  if (deeds.items.size() <= kMost) return;
  deeds.items.erase(deeds.items.begin() + 1);
  dropped++;
}

void History::start_with(Deed deed) { deeds.items.insert(deeds.items.begin(), std::move(deed)); }

const Deed* History::last(std::initializer_list<Happened> of) const {
  auto at = std::find_if(deeds.items.rbegin(), deeds.items.rend(),
                         [&](const Deed& one) { return std::find(of.begin(), of.end(), one.what) != of.end(); });
  return at == deeds.items.rend() ? nullptr : &*at;
}

std::optional<History> History::from_kept(base::View kept) {
  auto read = wire::decode<History>(kept);
  bool known = read.ok() && read.value().version == 1 && read.value().deeds.items.size() <= kMost &&
               std::all_of(read.value().deeds.items.begin(), read.value().deeds.items.end(),
                           [](const Deed& one) { return one.text.size() <= kLongestText; });
  if (!known) return std::nullopt;
  return std::move(read).take();
}

}  // namespace vault
