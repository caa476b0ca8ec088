// SPDX-License-Identifier: MIT
// Guests that look like a new boot when they are suspended, or when they come back, and what they gain by it: never the
// PCRs of a clean boot.
#include <gtest/gtest.h>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

class Disguise : public SavedGuest {
 protected:
  // A guest that has measured something, left its driver loaded or not, and made itself look like a new boot.
  unsigned disguised_guest(bool driver_stays = true) {
    guest_ = create_domain(uuid_);
    frontend_ = std::make_unique<Frontend>(stack_, guest_);
    EXPECT_TRUE(frontend_->connect());
    measured_ = measure(*frontend_);
    if (!driver_stays) {
      frontend_->unload();
      EXPECT_TRUE(eventually([this] { return stack_.stage_of(guest_) == "closed"; }));
    }
    EXPECT_EQ(domain({"disguise", std::to_string(guest_)}).status, 0);
    return guest_;
  }
  // As `xl save -c`, which takes long enough for anybody to see it.
  void checkpoint(unsigned guest) {
    ASSERT_EQ(domain({"halt", std::to_string(guest)}).status, 0);
    EXPECT_TRUE(happened("disguised"));
    ASSERT_EQ(domain({"checkpoint", std::to_string(guest), image()}).status, 0);
  }
  void end_guest() {
    frontend_.reset();
    destroy_domain(guest_);
  }
  unsigned guest_ = 0;
  std::unique_ptr<Frontend> frontend_;
  Digest measured_{};
};

TEST_F(Disguise, ASavedGuestThatComesBackLookingNewIsMarked) {
  unsigned guest = disguised_guest();
  frontend_.reset();
  ASSERT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
  expect_marked(restored());
}

TEST_F(Disguise, ACheckpointThatComesBackLookingNewIsMarked) {
  unsigned guest = disguised_guest();
  checkpoint(guest);
  EXPECT_EQ(pcr(*frontend_), measured_) << "the guest itself runs on as it was";
  end_guest();
  expect_marked(restored());
  EXPECT_NE(stack_.log().find("vtpmctl power-cycle " + uuid_), std::string::npos) << "the remedy is named";
}

TEST_F(Disguise, ACheckpointWithoutADriverIsNoWayRound) {
  unsigned guest = disguised_guest(false);
  checkpoint(guest);
  end_guest();
  expect_marked(restored());
}

TEST_F(Disguise, ACheckpointIsRememberedByTheNextManager) {
  unsigned guest = disguised_guest();
  checkpoint(guest);
  stack_.kill_manager();
  stack_.start_manager();
  end_guest();
  expect_marked(restored());
}

TEST_F(Disguise, ACopyOnTheSameHostThatLooksNewIsMarked) {
  unsigned guest = disguised_guest();
  frontend_.reset();
  expect_marked(number(domain({"migrate", std::to_string(guest)})));
}

TEST_F(Disguise, TheRemedyMakesBootsCleanAgain) {
  unsigned guest = disguised_guest();
  checkpoint(guest);
  end_guest();
  ASSERT_TRUE(eventually([this] { return stack_.control({"power-cycle", uuid_}).value("ok", false); }));
  expect_clean(create_domain(uuid_));
}

TEST_F(Disguise, ACheckpointOfAnHonestGuestMarksNoBoot) {
  unsigned guest = create_domain(uuid_);
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    measure(frontend);
    ASSERT_EQ(domain({"halt", std::to_string(guest)}).status, 0);
    ASSERT_TRUE(eventually([&] { return stack_.stage_of(guest) == "frozen"; }));
    ASSERT_EQ(domain({"checkpoint", std::to_string(guest), image()}).status, 0);
  }
  destroy_domain(guest);
  EXPECT_FALSE(stack_.control({"show", uuid_})["instance"].value("marked", true));
  expect_clean(create_domain(uuid_));
}

// Its looks prove nothing any more once it has run: they were told to the manager before this one.
TEST_F(Disguise, ASecondRestoreThatWaitsForAnotherManagerFindsNoFreshPcrs) {
  measured_and_saved();
  unsigned first = restored();
  {
    Frontend frontend(stack_, first);
    ASSERT_TRUE(frontend.connect());
    measure(frontend);
  }
  destroy_domain(first);
  unsigned second = restored();
  stack_.kill_manager();
  stack_.start_manager();
  Frontend frontend(stack_, second);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(frontend.tpm().pcr_read(kPcr).code(), kFailedSelfTest);
}

TEST_F(Disguise, ARestoredGuestThatWaitsForAnotherManagerGoesOn) {
  Digest measured = measured_and_saved();
  unsigned guest = restored();
  stack_.kill_manager();
  stack_.start_manager();
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured);
}

TEST_F(Disguise, ANewBootThatWaitsForAnotherManagerIsANewBoot) {
  unsigned guest = create_domain(uuid_);
  stack_.kill_manager();
  stack_.start_manager();
  expect_clean(guest);
}

}  // namespace
}  // namespace system_test
