// SPDX-License-Identifier: MIT
// Page: the tpmif v2 page as the kit sees it. It shares nothing with the halves under test but the way memory is
// loaded.
#pragma once

#include <string>

#include "lib/base/foreign_bytes.h"
#include "tests/engine/tpm_client.h"

namespace ringtest {

using client::Bytes;

inline constexpr size_t kPage = 4096, kHeader = 8, kLongestPacket = kPage - kHeader;
inline constexpr uint8_t kIdle = 0, kSubmit = 1, kFinish = 2, kCancel = 3;

struct Header {
  uint32_t length = 0;
  uint8_t state = kIdle;
  uint8_t locality = 0;
  uint8_t unused = 0;
  uint8_t n_extra_pages = 0;
  size_t packet_at() const { return kHeader + 4 * size_t{n_extra_pages}; }
  bool operator==(const Header&) const = default;
};
std::string text_of(const Header& header);
// "SUBMIT", "state 77".
std::string name_of_state(uint8_t state);

class Page {
 public:
  explicit Page(base::ForeignBytes memory) : memory_(memory) {}

  // All eight bytes by one access.
  Header header() const;
  uint8_t state() const { return header().state; }
  Bytes bytes(size_t at, size_t n) const;
  // As far as the page reaches.
  Bytes packet(const Header& header) const;
  Bytes all() const { return bytes(0, kPage); }

  void store_bytes(size_t at, const Bytes& bytes) const;
  void store_length(uint32_t length) const;
  void store_byte(size_t at, uint8_t value) const;
  void store_state(uint8_t state) const { store_byte(4, state); }
  // Packet, then the header, its state last.
  void put(const Header& header, const Bytes& packet) const;

 private:
  base::ForeignBytes memory_;
};

// The header in words, then the lines that are not zero.
std::string dump_of(const Bytes& page);

}  // namespace ringtest
