// SPDX-License-Identifier: MIT
// The file of a trace, byte by byte as the draft of pcapng has it, and files that nobody meant well.
#include "backend/trace/capture.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trace {
namespace {

using base::Bytes;

Bytes frame(uint16_t tag, uint32_t last, size_t more) {
  Bytes bytes = {static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag), 0, 0, 0, static_cast<uint8_t>(10 + more)};
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(last >> shift));
  bytes.resize(bytes.size() + more, 0x5a);
  return bytes;
}

Record a_record(uint64_t number) {
  Record record{.locality = 2, .number = number, .dropped = 3, .time_us = 1'700'000'000'123'456, .took_us = 77};
  record.command = wire::SizedBytes(frame(0xc1, 0x15, 4));
  record.response = wire::SizedBytes(frame(0xc4, 0, 20));
  return record;
}

Bytes a_file() {
  Bytes file = capture_head("vTPM of a test");
  base::append(file, captured(a_record(1)));
  base::append(file, captured(a_record(2)));
  return file;
}

uint32_t word(const Bytes& file, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | file.at(at + i);
  return value;
}

struct Block {
  uint32_t type;
  Bytes body;
};
// As any reader takes a file apart.
std::vector<Block> blocks_of(const Bytes& file) {
  std::vector<Block> blocks;
  for (size_t at = 0; at < file.size();) {
    uint32_t n_bytes = word(file, at + 4);
    EXPECT_EQ(n_bytes % 4, 0U);
    EXPECT_EQ(word(file, at + n_bytes - 4), n_bytes);
    blocks.push_back({word(file, at), Bytes(file.begin() + static_cast<std::ptrdiff_t>(at) + 8,
                                            file.begin() + static_cast<std::ptrdiff_t>(at + n_bytes) - 4)});
    at += n_bytes;
  }
  return blocks;
}

size_t read_all(const Bytes& file, std::string* why = nullptr) {
  CaptureReader reader(file);
  size_t n = 0;
  while (reader.next()) n++;
  if (why != nullptr) *why = reader.why();
  return n;
}

TEST(Capture, IsBlocksOfPcapng) {
  auto blocks = blocks_of(a_file());
  ASSERT_EQ(blocks.size(), 1U + 5 + 4);
  EXPECT_EQ(blocks[0].type, 0x0a0d0d0aU);
  EXPECT_EQ(word(blocks[0].body, 0), 0x1a2b3c4dU);
  EXPECT_EQ(word(blocks[0].body, 4), 1U) << "version 1.0";
  for (size_t i = 1; i <= 5; i++) {
    EXPECT_EQ(blocks[i].type, 1U);
    EXPECT_EQ(word(blocks[i].body, 0), 147U) << "USER0";
  }
  const Bytes& packet = blocks[6].body;
  EXPECT_EQ(blocks[6].type, 6U);
  EXPECT_EQ(word(packet, 0), 2U) << "the interface is the locality";
  EXPECT_EQ(uint64_t{word(packet, 4)} << 32 | word(packet, 8), 1'700'000'000'123'456U);
  EXPECT_EQ(word(packet, 12), 14U);
  EXPECT_EQ(word(packet, 16), 14U);
  EXPECT_EQ(word(packet, 36), 4U << 16 | 2U) << "epb_flags";
  EXPECT_EQ(word(packet, 40), 1U) << "inbound";
  EXPECT_EQ(word(packet, 44), 8U << 16 | 4U) << "epb_dropcount";
  EXPECT_EQ(word(packet, 48), 3U);
  EXPECT_EQ(word(blocks[7].body, 8), word(packet, 8) + 77);
}

TEST(Capture, IsReadAgain) {
  Bytes file = a_file();
  CaptureReader reader(file);
  for (uint64_t number = 1; number <= 2; number++) {
    auto record = reader.next();
    ASSERT_TRUE(record.has_value()) << reader.why();
    EXPECT_EQ(wire::encode(*record), wire::encode(a_record(number)));
  }
  EXPECT_FALSE(reader.next().has_value());
  EXPECT_EQ(reader.why(), "");
}

TEST(Capture, IsReadInTheOtherByteOrderAndWithWhatOthersAdd) {
  // A section, an interface and a name resolution block, then a packet without options: written big-endian by hand.
  Bytes file = {0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0,  0xff, 0xff, 0xff, 0xff,
                0xff, 0xff, 0xff, 0xff, 0, 0, 0, 28, 0,    0,    0,    1,    0, 0, 0, 20, 0,    147,  0,    0,
                0,    0,    0,    0,    0, 0, 0, 20, 0,    0,    0,    4,    0, 0, 0, 12, 0,    0,    0,    12};
  auto put = [&](std::initializer_list<uint8_t> bytes) { file.insert(file.end(), bytes); };
  for (bool inbound : {true, false}) {
    put({0, 0, 0, 6, 0, 0, 0, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 0, 10});
    base::append(file, frame(inbound ? 0xc1 : 0xc4, inbound ? 0x50 : 0, 0));
    put({0, 0, 0, 2, 0, 4, 0, 0, 0, static_cast<uint8_t>(inbound ? 1 : 2), 0, 0, 0, 0, 0, 0, 0, 56});
  }
  std::string why;
  EXPECT_EQ(read_all(file, &why), 1U) << why;
}

TEST(Capture, CutOffAnywhereGivesWhatIsWholeAndSaysSo) {
  Bytes file = a_file();
  size_t one = capture_head("vTPM of a test").size() + captured(a_record(1)).size();
  for (size_t n = 0; n < file.size(); n++) {
    Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(n));
    std::string why;
    EXPECT_EQ(read_all(cut, &why), n >= one ? 1U : 0U) << n;
  }
}

TEST(Capture, WithAnyByteChangedIsReadWithoutHarm) {
  Bytes file = a_file();
  for (size_t at = 0; at < file.size(); at++) {
    for (uint8_t value : std::initializer_list<uint8_t>{0x00, 0x7f, 0xff}) {
      Bytes changed = file;
      changed[at] = value;
      EXPECT_LE(read_all(changed), 2U);
    }
  }
}

TEST(Capture, OfSomethingElseIsRefused) {
  std::string why;
  EXPECT_EQ(read_all(Bytes(100, 'x'), &why), 0U);
  EXPECT_NE(why, "");
  Bytes file = a_file();
  size_t interface = word(file, 4);
  file[interface + 8] = 1;  // Ethernet
  EXPECT_EQ(read_all(file, &why), 0U);
  EXPECT_EQ(why, "a capture of something else than a TPM");
}

}  // namespace
}  // namespace trace
