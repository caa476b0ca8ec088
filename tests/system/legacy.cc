// SPDX-License-Identifier: MIT
// Guests on version 1 of the ring: what they get, what becomes of it when one of the processes that serve them is
// killed, and what they have in common with their later selves on version 2.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/system/neighbour.h"
#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

const Words kV1 = {"--protocol", "v1"}, kV2 = {"--protocol", "v2"};
constexpr uid_t kFirstUser = 1'900'032'768;
const Digest kOwner = client::secret("owner");

std::string contents(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The living vtpm-grantds of a domain.
std::vector<pid_t> grantds_of(unsigned domain) {
  std::string wanted = std::string("vtpm-grantd\0--domain\0", 21) + std::to_string(domain) + '\0';
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (contents(entry.path() / "cmdline") == wanted) found.push_back(std::stoi(name));
  }
  return found;
}

class Legacy : public SavedGuest {
 protected:
  void connect(const Words& protocol = kV1) {
    frontend_.reset();
    frontend_.emplace(stack_, guest_, protocol);
    ASSERT_TRUE(frontend_->connect());
  }
  // Another worker serves.
  bool replaced(pid_t worker) {
    return eventually([&] {
      pid_t now = stack_.worker_of(guest_);
      return now > 0 && now != worker && stack_.stage_of(guest_) == "serving";
    });
  }
  // With another grantd, and that alone.
  bool replaced(pid_t grantd, pid_t worker) {
    return replaced(worker) && eventually([&] {
             auto now = grantds_of(guest_);
             return now.size() == 1 && now[0] != grantd;
           });
  }

  unsigned guest_ = create_domain(uuid_);
  std::optional<Frontend> frontend_;
};

TEST_F(Legacy, AGuestHasAllOfItsTpm) {
  connect();
  EXPECT_EQ(node(front_path(guest_) + "/feature-protocol-v2"), std::nullopt);
  auto& tpm = frontend_->tpm();
  Digest measured = measure(*frontend_);
  EXPECT_EQ(pcr(*frontend_), measured);
  ASSERT_TRUE(tpm.take_ownership(tpm.read_pubek().value, kOwner, client::kWellKnown).ok());
  auto random = tpm.get_random(64);
  ASSERT_TRUE(random.ok());
  EXPECT_EQ(random.value.size(), 64u);
  EXPECT_NE(stack_.log().find("version 1 of the ring"), std::string::npos);
}

TEST_F(Legacy, WhatCopiesForItCanDoNothingElse) {
  connect();
  measure(*frontend_);
  auto grantds = grantds_of(guest_);
  ASSERT_EQ(grantds.size(), 1u);
  std::filesystem::path process = "/proc/" + std::to_string(grantds[0]);
  std::string status = contents(process / "status");
  EXPECT_NE(status.find("\nCapEff:\t0000000000000000\n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nCapBnd:\t0000000000000000\n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nSeccomp:\t2\n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos) << status;
  if (::geteuid() == 0) {
    std::string user = std::to_string(kFirstUser + guest_);
    EXPECT_NE(status.find("\nUid:\t" + user + "\t" + user + "\t" + user + "\t" + user + "\n"), std::string::npos)
        << status;
  }
  std::vector<std::string> open;
  for (const auto& fd : std::filesystem::directory_iterator(process / "fd")) {
    open.push_back(std::filesystem::read_symlink(fd).string());
  }
  // Standard input, output and error; the worker; the grant device, which is a socket here.
  EXPECT_EQ(open.size(), 5u);
  EXPECT_EQ(std::count_if(open.begin(), open.end(), [](auto& to) { return to.starts_with("socket:"); }), 2);
}

TEST_F(Legacy, ABootLoaderAndItsKernelShareTheirPcrs) {
  Digest expected{};
  for (const Words& protocol : {kV1, kV2, kV1, Words()}) {
    connect(protocol);
    EXPECT_EQ(pcr(*frontend_), expected) << protocol.size();
    expected = measure(*frontend_);
    frontend_->unload();
  }
  EXPECT_TRUE(eventually([&] { return grantds_of(guest_).empty(); })) << "none is left behind";
}

TEST_F(Legacy, AKilledGrantdIsReplacedAndNothingIsLost) {
  connect();
  Digest measured = measure(*frontend_);
  auto before = grantds_of(guest_);
  ASSERT_EQ(before.size(), 1u);
  pid_t worker = stack_.worker_of(guest_);
  ::kill(before[0], SIGKILL);
  ASSERT_TRUE(replaced(before[0], worker));
  EXPECT_EQ(pcr(*frontend_), measured);
  EXPECT_NE(measure(*frontend_), measured);
}

TEST_F(Legacy, AKilledWorkerIsReplacedAndNothingIsLost) {
  connect();
  Digest measured = measure(*frontend_);
  auto before = grantds_of(guest_);
  ASSERT_EQ(before.size(), 1u);
  pid_t worker = stack_.worker_of(guest_);
  ASSERT_GT(worker, 0);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(replaced(before[0], worker));
  EXPECT_EQ(pcr(*frontend_), measured);
}

// Each command is answered, if only with an error; what was acknowledged is there.
TEST_F(Legacy, CommandsUnderWhichSomebodyIsKilledAreAnswered) {
  connect();
  constexpr uint32_t kFail = 9;
  std::atomic<bool> done = false;
  std::atomic<int> extended = 0, failed = 0;
  std::thread guest([&] {
    while (!done) {
      auto one = frontend_->tpm().extend(kPcr, client::kWellKnown);
      if (one.ok()) extended++;
      if (!one.ok() && one.code() == kFail) failed++;
      if (!one.ok() && one.code() != kFail) break;
    }
  });
  for (int round = 0; round < 3; round++) {
    pid_t worker = stack_.worker_of(guest_);
    auto grantds = grantds_of(guest_);
    EXPECT_GT(worker, 0);
    if (worker <= 0) break;
    ::kill(round % 2 == 0 || grantds.empty() ? worker : grantds[0], SIGKILL);
    EXPECT_TRUE(replaced(worker));
  }
  int before = extended;
  EXPECT_TRUE(eventually([&] { return extended > before + 3; }));
  done = true;
  guest.join();
  EXPECT_LE(failed, 3);
  // Those that failed may have been executed.
  Digest now = pcr(*frontend_);
  Digest value{};
  bool found = false;
  for (int i = 0; i <= extended + failed && !found; i++) {
    found = value == now && i >= extended;
    client::Bytes both(value.begin(), value.end());
    both.insert(both.end(), client::kWellKnown.begin(), client::kWellKnown.end());
    value = client::sha1(both);
  }
  EXPECT_TRUE(found) << extended << " answered, " << failed << " failed";
}

TEST_F(Legacy, AManagerThatDiesLeavesTheGuestServed) {
  connect();
  Digest measured = measure(*frontend_);
  stack_.kill_manager();
  EXPECT_EQ(pcr(*frontend_), measured);
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return stack_.worker_of(guest_) > 0; }));
  auto before = grantds_of(guest_);
  ASSERT_EQ(before.size(), 1u);
  // The new manager has not started it: the worker finds out, and its manager replaces both.
  ::kill(before[0], SIGKILL);
  static_cast<void>(frontend_->tpm().pcr_read(kPcr));
  ASSERT_TRUE(eventually([&] { return grantds_of(guest_).size() == 1; }));
  EXPECT_EQ(pcr(*frontend_), measured);
}

// Whatever a guest does to slot, page and grants: another one, on version 2, notices nothing.
TEST_F(Legacy, AHostileGuestDisturbsNobody) {
  Neighbour neighbour(stack_);
  ASSERT_TRUE(neighbour.connected());
  Words kit = {program("xen-loopback"), "exec", std::to_string(guest_), "--", program("vtpm-ringtest"), "frontend"};
  for (const char* name : {"size-*", "re*", "granted-*", "crosses-*", "random-*", "s*", "ring-*"}) {
    kit.insert(kit.end(), {"--case", std::string("v1/") + name});
  }
  Finished hostile = run(kit);
  EXPECT_EQ(hostile.status, 0) << hostile.output;
  EXPECT_TRUE(neighbour.works());
  EXPECT_EQ(neighbour.unanswered(), 0);
  EXPECT_TRUE(stack_.manager_lives());
}

TEST_F(Legacy, IsSavedAndRestored) {
  connect();
  Digest measured = measure(*frontend_);
  ASSERT_EQ(domain({"suspend", std::to_string(guest_), image()}).status, 0);
  frontend_.reset();
  EXPECT_TRUE(eventually([&] { return grantds_of(guest_).empty(); }));
  guest_ = restored();
  connect();
  EXPECT_EQ(pcr(*frontend_), measured);
}

}  // namespace
}  // namespace system_test
