// SPDX-License-Identifier: MIT
#include "lib/base/foreign_bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

namespace {

using base::ForeignBytes;

template <class T>
concept LeaksAPointer = requires(T t) { t.data(); } || requires(T t) { t[0]; } || requires(T t) { t.begin(); };
static_assert(!LeaksAPointer<ForeignBytes>);
template <class T>
concept Comparable = requires(T t) { t == t; } || requires(T t) { t < 1u; };
static_assert(!Comparable<base::Untrusted<unsigned>>);

std::vector<uint8_t> counting(size_t n) {
  std::vector<uint8_t> v(n);
  std::iota(v.begin(), v.end(), uint8_t{1});
  return v;
}

TEST(ForeignBytes, CopiesEveryAlignmentAndLength) {
  std::vector<uint8_t> memory = counting(64);
  ForeignBytes foreign{memory};
  for (size_t at = 0; at < 20; at++) {
    for (size_t n = 0; n < 40; n++) {
      std::vector<uint8_t> got(n);
      ASSERT_TRUE(foreign.load_bytes(at, got));
      EXPECT_TRUE(std::equal(got.begin(), got.end(), memory.begin() + static_cast<long>(at)));
    }
  }
}

TEST(ForeignBytes, StoresEveryAlignmentAndNothingBeside) {
  for (size_t at = 0; at < 20; at++) {
    for (size_t n = 0; n < 40; n++) {
      std::vector<uint8_t> memory(64);
      std::vector<uint8_t> from = counting(n);
      ASSERT_TRUE(ForeignBytes{memory}.store_bytes(at, from));
      std::vector<uint8_t> expected(64);
      std::copy(from.begin(), from.end(), expected.begin() + static_cast<long>(at));
      EXPECT_EQ(memory, expected);
    }
  }
}

TEST(ForeignBytes, RefusesWhatIsNotInside) {
  std::array<uint8_t, 16> memory{};
  ForeignBytes foreign{memory};
  std::array<uint8_t, 8> to{};
  EXPECT_FALSE(foreign.load_bytes(9, to));
  EXPECT_FALSE(foreign.load_bytes(SIZE_MAX, to));
  EXPECT_FALSE(foreign.store_bytes(9, to));
  EXPECT_FALSE(foreign.load<uint64_t>(16));
  EXPECT_FALSE(foreign.load<uint64_t>(SIZE_MAX));
  EXPECT_FALSE(foreign.part(8, 9));
  EXPECT_FALSE(foreign.part(17, 0));
  EXPECT_TRUE(foreign.part(16, 0));
}

TEST(ForeignBytes, RefusesAWordThatIsNotAligned) {
  alignas(8) std::array<uint8_t, 16> memory{};
  ForeignBytes foreign{memory};
  EXPECT_FALSE(foreign.load<uint32_t>(2));
  EXPECT_FALSE(foreign.store<uint32_t>(2, 0));
  EXPECT_TRUE(foreign.load<uint32_t>(4));
}

TEST(ForeignBytes, ReadOnlyRefusesStores) {
  const std::array<uint8_t, 8> memory{};
  ForeignBytes foreign = ForeignBytes::read_only(memory);
  EXPECT_FALSE(foreign.store_bytes(0, std::array<uint8_t, 1>{1}));
  EXPECT_FALSE(foreign.store<uint8_t>(0, 1));
}

TEST(Untrusted, GivesOnlyWhatIsBounded) {
  EXPECT_EQ(base::Untrusted<unsigned>(5).at_most(5), 5u);
  EXPECT_EQ(base::Untrusted<unsigned>(6).at_most(5), std::nullopt);
  EXPECT_EQ(base::Untrusted<unsigned>(1).within(2, 5), std::nullopt);
}

}  // namespace
