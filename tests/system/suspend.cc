// SPDX-License-Identifier: MIT
// Domains that are saved, restored, checkpointed and migrated, and what a guest could gain by it.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

class Suspend : public SavedGuest {};

TEST_F(Suspend, KeepsEverythingOverThreeSavesAndRestores) {
  unsigned guest = create_domain(uuid_);
  Digest expected{};
  for (int round = 0; round < 3; round++) {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(pcr(frontend), expected) << "round " << round;
    expected = measure(frontend);
    ASSERT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
    EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power", ""), "suspended");
    guest = restored();
  }
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), expected);
}

TEST_F(Suspend, ANewBootWhileASavedStateStandsIsMarkedInEveryBootPcr) {
  measured_and_saved();
  for (int boot = 0; boot < 2; boot++) {
    unsigned stranger = create_domain(uuid_);
    Frontend frontend(stack_, stranger);
    ASSERT_TRUE(frontend.connect());
    for (unsigned i = 0; i < 8; i++) EXPECT_EQ(pcr(frontend, i), marker()) << "PCR " << i << " of boot " << boot;
    EXPECT_EQ(pcr(frontend), Digest{}) << "the old kernel's measurements are not there";
    EXPECT_TRUE(happened("marked-boot"));
    EXPECT_NE(stack_.log().find("vtpmctl power-cycle " + uuid_), std::string::npos) << "the remedy is named";
    destroy_domain(stranger);
  }
  ASSERT_TRUE(stack_.control({"power-cycle", uuid_}).value("ok", false));
  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 0), Digest{}) << "after the remedy a boot is clean";
}

TEST_F(Suspend, AMarkedBootIsReplacedWithItsMarkerWhenItsWorkerDies) {
  measured_and_saved();
  unsigned stranger = create_domain(uuid_);
  Frontend frontend(stack_, stranger);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 7), marker());
  pid_t worker = stack_.worker_of(stranger);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(eventually([&] { return stack_.worker_of(stranger) > 0 && stack_.worker_of(stranger) != worker; }));
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(stranger) == "serving"; }));
  EXPECT_EQ(pcr(frontend, 7), marker()) << "once, not twice, not never";
}

TEST_F(Suspend, ASavedStateThatWasOvertakenIsLost) {
  measured_and_saved();
  unsigned stranger = create_domain(uuid_);
  {
    Frontend frontend(stack_, stranger);
    ASSERT_TRUE(frontend.connect());
    measure(frontend);
  }
  destroy_domain(stranger);
  Frontend frontend(stack_, restored());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(frontend.tpm().pcr_read(kPcr).code(), kFailedSelfTest);
}

TEST_F(Suspend, ASecondRestoreOfOneImageFindsNoFreshPcrs) {
  Digest measured = measured_and_saved();
  unsigned first = restored();
  {
    Frontend frontend(stack_, first);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(pcr(frontend), measured);
  }
  destroy_domain(first);
  unsigned second = restored();
  {
    Frontend frontend(stack_, second);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(frontend.tpm().pcr_read(kPcr).code(), kFailedSelfTest);
    EXPECT_TRUE(happened("state-lost"));
    second = number(domain({"reboot", std::to_string(second)}));
  }
  Frontend frontend(stack_, second);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), Digest{}) << "a power cycle mends it";
}

TEST_F(Suspend, PowerCycleDiscardsASuspendedState) {
  unsigned guest = create_domain(uuid_);
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    measure(frontend);
    EXPECT_FALSE(stack_.control({"power-cycle", uuid_}).value("ok", true)) << "not while it is served";
    ASSERT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
  }
  EXPECT_TRUE(stack_.control({"power-cycle", uuid_}).value("ok", false));
  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect());
  for (unsigned i : {0U, kPcr}) EXPECT_EQ(pcr(frontend, i), Digest{});
}

TEST_F(Suspend, ACheckpointRunsOnAndItsSnapshotDies) {
  unsigned guest = create_domain(uuid_);
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  Digest measured = measure(frontend);
  pid_t worker = stack_.worker_of(guest);
  for (int round = 0; round < 3; round++) {
    ASSERT_EQ(domain({"suspend", std::to_string(guest)}).status, 0);
    EXPECT_EQ(pcr(frontend), measured);
    measured = measure(frontend);
  }
  EXPECT_EQ(stack_.worker_of(guest), worker) << "the same worker on the same ring";
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power", ""), "running");
  ASSERT_EQ(domain({"reboot", std::to_string(guest)}).status, 0);
}

TEST_F(Suspend, AMigrationToTheSameHostTakesTheStateAlong) {
  unsigned source = create_domain(uuid_);
  Digest expected{};
  for (int round = 0; round < 3; round++) {
    {
      Frontend frontend(stack_, source);
      ASSERT_TRUE(frontend.connect());
      EXPECT_EQ(pcr(frontend), expected) << "round " << round;
      expected = measure(frontend);
      source = number(domain({"migrate", std::to_string(source)}));
    }
    ASSERT_GT(source, 0U);
  }
  Frontend frontend(stack_, source);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), expected);
  EXPECT_EQ(stack_.control({"stats"})["devices"].size(), 1U);
}

// The two halves of a migration, by hand: the toolstack's copy appears while the source is still there.
class LiveMigration : public Suspend {
 protected:
  void begin() {
    source_ = create_domain(uuid_);
    here_ = std::make_unique<Frontend>(stack_, source_);
    ASSERT_TRUE(here_->connect());
    measured_ = measure(*here_);
    ASSERT_EQ(domain({"halt", std::to_string(source_)}).status, 0);
    ASSERT_TRUE(eventually([&] { return stack_.stage_of(source_) == "frozen"; }));
    copy_ = number(domain({"create", "--restored", "--vtpm", "backend=0,uuid=" + uuid_}));
    there_ = std::make_unique<Frontend>(stack_, copy_);
  }
  void run_on() { ASSERT_EQ(domain({"run-on", std::to_string(source_)}).status, 0); }

  unsigned source_ = 0, copy_ = 0;
  std::unique_ptr<Frontend> here_, there_;
  Digest measured_{};
};

TEST_F(LiveMigration, TheCopyGoesOnWhileTheSourceStillStands) {
  begin();
  ASSERT_TRUE(there_->connect());
  EXPECT_EQ(pcr(*there_), measured_);
  EXPECT_TRUE(eventually([&] { return stack_.worker_of(source_) == 0; })) << "the source's worker has ended";
  destroy_domain(source_);
  EXPECT_NE(measure(*there_), measured_);
}

TEST_F(LiveMigration, TheSourceThawsWhenItRunsAgainBeforeTheCopyHasExecutedACommand) {
  begin();
  ASSERT_TRUE(there_->connect());
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(copy_) == "serving"; }));
  run_on();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(source_) == "serving"; }));
  EXPECT_EQ(pcr(*here_), measured_);
  EXPECT_EQ(stack_.worker_of(copy_), 0) << "the copy has died";
  EXPECT_TRUE(happened("taken-back"));
  Digest more = measure(*here_);
  destroy_domain(copy_);
  EXPECT_EQ(pcr(*here_), more);
}

TEST_F(LiveMigration, TheSourceGetsItsStateBackWhenTheCopyGoes) {
  begin();
  ASSERT_TRUE(there_->connect());
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(copy_) == "serving"; }));
  destroy_domain(copy_);
  run_on();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(source_) == "serving"; }));
  EXPECT_EQ(pcr(*here_), measured_);
}

TEST_F(LiveMigration, TheSourceNeverRunsBesideACopyThatHasExecuted) {
  begin();
  ASSERT_TRUE(there_->connect());
  Digest more = measure(*there_);
  run_on();
  EXPECT_FALSE(eventually([&] { return stack_.stage_of(source_) == "serving"; }, 2000));
  EXPECT_EQ(pcr(*there_), more);
}

}  // namespace
}  // namespace system_test
