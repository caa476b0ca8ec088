// SPDX-License-Identifier: MIT
// Every ordinal with requests that are malformed, or empty, or nothing but zeros.
#include "tests/differential/recorder.h"

namespace differential {

namespace {

struct Body {
  const char* name;
  uint32_t tag;
  Bytes bytes;
  int size_off = 0;   // added to the size field
  size_t behind = 0;  // bytes after the command
};

std::vector<Body> bodies() {
  std::vector<Body> all;
  for (uint32_t tag : {0xc1U, 0xc2U, 0xc3U, 0xc4U, 0xc6U, 0U, 0xc0U, 0xffffU}) all.push_back({"empty", tag, {}});
  for (size_t n : {1U, 2U, 4U, 5U, 8U, 20U, 24U, 45U, 64U, 400U, 3000U}) all.push_back({"zeros", 0xc1, Bytes(n, 0)});
  for (size_t n : {4U, 24U, 64U, 400U}) all.push_back({"ones", 0xc1, Bytes(n, 0xff)});
  for (size_t n : {44U, 45U, 49U, 69U, 145U}) all.push_back({"zeros", 0xc2, Bytes(n, 0)});
  for (size_t n : {45U, 89U, 90U, 94U, 134U}) all.push_back({"zeros", 0xc3, Bytes(n, 0)});
  for (size_t n : {45U, 90U}) all.push_back({"ones", 0xc3, Bytes(n, 0xff)});
  for (int off : {1, -1, -10, 0x7fff0000}) all.push_back({"size", 0xc1, {}, off});
  all.push_back({"size", 0xc2, Bytes(45, 0), 45});
  all.push_back({"behind", 0xc1, {}, 0, 1});
  return all;
}

std::string name_of(const Body& body) {
  std::string name = std::string(body.name) + "-" + number(body.tag) + "-" + std::to_string(body.bytes.size());
  if (body.size_off != 0) name += (body.size_off > 0 ? "+" : "") + std::to_string(body.size_off);
  return name;
}

Bytes frame_of(uint32_t ordinal, const Body& body) {
  uint32_t size = static_cast<uint32_t>(10 + static_cast<int>(body.bytes.size()) + body.size_off);
  Bytes frame = Out().u16(body.tag).u32(size).u32(ordinal).raw(body.bytes);
  frame.resize(frame.size() + body.behind);
  return frame;
}

}  // namespace

void ordinal_cases(const Recorder& recorder, world::World& w) {
  const std::vector<Body> all = bodies();
  for (const Ordinal& ordinal : ordinals()) {
    Recorder r = recorder.at(number(ordinal.value) + "-" + ordinal.name);
    r.series(all.size(), [&](const Recorder& one, size_t i) {
      return one.response(name_of(all[i]), w.tpm.send(frame_of(ordinal.value, all[i]))) == 0;
    });
  }
  recorder.series(10, [&](const Recorder& one, size_t n) {
    Bytes frame = Out().u16(0xc1).u32(static_cast<uint32_t>(n)).u32(0x0a);
    frame.resize(n);
    return one.response("header/" + std::to_string(n), w.tpm.send(frame)) == 0;
  });
}

}  // namespace differential
