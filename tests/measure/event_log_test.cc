// SPDX-License-Identifier: MIT
// The event log's bytes, read here by the specification's layout and not by the code that writes them.
#include "backend/measure/event_log.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace measure {
namespace {

std::vector<Event> some() {
  return {action(4, kNotMeasured),
          {4, EventType::Ipl, sha1({}), "kernel: /boot/vmlinuz"},
          {5, EventType::IplPartitionData, Digest{1, 2, 3}, ""}};
}

uint32_t little(const base::Bytes& bytes, size_t at) {
  return bytes[at] | static_cast<uint32_t>(bytes[at + 1]) << 8 | static_cast<uint32_t>(bytes[at + 2]) << 16 |
         static_cast<uint32_t>(bytes[at + 3]) << 24;
}

TEST(EventLog, HasTheLayoutOfTheTcg) {
  const base::Bytes log = encode(some());
  size_t at = 0;
  for (const Event& event : some()) {
    ASSERT_LE(at + 32, log.size());
    EXPECT_EQ(little(log, at), event.pcr);
    EXPECT_EQ(little(log, at + 4), static_cast<uint32_t>(event.type));
    EXPECT_TRUE(
        std::equal(event.digest.begin(), event.digest.end(), log.begin() + static_cast<std::ptrdiff_t>(at) + 8));
    uint32_t n = little(log, at + 28);
    ASSERT_LE(at + 32 + n, log.size());
    EXPECT_EQ(std::string(log.begin() + static_cast<std::ptrdiff_t>(at) + 32,
                          log.begin() + static_cast<std::ptrdiff_t>(at + 32 + n)),
              event.text);
    at += 32 + n;
  }
  EXPECT_EQ(at, log.size());
}

TEST(EventLog, ReadsWhatItWrites) {
  EXPECT_EQ(decode(encode(some())), some());
  EXPECT_EQ(decode({}), std::vector<Event>());
}

TEST(EventLog, RefusesALogThatEndsInAnEvent) {
  const base::Bytes log = encode({some()[1]});
  for (size_t n = 1; n < log.size(); n++) EXPECT_FALSE(decode(base::View(log).first(n))) << n;
  base::Bytes longer = log;
  longer[28] = longer[29] = longer[30] = longer[31] = 0xff;
  EXPECT_FALSE(decode(longer));
}

TEST(EventLog, AnActionHasTheDigestOfItsText) {
  std::array<uint8_t, 20> expected{};
  const std::string text = "vtpm: powered on without a measurement";
  SHA1(std::vector<uint8_t>(text.begin(), text.end()).data(), text.size(), expected.data());
  EXPECT_EQ(action(4, text).digest, expected);
}

TEST(EventLog, ReplayExtendsEachPcrInOrder) {
  std::vector<uint8_t> both(40);
  const Event one = some()[0], two = some()[1];
  std::array<uint8_t, 20> pcr{};
  for (const Event& event : {one, two}) {
    std::copy(pcr.begin(), pcr.end(), both.begin());
    std::copy(event.digest.begin(), event.digest.end(), both.begin() + 20);
    SHA1(both.data(), both.size(), pcr.data());
  }
  auto pcrs = replay(some());
  EXPECT_EQ(pcrs.size(), 2U);
  EXPECT_EQ(pcrs.at(4), pcr);
}

}  // namespace
}  // namespace measure
