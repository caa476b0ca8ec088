// SPDX-License-Identifier: MIT
#include "lib/xen/grant.h"

#include "frontend/ring.h"
#include "lib/xen/event_channel.h"
#include "tests/loopback/machine_fixture.h"

namespace worker_test {
namespace {

using xen::EventChannel;
using xen::GrantMapping;
using xen::GrantShare;

class Grants : public loopback::MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    guest_ = new_domain();
  }
  GrantShare shared(xen::DomId with = xen::DomId{0}) {
    as(guest_);
    auto share = GrantShare::share(with, 4);
    EXPECT_TRUE(share.ok()) << share.error().text();
    as(loopback::kDom0);
    return std::move(share).take();
  }
  xen::Result<GrantMapping> map(xen::GrantRef ref) {
    as(loopback::kDom0);
    auto gnttab = xen::Gnttab::open();
    EXPECT_TRUE(gnttab.ok());
    return GrantMapping::map(std::move(gnttab).take(), xen::DomId{loopback::raw(guest_)}, ref);
  }
  xen::DomId guest() const { return xen::DomId{loopback::raw(guest_)}; }

  loopback::DomId guest_{};
};

TEST_F(Grants, BothHalvesSeeOnePage) {
  GrantShare share = shared();
  auto mapping = map(share.ref());
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(mapping.value().bytes().size(), 4096u);
  ASSERT_TRUE(share.bytes().store<uint64_t>(8, 0x1122));
  EXPECT_EQ(mapping.value().bytes().load<uint64_t>(8), 0x1122u);
  ASSERT_TRUE(mapping.value().bytes().store<uint8_t>(4095, 7));
  EXPECT_EQ(share.bytes().load<uint8_t>(4095), 7);
}

TEST_F(Grants, AMappingOutlivesItsDevice) {
  GrantShare share = shared();
  auto mapping = map(share.ref());
  ASSERT_TRUE(mapping.ok());
  mapping.value().close_device();
  ASSERT_TRUE(mapping.value().bytes().store<uint8_t>(0, 9));
  EXPECT_EQ(share.bytes().load<uint8_t>(0), 9);
}

TEST_F(Grants, AMovedMappingIsUnmappedOnce) {
  GrantShare share = shared();
  auto mapping = map(share.ref());
  ASSERT_TRUE(mapping.ok());
  GrantMapping moved = std::move(mapping).take();
  ASSERT_TRUE(moved.bytes().store<uint8_t>(0, 9));
  EXPECT_EQ(share.bytes().load<uint8_t>(0), 9);
}

TEST_F(Grants, AForeignGrantIsAnError) {
  auto mapping = map(xen::GrantRef{12345});
  ASSERT_FALSE(mapping.ok());
  EXPECT_STREQ(mapping.error().what, "map grant");
  EXPECT_NE(mapping.error().number, 0);
  GrantShare for_another = shared(xen::DomId{77});
  EXPECT_FALSE(map(for_another.ref()).ok());
}

TEST_F(Grants, WithoutXenAnErrorSaysWhatWasTried) {
  unsetenv("XEN_LOOPBACK_SOCKET");
  auto gnttab = xen::Gnttab::open();
  ASSERT_FALSE(gnttab.ok());
  EXPECT_EQ(gnttab.error().text(), "open grant device: No such device");
  EXPECT_FALSE(EventChannel::bind_unbound(xen::DomId{0}).ok());
}

TEST_F(Grants, NotificationsReachTheOtherHalf) {
  as(guest_);
  auto front = EventChannel::bind_unbound(xen::DomId{0});
  ASSERT_TRUE(front.ok());
  as(loopback::kDom0);
  auto back = EventChannel::bind(guest(), front.value().port());
  ASSERT_TRUE(back.ok());
  ASSERT_TRUE(back.value().restrict_to(guest()).ok());
  for (int i = 0; i < 3; i++) {
    EXPECT_FALSE(readable(front.value().fd(), 0) && i > 0);
    ASSERT_TRUE(back.value().notify().ok());
    ASSERT_TRUE(readable(front.value().fd()));
    ASSERT_TRUE(front.value().acknowledge().ok());
    ASSERT_TRUE(front.value().notify().ok());
    ASSERT_TRUE(readable(back.value().fd()));
    ASSERT_TRUE(back.value().acknowledge().ok());
  }
}

TEST_F(Grants, ABadPortIsAnError) {
  as(loopback::kDom0);
  auto back = EventChannel::bind(guest(), xen::Port{4242});
  ASSERT_FALSE(back.ok());
  EXPECT_STREQ(back.error().what, "bind event channel");
}

// ---- The front half's ring, without anybody at the other end ----

TEST_F(Grants, ARingWithoutABackendTimesOut) {
  as(guest_);
  auto ring = frontend::Ring::make(xen::DomId{0});
  ASSERT_TRUE(ring.ok());
  base::Bytes command(10);
  using std::chrono::milliseconds;
  auto response = ring.value()->transact(command, 0, milliseconds(20), milliseconds(20));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().number, ETIMEDOUT);
  EXPECT_EQ(ring.value()->page().load<uint8_t>(4), 3);  // it was asked to cancel
  auto busy = ring.value()->submit(command, 0);
  ASSERT_FALSE(busy.ok());
  EXPECT_EQ(busy.error().number, EBUSY);
}

TEST_F(Grants, ARingBoundsWhatTheBackendClaims) {
  as(guest_);
  auto ring = frontend::Ring::make(xen::DomId{0});
  ASSERT_TRUE(ring.ok());
  EXPECT_EQ(ring.value()->submit(base::Bytes(4089), 0).error().number, EMSGSIZE);
  ASSERT_TRUE(ring.value()->page().store<uint32_t>(0, 4089));
  ASSERT_TRUE(ring.value()->page().store<uint8_t>(4, 2));
  auto response = ring.value()->response();
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().number, EBADMSG);
}

}  // namespace
}  // namespace worker_test
