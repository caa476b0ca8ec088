// SPDX-License-Identifier: MIT
// libxengnttab's contract, on the loopback's implementation of it.
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/loopback/machine_fixture.h"

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
}

namespace loopback {
namespace {

class GrantsTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    guest_id_ = new_domain();
    as(guest_id_);
    share_ = xengntshr_open(nullptr, 0);
    ASSERT_NE(share_, nullptr);
    as(kDom0);
    map_ = xengnttab_open(nullptr, 0);
    ASSERT_NE(map_, nullptr);
  }
  void TearDown() override {
    xengntshr_close(share_);
    if (map_ != nullptr) xengnttab_close(map_);
    MachineTest::TearDown();
  }
  char* share(uint32_t* refs, int n = 1, bool writable = true) {
    return static_cast<char*>(xengntshr_share_pages(share_, 0, n, refs, writable));
  }
  char* map(uint32_t ref, int prot = PROT_READ | PROT_WRITE) {
    return static_cast<char*>(xengnttab_map_grant_ref(map_, raw(guest_id_), ref, prot));
  }
  // What xc_* would show: the domain is still there, dying.
  bool listed(DomId domain) {
    as(kDom0);
    Connection hypervisor;
    EXPECT_TRUE(hypervisor.open());
    Reply reply;
    int fds[2];
    DomainRecord records[16];
    EXPECT_EQ(hypervisor.call(request(Op::ListDomains), -1, reply, fds, records, sizeof(records)), 0);
    return std::any_of(records, records + reply.n, [&](const DomainRecord& r) { return r.domain == raw(domain); });
  }

  DomId guest_id_{};
  xengntshr_handle* share_ = nullptr;
  xengnttab_handle* map_ = nullptr;
};

TEST_F(GrantsTest, BothSidesSeeOnePage) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  ASSERT_NE(mine, nullptr);
  EXPECT_GE(ref, 8u);
  char* theirs = map(ref);
  ASSERT_NE(theirs, nullptr);
  mine[17] = 'a';
  EXPECT_EQ(theirs[17], 'a');
  theirs[4095] = 'b';
  EXPECT_EQ(mine[4095], 'b');
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 1), 0);
  EXPECT_EQ(xengntshr_unshare(share_, mine, 1), 0);
}

TEST_F(GrantsTest, ManyPagesMapInOneStretch) {
  uint32_t refs[3];
  char* mine = share(refs, 3);
  ASSERT_NE(mine, nullptr);
  for (int page = 0; page < 3; page++) mine[page * 4096] = static_cast<char>('a' + page);
  uint32_t order[3] = {refs[2], refs[0], refs[1]};
  auto* theirs = static_cast<char*>(xengnttab_map_domain_grant_refs(map_, 3, raw(guest_id_), order, PROT_READ));
  ASSERT_NE(theirs, nullptr);
  EXPECT_EQ(theirs[0], 'c');
  EXPECT_EQ(theirs[4096], 'a');
  EXPECT_EQ(theirs[8192], 'b');
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 2), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 3), 0);
  EXPECT_EQ(xengntshr_unshare(share_, mine, 3), 0);
}

TEST_F(GrantsTest, BadReferencesAreRefused) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  for (uint32_t bad : {0u, ref + 1, 0xffffffffu}) {
    errno = 0;
    EXPECT_EQ(map(bad), nullptr) << bad;
    EXPECT_EQ(errno, EINVAL) << bad;
  }
  EXPECT_EQ(xengnttab_map_grant_ref(map_, 4711, ref, PROT_READ), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(xengntshr_unshare(share_, mine, 1), 0);
  EXPECT_EQ(map(ref), nullptr) << "an ended grant";
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(GrantsTest, OnlyTheDomainNamedMayMap) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  as(new_domain());
  DomId other{static_cast<uint16_t>(raw(guest_id_) + 1)};
  as(other);
  xengnttab_handle* stranger = xengnttab_open(nullptr, 0);
  ASSERT_NE(stranger, nullptr);
  EXPECT_EQ(xengnttab_map_grant_ref(stranger, raw(guest_id_), ref, PROT_READ), nullptr);
  EXPECT_EQ(errno, EINVAL);
  xengnttab_close(stranger);
  xengntshr_unshare(share_, mine, 1);
}

TEST_F(GrantsTest, ReadOnlyGrantsAreReadOnly) {
  uint32_t ref = 0;
  char* mine = share(&ref, 1, false);
  EXPECT_EQ(map(ref), nullptr);
  EXPECT_EQ(errno, EINVAL);
  char* theirs = map(ref, PROT_READ);
  ASSERT_NE(theirs, nullptr);
  EXPECT_EQ(mprotect(theirs, 4096, PROT_READ | PROT_WRITE), -1) << "what is mapped stays read-only";
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 1), 0);
  xengntshr_unshare(share_, mine, 1);
}

TEST_F(GrantsTest, MappingOutlivesItsHandle) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  char* theirs = map(ref);
  ASSERT_NE(theirs, nullptr);
  xengnttab_close(map_);
  map_ = nullptr;
  mine[0] = 'x';
  EXPECT_EQ(theirs[0], 'x');
  munmap(theirs, 4096);
  xengntshr_unshare(share_, mine, 1);
}

TEST_F(GrantsTest, MappingOutlivesTheGrant) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  char* theirs = map(ref);
  mine[0] = 'x';
  ASSERT_EQ(xengntshr_unshare(share_, mine, 1), 0);
  EXPECT_EQ(theirs[0], 'x');
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 1), 0);
}

TEST_F(GrantsTest, DeadDomainStaysUntilItsPagesAreUnmapped) {
  uint32_t ref = 0;
  ASSERT_NE(share(&ref), nullptr);
  char* theirs = map(ref);
  ASSERT_EQ(control(Op::DestroyDomain, guest_id_), 0);
  EXPECT_TRUE(listed(guest_id_));
  EXPECT_EQ(map(ref), nullptr);
  EXPECT_EQ(xengnttab_unmap(map_, theirs, 1), 0);
  EXPECT_FALSE(listed(guest_id_));
}

TEST_F(GrantsTest, CopiesBetweenPagesAndMemory) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  memcpy(mine + 100, "hello", 5);
  char buffer[8] = {};
  xengnttab_grant_copy_segment_t segments[2] = {};
  segments[0].source.foreign = {.ref = ref, .offset = 100, .domid = raw(guest_id_)};
  segments[0].dest.virt = buffer;
  segments[0].len = 5;
  segments[0].flags = GNTCOPY_source_gref;
  segments[1].source.foreign = {.ref = ref, .offset = 4094, .domid = raw(guest_id_)};
  segments[1].dest.virt = buffer;
  segments[1].len = 5;
  segments[1].flags = GNTCOPY_source_gref;
  ASSERT_EQ(xengnttab_grant_copy(map_, 2, segments), 0);
  EXPECT_EQ(segments[0].status, GNTST_okay);
  EXPECT_STREQ(buffer, "hello");
  EXPECT_EQ(segments[1].status, GNTST_bad_copy_arg);
  xengntshr_unshare(share_, mine, 1);
}

TEST_F(GrantsTest, CopiesOnlyWhatIsGranted) {
  uint32_t ref = 0;
  char* mine = share(&ref);
  uint32_t read_only = 0;
  void* forbidden = xengntshr_share_pages(share_, 0, 1, &read_only, 0);
  ASSERT_NE(forbidden, nullptr);
  char buffer[8] = {};
  auto status = [&](uint32_t from, uint16_t domain, bool writes) {
    xengnttab_grant_copy_segment_t segment = {};
    auto& foreign = writes ? segment.dest : segment.source;
    auto& own = writes ? segment.source : segment.dest;
    foreign.foreign = {.ref = from, .offset = 0, .domid = domain};
    own.virt = buffer;
    segment.len = sizeof(buffer);
    segment.flags = writes ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    EXPECT_EQ(xengnttab_grant_copy(map_, 1, &segment), 0);
    return segment.status;
  };
  uint16_t guest = raw(guest_id_);
  EXPECT_EQ(status(ref, guest, true), GNTST_okay);
  EXPECT_NE(status(ref + 100, guest, false), GNTST_okay) << "never granted";
  EXPECT_NE(status(ref, static_cast<uint16_t>(guest + 1), false), GNTST_okay) << "of another domain";
  EXPECT_EQ(status(read_only, guest, false), GNTST_okay);
  EXPECT_NE(status(read_only, guest, true), GNTST_okay) << "read only";
  xengntshr_unshare(share_, mine, 1);
  EXPECT_NE(status(ref, guest, false), GNTST_okay) << "revoked";
  xengntshr_unshare(share_, forbidden, 1);
}

class EndNoticeTest : public GrantsTest {
 protected:
  void SetUp() override {
    GrantsTest::SetUp();
    as(kDom0);
    dom0_ = xenevtchn_open(nullptr, 0);
    as(guest_id_);
  }
  void TearDown() override {
    xenevtchn_close(dom0_);
    GrantsTest::TearDown();
  }
  // A process of the guest shares a page, sets its byte 4 and asks for notice; then it does `end`.
  template <class F>
  void share_with_notice(F end) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      xenevtchn_handle* events = xenevtchn_open(nullptr, 0);
      auto port = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(events, 0));
      xengntshr_handle* grants = xengntshr_open(nullptr, 0);
      uint32_t told[2] = {0, port};
      auto* page = static_cast<char*>(xengntshr_share_page_notify(grants, 0, &told[0], 1, 4, port));
      page[4] = 3;
      page[5] = 7;
      static_cast<void>(!write(ready[1], told, sizeof(told)));
      xenevtchn_pending(events);  // until dom0 is connected and says so
      end(grants, page, events);
      pause();
    }
    uint32_t told[2];
    ASSERT_EQ(read(ready[0], told, sizeof(told)), static_cast<ssize_t>(sizeof(told)));
    close(ready[0]);
    close(ready[1]);
    page_ = map(told[0]);
    ASSERT_NE(page_, nullptr);
    port_ = xenevtchn_bind_interdomain(dom0_, raw(guest_id_), told[1]);
    ASSERT_GT(port_, 0);
    ASSERT_EQ(xenevtchn_pending(dom0_), port_);
    ASSERT_EQ(xenevtchn_unmask(dom0_, static_cast<evtchn_port_t>(port_)), 0);
    EXPECT_EQ(page_[4], 3);
    ASSERT_EQ(xenevtchn_notify(dom0_, static_cast<evtchn_port_t>(port_)), 0);
  }
  void expect_notice() {
    ASSERT_TRUE(readable(xenevtchn_fd(dom0_)));
    EXPECT_EQ(xenevtchn_pending(dom0_), port_);
    EXPECT_EQ(page_[4], 0);
    EXPECT_EQ(page_[5], 7) << "only the one byte";
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    xengnttab_unmap(map_, page_, 1);
  }

  xenevtchn_handle* dom0_ = nullptr;
  pid_t child_ = -1;
  char* page_ = nullptr;
  int port_ = -1;
};

TEST_F(EndNoticeTest, ComesWhenTheSharerIsKilled) {
  share_with_notice([](auto*, char*, auto*) { kill(getpid(), SIGKILL); });
  expect_notice();
}

TEST_F(EndNoticeTest, ComesWhenThePageIsUnshared) {
  share_with_notice([](xengntshr_handle* grants, char* page, auto*) { xengntshr_unshare(grants, page, 1); });
  expect_notice();
}

TEST_F(EndNoticeTest, ComesThroughAPortWhoseHandleIsClosed) {
  share_with_notice([](xengntshr_handle* grants, char* page, xenevtchn_handle* events) {
    xenevtchn_close(events);
    xengntshr_unshare(grants, page, 1);
  });
  expect_notice();
}

}  // namespace
}  // namespace loopback
