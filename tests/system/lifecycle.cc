// SPDX-License-Identifier: MIT
// Devices from their first connection to their end, and everything that dies in between.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Digest;

constexpr uint32_t kFailedSelfTest = 0x1c;
constexpr unsigned kPcr = 10;

class Lifecycle : public ::testing::Test {
 protected:
  ~Lifecycle() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  // A guest whose PCR is extended once; what it holds then.
  Digest measure(Frontend& frontend) {
    auto extended = frontend.tpm().extend(kPcr, client::sha1(client::bytes_of("measured")));
    EXPECT_TRUE(extended.ok()) << extended.code() << extended.reply.defect;
    return extended.value;
  }
  static Digest pcr(Frontend& frontend) {
    auto read = frontend.tpm().pcr_read(kPcr);
    EXPECT_TRUE(read.ok()) << read.code() << read.reply.defect;
    return read.value;
  }
  bool serves(unsigned domain) {
    return eventually(
        [&] { return node(back_path(domain) + "/state") == "4" && node(front_path(domain) + "/state") == "4"; });
  }
  // A command that waits on the page while this goes on is answered TPM_FAIL: it may have been executed already.
  bool replaced(unsigned domain, pid_t old) {
    pid_t now = stack_.worker_of(domain);
    return now > 0 && now != old && stack_.stage_of(domain) == "serving";
  }
  bool closed(unsigned domain) {
    return eventually([&] { return node(back_path(domain) + "/state") == "6"; });
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
};

TEST_F(Lifecycle, ServesAGuest) {
  unsigned domain = create_domain(uuid_);
  ASSERT_GT(domain, 0U);
  EXPECT_EQ(node(back_path(domain) + "/state"), "2");
  EXPECT_EQ(node(back_path(domain) + "/feature-protocol-v2"), "1");
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  Digest zero{};
  EXPECT_EQ(pcr(frontend), zero);
  EXPECT_NE(measure(frontend), zero);
  EXPECT_TRUE(serves(domain));
  EXPECT_FALSE(node(error_path(domain)).has_value());
}

TEST_F(Lifecycle, ReplacesAKilledWorker) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  Digest measured = measure(frontend);
  for (int round = 0; round < 3; round++) {
    pid_t worker = stack_.worker_of(domain);
    ASSERT_GT(worker, 0);
    ::kill(worker, SIGKILL);
    ASSERT_TRUE(eventually([&] { return replaced(domain, worker); }));
    EXPECT_EQ(pcr(frontend), measured) << "a crash never resets a PCR";
  }
}

TEST_F(Lifecycle, QuarantinesAnInstanceWhoseWorkerDiesAgainAndAgain) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  ASSERT_TRUE(eventually([&] {
    if (pid_t worker = stack_.worker_of(domain)) ::kill(worker, SIGKILL);
    return stack_.control({"show", uuid_})["instance"].value("quarantined", false);
  }));
  EXPECT_TRUE(closed(domain));
  EXPECT_NE(node(error_path(domain)).value_or("").find("quarantined"), std::string::npos);
  EXPECT_EQ(stack_.worker_of(domain), 0);
}

TEST_F(Lifecycle, KillsAWorkerThatTalksNonsenseAndNoOther) {
  // In place of every second worker something that is none, and says so on its channel.
  std::string libexec = stack_.directory() + "/libexec", flag = stack_.directory() + "/flag";
  run({"mkdir", libexec});
  std::ofstream(libexec + "/vtpmd") << "#!/bin/sh\nif [ -e " << flag << " ]; then rm " << flag
                                    << "; printf '\\377nonsense' >&3; exec sleep 60; fi\nexec " << program("vtpmd")
                                    << "\n";
  run({"chmod", "+x", libexec + "/vtpmd"});
  stack_.start_manager(libexec);
  unsigned neighbour = create_domain(fresh_uuid());
  Frontend good(stack_, neighbour);
  ASSERT_TRUE(good.connect());
  Digest measured = measure(good);
  pid_t worker = stack_.worker_of(neighbour);

  std::ofstream(flag) << "now";
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), Digest{}) << "a good worker took its place";
  EXPECT_NE(stack_.log().find("malformed message"), std::string::npos);
  EXPECT_EQ(stack_.worker_of(neighbour), worker);
  EXPECT_EQ(pcr(good), measured);
}

TEST_F(Lifecycle, GivesASlowWorkerMoreTimeWithEachAttempt) {
  std::string libexec = stack_.directory() + "/libexec";
  run({"mkdir", libexec});
  std::ofstream(libexec + "/vtpmd") << "#!/bin/sh\nsleep 1\nexec " << program("vtpmd") << " \"$@\"\n";
  run({"chmod", "+x", libexec + "/vtpmd"});
  stack_.start_manager(libexec, {"--start-time", "0.4"});
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), Digest{});
  size_t killed = 0;
  const std::string log = stack_.log(), late = "did not become ready in time";
  for (size_t at = log.find(late); at != std::string::npos; at = log.find(late, at + 1)) killed++;
  EXPECT_GE(killed, 2U) << "0.4 s and 0.8 s are not enough";
  EXPECT_LE(killed, 4U);
  EXPECT_FALSE(stack_.control({"show", uuid_})["instance"].value("quarantined", true));
}

TEST_F(Lifecycle, SurvivesAKilledManager) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  pid_t worker = stack_.worker_of(domain);
  stack_.kill_manager();
  Digest measured = measure(frontend);
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain) == "serving"; }));
  EXPECT_EQ(stack_.worker_of(domain), worker) << "the guest's worker was adopted";
  EXPECT_EQ(pcr(frontend), measured);
  auto owned =
      frontend.tpm().take_ownership(frontend.tpm().read_pubek().value, client::secret("o"), client::kWellKnown);
  EXPECT_TRUE(owned.ok()) << "commits go to the new manager";
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(eventually([&] { return replaced(domain, worker); }));
  EXPECT_EQ(pcr(frontend), measured) << "the journal was handed to the new manager";
}

TEST_F(Lifecycle, NeverShowsFreshPcrsWhenManagerAndWorkerDie) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  pid_t worker = stack_.worker_of(domain);
  stack_.kill_manager();
  ::kill(worker, SIGKILL);
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return replaced(domain, worker); }));
  EXPECT_EQ(frontend.tpm().pcr_read(kPcr).code(), kFailedSelfTest);
}

TEST_F(Lifecycle, KeepsPcrsForADriverThatIsReloaded) {
  unsigned domain = create_domain(uuid_);
  Digest measured{};
  {
    Frontend frontend(stack_, domain);
    ASSERT_TRUE(frontend.connect());
    measured = measure(frontend);
    frontend.unload();
  }
  ASSERT_TRUE(closed(domain));
  EXPECT_EQ(stack_.worker_of(domain), 0);
  stack_.kill_manager();
  stack_.start_manager();
  Frontend again(stack_, domain);
  ASSERT_TRUE(again.connect());
  EXPECT_EQ(pcr(again), measured);
}

TEST_F(Lifecycle, TakesARebootForAPowerCycle) {
  unsigned domain = create_domain(uuid_);
  {
    Frontend frontend(stack_, domain);
    ASSERT_TRUE(frontend.connect());
    measure(frontend);
    Finished rebooted = run({program("xen-loopback"), "domain", "reboot", std::to_string(domain)});
    ASSERT_EQ(rebooted.status, 0);
    domain = static_cast<unsigned>(std::stoul(rebooted.output));
  }
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), Digest{});
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power_cycle", 0), 2);
}

TEST_F(Lifecycle, DetachesAtOnce) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(run({program("xen-loopback"), "vtpm-detach", std::to_string(domain), "0"}).status, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_TRUE(eventually([&] { return !node(back_path(domain)) && stack_.stage_of(domain) == "none"; }));
}

TEST_F(Lifecycle, LeavesNothingBehindADestroyedDomain) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  pid_t worker = stack_.worker_of(domain);
  auto begin = std::chrono::steady_clock::now();
  destroy_domain(domain);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_TRUE(eventually([&] { return stack_.stage_of(domain) == "none"; }));
  EXPECT_NE(::kill(worker, 0), 0) << "the worker has ended";
  EXPECT_FALSE(node(back_path(domain)).has_value());
  EXPECT_FALSE(node("/local/domain/0/error/backend").has_value());
}

TEST_F(Lifecycle, SweepsWhatWasSaidAboutDevicesThatAreGone) {
  unsigned domain = create_domain(uuid_);
  set_node(front_path(domain) + "/state", "nonsense");
  ASSERT_TRUE(eventually([&] { return node(error_path(domain)).has_value(); }));
  stack_.kill_manager();
  remove_node(back_path(domain));
  stack_.start_manager();
  EXPECT_TRUE(eventually([&] { return !node("/local/domain/0/error/backend"); }));
  destroy_domain(domain);
}

TEST_F(Lifecycle, ServesAnInstanceToOneDeviceAtATime) {
  unsigned first = create_domain(uuid_), second = create_domain(uuid_);
  Frontend frontend(stack_, first);
  ASSERT_TRUE(frontend.connect());
  measure(frontend);
  Frontend waiting(stack_, second);
  ASSERT_TRUE(eventually([&] { return stack_.log().find("waits: another device") != std::string::npos; }));
  EXPECT_EQ(stack_.stage_of(second), "announced");
  destroy_domain(first);
  ASSERT_TRUE(waiting.connect());
  EXPECT_EQ(pcr(waiting), Digest{});
}

TEST_F(Lifecycle, KeepsWhatWasCommittedAcrossDomains) {
  unsigned domain = create_domain(uuid_);
  {
    Frontend frontend(stack_, domain);
    ASSERT_TRUE(frontend.connect());
    auto ek = frontend.tpm().read_pubek();
    ASSERT_TRUE(frontend.tpm().take_ownership(ek.value, client::secret("owner"), client::kWellKnown).ok());
    stack_.kill_manager();
    stack_.start_manager();
    destroy_domain(domain);
  }
  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect());
  auto blob = frontend.tpm().seal(client::kSrk, client::kWellKnown, client::bytes_of("x"), client::secret("d"));
  EXPECT_TRUE(blob.ok()) << "the storage root key is there: " << blob.code();
}

}  // namespace
}  // namespace system_test
