// SPDX-License-Identifier: MIT
// Half: what the kit has in common as either half of a device: its XenStore, trace, dice, and how long it waits.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "lib/xen/store.h"
#include "tests/ringtest/case.h"
#include "tests/ringtest/page.h"
#include "tests/ringtest/trace.h"

namespace ringtest {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// The states of xenbus, as they stand in XenStore.
inline constexpr char kInitialising[] = "1", kInitWait[] = "2", kInitialised[] = "3", kConnected[] = "4",
                      kClosing[] = "5", kClosed[] = "6";

struct Patience {
  milliseconds answer{10'000};  // until what must come counts as missing
  milliseconds silence{300};    // until what must not come counts as not coming
  milliseconds race{1'500};     // for how long what depends on chance is tried
};

class Half {
 public:
  Half(xen::Store store, Patience most) : patience(most), store_(std::move(store)) {}
  virtual ~Half() = default;

  Trace trace;
  Dice dice;
  Patience patience;

  void begin(uint64_t seed) {
    trace.begin();
    notes_.clear();
    dice.seed(seed);
  }
  // For people, beside the result.
  void note(std::string text) { notes_.push_back(std::move(text)); }
  const std::vector<std::string>& notes() const { return notes_; }

  std::optional<std::string> node(const xen::Path& path) const;
  Outcome<> write(const xen::Path& path, const std::string& value);
  Outcome<> remove(const xen::Path& path);
  // Until the node has one of the values; an empty one means that it is gone. The value it has.
  Outcome<std::string> await_node(const xen::Path& path, std::initializer_list<const char*> values, milliseconds most);

  // All that there is of the device, a line a node.
  std::string store_dump() const;
  // Of the page; empty when there is none.
  virtual std::string page_dump() const = 0;

  unsigned roll(unsigned n) { return static_cast<unsigned>(dice() % n); }
  Bytes roll_bytes(size_t n);

 protected:
  virtual std::vector<xen::Path> directories() const = 0;
  // What the kit must do while it waits.
  virtual void meanwhile() {}

  xen::Store store_;

 private:
  std::vector<std::string> notes_;
};

// ---- TPM commands ----

inline constexpr unsigned kPcr = 10;
Bytes pcr_read(unsigned pcr = kPcr);
// Shows in the PCR when it is executed.
Bytes extend(unsigned pcr = kPcr);
// A response's own idea of its size; 0 for what cannot be a response.
uint32_t size_in(const Bytes& response);
uint32_t code_in(const Bytes& response);
// The PCR of a response to pcr_read(); empty for any other.
Bytes pcr_in(const Bytes& response);

}  // namespace ringtest
