// SPDX-License-Identifier: MIT
// kill -9 of worker, manager and both at random instants while a guest changes everything it can: every change that was
// acknowledged is there afterwards. KILLS sets how many, SEED which.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "tests/engine/counter_client.h"
#include "tests/engine/nv_client.h"
#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Digest;

constexpr uint32_t kFailedSelfTest = 0x1c;
constexpr uint32_t kPcr = 10, kIndex = 0x1100;
const Digest kOwner = client::secret("owner"), kArea = client::secret("area"), kCount = client::secret("count");

unsigned setting(const char* name, unsigned otherwise) {
  const char* text = ::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::stoul(text));
}

Digest extended(const Digest& pcr, const Digest& event) {
  client::Bytes both(pcr.begin(), pcr.end());
  both.insert(both.end(), event.begin(), event.end());
  return client::sha1(both);
}

// What a guest knows of its TPM: the last acknowledged value of each thing, and what a command without an answer, or
// with an error, may have made of it.
struct Known {
  Digest pcr{};
  std::optional<Digest> maybe_pcr;
  uint32_t written = 0, tried = 0;          // in the NV area
  uint32_t counted = 0, maybe_counted = 0;  // the counter's value, and the highest it may have
};

class Kills : public ::testing::Test {
 protected:
  ~Kills() override {
    stop_load();
    if (HasFailure()) std::cerr << stack_.log();
  }

  void connect() {
    frontend_ = std::make_unique<Frontend>(stack_, domain_);
    ASSERT_TRUE(frontend_->connect(60'000));
  }
  void prepare() {
    domain_ = create_domain(uuid_);
    connect();
    auto& tpm = frontend_->tpm();
    ASSERT_TRUE(tpm.take_ownership(tpm.read_pubek().value, kOwner, client::kWellKnown).ok());
    client::NvPublic area{.index = kIndex, .attributes = client::kNvAuthWrite | client::kNvAuthRead, .bytes = 4};
    ASSERT_TRUE(client::Nv(tpm).define_as_owner(area, kOwner, kArea).ok());
    ASSERT_TRUE(client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(0), kArea).ok());
    auto counter = client::Counters(tpm).create(kOwner, kCount, "kill");
    ASSERT_TRUE(counter.ok());
    counter_ = counter.value.id;
    known_.counted = known_.maybe_counted = counter.value.count;
  }

  // One of each; what is refused may have been executed all the same.
  void change_something() {
    auto& tpm = frontend_->tpm();
    Digest event = client::sha1(client::Out().u32(++event_));
    known_.maybe_pcr = extended(known_.pcr, event);
    if (!tpm.extend(kPcr, event).ok()) return stopped();
    known_.pcr = *known_.maybe_pcr;
    known_.maybe_pcr.reset();
    known_.tried = known_.written + 1;
    if (!client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(known_.tried), kArea).ok()) return stopped();
    known_.written = known_.tried;
    known_.maybe_counted = known_.counted + 1;
    auto counted = client::Counters(tpm).increment(counter_, kCount);
    if (!counted.ok()) return stopped();
    known_.counted = known_.maybe_counted = counted.value.count;
    rounds_++;
  }
  void stopped() { loading_ = false; }
  void start_load() {
    loading_ = true;
    load_ = std::thread([this] {
      while (loading_) change_something();
    });
  }
  void stop_load() {
    loading_ = false;
    if (load_.joinable()) load_.join();
  }

  // Until the TPM answers in order again; its first answer.
  uint32_t comes_back() {
    uint32_t code = UINT32_MAX;
    eventually(
        [&] {
          auto read = frontend_->tpm().pcr_read(kPcr);
          code = read.reply.defect.empty() ? read.code() : UINT32_MAX;
          return code == 0 || code == kFailedSelfTest;
        },
        60'000);
    return code;
  }
  void check_pcr() {
    Digest now = frontend_->tpm().pcr_read(kPcr).value;
    EXPECT_TRUE(now == known_.pcr || now == known_.maybe_pcr) << "an acknowledged extend is lost, or one too many";
    known_.pcr = now;
  }
  void check_permanent() {
    auto& tpm = frontend_->tpm();
    auto area = client::Nv(tpm).read_auth(kIndex, 0, 4, kArea);
    ASSERT_TRUE(area.ok()) << area.code() << area.reply.defect;
    uint32_t value = 0;
    for (uint8_t byte : area.value) value = value << 8 | byte;
    EXPECT_GE(value, known_.written) << "an acknowledged write is lost";
    EXPECT_LE(value, known_.tried);
    known_.written = value;
    auto counter = client::Counters(tpm).read(counter_);
    ASSERT_TRUE(counter.ok()) << counter.code();
    EXPECT_GE(counter.value.count, known_.counted) << "an acknowledged increment is lost";
    EXPECT_LE(counter.value.count, known_.maybe_counted);
    known_.counted = known_.maybe_counted = counter.value.count;
  }
  // Only a power cycle makes the TPM serve again, and only then its PCRs are new.
  void power_cycle() {
    frontend_.reset();
    Finished rebooted = run({program("xen-loopback"), "domain", "reboot", std::to_string(domain_)});
    ASSERT_EQ(rebooted.status, 0);
    domain_ = static_cast<unsigned>(std::stoul(rebooted.output));
    connect();
    known_.pcr = Digest{};
    known_.maybe_pcr.reset();
  }
  // 0: the worker, 1: the manager, 2: both.
  void kill(unsigned which, pid_t worker) {
    if (which != 0) stack_.kill_manager();
    if (which != 1) ::kill(worker, SIGKILL);
    if (which != 0) stack_.start_manager();
  }
  // Everything acknowledged is there, whatever was killed.
  void settle(unsigned which) {
    uint32_t code = comes_back();
    if (code == kFailedSelfTest) {
      EXPECT_EQ(which, 2U) << "the journal outlives all but both";
      lost_++;
      power_cycle();
    } else {
      ASSERT_EQ(code, 0U) << "the TPM does not come back";
    }
    check_pcr();
    check_permanent();
    ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain_) == "serving"; }));
    forgive_deaths(which);
  }
  // Five deaths of its worker in one manager's minute are a quarantine: they must not be ours.
  void forgive_deaths(unsigned which) {
    deaths_ = which == 0 ? deaths_ + 1 : 0;
    if (deaths_ < 3) return;
    stack_.kill_manager();
    stack_.start_manager();
    ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain_) == "serving"; }));
    deaths_ = 0;
  }
  // How many this manager has finished.
  size_t renewals() const {
    size_t done = 0;
    const auto answer = stack_.control({"events", "--past"});
    for (const auto& event : answer.value("events", nlohmann::json::array()))
      done += event.value("event", "") == "rekey-done";
    return done;
  }
  void leave_nothing_behind() {
    EXPECT_FALSE(stack_.control({"show", uuid_})["instance"].value("quarantined", true));
    pid_t last = stack_.worker_of(domain_);
    frontend_.reset();
    destroy_domain(domain_);
    EXPECT_TRUE(eventually([&] { return stack_.stage_of(domain_) == "none"; }));
    ASSERT_GT(last, 0);
    // One that was adopted is no child of its manager: somebody else reaps it, some time.
    EXPECT_TRUE(eventually([&] { return ::kill(last, 0) != 0; })) << "a worker is left";
    EXPECT_TRUE(std::filesystem::is_empty(stack_.directory() + "/run/workers"));
  }
  void report(const std::string& what, unsigned kills, unsigned seed) const {
    std::cout << kills << " kills" << what << ", seed " << seed << ": " << rounds_ << " rounds of three changes, "
              << lost_ << " times the TPM refused until a power cycle\n";
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
  unsigned domain_ = 0;
  std::unique_ptr<Frontend> frontend_;
  uint32_t counter_ = 0, event_ = 0;
  unsigned lost_ = 0, deaths_ = 0;
  Known known_;
  std::atomic<bool> loading_ = false;
  std::atomic<unsigned> rounds_ = 0;
  std::thread load_;
};

TEST_F(Kills, LoseNothingThatWasAcknowledged) {
  unsigned kills = setting("KILLS", 20), seed = setting("SEED", 1);
  std::mt19937 random(seed);
  prepare();
  for (unsigned n = 0; n < kills && !HasFailure(); n++) {
    SCOPED_TRACE("kill " + std::to_string(n) + " of seed " + std::to_string(seed));
    pid_t worker = stack_.worker_of(domain_);
    ASSERT_GT(worker, 0);
    start_load();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 120'000));
    auto which = static_cast<unsigned>(random() % 3);
    kill(which, worker);
    stop_load();
    settle(which);
  }
  report("", kills, seed);
  EXPECT_GT(rounds_, kills / 2);
  leave_nothing_behind();
}

// Beside the guest that works, instances that nobody serves: whatever key they are left with, they open.
TEST_F(Kills, LoseNothingWhileKeysAreRenewed) {
  unsigned kills = setting("KILLS", 20) / 4, seed = setting("SEED", 1);
  std::mt19937 random(seed);
  prepare();
  std::vector<std::string> idle(6);
  for (std::string& uuid : idle) ASSERT_TRUE(stack_.control({"create", uuid = fresh_uuid()}).value("ok", false));
  auto opens = [this](const std::string& uuid) {
    auto instance = stack_.control({"show", uuid})["instance"];
    return instance.value("epoch", 0) > 0 && !instance.value("quarantined", true);
  };
  for (const std::string& uuid : idle) ASSERT_TRUE(eventually([&] { return opens(uuid); }, 60'000));
  unsigned finished = 0;
  for (unsigned n = 0; n < kills && !HasFailure(); n++) {
    SCOPED_TRACE("kill " + std::to_string(n) + " of seed " + std::to_string(seed));
    start_load();
    Program rekey({program("vtpmctl"), "--runtime-dir", stack_.directory() + "/run", "rekey"},
                  stack_.directory() + "/log");
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 250'000));
    // Which worker it is changes while keys are renewed.
    pid_t worker = stack_.worker_of(domain_);
    auto which = static_cast<unsigned>(random() % 3);
    // Between two of them the manager alone has the state, and dies with it.
    bool between = worker <= 0;
    kill(between ? 1 : which, worker);
    stop_load();
    settle(between ? 2 : which);
    for (const std::string& uuid : idle) EXPECT_TRUE(opens(uuid)) << uuid;
    // What was cut short is run again, by whoever asked for it.
    if (n % 4 != 3) continue;
    size_t before = renewals();
    ASSERT_TRUE(eventually([&] { return stack_.control({"rekey"}).value("ok", false); }));
    ASSERT_TRUE(eventually([&] { return renewals() > before; }));
    finished++;
  }
  report(" while keys were renewed", kills, seed);
  std::cout << finished << " renewals were run to their end\n";
  for (const std::string& uuid : idle) {
    unsigned domain = create_domain(uuid);
    Frontend frontend(stack_, domain);
    ASSERT_TRUE(frontend.connect());
    EXPECT_TRUE(frontend.tpm().read_pubek().ok()) << "with the key it was made with";
    destroy_domain(domain);
  }
  leave_nothing_behind();
}

}  // namespace
}  // namespace system_test
