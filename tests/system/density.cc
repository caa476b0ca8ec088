// SPDX-License-Identifier: MIT
// Many instances under one manager: created, listed, connected, and adopted by the next manager. INSTANCES sets how
// many.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/system/stack.h"

namespace system_test {
namespace {

class Density : public ::testing::Test {
 protected:
  ~Density() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  // Since the last one.
  void took(const std::string& what) {
    auto now = std::chrono::steady_clock::now();
    std::cout << what << ": " << std::chrono::duration_cast<std::chrono::milliseconds>(now - last_).count() << " ms\n";
    last_ = now;
  }
  size_t count(const std::function<bool(const nlohmann::json&)>& holds) {
    const auto answer = stack_.control({"list"});
    size_t n = 0;
    for (const auto& instance : answer.value("instances", nlohmann::json::array())) n += holds(instance);
    return n;
  }

  Stack stack_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

TEST_F(Density, ManyInstancesLiveUnderOneManager) {
  const char* text = ::getenv("INSTANCES");
  size_t many = text == nullptr ? 6 : std::stoul(text);
  int patience_ms = static_cast<int>(30'000 + 3'000 * many);
  std::vector<std::string> uuids(many);
  for (std::string& uuid : uuids) {
    uuid = fresh_uuid();
    ASSERT_TRUE(stack_.control({"create", uuid}).value("ok", false));
  }
  took("created " + std::to_string(many));
  ASSERT_TRUE(eventually([&] { return count([](auto& i) { return i.value("epoch", 0) == 1; }) == many; }, patience_ms));
  took("their endorsement keys made");
  EXPECT_EQ(stack_.control({"list"})["instances"].size(), many);
  took("listed");

  std::vector<unsigned> domains;
  std::vector<std::unique_ptr<Frontend>> frontends;
  for (const std::string& uuid : uuids) {
    domains.push_back(create_domain(uuid));
    frontends.push_back(std::make_unique<Frontend>(stack_, domains.back()));
  }
  for (auto& frontend : frontends) {
    ASSERT_TRUE(frontend->connect(patience_ms));
    ASSERT_TRUE(frontend->tpm().extend(10, client::sha1(client::bytes_of("dense"))).ok());
  }
  took("domains created, connected and measured");
  stack_.kill_manager();
  stack_.start_manager();
  auto served = [](const nlohmann::json& i) {
    return !i["devices"].empty() && i["devices"][0].value("stage", "") == "serving";
  };
  ASSERT_TRUE(eventually([&] { return count(served) == many; }, patience_ms));
  took("adopted by the next manager");
  for (auto& frontend : frontends) {
    auto pcr = frontend->tpm().pcr_read(10);
    ASSERT_TRUE(pcr.ok());
    EXPECT_NE(pcr.value, client::Digest{});
  }
  took("read back");
  frontends.clear();
  for (unsigned domain : domains) destroy_domain(domain);
  EXPECT_TRUE(eventually([&] { return stack_.control({"stats"})["devices"].empty(); }, patience_ms));
  took("destroyed");
}

}  // namespace
}  // namespace system_test
