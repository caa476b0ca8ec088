// SPDX-License-Identifier: MIT
// The program vtpm-grantd, between a worker that says anything and the pages of guests.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "backend/grantd/descriptors.h"
#include "backend/ring/transfer.h"
#include "backend/vault/durable.h"
#include "lib/base/bytes.h"
#include "lib/xen/grant.h"
#include "tests/loopback/machine_fixture.h"

namespace worker_test {
namespace {

using base::Bytes;
using transfer::Order;
using transfer::Outcome;
using transfer::Way;
using vault::Fd;

class Grantd : public loopback::MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    guest_ = new_domain();
    other_ = new_domain();
  }
  void TearDown() override {
    socket_ = Fd();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    if (memory_ != nullptr) munmap(memory_, transfer::kMemoryBytes);
    MachineTest::TearDown();
  }

  void start(size_t bytes = transfer::kMemoryBytes) {
    as(loopback::kDom0);
    auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
    std::string program = build / "bin/vtpm-grantd", preload = build / "lib/libxen-loopback.so";
    bool preloaded = std::filesystem::exists(preload);  // builds with a sanitizer link it
    std::string domain = std::to_string(loopback::raw(guest_));
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    socket_ = Fd(pair[0]);
    Fd theirs(pair[1]), shared(memfd_create("transfers", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(shared.get(), static_cast<off_t>(bytes)), 0);
    memory_ = mmap(nullptr, transfer::kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, shared.get(), 0);
    ASSERT_NE(memory_, MAP_FAILED);
    pid_ = fork();
    if (pid_ != 0) return;
    constexpr int kAbove = 100;
    int worker = fcntl(theirs.get(), F_DUPFD, kAbove), memory = fcntl(shared.get(), F_DUPFD, kAbove);
    dup2(worker, grantd::kWorkerFd);
    dup2(memory, grantd::kMemoryFd);
    close_range(grantd::kMemoryFd + 1, ~0U, 0);
    if (preloaded) setenv("LD_PRELOAD", preload.c_str(), 1);
    execl(program.c_str(), "vtpm-grantd", "--domain", domain.c_str(), nullptr);
    _exit(127);
  }
  void send(const void* bytes, size_t n) {
    ASSERT_EQ(::send(socket_.get(), bytes, n, MSG_NOSIGNAL), static_cast<ssize_t>(n));
  }
  // Its answer; nothing when it hangs up.
  std::optional<Outcome> answer() {
    pollfd readable{socket_.get(), POLLIN, 0};
    Outcome outcome{};
    bool came = poll(&readable, 1, 20'000) == 1 && recv(socket_.get(), &outcome, sizeof(outcome), 0) == sizeof(outcome);
    return came ? std::optional(outcome) : std::nullopt;
  }
  std::optional<Outcome> ask(const Order& order) {
    send(&order, sizeof(order));
    return answer();
  }
  int status() {
    int ended = 0;
    waitpid(pid_, &ended, 0);
    pid_ = 0;
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  }
  xen::GrantShare shared_by(loopback::DomId domain, xen::DomId with = xen::DomId{0}) {
    as(domain);
    auto share = xen::GrantShare::share(with);
    EXPECT_TRUE(share.ok());
    as(loopback::kDom0);
    return std::move(share).take();
  }
  static uint32_t number(const xen::GrantShare& share) { return static_cast<uint32_t>(share.ref()); }
  std::span<uint8_t> buffer(size_t at) {
    return std::span(static_cast<uint8_t*>(memory_) + at, transfer::kBufferBytes);
  }

  loopback::DomId guest_{}, other_{};
  Fd socket_;
  void* memory_ = nullptr;
  pid_t pid_ = 0;
};

TEST_F(Grantd, FetchesAndDelivers) {
  start();
  EXPECT_EQ(ask({.way = Way::Ready}), Outcome::Done);
  xen::GrantShare page = shared_by(guest_);
  const Bytes kSent = {1, 2, 3, 4, 5};
  ASSERT_TRUE(page.bytes().store_bytes(4091, kSent));
  EXPECT_EQ(ask({number(page), Way::Fetch, 4091, 5}), Outcome::Done);
  EXPECT_TRUE(std::ranges::equal(buffer(transfer::kIncomingAt).first(5), kSent));
  std::ranges::fill(buffer(transfer::kOutgoingAt), 0x77);
  EXPECT_EQ(ask({number(page), Way::Deliver, 0, 4096}), Outcome::Done);
  Bytes now(4096);
  ASSERT_TRUE(page.bytes().load_bytes(0, now));
  EXPECT_EQ(now, Bytes(4096, 0x77));
}

TEST_F(Grantd, FindsNothingThatTheGuestHasNotGranted) {
  start();
  EXPECT_EQ(ask({4000, Way::Fetch, 0, 10}), Outcome::NotGranted);
  EXPECT_EQ(ask({UINT32_MAX, Way::Deliver, 0, 10}), Outcome::NotGranted);
  xen::GrantShare for_another = shared_by(guest_, xen::DomId{77});
  EXPECT_EQ(ask({number(for_another), Way::Fetch, 0, 10}), Outcome::NotGranted);
}

TEST_F(Grantd, KnowsOneDomain) {
  start();
  xen::GrantShare others = shared_by(other_);
  ASSERT_TRUE(others.bytes().store<uint8_t>(0, 0x5a));
  EXPECT_EQ(ask({number(others), Way::Fetch, 0, 1}), Outcome::NotGranted);
  EXPECT_NE(buffer(transfer::kIncomingAt)[0], 0x5a);
}

TEST_F(Grantd, WritesOnlyWhereItMayWrite) {
  start();
  as(guest_);
  xengntshr_handle* device = xengntshr_open(nullptr, 0);
  uint32_t ref = 0;
  void* page = xengntshr_share_pages(device, 0, 1, &ref, 0);
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(ask({ref, Way::Fetch, 0, 10}), Outcome::Done);
  EXPECT_EQ(ask({ref, Way::Deliver, 0, 10}), Outcome::NotGranted);
  xengntshr_unshare(device, page, 1);
  xengntshr_close(device);
}

TEST_F(Grantd, FindsNoMoreWhatWasRevoked) {
  start();
  uint32_t ref = 0;
  {
    xen::GrantShare page = shared_by(guest_);
    ref = number(page);
    EXPECT_EQ(ask({ref, Way::Fetch, 0, 10}), Outcome::Done);
  }
  EXPECT_EQ(ask({ref, Way::Deliver, 0, 10}), Outcome::NotGranted);
}

TEST_F(Grantd, EndsWithItsWorker) {
  start();
  EXPECT_EQ(ask({.way = Way::Ready}), Outcome::Done);
  socket_ = Fd();
  EXPECT_EQ(status(), 0);
}

TEST_F(Grantd, EndsWhenItIsToldWhatNoWorkerSays) {
  xen::GrantShare page = shared_by(guest_);
  uint32_t ref = number(page);
  const Order kNonsense[] = {{ref, static_cast<Way>(3), 0, 10},   {ref, Way::Fetch, 0, 0},
                             {ref, Way::Fetch, 0, 4097},          {ref, Way::Fetch, 4096, 1},
                             {ref, Way::Deliver, 1, 4096},        {ref, Way::Deliver, 65535, 65535},
                             {ref, static_cast<Way>(65535), 0, 1}};
  for (const Order& order : kNonsense) {
    start();
    EXPECT_EQ(ask(order), std::nullopt);
    EXPECT_EQ(status(), 1);
    munmap(memory_, transfer::kMemoryBytes);
  }
  for (size_t n : {size_t{1}, sizeof(Order) - 1}) {
    start();
    const Order kWell{.way = Way::Ready};
    send(&kWell, n);
    EXPECT_EQ(answer(), std::nullopt);
    EXPECT_EQ(status(), 1);
    if (n == 1) munmap(memory_, transfer::kMemoryBytes);
  }
}

TEST_F(Grantd, TakesNoOtherMemory) {
  start(transfer::kMemoryBytes - 1);
  EXPECT_EQ(status(), 1);
}

}  // namespace
}  // namespace worker_test
