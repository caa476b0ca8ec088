// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "lib/wire/sized.h"

namespace {

enum class Colour : uint16_t { Red = 1, Blue = 2 };
struct Inner {
  Colour colour{};
  std::array<uint8_t, 3> raw{};
  wire::SizedBytes blob;
};
struct Outer {
  uint8_t one = 0;
  bool two = false;
  Inner inner;
  wire::Sized<Inner> sized;
  std::array<uint16_t, 2> words{};
  wire::Counted<uint32_t> counted;
};
static_assert(wire::kFieldCount<Outer> == 6);

Outer sample() {
  Outer o{.one = 7, .two = true};
  o.inner = {Colour::Blue, {1, 2, 3}, wire::SizedBytes(base::Bytes{9, 8})};
  o.sized.value = o.inner;
  o.words = {0x0102, 0x0304};
  o.counted.items = {5, 6};
  return o;
}

const base::Bytes kSample = {7, 1, 0, 2, 1, 2, 3, 0, 0, 0, 2, 9, 8,                        //
                             0, 0, 0, 11, 0, 2, 1, 2, 3, 0, 0, 0, 2, 9, 8,                 //
                             1, 2, 3, 4, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6};

TEST(Wire, WritesFieldsBigEndianInOrder) { EXPECT_EQ(wire::encode(sample()), kSample); }

TEST(Wire, ReadsBackWhatItWrote) {
  auto read = wire::decode<Outer>(kSample);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(wire::encode(read.value()), kSample);
}

TEST(Wire, RefusesEveryTruncationAndATail) {
  for (size_t n = 0; n < kSample.size(); n++) {
    EXPECT_FALSE(wire::decode<Outer>(base::View(kSample).first(n)).ok()) << n;
  }
  base::Bytes longer = kSample;
  longer.push_back(0);
  EXPECT_FALSE(wire::decode<Outer>(longer).ok());
}

TEST(Wire, RefusesASizedThatLiesAboutItsLength) {
  base::Bytes lying = kSample;
  lying[16] = 12;
  EXPECT_FALSE(wire::decode<Outer>(lying).ok());
}

TEST(Wire, RefusesALengthBeyondTheEndWithoutAllocating) {
  const base::Bytes huge = {0xff, 0xff, 0xff, 0xff, 1};
  EXPECT_FALSE(wire::decode<wire::SizedBytes>(huge).ok());
  EXPECT_FALSE(wire::decode<wire::Counted<uint8_t>>(huge).ok());
}

TEST(Writer, TellsOverflowOnceAtTheEnd) {
  std::array<uint8_t, 3> area{};
  wire::Writer w{base::ForeignBytes(area)};
  w.uint<uint16_t>(0x0102);
  w.uint<uint16_t>(0x0304);
  w.uint<uint8_t>(5);
  EXPECT_FALSE(w.finish().ok());
  EXPECT_EQ(area, (std::array<uint8_t, 3>{1, 2, 0}));
}

TEST(Writer, CountsWithoutAnArea) {
  wire::Writer w;
  w.put(sample());
  EXPECT_EQ(w.finish().value(), kSample.size());
}

}  // namespace
