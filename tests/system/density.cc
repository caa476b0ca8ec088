// SPDX-License-Identifier: MIT
// Many instances under one manager: created, listed, connected, and adopted by the next manager. INSTANCES sets how
// many.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/system/stack.h"

namespace system_test {
namespace {

constexpr size_t kSample = 40, kSampleKeys = 6;

class Density : public ::testing::Test {
 protected:
  ~Density() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  // Since the last one.
  void took(const std::string& what) {
    auto now = std::chrono::steady_clock::now();
    std::cout << what << ": " << std::chrono::duration_cast<std::chrono::milliseconds>(now - last_).count() << " ms"
              << std::endl;
    last_ = now;
  }
  // Whether it comes to hold for each. Asking keeps the manager from its work: not too often.
  bool all(const std::function<bool(const nlohmann::json&)>& holds, size_t many, int patience_ms) {
    auto pause = std::chrono::milliseconds(many);
    return eventually(
        [&] {
          if (count(holds) == many) return true;
          std::this_thread::sleep_for(pause);
          return false;
        },
        patience_ms);
  }
  void tell_sizes(const std::vector<unsigned>& domains) {
    size_t workers = 0, first = 0;
    const auto answer = stack_.control({"stats"});
    for (const auto& device : answer.value("devices", nlohmann::json::array())) {
      size_t kib = kib_of(device.value("worker", 0), "Pss");
      if (workers == 0) first = kib;
      workers += kib;
    }
    pid_t manager = stack_.manager();
    std::cout << "manager: RSS " << kib_of(manager, "Rss") << " KiB, PSS " << kib_of(manager, "Pss") << " KiB, "
              << descriptors_of(manager) << " descriptors; a worker: RSS "
              << kib_of(stack_.worker_of(domains[0]), "Rss") << " KiB, PSS " << first << " KiB; all workers: PSS "
              << workers / 1024 << " MiB\n";
  }
  static size_t kib_of(pid_t pid, const std::string& what) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string word; in >> word;) {
      size_t kib = 0;
      if (word == what + ":" && in >> kib) return kib;
    }
    return 0;
  }
  static std::ptrdiff_t descriptors_of(pid_t pid) {
    std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
    return std::distance(begin(all), end(all));
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
  size_t many = text == nullptr ? kSample : std::stoul(text);
  // Making a key takes a processor a moment: the sample has few.
  size_t with_keys = text == nullptr ? kSampleKeys : many;
  int patience_ms = static_cast<int>(30'000 + 3'000 * many);
  std::vector<std::string> uuids(many);
  for (std::string& uuid : uuids) {
    uuid = fresh_uuid();
    bool key = static_cast<size_t>(&uuid - uuids.data()) < with_keys;
    ASSERT_TRUE(stack_.control({"create", uuid, "--endorsement-key", key ? "true" : "false"}).value("ok", false));
  }
  took("created " + std::to_string(many));
  ASSERT_TRUE(all([](auto& i) { return i.value("epoch", 0) == 1; }, many, patience_ms));
  took("their TPMs made, " + std::to_string(with_keys) + " with endorsement keys");
  EXPECT_EQ(stack_.control({"list"})["instances"].size(), many);
  took("listed");

  std::vector<unsigned> domains;
  std::vector<std::unique_ptr<Frontend>> frontends;
  for (const std::string& uuid : uuids) {
    domains.push_back(create_domain(uuid));
    ASSERT_GT(domains.back(), 0U);
    frontends.push_back(std::make_unique<Frontend>(stack_, domains.back()));
  }
  for (auto& frontend : frontends) {
    ASSERT_TRUE(frontend->connect(patience_ms));
    ASSERT_TRUE(frontend->tpm().extend(10, client::sha1(client::bytes_of("dense"))).ok());
  }
  took("domains created, connected and measured");
  tell_sizes(domains);
  stack_.kill_manager();
  stack_.start_manager();
  auto served = [](const nlohmann::json& i) {
    return !i["devices"].empty() && i["devices"][0].value("stage", "") == "serving";
  };
  ASSERT_TRUE(all(served, many, patience_ms));
  took("adopted by the next manager");
  for (auto& frontend : frontends) {
    auto pcr = frontend->tpm().pcr_read(10);
    ASSERT_TRUE(pcr.ok());
    EXPECT_NE(pcr.value, client::Digest{});
  }
  took("read back");
  frontends.clear();
  took("frontends ended");
  for (unsigned domain : domains) destroy_domain(domain);
  EXPECT_TRUE(eventually([&] { return stack_.control({"stats"})["devices"].empty(); }, patience_ms));
  took("destroyed");
}

}  // namespace
}  // namespace system_test
