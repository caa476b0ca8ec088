// SPDX-License-Identifier: MIT
#include "tests/ringtest/half.h"

#include <poll.h>

#include <thread>

namespace ringtest {

std::optional<std::string> Half::node(const xen::Path& path) const {
  auto value = store_.read(path);
  return value.ok() ? std::optional(value.value()) : std::nullopt;
}

Outcome<> Half::write(const xen::Path& path, const std::string& value) {
  trace.did("write " + path.text() + " = " + value);
  TRY(store_.write(path, value));
  return {};
}

Outcome<> Half::remove(const xen::Path& path) {
  trace.did("remove " + path.text());
  TRY(store_.remove(path));
  return {};
}

Outcome<std::string> Half::await_node(const xen::Path& path, std::initializer_list<const char*> values,
                                      milliseconds most) {
  Clock::time_point end = Clock::now() + most;
  for (;;) {
    std::string now = node(path).value_or("");
    for (const char* value : values) {
      if (now != value) continue;
      trace.saw(path.text() + " = " + (now.empty() ? "(gone)" : now));
      return now;
    }
    if (Clock::now() > end) {
      std::string wanted;
      for (const char* value : values) wanted += (wanted.empty() ? "" : " or ") + std::string(*value ? value : "gone");
      return failed(path.text() + " is " + (now.empty() ? "gone" : now) + ", not " + wanted + ", after " +
                    std::to_string(most.count()) + " ms");
    }
    meanwhile();
    std::this_thread::sleep_for(milliseconds(5));
  }
}

namespace {
void dump(const xen::Store& store, const xen::Path& path, std::string& to) {
  auto value = store.read(path);
  if (!value.ok()) return;
  to += path.text() + " = \"" + value.value() + "\"\n";
  auto children = store.list(path);
  if (!children.ok()) return;
  for (const std::string& child : children.value()) dump(store, path / child, to);
}
}  // namespace

std::string Half::store_dump() const {
  std::string text;
  for (const xen::Path& directory : directories()) dump(store_, directory, text);
  return text;
}

Bytes Half::roll_bytes(size_t n) {
  Bytes bytes(n);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(dice());
  return bytes;
}

namespace {
constexpr uint16_t kNoAuth = 0xc1, kResponse = 0xc4;
constexpr size_t kShortest = 10, kPcrResponse = 30;
uint32_t word_at(const Bytes& bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4; i++) word = word << 8 | bytes[at + i];
  return word;
}
}  // namespace

Bytes pcr_read(unsigned pcr) { return client::Out().u16(kNoAuth).u32(14).u32(0x15).u32(pcr); }
Bytes extend(unsigned pcr) {
  return client::Out().u16(kNoAuth).u32(34).u32(0x14).u32(pcr).raw(client::sha1(client::bytes_of("ring test")));
}
uint32_t size_in(const Bytes& response) {
  bool tagged = response.size() >= kShortest && response[0] == 0 && response[1] >= kResponse && response[1] <= 0xc6;
  return tagged ? word_at(response, 2) : 0;
}
uint32_t code_in(const Bytes& response) { return response.size() < kShortest ? UINT32_MAX : word_at(response, 6); }
Bytes pcr_in(const Bytes& response) {
  if (response.size() != kPcrResponse || code_in(response) != 0) return {};
  return {response.begin() + kShortest, response.end()};
}

}  // namespace ringtest
