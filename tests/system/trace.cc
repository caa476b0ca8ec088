// SPDX-License-Identifier: MIT
// `vtpmctl trace` beside a working guest.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Bytes;
using client::Digest;
using nlohmann::json;

class Trace : public ::testing::Test {
 protected:
  ~Trace() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  void attach() {
    domain_ = create_domain(uuid_);
    frontend_.emplace(stack_, domain_);
    ASSERT_TRUE(frontend_->connect());
  }
  Program tracer(const Words& options = {"--json"}, const char* name = "trace") {
    Words words = {program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "trace", uuid_};
    words.insert(words.end(), options.begin(), options.end());
    return {words, stack_.directory() + "/" + name};
  }
  std::string told(const char* name = "trace") const {
    std::ifstream in(stack_.directory() + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<json> commands(const char* name = "trace") const {
    std::istringstream lines(told(name));
    std::vector<json> all;
    for (std::string line; std::getline(lines, line);) {
      json one = json::parse(line, nullptr, false);
      if (one.is_object() && one.contains("ordinal")) all.push_back(one);
    }
    return all;
  }
  bool seen(const std::string& ordinal) const {
    return eventually([&] { return told().find(ordinal) != std::string::npos; });
  }
  size_t marks(const std::string& kind) {
    size_t n = 0;
    for (const json& event : stack_.control({"events", "--past"}).value("events", json::array())) {
      n += event.value("event", "") == kind && event.value("uuid", "") == uuid_ ? 1 : 0;
    }
    return n;
  }
  bool begun(size_t n = 1) {
    return eventually([&] { return marks("traced") == n; });
  }
  static std::string digits(const Digest& digest) { return client::hex(Bytes(digest.begin(), digest.end())); }
  static Digest digest_of(const char* text) { return client::sha1(client::bytes_of(text)); }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
  unsigned domain_ = 0;
  std::optional<Frontend> frontend_;
};

TEST_F(Trace, TellsEveryCommandByNameAndLeavesAMark) {
  attach();
  Program follower = tracer();
  ASSERT_TRUE(begun());
  ASSERT_TRUE(frontend_->tpm().extend(10, digest_of("measured")).ok());
  Digest value = frontend_->tpm().pcr_read(10).value;
  EXPECT_FALSE(frontend_->tpm().pcr_read(99).ok());
  ASSERT_TRUE(seen("TPM_BADINDEX"));
  auto all = commands();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0]["ordinal"], "TPM_Extend");
  EXPECT_EQ(all[0]["code"], "TPM_SUCCESS");
  EXPECT_EQ(all[0]["locality"], 0);
  EXPECT_EQ(all[0]["command"]["parameters"]["pcrNum"], "10");
  EXPECT_EQ(all[0]["command"]["parameters"]["inDigest"], digits(digest_of("measured")));
  EXPECT_EQ(all[1]["response"]["parameters"]["outDigest"], digits(value));
  EXPECT_EQ(all[2]["number"], 3);
  EXPECT_EQ(marks("trace-ended"), 0U);
  follower.end(SIGINT);
  EXPECT_TRUE(eventually([&] { return marks("trace-ended") == 1; }));
  EXPECT_TRUE(frontend_->tpm().pcr_read(0).ok()) << "the guest works on";
}

TEST_F(Trace, HidesWhatTheGuestGetsAndProves) {
  attach();
  Program follower = tracer();
  ASSERT_TRUE(begun());
  Bytes random = frontend_->tpm().get_random(20).value;
  ASSERT_EQ(random.size(), 20U);
  ASSERT_TRUE(seen("TPM_GetRandom"));
  auto all = commands();
  EXPECT_EQ(all[0]["command"]["parameters"]["bytesRequested"], "20");
  EXPECT_EQ(all[0]["response"]["parameters"]["randomBytes"]["hidden"], 20);
  EXPECT_EQ(told().find(client::hex(random)), std::string::npos);
}

TEST_F(Trace, GoesOnWithTheNextWorkerAndTheNextGuest) {
  Program follower = tracer();
  EXPECT_TRUE(eventually([&] { return told().find("there is no such instance") != std::string::npos; })) << told();
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  Program second = tracer();
  ASSERT_TRUE(begun());
  attach();
  ASSERT_TRUE(frontend_->tpm().pcr_read(1).ok());
  ASSERT_TRUE(seen("TPM_PCRRead")) << "of a guest that came later";
  pid_t worker = stack_.worker_of(domain_);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(eventually([&] { return stack_.worker_of(domain_) != worker && stack_.stage_of(domain_) == "serving"; }));
  ASSERT_TRUE(frontend_->tpm().extend(11, digest_of("again")).ok());
  EXPECT_TRUE(seen("TPM_Extend")) << "by the worker that goes on";
}

TEST_F(Trace, IsForOneReaderAndEndsWithTheInstanceAndTheManager) {
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  Program follower = tracer();
  ASSERT_TRUE(begun());
  EXPECT_NE(run({program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "trace", uuid_}).status, 0);
  ASSERT_TRUE(eventually([&] { return stack_.control({"delete", uuid_}).value("ok", false); }));
  EXPECT_TRUE(eventually([&] { return !follower.lives(); }));
  uuid_ = fresh_uuid();
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  Program other = tracer();
  ASSERT_TRUE(begun());
  stack_.kill_manager();
  EXPECT_TRUE(eventually([&] { return !other.lives(); }));
}

TEST_F(Trace, IsWrittenAndReadAgain) {
  attach();
  std::string file = stack_.directory() + "/guest.pcapng";
  Program follower = tracer({"--write", file});
  ASSERT_TRUE(begun());
  ASSERT_TRUE(frontend_->tpm().extend(12, digest_of("one")).ok());
  ASSERT_TRUE(frontend_->tpm().get_random(16).ok());
  Words read = {program("vtpmctl"), "--json", "trace", "--read", file};
  ASSERT_TRUE(eventually([&] { return run(read).output.find("TPM_GetRandom") != std::string::npos; }));
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  Finished text = run({program("vtpmctl"), "trace", "--read", file});
  EXPECT_EQ(text.status, 0);
  EXPECT_NE(text.output.find("locality 0 TPM_Extend: TPM_SUCCESS"), std::string::npos) << text.output;
  EXPECT_NE(text.output.find("> pcrNum: 12"), std::string::npos) << text.output;
  EXPECT_NE(text.output.find("< randomBytes: [16 bytes]"), std::string::npos) << text.output;
}

// A reader that stands still: the guest does not, and what was lost is counted.
TEST_F(Trace, NeverHoldsUpTheGuest) {
  attach();
  Program follower = tracer();
  ASSERT_TRUE(begun());
  ASSERT_TRUE(frontend_->tpm().pcr_read(0).ok());
  ASSERT_TRUE(seen("TPM_PCRRead"));
  ::kill(follower.pid(), SIGSTOP);
  constexpr int kCommands = 8000;
  for (int i = 0; i < kCommands; i++) ASSERT_TRUE(frontend_->tpm().pcr_read(1).ok());
  ::kill(follower.pid(), SIGCONT);
  ASSERT_TRUE(eventually([&] {
    if (!frontend_->tpm().pcr_read(2).ok()) return false;
    auto all = commands();
    return !all.empty() && all.back()["number"] > kCommands;
  }));
  uint64_t dropped = 0, told = 0;
  for (const json& one : commands()) {
    dropped += one.value("dropped", 0U);
    EXPECT_EQ(one["number"], ++told + dropped);
  }
  EXPECT_GT(dropped, 0U);
}

}  // namespace
}  // namespace system_test
