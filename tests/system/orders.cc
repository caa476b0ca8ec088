// SPDX-License-Identifier: MIT
// Orders that an administrator writes into a device's directory, and those that a guest would like to.
#include <gtest/gtest.h>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

class Orders : public SavedGuest {
 protected:
  void SetUp() override {
    guest_ = create_domain(uuid_);
    frontend_ = std::make_unique<Frontend>(stack_, guest_);
    ASSERT_TRUE(frontend_->connect());
    measure(*frontend_);
  }
  std::string control(const std::string& name) const { return back_path(guest_) + "/control/" + name; }
  // Written, taken away, and what became of it.
  std::string ordered(const std::string& name, const std::string& value) {
    remove_node(back_path(guest_) + "/info/control");
    set_node(control(name), value);
    std::string said;
    eventually([&] {
      said = node(back_path(guest_) + "/info/control").value_or("");
      return said.starts_with(name + ": ") && !node(control(name));
    });
    return said;
  }

  unsigned guest_ = 0;
  std::unique_ptr<Frontend> frontend_;
};

TEST_F(Orders, APowerCycleOnlyWhenNobodyServesTheInstance) {
  EXPECT_NE(ordered("power-cycle", "1").find("another device serves"), std::string::npos);
  frontend_->unload();
  ASSERT_TRUE(eventually([this] { return stack_.stage_of(guest_) == "closed"; }));
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power", ""), "parked");
  EXPECT_EQ(ordered("power-cycle", "1"), "power-cycle: done");
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power", ""), "off");
  Frontend again(stack_, guest_);
  ASSERT_TRUE(again.connect());
  EXPECT_EQ(again.tpm().pcr_read(kPcr).code(), kFailedSelfTest) << "the kernel runs on: no clean PCRs for it";
}

TEST_F(Orders, TheLevelOfTheLog) {
  EXPECT_EQ(ordered("log-level", "3"), "log-level: done");
  EXPECT_EQ(ordered("log-level", "7"), "log-level: done");
}

TEST_F(Orders, HostileValuesAreRefused) {
  for (const std::string& value : {std::string(), std::string("2"), std::string("8"), std::string("-4"),
                                   std::string("4 "), std::string("4x"), std::string("99999999999999999999"),
                                   std::string(2000, 'A'), std::string("$(reboot)"), std::string("\\377\\001")}) {
    EXPECT_EQ(ordered("log-level", value), "log-level: is a number from 3 to 7") << value;
    EXPECT_EQ(ordered("power-cycle", value), "power-cycle: is written as 1") << value;
  }
  set_node(control("no-such-order"), "1");
  set_node(control("power-cycle/below"), "1");
  set_node(back_path(guest_) + "/control", "1");
  EXPECT_EQ(pcr(*frontend_), pcr(*frontend_)) << "the guest works on";
  EXPECT_EQ(stack_.stage_of(guest_), "serving");
}

TEST_F(Orders, AGuestGivesNone) {
  Finished written =
      run({program("xen-loopback"), "exec", std::to_string(guest_), "--", "xenstore-write", control("log-level"), "3"});
  EXPECT_NE(written.status, 0);
  EXPECT_FALSE(node(control("log-level")).has_value());
  EXPECT_FALSE(node(back_path(guest_) + "/info/control").has_value());
}

}  // namespace
}  // namespace system_test
