// SPDX-License-Identifier: MIT
// Backups that are put back, here and on a host that takes over from a lost one, and copies: as an administrator does
// it, and what guests find afterwards.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tests/engine/counter_client.h"
#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Bytes;
using client::Digest;
using nlohmann::json;

constexpr uint32_t kSrk = 0x40000000, kSaveState = 0x98;
constexpr uint16_t kStartupState = 2;
const Digest kOwner = client::secret("owner"), kSrkAuth = client::secret("srk"), kData = client::secret("data"),
             kCount = client::secret("count");

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class Keeping : public SavedGuest {
 protected:
  std::string path(const std::string& name) { return stack_.directory() + "/" + name; }
  static std::vector<std::string> history(Stack& stack, const std::string& uuid) {
    const json answer = stack.control({"show", uuid, "--history"});
    std::vector<std::string> told;
    const json entries = answer.value("history", json::object()).value("entries", json::array());
    for (const json& one : entries) {
      told.push_back(one.value("event", ""));
    }
    return told;
  }
  static long count(Stack& stack, const std::string& uuid, const std::string& event) {
    auto told = history(stack, uuid);
    return std::count(told.begin(), told.end(), event);
  }
  static uint64_t epoch(Stack& stack, const std::string& uuid) {
    return stack.control({"show", uuid}).value("instance", json::object()).value("epoch", 0U);
  }
  void created() {
    ASSERT_EQ(said(stack_.control({"create", uuid_})), "done");
    ASSERT_TRUE(eventually([&] { return epoch(stack_, uuid_) == 1; }, 60'000));
  }
  void end(Stack& stack, unsigned guest) {
    destroy_domain(guest);
    ASSERT_TRUE(eventually([&] { return stack.stage_of(guest) == "none"; }));
  }
  // An owner, a counter at some value, and something that is sealed.
  void prepare(Frontend& frontend) {
    auto& tpm = frontend.tpm();
    ASSERT_TRUE(tpm.take_ownership(tpm.read_pubek().value, kOwner, kSrkAuth).ok());
    auto counter = client::Counters(tpm).create(kOwner, kCount, "kept");
    ASSERT_TRUE(counter.ok());
    counter_ = counter.value.id;
    counted_ = counter.value.count;
    auto blob = tpm.seal(kSrk, kSrkAuth, client::bytes_of("kept"), kData);
    ASSERT_TRUE(blob.ok());
    blob_ = blob.value;
    measure(frontend);
    ASSERT_EQ(tpm.run(kSaveState).code, 0U);  // which a copy of the permanent state has in it
  }
  void expect_as_prepared(Frontend& frontend) {
    ASSERT_TRUE(frontend.connect());
    auto& tpm = frontend.tpm();
    EXPECT_EQ(tpm.unseal(kSrk, kSrkAuth, blob_, kData).value, client::bytes_of("kept"));
    auto counter = client::Counters(tpm).read(counter_);
    ASSERT_TRUE(counter.ok()) << counter.code();
    EXPECT_EQ(counter.value.count, counted_);
    EXPECT_EQ(pcr(frontend), Digest{}) << "a power-on, whatever was saved before";
    EXPECT_NE(tpm.startup(kStartupState).code, 0U);
  }

  uint32_t counter_ = 0, counted_ = 0;
  Bytes blob_;
};

TEST_F(Keeping, ARunningInstanceIsBackedUpAndPutBackWhenItsGuestHasGone) {
  unsigned guest = create_domain(uuid_);
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    prepare(frontend);
    json made = stack_.control({"backup", uuid_, path("backup")});
    ASSERT_EQ(said(made), "done");
    EXPECT_EQ(made.value("epoch", 0U), epoch(stack_, uuid_));
    EXPECT_FALSE(made.contains("paper")) << "it is in its file";
    EXPECT_EQ(std::filesystem::status(path("backup")).permissions(), std::filesystem::perms(0600));
    ASSERT_TRUE(client::Counters(frontend.tpm()).increment(counter_, kCount).ok());
    EXPECT_TRUE(has(said(stack_.control({"revert", uuid_, path("backup"), "--yes"})), "shut the guest down"));
    ASSERT_EQ(client::Counters(frontend.tpm()).read(counter_).value.count, counted_ + 1) << "nothing was done";
    end(stack_, guest);
  }
  std::string warned = said(stack_.control({"revert", uuid_, path("backup")}));
  EXPECT_TRUE(has(warned, "monotonic counters") && has(warned, "--yes")) << warned;
  EXPECT_EQ(count(stack_, uuid_, "reverted"), 0);
  ASSERT_EQ(said(stack_.control({"revert", uuid_, path("backup"), "--yes"})), "done");
  EXPECT_TRUE(happened("backed-up") && happened("reverted"));
  stack_.kill_manager();
  stack_.start_manager();
  EXPECT_EQ(history(stack_, uuid_), (std::vector<std::string>{"created", "endorsed", "reverted"}));
  guest = create_domain(uuid_);
  Frontend frontend(stack_, guest);
  expect_as_prepared(frontend);
  EXPECT_EQ(count(stack_, uuid_, "endorsed"), 1) << "its key is the one that was certified";
}

TEST_F(Keeping, AnotherHostTakesOverFromALostOneWithARecoveryKey) {
  unsigned guest = create_domain(uuid_);
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    prepare(frontend);
    end(stack_, guest);
  }
  ASSERT_EQ(run({"openssl", "genpkey", "-algorithm", "X25519", "-out", path("key")}).status, 0);
  ASSERT_EQ(run({"openssl", "genpkey", "-algorithm", "X25519", "-out", path("other")}).status, 0);
  ASSERT_EQ(run({"openssl", "pkey", "-in", path("key"), "-pubout", "-out", path("key.pub")}).status, 0);
  EXPECT_NE(said(stack_.control({"backup", uuid_, path("none"), "--to", path("key")})), "done")
      << "it is the private one";
  EXPECT_FALSE(std::filesystem::exists(path("none")));
  json made = stack_.control({"backup", uuid_, path("backup"), "--to", path("key.pub")});
  ASSERT_EQ(said(made), "done");
  stack_.end_manager();

  Stack other;
  auto revert = [&](Words more) {
    Words words = {"revert", uuid_, path("backup"), "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return said(other.control(words));
  };
  std::string trust = made.value("fingerprint", "");
  EXPECT_TRUE(has(revert({"--key", path("key"), "--trust", trust}), "--source-lost"));
  EXPECT_TRUE(has(revert({"--source-lost", "--trust", trust}), "--key FILE"));
  EXPECT_TRUE(has(revert({"--source-lost", "--key", path("key")}), "--trust " + trust));
  EXPECT_NE(revert({"--source-lost", "--key", path("other"), "--trust", trust}), "done");
  EXPECT_FALSE(other.control({"show", uuid_}).value("ok", false)) << "nothing was done";
  ASSERT_EQ(revert({"--source-lost", "--key", path("key"), "--trust", trust}), "done");
  EXPECT_EQ(history(other, uuid_), (std::vector<std::string>{"created", "endorsed", "restored"}));
  EXPECT_EQ(other.control({"show", uuid_})["instance"]["move"].value("direction", ""), "restored");
  guest = create_domain(uuid_);
  {
    Frontend frontend(other, guest);
    expect_as_prepared(frontend);
    end(other, guest);
  }
  other.end_manager();
  stack_.start_manager();
}

TEST_F(Keeping, ACloneIsAnotherTpmWithTheSameSecrets) {
  unsigned guest = create_domain(uuid_);
  std::string clone = fresh_uuid(), twin = fresh_uuid();
  auto key_of = [&](const std::string& uuid) {
    return stack_.control({"show", uuid, "--ek"})["endorsement"].value("public_key", "");
  };
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    prepare(frontend);
    EXPECT_TRUE(has(said(stack_.control({"clone", uuid_, clone})), "shut the guest down"));
    end(stack_, guest);
  }
  ASSERT_EQ(said(stack_.control({"clone", uuid_, clone})), "done");
  EXPECT_EQ(said(stack_.control({"clone", uuid_, clone})), "done") << "said again";
  ASSERT_EQ(said(stack_.control({"clone", uuid_, twin, "--keep-identity"})), "done");
  EXPECT_TRUE(has(said(stack_.control({"clone", twin, clone})), "there is, or was, an instance"));
  json made = stack_.control({"clone", uuid_});
  ASSERT_EQ(said(made), "done");
  EXPECT_TRUE(stack_.control({"show", made.value("uuid", "")}).value("ok", false));
  EXPECT_FALSE(key_of(uuid_).empty());
  EXPECT_NE(key_of(clone), key_of(uuid_));
  EXPECT_NE(key_of(made.value("uuid", "")), key_of(clone));
  EXPECT_EQ(key_of(twin), key_of(uuid_));
  EXPECT_EQ(history(stack_, clone), (std::vector<std::string>{"cloned-from"}));
  EXPECT_EQ(count(stack_, uuid_, "cloned-to"), 3);
  stack_.kill_manager();
  stack_.start_manager();
  for (const std::string& uuid : {clone, twin}) {
    guest = create_domain(uuid);
    Frontend frontend(stack_, guest);
    expect_as_prepared(frontend);
    end(stack_, guest);
  }
  // The certificate in its NV is that of its own key.
  EXPECT_EQ(history(stack_, clone), (std::vector<std::string>{"cloned-from"})) << "its key is as it was told";
  json ek = stack_.control({"show", clone, "--ek"})["endorsement"];
  std::ofstream(path("clone.crt")) << ek.value("certificate", "");
  EXPECT_EQ(run({"openssl", "verify", "-CAfile", stack_.directory() + "/state/ca.crt", path("clone.crt")}).status, 0);
}

TEST_F(Keeping, AnInstanceWithoutAnEndorsementKeyIsClonedToOne) {
  ASSERT_EQ(said(stack_.control({"create", uuid_, "--endorsement-key", "false"})), "done");
  ASSERT_TRUE(eventually([&] { return epoch(stack_, uuid_) == 1; }, 60'000));
  json made;
  ASSERT_TRUE(eventually([&] {
    made = stack_.control({"clone", uuid_});  // until its maker has ended
    return !made.value("busy", false);
  }));
  ASSERT_EQ(said(made), "done");
  EXPECT_TRUE(has(said(stack_.control({"show", made.value("uuid", ""), "--ek"})), "no endorsement key"));
}

// The manager is killed at any moment of a revert or a clone: what was answered is there, and everything is there
// with its entry in the history, or nothing is.
TEST_F(Keeping, AKilledManagerLeavesTheOldOrTheNew) {
  created();
  ASSERT_EQ(said(stack_.control({"backup", uuid_, path("backup")})), "done");
  std::mt19937 random(3);
  uint64_t before = epoch(stack_, uuid_);
  size_t copies = 1, interrupted = 0;
  for (int round = 0; round < 16; round++) {
    bool clones = round % 4 == 3;
    std::string copy = fresh_uuid();
    json answer;
    std::thread asks([&] {
      answer =
          clones ? stack_.control({"clone", uuid_, copy}) : stack_.control({"revert", uuid_, path("backup"), "--yes"});
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % (clones ? 400'000 : 25'000)));
    stack_.kill_manager();
    asks.join();
    stack_.start_manager();
    bool answered = answer.value("ok", false);
    interrupted += answered ? 0 : 1;
    uint64_t now = epoch(stack_, uuid_);
    EXPECT_EQ(now - before, static_cast<uint64_t>(count(stack_, uuid_, "reverted"))) << "each is told, once";
    if (!clones) {
      EXPECT_TRUE(!answered || now > before);
      continue;
    }
    size_t there = stack_.control({"list"})["instances"].size();
    EXPECT_EQ(there - 1, static_cast<size_t>(count(stack_, uuid_, "cloned-to")));
    EXPECT_TRUE(!answered || there == copies + 1);
    EXPECT_EQ(stack_.control({"show", copy}).value("ok", false), there == copies + 1);
    copies = there;
  }
  EXPECT_GT(interrupted, 0U);
  const json list = stack_.control({"list"});
  for (const json& one : list["instances"]) EXPECT_FALSE(one.value("quarantined", true));
}

}  // namespace
}  // namespace system_test
