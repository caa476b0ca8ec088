// SPDX-License-Identifier: MIT
// Copies of instances in the vault: the new one and what both histories tell, or nothing of it.
#include "tests/vault/lying_disk.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

constexpr Uuid kThree = {3, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Copy copy_to(const Uuid& uuid) {
  Copy copy{.source = kOne, .uuid = uuid, .settings = {.localities = 3}, .epoch = 2};
  std::string plain = "copied";
  copy.permanent = base::Bytes(plain.begin(), plain.end());
  copy.items = {{Item::Measure, {7}}};
  copy.identity = "with an endorsement key of its own";
  return copy;
}

using Copies = VaultTest;

TEST_F(Copies, AreNewInstances) {
  make(kOne, 3);
  {
    auto vault = open();
    ASSERT_TRUE(vault->create_copy(copy_to(kTwo)).ok());
  }
  auto vault = open();
  EXPECT_EQ(content(*vault, kTwo), "copied");
  EXPECT_EQ(content(*vault, kOne), "state");
  Instance copy = vault->load(kTwo).value();
  EXPECT_EQ(copy.epoch, 2U);
  EXPECT_EQ(copy.settings.localities, 3);
  EXPECT_EQ(copy.power.kind, Power::Kind::Off);
  EXPECT_FALSE(copy.key == vault->load(kOne).value().key);
  EXPECT_EQ(vault->item(kTwo, Item::Measure).value(), (base::Bytes{7}));
  EXPECT_EQ(told(*vault, kTwo), (What{Happened::ClonedFrom}));
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Created, Happened::ClonedTo}));
  EXPECT_TRUE(vault->is_copy(kTwo, kOne));
  EXPECT_FALSE(vault->is_copy(kOne, kTwo));
  EXPECT_FALSE(vault->is_copy(kThree, kOne));
  EXPECT_EQ(vault->create_copy(copy_to(kTwo)).error().kind, Refusal::Kind::Exists);
  EXPECT_EQ(told(*vault, kOne).size(), 2U) << "what was refused is not told";
  ASSERT_TRUE(vault->remove(kTwo).ok());
  EXPECT_EQ(vault->create_copy(copy_to(kTwo)).error().kind, Refusal::Kind::Exists);
  EXPECT_FALSE(vault->is_copy(kTwo, kOne)) << "it is there no more";
}

// Power that fails at any write: the next start finds the copy and both entries, or nothing of any.
TEST_F(Copies, AreThereWholeOrNotAtAll) {
  LyingDisk disk;
  options_.vfs = LyingDisk::kName;
  make(kOne, 1);
  std::mt19937 random(7);
  int made = 0, vanished = 0;
  for (uint64_t at = 1; at < 40; at++) {
    Uuid uuid = kTwo;
    uuid[15] = static_cast<uint8_t>(at);
    size_t before = 0;
    {
      auto vault = open();
      ASSERT_NE(vault, nullptr);
      before = told(*vault, kOne).size();
      disk.die_at(at % 20 + 1);
      bool answered = vault->create_copy(copy_to(uuid)).ok();
      vault.reset();
      disk.lose_power(random);
      vault = open();
      ASSERT_NE(vault, nullptr) << at;
      bool there = vault->entry(uuid).ok();
      EXPECT_TRUE(there || !answered) << "what was acknowledged is there, step " << at;
      EXPECT_EQ(content(*vault, uuid) == "copied", there);
      EXPECT_EQ(vault->history(uuid).ok(), there) << at;
      EXPECT_EQ(there ? told(*vault, uuid) : What{}, there ? What{Happened::ClonedFrom} : What{}) << at;
      EXPECT_EQ(told(*vault, kOne).size(), before + (there ? 1 : 0)) << at;
      (there ? made : vanished)++;
    }
  }
  EXPECT_GT(made, 0);
  EXPECT_GT(vanished, 0);
}

}  // namespace
}  // namespace vault
