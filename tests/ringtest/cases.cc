// SPDX-License-Identifier: MIT
#include "tests/ringtest/case.h"

namespace ringtest {

namespace {
template <class C>
std::vector<C> joined(std::initializer_list<std::span<const C>> parts) {
  std::vector<C> all;
  for (std::span<const C> part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
}  // namespace

std::vector<FrontCase> all_front_cases() {
  return joined<FrontCase>({front_connect_cases(), front_close_cases(), front_request_cases(),
                            front_extra_pages_cases(), front_cancel_cases(), front_hostile_cases(),
                            front_timing_cases(), front_legacy_cases()});
}

std::vector<BackCase> all_back_cases() {
  return joined<BackCase>({back_connect_cases(), back_request_cases(), back_close_cases(), back_hostile_cases(),
                           back_timing_cases(), back_legacy_cases()});
}

}  // namespace ringtest
