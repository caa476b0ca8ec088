// SPDX-License-Identifier: MIT
// Records every access to one watched range of foreign memory; only in builds with FOREIGN_BYTES_TRACE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace base {

class ForeignTrace {
 public:
  // From now on accesses of this thread to `range` are counted; whatever was counted before is forgotten.
  static void watch(std::span<const uint8_t> range) {
    state() = {range.data(), std::vector<uint8_t>(range.size()), std::vector<uint8_t>(range.size()), false};
  }
  // How often the byte at `at` has been loaded since watch().
  static unsigned loads(size_t at) { return state().loads.at(at); }
  static unsigned stores(size_t at) { return state().stores.at(at); }
  // Whether any byte was loaded after it had been stored.
  static bool read_back() { return state().read_back; }

  static void loaded(const uint8_t* at, size_t n) {
    each(at, n, [](State& s, size_t i) {
      s.read_back |= s.stores[i] > 0;
      s.loads[i]++;
    });
  }
  static void stored(const uint8_t* at, size_t n) {
    each(at, n, [](State& s, size_t i) { s.stores[i]++; });
  }

 private:
  struct State {
    const uint8_t* at = nullptr;
    std::vector<uint8_t> loads, stores;
    bool read_back = false;
  };
  static State& state() {
    thread_local State state;
    return state;
  }
  template <class F>
  static void each(const uint8_t* at, size_t n, F visit) {
    State& s = state();
    for (size_t i = 0; i < n; i++) {
      if (at + i >= s.at && at + i < s.at + s.loads.size()) visit(s, static_cast<size_t>(at + i - s.at));
    }
  }
};

}  // namespace base
