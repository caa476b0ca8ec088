// SPDX-License-Identifier: MIT
// What happens while there is no manager: it is judged by the next one, from what is left to be seen.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

class Unwatched : public SavedGuest {
 protected:
  // A guest that has measured something; then there is no manager.
  unsigned left_alone() {
    unsigned guest = create_domain(uuid_);
    frontend_ = std::make_unique<Frontend>(stack_, guest);
    EXPECT_TRUE(frontend_->connect());
    measured_ = measure(*frontend_);
    worker_ = stack_.worker_of(guest);
    stack_.kill_manager();
    return guest;
  }
  // The toolstack waits for a backend that does not answer, and does it all the same.
  void save(unsigned guest) { domain({"suspend", std::to_string(guest), image()}); }

  std::unique_ptr<Frontend> frontend_;
  Digest measured_{};
  pid_t worker_ = 0;
};

TEST_F(Unwatched, ASavedGuestGoesOnWhenItIsRestored) {
  save(left_alone());
  stack_.start_manager();
  Frontend frontend(stack_, restored());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured_);
}

TEST_F(Unwatched, ASavedGuestThatComesBackLookingNewIsMarked) {
  unsigned guest = left_alone();
  ASSERT_EQ(domain({"disguise", std::to_string(guest)}).status, 0);
  save(guest);
  stack_.start_manager();
  expect_marked(restored());
}

TEST_F(Unwatched, ABootIsMarkedWhenNobodySawHowTheLastOneEnded) {
  unsigned guest = left_alone();
  ::kill(worker_, SIGKILL);
  ASSERT_EQ(domain({"disguise", std::to_string(guest)}).status, 0);
  save(guest);
  stack_.start_manager();
  expect_marked(restored());
}

TEST_F(Unwatched, ADestroyedGuestHasLostPower) {
  destroy_domain(left_alone());
  stack_.start_manager();
  expect_clean(create_domain(uuid_));
}

TEST_F(Unwatched, AnOrderIsCarriedOutByTheNextManager) {
  unsigned guest = left_alone();
  stack_.start_manager();
  frontend_->unload();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(guest) == "closed"; }));
  stack_.kill_manager();
  const std::string order = back_path(guest) + "/control/power-cycle", said = back_path(guest) + "/info/control";
  set_node(order, "1");
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return node(said) == "power-cycle: done"; })) << node(said).value_or("nothing");
  EXPECT_FALSE(node(order).has_value());
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power", ""), "off");
}

TEST_F(Unwatched, AnOrderThatCannotBeCarriedOutIsAnswered) {
  unsigned guest = left_alone();
  const std::string said = back_path(guest) + "/info/control";
  set_node(back_path(guest) + "/control/power-cycle", "1");
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return node(said).value_or("").find("another device serves") != std::string::npos; }))
      << node(said).value_or("nothing");
  EXPECT_FALSE(node(back_path(guest) + "/control/power-cycle").has_value());
  EXPECT_EQ(pcr(*frontend_), measured_);
}

}  // namespace
}  // namespace system_test
