// SPDX-License-Identifier: MIT
// Structures whose bytes a fuzzer found not to come back.
#include <gtest/gtest.h>

#include "engine/spec/pcr_structures.h"

namespace tpm {

TEST(PcrSelection, WiderThanOurPcrsIsRefusedAndWrittenAsItWasRead) {
  const Bytes bytes = {0, 9, 0, 0, 0, 0, 0, 0x2f, 0xf9, 0, 0};
  auto selection = wire::decode<PcrSelection>(bytes);
  ASSERT_TRUE(selection.ok());
  EXPECT_FALSE(selection.value().valid());
  EXPECT_EQ(wire::encode(selection.value()), bytes);
}

TEST(PcrSelection, WiderThanItsBytesIsMalformed) {
  EXPECT_FALSE(wire::decode<PcrSelection>(Bytes{0, 9, 0, 0, 0}).ok());
  EXPECT_FALSE(wire::decode<PcrSelection>(Bytes{0, 2, 0}).ok());
}

}  // namespace tpm
