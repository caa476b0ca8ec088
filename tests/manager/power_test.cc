// SPDX-License-Identifier: MIT
#include "backend/manager/power.h"

#include <gtest/gtest.h>

namespace backend {
namespace {

using Kind = vault::Power::Kind;
using xen::BootLook;
using xen::DomainState;
using xen::ShutdownReason;

constexpr HostBoot kHost = {1};
constexpr HostBoot kOtherHost = {2};
constexpr uint64_t kEpoch = 7;

vault::Power record(Kind kind, uint16_t domain = 3, HostBoot host = kHost) {
  vault::Power power;
  power.kind = kind;
  power.host = host;
  power.domain = domain;
  power.epoch = kEpoch;
  return power;
}
Here in_domain(uint16_t domain, BootLook look, bool served = false) { return {kHost, domain, look, served}; }
DomainState shut(ShutdownReason reason) { return {.shutdown = reason}; }
Take start(Kind kind, const Here& here) { return how_to_start(record(kind), kEpoch, here); }

TEST(Power, ANewBootHasANewPowerCycle) {
  for (Kind kind : {Kind::Off, Kind::Parked}) {
    EXPECT_EQ(start(kind, in_domain(4, BootLook::Fresh)), Take::PowerOn);
  }
  for (Kind kind : {Kind::Off, Kind::Running, Kind::Parked}) {
    EXPECT_EQ(start(kind, in_domain(4, BootLook::TooLate)), Take::PowerOn) << "attached while the guest runs";
  }
}

TEST(Power, ABootAfterAnEndThatNobodySawIsMarked) {
  EXPECT_EQ(start(Kind::Running, in_domain(4, BootLook::Fresh)), Take::Marked);
  EXPECT_EQ(how_to_start(record(Kind::Running, 3, kOtherHost), kEpoch, in_domain(3, BootLook::Fresh)), Take::PowerOn)
      << "no domain outlives its host's boot";
}

TEST(Power, ADriverThatComesBackFindsItsState) {
  EXPECT_EQ(start(Kind::Parked, in_domain(3, BootLook::Fresh)), Take::Snapshot);
  EXPECT_EQ(start(Kind::Parked, in_domain(3, BootLook::TooLate, true)), Take::Snapshot);
}

TEST(Power, ANumberMeansNothingAfterTheHostHasBooted) {
  EXPECT_EQ(how_to_start(record(Kind::Parked, 3, kOtherHost), kEpoch, in_domain(3, BootLook::Fresh)), Take::PowerOn);
}

TEST(Power, OnlyTheRestoredDomainTakesASuspendedState) {
  EXPECT_EQ(start(Kind::Suspended, in_domain(4, BootLook::Restored)), Take::Snapshot);
  EXPECT_EQ(start(Kind::Suspended, in_domain(4, BootLook::Fresh)), Take::Marked);
  EXPECT_EQ(start(Kind::Suspended, in_domain(4, BootLook::TooLate)), Take::Refuse);
  EXPECT_EQ(start(Kind::Suspended, in_domain(3, BootLook::TooLate)), Take::Snapshot) << "the save was given up";
}

TEST(Power, EveryBootIsMarkedWhileASavedDomainMayComeBack) {
  for (Kind kind : {Kind::Off, Kind::Running, Kind::Parked}) {
    vault::Power power = record(kind);
    power.saved_stands = true;
    EXPECT_EQ(how_to_start(power, kEpoch, in_domain(4, BootLook::Fresh)), Take::Marked);
    EXPECT_EQ(how_to_start(power, kEpoch, in_domain(4, BootLook::TooLate)), Take::Marked);
    EXPECT_EQ(how_to_start(power, kEpoch, in_domain(4, BootLook::Restored)), Take::Lost);
  }
  vault::Power parked = record(Kind::Parked);
  parked.saved_stands = true;
  EXPECT_EQ(how_to_start(parked, kEpoch, in_domain(3, BootLook::Fresh)), Take::Snapshot) << "a reloaded driver";
}

TEST(Power, ARestoredDomainWithoutItsSnapshotNeverFindsFreshPcrs) {
  for (Kind kind : {Kind::Off, Kind::Running, Kind::Parked}) {
    EXPECT_EQ(start(kind, in_domain(4, BootLook::Restored)), Take::Lost);
  }
}

TEST(Power, AGuestWhoseStateDiedWithItsWorkerNeverFindsFreshPcrs) {
  EXPECT_EQ(start(Kind::Running, in_domain(3, BootLook::Fresh)), Take::Lost);
  EXPECT_EQ(start(Kind::Running, in_domain(3, BootLook::TooLate, true)), Take::Lost);
  EXPECT_EQ(start(Kind::Off, in_domain(3, BootLook::Fresh, true)), Take::Lost);
  EXPECT_EQ(start(Kind::Parked, in_domain(4, BootLook::Fresh, true)), Take::Lost) << "another domain had the instance";
}

TEST(Power, ASnapshotOfAnotherEpochIsLost) {
  EXPECT_EQ(how_to_start(record(Kind::Parked), kEpoch + 1, in_domain(3, BootLook::Fresh)), Take::Lost);
  EXPECT_EQ(how_to_start(record(Kind::Suspended), kEpoch + 1, in_domain(4, BootLook::Restored)), Take::Lost);
}

TEST(Power, KeepsAStoppedWorkersStateOnlyWhileItsKernelLives) {
  EXPECT_EQ(kept_as(DomainState{}), Kind::Parked);
  EXPECT_EQ(kept_as(shut(ShutdownReason::Suspend)), Kind::Suspended);
  EXPECT_EQ(kept_as(DomainState{.dying = true, .shutdown = ShutdownReason::Suspend}), Kind::Suspended);
  EXPECT_EQ(kept_as(DomainState{.dying = true}), Kind::Off) << "destroyed";
  EXPECT_EQ(kept_as(std::nullopt), Kind::Off);
  for (auto reason : {ShutdownReason::Poweroff, ShutdownReason::Reboot, ShutdownReason::Crash, ShutdownReason::Other}) {
    EXPECT_EQ(kept_as(shut(reason)), Kind::Off);
  }
}

TEST(Power, SettlesWhatADomainLeftUntouched) {
  auto poweroff = shut(ShutdownReason::Poweroff);
  auto suspend = shut(ShutdownReason::Suspend);
  Here same = in_domain(3, BootLook::TooLate), restored = in_domain(4, BootLook::Restored);
  EXPECT_EQ(settled_as(record(Kind::Parked), same, suspend), Kind::Suspended);
  EXPECT_EQ(settled_as(record(Kind::Parked), same, poweroff), Kind::Off);
  EXPECT_EQ(settled_as(record(Kind::Parked), same, DomainState{}), std::nullopt);
  EXPECT_EQ(settled_as(record(Kind::Running), same, poweroff), Kind::Off) << "after its worker";
  EXPECT_EQ(settled_as(record(Kind::Running), same, std::nullopt), Kind::Off);
  EXPECT_EQ(settled_as(record(Kind::Running), same, suspend), std::nullopt);
  EXPECT_EQ(settled_as(record(Kind::Running), in_domain(4, BootLook::Fresh), poweroff), std::nullopt);
  EXPECT_EQ(settled_as(record(Kind::Suspended), restored, poweroff), Kind::Off);
  EXPECT_EQ(settled_as(record(Kind::Suspended), restored, suspend), std::nullopt);
  EXPECT_EQ(settled_as(record(Kind::Suspended), in_domain(4, BootLook::Fresh), poweroff), std::nullopt)
      << "a stranger's end says nothing about the suspended domain";
}

}  // namespace
}  // namespace backend
