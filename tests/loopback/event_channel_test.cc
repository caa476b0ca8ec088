// SPDX-License-Identifier: MIT
// libxenevtchn's contract, on the loopback's implementation of it.
#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>

#include "tests/loopback/machine_fixture.h"

extern "C" {
#include <xenevtchn.h>
}

namespace loopback {
namespace {

class EventChannelTest : public MachineTest {
 protected:
  struct Close {
    void operator()(xenevtchn_handle* handle) const { xenevtchn_close(handle); }
  };
  using Handle = std::unique_ptr<xenevtchn_handle, Close>;

  Handle open(DomId domain) {
    as(domain);
    return Handle(xenevtchn_open(nullptr, 0));
  }
  // A guest's unbound port with dom0 connected to it, both handles quiet.
  void connect() {
    guest_id_ = new_domain();
    guest_ = open(guest_id_);
    dom0_ = open(kDom0);
    guest_port_ = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(guest_.get(), 0));
    dom0_port_ = bind_to_guest(dom0_);
  }
  evtchn_port_t bind_to_guest(const Handle& handle) {
    int port = xenevtchn_bind_interdomain(handle.get(), raw(guest_id_), guest_port_);
    EXPECT_GT(port, 0);
    EXPECT_EQ(xenevtchn_pending(handle.get()), port) << "a fresh end finds one event";
    EXPECT_EQ(xenevtchn_unmask(handle.get(), static_cast<evtchn_port_t>(port)), 0);
    return static_cast<evtchn_port_t>(port);
  }
  static bool quiet(const Handle& handle) { return !readable(xenevtchn_fd(handle.get()), 20); }

  DomId guest_id_{};
  Handle guest_, dom0_;
  evtchn_port_t guest_port_ = 0, dom0_port_ = 0;
};

TEST_F(EventChannelTest, CarriesEventsBothWays) {
  connect();
  EXPECT_TRUE(quiet(dom0_));
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  ASSERT_TRUE(readable(xenevtchn_fd(dom0_.get())));
  EXPECT_EQ(xenevtchn_pending(dom0_.get()), static_cast<int>(dom0_port_));
  ASSERT_EQ(xenevtchn_notify(dom0_.get(), dom0_port_), 0);
  ASSERT_TRUE(readable(xenevtchn_fd(guest_.get())));
  EXPECT_EQ(xenevtchn_pending(guest_.get()), static_cast<int>(guest_port_));
}

TEST_F(EventChannelTest, MergesEventsUntilOneIsTaken) {
  connect();
  for (int i = 0; i < 5; i++) ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  ASSERT_EQ(xenevtchn_pending(dom0_.get()), static_cast<int>(dom0_port_));
  ASSERT_EQ(xenevtchn_unmask(dom0_.get(), dom0_port_), 0);
  EXPECT_TRUE(quiet(dom0_));
}

TEST_F(EventChannelTest, KeepsAnEventForAMaskedPortUntilItIsUnmasked) {
  connect();
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  ASSERT_EQ(xenevtchn_pending(dom0_.get()), static_cast<int>(dom0_port_));
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  EXPECT_TRUE(quiet(dom0_)) << "masked since it was taken";
  ASSERT_EQ(xenevtchn_unmask(dom0_.get(), dom0_port_), 0);
  ASSERT_TRUE(readable(xenevtchn_fd(dom0_.get())));
  EXPECT_EQ(xenevtchn_pending(dom0_.get()), static_cast<int>(dom0_port_));
}

TEST_F(EventChannelTest, ServesManyPortsThroughOneHandle) {
  connect();
  Handle second = open(guest_id_);
  auto port = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(second.get(), 0));
  int bound = xenevtchn_bind_interdomain(dom0_.get(), raw(guest_id_), port);
  ASSERT_EQ(xenevtchn_pending(dom0_.get()), bound);
  ASSERT_EQ(xenevtchn_unmask(dom0_.get(), static_cast<evtchn_port_t>(bound)), 0);
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  ASSERT_EQ(xenevtchn_notify(second.get(), port), 0);
  std::set<int> taken = {xenevtchn_pending(dom0_.get()), xenevtchn_pending(dom0_.get())};
  EXPECT_EQ(taken, (std::set<int>{bound, static_cast<int>(dom0_port_)}));
  EXPECT_TRUE(quiet(dom0_));
}

TEST_F(EventChannelTest, PendingReportsEmptinessOfANonblockingHandle) {
  connect();
  int fd = xenevtchn_fd(dom0_.get());
  ASSERT_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
  EXPECT_EQ(xenevtchn_pending(dom0_.get()), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(EventChannelTest, ConnectsOnlyToAPortThatWaitsForThisDomain) {
  connect();
  DomId other = new_domain();
  Handle stranger = open(other);
  auto free_port = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(guest_.get(), 0));
  EXPECT_EQ(xenevtchn_bind_interdomain(stranger.get(), raw(guest_id_), free_port), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(xenevtchn_bind_interdomain(dom0_.get(), raw(guest_id_), guest_port_), -1) << "already connected";
  EXPECT_EQ(xenevtchn_bind_interdomain(dom0_.get(), raw(guest_id_), 999), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(xenevtchn_bind_interdomain(dom0_.get(), 4711, guest_port_), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_EQ(xenevtchn_notify(dom0_.get(), 999), -1);
  EXPECT_EQ(errno, ENOTCONN);
  EXPECT_EQ(xenevtchn_unbind(dom0_.get(), 999), -1);
}

TEST_F(EventChannelTest, RestrictionForbidsOtherDomainsAndASecondRestriction) {
  connect();
  DomId other = new_domain();
  Handle others = open(other);
  auto port = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(others.get(), 0));
  ASSERT_EQ(xenevtchn_restrict(dom0_.get(), raw(guest_id_)), 0);
  EXPECT_EQ(xenevtchn_bind_interdomain(dom0_.get(), raw(other), port), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(xenevtchn_bind_unbound_port(dom0_.get(), raw(other)), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(xenevtchn_restrict(dom0_.get(), raw(guest_id_)), -1);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(xenevtchn_notify(dom0_.get(), dom0_port_), 0);
  EXPECT_EQ(xenevtchn_pending(guest_.get()), static_cast<int>(guest_port_));
}

TEST_F(EventChannelTest, NewPeerTakesTheplaceOfOneThatWent) {
  connect();
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  dom0_.reset();
  EXPECT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0) << "a signal to nobody succeeds";
  Handle next = open(kDom0);
  evtchn_port_t port = bind_to_guest(next);
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  EXPECT_EQ(xenevtchn_pending(next.get()), static_cast<int>(port));
  ASSERT_EQ(xenevtchn_notify(next.get(), port), 0);
  EXPECT_EQ(xenevtchn_pending(guest_.get()), static_cast<int>(guest_port_));
}

TEST_F(EventChannelTest, PortOfAKilledProcessIsFreeForTheNext) {
  guest_id_ = new_domain();
  guest_ = open(guest_id_);
  guest_port_ = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(guest_.get(), 0));
  as(kDom0);
  pid_t child = fork();
  if (child == 0) {
    xenevtchn_handle* handle = xenevtchn_open(nullptr, 0);
    int port = xenevtchn_bind_interdomain(handle, raw(guest_id_), guest_port_);
    xenevtchn_notify(handle, static_cast<evtchn_port_t>(port));
    kill(getpid(), SIGKILL);
  }
  ASSERT_EQ(xenevtchn_pending(guest_.get()), static_cast<int>(guest_port_));
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  xenevtchn_unmask(guest_.get(), guest_port_);
  Handle next = open(kDom0);
  int port = -1;
  for (int i = 0; i < 200 && port < 0; i++) {  // the machine learns of the death a little later
    port = xenevtchn_bind_interdomain(next.get(), raw(guest_id_), guest_port_);
    if (port < 0) usleep(5000);
  }
  ASSERT_GT(port, 0);
  ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
  EXPECT_EQ(xenevtchn_pending(next.get()), port);
}

TEST_F(EventChannelTest, PortsOfADestroyedDomainAreGone) {
  connect();
  ASSERT_EQ(control(Op::DestroyDomain, guest_id_), 0);
  EXPECT_EQ(xenevtchn_notify(dom0_.get(), dom0_port_), 0);
  EXPECT_EQ(xenevtchn_bind_interdomain(dom0_.get(), raw(guest_id_), guest_port_), -1);
  EXPECT_EQ(xenevtchn_unbind(dom0_.get(), dom0_port_), 0);
}

TEST_F(EventChannelTest, LosesNoEventUnderLoad) {
  connect();
  constexpr uint32_t kRounds = 20000;
  std::atomic<uint32_t> asked = 0, seen = 0;
  std::thread other([&] {
    while (seen.load() < kRounds) {
      int port = xenevtchn_pending(dom0_.get());
      ASSERT_EQ(port, static_cast<int>(dom0_port_));
      seen.store(asked.load());
      ASSERT_EQ(xenevtchn_unmask(dom0_.get(), dom0_port_), 0);
      ASSERT_EQ(xenevtchn_notify(dom0_.get(), dom0_port_), 0);
    }
  });
  for (uint32_t round = 1; round <= kRounds; round++) {
    asked.store(round);
    ASSERT_EQ(xenevtchn_notify(guest_.get(), guest_port_), 0);
    while (seen.load() < round) {
      ASSERT_TRUE(readable(xenevtchn_fd(guest_.get()), 5000)) << "an event was lost in round " << round;
      ASSERT_EQ(xenevtchn_pending(guest_.get()), static_cast<int>(guest_port_));
      ASSERT_EQ(xenevtchn_unmask(guest_.get(), guest_port_), 0);
    }
  }
  other.join();
}

TEST_F(EventChannelTest, WithoutAMachineThereIsNoHandle) {
  unsetenv("XEN_LOOPBACK_SOCKET");
  EXPECT_EQ(xenevtchn_open(nullptr, 0), nullptr);
  EXPECT_EQ(errno, ENODEV);
}

}  // namespace
}  // namespace loopback
