// SPDX-License-Identifier: MIT
// What an administrator does with vtpmctl, and finds in XenStore.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Digest;
using nlohmann::json;

constexpr unsigned kPcr = 10;

class Control : public ::testing::Test {
 protected:
  ~Control() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  json instance() { return stack_.control({"show", uuid_}).value("instance", json::object()); }
  bool made() {
    return eventually([&] { return instance().value("epoch", 0) == 1; });
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
};

TEST_F(Control, CreatesAnInstanceWithItsKeyAndSettings) {
  ASSERT_TRUE(stack_
                  .control({"create", uuid_, "--label", "web server", "--localities", "0,2,3",
                            "--physical-presence-command", "false"})
                  .value("ok", false));
  EXPECT_FALSE(stack_.control({"create", uuid_}).value("ok", true)) << "only once";
  ASSERT_TRUE(made()) << "its TPM is made without a guest";
  json settings = instance()["settings"];
  EXPECT_EQ(settings["label"], "web server");
  EXPECT_EQ(settings["localities"], json({0, 2, 3}));
  EXPECT_EQ(settings["physical_presence_command"], false);

  Frontend frontend(stack_, create_domain(uuid_));
  ASSERT_TRUE(frontend.connect());
  EXPECT_TRUE(frontend.tpm().read_pubek().ok());
}

TEST_F(Control, RefusesNonsense) {
  EXPECT_NE(run({program("vtpmctl"), "create", "no-uuid"}).status, 0);
  EXPECT_NE(run({program("vtpmctl"), "create", uuid_, "--localities", "5"}).status, 0);
  EXPECT_NE(run({program("vtpmctl"), "no-command"}).status, 0);
  EXPECT_FALSE(stack_.control({"show", uuid_}).value("ok", true));
  EXPECT_FALSE(stack_.control({"delete", uuid_}).value("ok", true));
}

TEST_F(Control, MakesNoneOnFirstUseWhenThePolicySaysSo) {
  stack_.start_manager("", {"--policy", "created-only"});
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(eventually([&] { return node(error_path(domain)).has_value(); }));
  EXPECT_NE(node(error_path(domain)).value_or("").find("vtpmctl create " + uuid_), std::string::npos);
  destroy_domain(domain);
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  Frontend again(stack_, create_domain(uuid_));
  ASSERT_TRUE(again.connect());
  EXPECT_TRUE(again.tpm().pcr_read(0).ok());
}

TEST_F(Control, ADeletedInstanceDoesNotComeBack) {
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  ASSERT_TRUE(made());
  EXPECT_TRUE(eventually([&] { return stack_.control({"delete", uuid_}).value("ok", false); }));
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  EXPECT_TRUE(eventually([&] { return node(error_path(domain)).has_value(); }));
}

TEST_F(Control, RenewsEveryKeyWhileAGuestWorks) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  std::string resting = fresh_uuid();
  ASSERT_TRUE(stack_.control({"create", resting}).value("ok", false));
  Digest measured = frontend.tpm().extend(kPcr, client::sha1(client::bytes_of("measured"))).value;
  pid_t worker = stack_.worker_of(domain);
  auto content = [&](const std::string& name) {
    std::ifstream in(stack_.directory() + "/state/" + name, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  };
  std::string old_key = content("master.key");
  ASSERT_TRUE(stack_.control({"rekey"}).value("ok", false));
  ASSERT_TRUE(eventually([&] { return stack_.log().find("every instance has a new key") != std::string::npos; }));
  EXPECT_NE(content("master.key"), old_key);
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain) == "serving" && stack_.worker_of(domain) != worker; }));
  EXPECT_EQ(frontend.tpm().pcr_read(kPcr).value, measured) << "the guest noticed nothing";
  auto ek = frontend.tpm().read_pubek();
  EXPECT_TRUE(frontend.tpm().take_ownership(ek.value, client::secret("o"), client::kWellKnown).ok());

  stack_.kill_manager();
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain) == "serving"; }));
  EXPECT_EQ(frontend.tpm().pcr_read(kPcr).value, measured);
  for (const auto& i : stack_.control({"list"})["instances"].get<json>()) EXPECT_FALSE(i.value("quarantined", true));
}

TEST_F(Control, StreamsEvents) {
  std::string stream = stack_.directory() + "/events";
  Program follower({program("vtpmctl"), "--json", "--runtime-dir", stack_.directory() + "/run", "events"}, stream);
  auto told = [&](const std::string& kind) {
    return eventually([&] {
      std::ifstream in(stream);
      for (std::string line; std::getline(in, line);) {
        json event = json::parse(line, nullptr, false);
        if (event.is_object() && event.value("event", "") == kind && event.value("uuid", "") == uuid_) return true;
      }
      return false;
    });
  };
  ASSERT_TRUE(eventually([&] { return std::ifstream(stream).good(); }));
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  EXPECT_TRUE(told("created"));
  EXPECT_TRUE(told("made"));
  ASSERT_TRUE(stack_.control({"quarantine", uuid_, "--reason", "test"}).value("ok", false));
  EXPECT_TRUE(told("quarantined"));
  ASSERT_TRUE(stack_.control({"quarantine", uuid_, "--lift"}).value("ok", false));
  EXPECT_TRUE(told("quarantine-lifted"));
}

TEST_F(Control, CountsAndTimesCommands) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  constexpr uint64_t kCommands = 50;
  for (uint64_t i = 0; i < kCommands; i++) ASSERT_TRUE(frontend.tpm().pcr_read(0).ok());
  json device;
  ASSERT_TRUE(eventually([&] {
    device = stack_.control({"stats"})["devices"][0].get<json>();
    return device.value("commands", uint64_t{0}) >= kCommands;
  })) << "also the last ones of a burst";
  uint64_t timed = 0;
  for (const json& n : device["took"]) timed += n.get<uint64_t>();
  EXPECT_EQ(timed, device["commands"]);
  EXPECT_GT(device.value("total_us", 0), 0);
  std::string text =
      run({program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "stats", "--prometheus"}).output;
  std::string labels = "{uuid=\"" + uuid_ + "\",device=\"" + std::to_string(domain) + "/0\"";
  EXPECT_NE(text.find("vtpm_commands_total" + labels + "} " + std::to_string(timed) + "\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find("vtpm_command_duration_seconds_bucket" + labels + ",le=\"+Inf\"} " + std::to_string(timed) + "\n"),
      std::string::npos);
}

TEST_F(Control, ShowsAdministratorsADeviceInXenStore) {
  unsigned domain = create_domain(uuid_);
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  ASSERT_TRUE(frontend.tpm().pcr_read(0).ok());
  std::string info = back_path(domain) + "/info/";
  EXPECT_TRUE(eventually([&] { return node(info + "stage") == "serving"; }));
  EXPECT_TRUE(eventually([&] { return node(info + "commands").value_or("0") != "0"; }));
  EXPECT_FALSE(node(info + "version").value_or("").empty());
  EXPECT_EQ(node(info + "error"), "");
  stack_.control({"quarantine", uuid_, "--reason", "looks odd"});
  EXPECT_TRUE(eventually([&] { return node(info + "error").value_or("").find("looks odd") != std::string::npos; }));
  destroy_domain(domain);
  EXPECT_TRUE(eventually([&] { return !node(info + "stage") && stack_.stage_of(domain) == "none"; }));
}

TEST_F(Control, TheDoctorNamesWhatIsWrong) {
  json healthy = stack_.control({"doctor"});
  for (const auto& f : healthy["findings"]) EXPECT_NE(f["level"], "error") << f.dump();
  ASSERT_TRUE(stack_.control({"create", uuid_}).value("ok", false));
  stack_.control({"quarantine", uuid_, "--reason", "looks odd"});
  EXPECT_NE(stack_.control({"doctor"}).dump().find("looks odd"), std::string::npos);
  Finished without = run({program("vtpmctl"), "--runtime-dir", stack_.directory() + "/nowhere", "doctor"});
  EXPECT_NE(without.status, 0);
  EXPECT_NE(without.output.find("cannot reach the manager"), std::string::npos);
}

}  // namespace
}  // namespace system_test
