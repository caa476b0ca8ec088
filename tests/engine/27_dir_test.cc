// SPDX-License-Identifier: MIT
#include "tests/engine/nv_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

class DirTest : public OwnedTest {
 protected:
  client::Reply write(uint32_t index, const Digest& contents, const Digest& owner = kOwnerAuth) {
    return tpm.run_oiap({.ordinal = 0x19, .params = Out().u32(index).raw(contents)}, owner);
  }
  client::Reply read(uint32_t index) { return tpm.run(0x1a, Out().u32(index)); }
};

class DirWriteAuth : public DirTest {};
class DirRead : public DirTest {};

TEST_F(DirWriteAuth, IsTheOwnersAndReadByEverybody) {
  EXPECT_EQ(read(0).params, Bytes(20, 0));
  EXPECT_TRUE(refused(write(0, client::secret("contents"), kWrong), rc::AuthFail));
  ASSERT_TRUE(ok(write(0, client::secret("contents"))));
  EXPECT_EQ(read(0).params, client::bytes_of(client::secret("contents")));
  w.machine().power_cycle();
  World::must(tpm.startup(), "Startup");
  EXPECT_EQ(read(0).params, client::bytes_of(client::secret("contents")));
}

TEST_F(DirRead, TellsWhatNvStorageKnowsAsTheDir) {
  ASSERT_TRUE(ok(write(0, client::secret("contents"))));
  EXPECT_EQ(client::Nv(tpm).read(client::kNvDir, 0, 20).value, client::bytes_of(client::secret("contents")));
}

TEST_F(DirRead, ThereIsOne) {
  EXPECT_EQ(tpm.get_capability(5, Out().u32(0x102)).value, Bytes({0, 0, 0, 1}));
  EXPECT_TRUE(refused(read(1), rc::BadIndex));
  EXPECT_TRUE(refused(write(1, client::secret("contents")), rc::BadIndex));
}

}  // namespace world
