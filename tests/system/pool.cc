// SPDX-License-Identifier: MIT
// TPMs made in advance: there in idle time, given once, whatever happens to the manager in between.
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <set>
#include <thread>

#include "tests/system/stack.h"

namespace system_test {
namespace {

constexpr unsigned kFull = 4;

class Pool : public ::testing::Test {
 protected:
  ~Pool() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  unsigned ready() const {
    return stack_.control({"stats"}).value("pool", nlohmann::json::object()).value("ready", 0U);
  }
  void fill() {
    stack_.start_manager("", {"--pool", std::to_string(kFull)});
    ASSERT_TRUE(eventually([this] { return ready() == kFull; }, 60'000));
  }
  // 0: it has no state yet, or there is no such instance.
  uint64_t epoch(const std::string& uuid) const {
    return stack_.control({"show", uuid}).value("instance", nlohmann::json::object()).value("epoch", 0U);
  }
  bool create(const std::string& uuid, const Words& options = {}) {
    Words words = {"create", uuid};
    words.insert(words.end(), options.begin(), options.end());
    return stack_.control(words).value("ok", false);
  }
  client::Bytes endorsement_key(const std::string& uuid) {
    unsigned guest = create_domain(uuid);
    client::Bytes modulus;
    {
      Frontend frontend(stack_, guest);
      EXPECT_TRUE(frontend.connect(60'000));
      modulus = frontend.tpm().read_pubek().value.modulus;
      EXPECT_EQ(frontend.tpm().pcr_read(0).value, client::Digest{});
    }
    destroy_domain(guest);
    return modulus;
  }

  Stack stack_;
};

TEST_F(Pool, AnInstanceFromAFullPoolIsMadeAtOnceAndThePoolFillsAgain) {
  fill();
  std::string uuid = fresh_uuid();
  ASSERT_TRUE(create(uuid));
  EXPECT_EQ(epoch(uuid), 1U) << "nothing was left to be made";
  EXPECT_EQ(endorsement_key(uuid).size(), 256U);
  EXPECT_TRUE(eventually([this] { return ready() == kFull; }, 60'000));
  std::string prometheus =
      run({program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "stats", "--prometheus"}).output;
  EXPECT_NE(prometheus.find("vtpm_pool_ready 4"), std::string::npos) << prometheus;
}

TEST_F(Pool, AGuestsFirstUseTakesFromThePool) {
  fill();
  stack_.start_manager("", {"--pool", "0"});
  EXPECT_EQ(endorsement_key(fresh_uuid()).size(), 256U);
  EXPECT_EQ(ready(), kFull - 1) << "what was made before is used, and nothing new is made";
}

TEST_F(Pool, AnEmptyPoolMakesNoDifferenceButTime) {
  std::string uuid = fresh_uuid();
  ASSERT_TRUE(create(uuid));
  EXPECT_TRUE(eventually([&] { return epoch(uuid) == 1; }, 60'000));
  EXPECT_EQ(endorsement_key(uuid).size(), 256U);
}

TEST_F(Pool, WhatIsMadeOtherwiseIsNotTakenFromIt) {
  fill();
  stack_.start_manager("", {"--pool", "0"});
  ASSERT_TRUE(create(fresh_uuid(), {"--endorsement-key", "false"}));
  ASSERT_TRUE(create(fresh_uuid(), {"--enabled", "false"}));
  EXPECT_EQ(ready(), kFull);
  std::string uuid = fresh_uuid();
  ASSERT_TRUE(create(uuid, {"--label", "web", "--localities", "0,1"}));
  EXPECT_EQ(ready(), kFull - 1) << "label and localities are not in the TPM";
}

TEST_F(Pool, ANewMasterKeyEmptiesIt) {
  fill();
  stack_.start_manager("", {"--pool", "0"});
  ASSERT_TRUE(stack_.control({"rekey"}).value("ok", false));
  EXPECT_EQ(ready(), 0U);
}

TEST_F(Pool, AKilledManagerNeitherLosesAKeyNorGivesItTwice) {
  fill();
  std::vector<std::string> asked;
  std::set<std::string> granted;
  std::mt19937 random(1);
  std::uniform_int_distribution<unsigned> delay_us(0, 30'000);
  for (unsigned i = 0; i < kFull; i++) {
    stack_.start_manager("", {"--pool", "0"});
    asked.push_back(fresh_uuid());
    bool ok = false;
    std::thread administrator([&] { ok = create(asked.back()); });
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us(random)));
    stack_.kill_manager();
    administrator.join();
    if (ok) granted.insert(asked.back());
  }
  stack_.start_manager("", {"--pool", "0"});
  std::set<client::Bytes> keys;
  unsigned made = 0;
  for (const std::string& uuid : asked) {
    bool there = epoch(uuid) == 1;
    EXPECT_TRUE(there || !granted.contains(uuid)) << "what was acknowledged is there";
    if (!there) continue;
    made++;
    keys.insert(endorsement_key(uuid));
  }
  EXPECT_EQ(ready() + made, kFull) << made << " were taken";
  for (unsigned left = ready(); left > 0; left--, made++) keys.insert(endorsement_key(fresh_uuid()));
  EXPECT_EQ(keys.size(), made) << "no two have one key";
  EXPECT_EQ(ready(), 0U);
}

}  // namespace
}  // namespace system_test
