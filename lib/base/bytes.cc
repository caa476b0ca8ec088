// SPDX-License-Identifier: MIT
#include "lib/base/bytes.h"

#include <string.h>

#include <array>
#include <cstdlib>
#include <new>

#include "lib/base/verify.h"

namespace base {

namespace {

constexpr std::array<size_t, 3> kClasses = {64, 512, 4096};
constexpr size_t kKeptPerClass = 32;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
#else
constexpr bool kPooled = true;
#endif

struct FreeLists {
  struct Class {
    std::array<void*, kKeptPerClass> blocks{};
    size_t n = 0;
  };
  std::array<Class, kClasses.size()> classes{};

  ~FreeLists() {
    for (Class& c : classes) {
      while (c.n > 0) std::free(c.blocks[--c.n]);
    }
  }
};

FreeLists& lists() {
  thread_local FreeLists lists;
  return lists;
}

size_t class_of(size_t n_bytes) {
  size_t c = 0;
  while (c < kClasses.size() && kClasses[c] < n_bytes) c++;
  return c;
}

}  // namespace

void wipe(void* at, size_t n_bytes) {
  if (n_bytes > 0) explicit_bzero(at, n_bytes);
}

void* wiping_allocate(size_t n_bytes) {
  size_t c = class_of(n_bytes);
  void* block = nullptr;
  if (kPooled && c < kClasses.size()) {
    FreeLists::Class& list = lists().classes[c];
    block = list.n > 0 ? list.blocks[--list.n] : std::malloc(kClasses[c]);
  } else {
    block = std::malloc(n_bytes > 0 ? n_bytes : 1);
  }
  VERIFY(block != nullptr);
  return block;
}

void wiping_free(void* at, size_t n_bytes) {
  if (at == nullptr) return;
  wipe(at, n_bytes);
  size_t c = class_of(n_bytes);
  if (kPooled && c < kClasses.size()) {
    FreeLists::Class& list = lists().classes[c];
    if (list.n < kKeptPerClass) {
      list.blocks[list.n++] = at;
      return;
    }
  }
  std::free(at);
}

std::string hex(View bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool equal_constant_time(View a, View b) {
  if (a.size() != b.size()) return false;
  uint8_t differing = 0;
  for (size_t i = 0; i < a.size(); i++) differing = static_cast<uint8_t>(differing | (a[i] ^ b[i]));
  return differing == 0;
}

}  // namespace base
