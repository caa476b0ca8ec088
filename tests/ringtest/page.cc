// SPDX-License-Identifier: MIT
#include "tests/ringtest/page.h"

#include <algorithm>

#include "lib/base/verify.h"

namespace ringtest {

namespace {
constexpr size_t kStateAt = 4, kLocalityAt = 5, kUnusedAt = 6, kExtraPagesAt = 7;

Header header_in(uint64_t word) {
  auto byte = [&](size_t at) { return static_cast<uint8_t>(word >> 8 * at); };
  return {static_cast<uint32_t>(word), byte(kStateAt), byte(kLocalityAt), byte(kUnusedAt), byte(kExtraPagesAt)};
}
}  // namespace

std::string name_of_state(uint8_t state) {
  static const char* const kNames[] = {"IDLE", "SUBMIT", "FINISH", "CANCEL"};
  return state <= kCancel ? kNames[state] : "state " + std::to_string(state);
}

std::string text_of(const Header& header) {
  return "length=" + std::to_string(header.length) + " " + name_of_state(header.state) +
         " locality=" + std::to_string(header.locality) + " extra=" + std::to_string(header.n_extra_pages);
}

Header Page::header() const {
  auto word = memory_.load<uint64_t>(0);
  VERIFY(word.has_value());
  return header_in(*word);
}

Bytes Page::bytes(size_t at, size_t n) const {
  Bytes bytes(n);
  VERIFY(memory_.load_bytes(at, bytes));
  return bytes;
}

Bytes Page::packet(const Header& header) const {
  size_t at = std::min(header.packet_at(), kPage);
  return bytes(at, std::min<size_t>(header.length, kPage - at));
}

void Page::store_bytes(size_t at, const Bytes& bytes) const { VERIFY(memory_.store_bytes(at, bytes)); }
void Page::store_length(uint32_t length) const { VERIFY(memory_.store<uint32_t>(0, length)); }
void Page::store_byte(size_t at, uint8_t value) const { VERIFY(memory_.store<uint8_t>(at, value)); }

void Page::put(const Header& header, const Bytes& packet) const {
  store_bytes(header.packet_at(), packet);
  store_length(header.length);
  store_byte(kLocalityAt, header.locality);
  store_byte(kUnusedAt, header.unused);
  store_byte(kExtraPagesAt, header.n_extra_pages);
  store_state(header.state);
}

std::string dump_of(const Bytes& page) {
  constexpr size_t kLine = 32;
  uint64_t word = 0;
  for (size_t i = kHeader; i-- > 0;) word = word << 8 | page[i];
  std::string text = text_of(header_in(word)) + "\n";
  for (size_t at = 0; at < page.size(); at += kLine) {
    Bytes line(page.begin() + static_cast<long>(at), page.begin() + static_cast<long>(at + kLine));
    if (std::ranges::all_of(line, [](uint8_t byte) { return byte == 0; })) continue;
    text += client::hex(client::Out().u16(static_cast<uint16_t>(at))) + " " + client::hex(line) + "\n";
  }
  return text;
}

}  // namespace ringtest
