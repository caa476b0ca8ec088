// SPDX-License-Identifier: MIT
#include <sys/random.h>

#include <chrono>
#include <cstdlib>

#include "engine/engine.h"
#include "tests/bench/subject.h"

namespace bench {

namespace {

// As a worker's host without its manager: the kernel's entropy and clock, state kept in memory.
class MemoryHost : public tpm::Platform {
 public:
  void entropy(std::span<uint8_t> out) override {
    if (getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) abort();
  }
  uint64_t now_us() override {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  bool commit(base::View permanent) override {
    permanent_.assign(permanent.begin(), permanent.end());
    return true;
  }
  void journal(std::span<const tpm::JournalSection>) override {}
  bool cancelled() override { return false; }

 private:
  base::Bytes permanent_;
};

class EngineSubject : public Subject {
 public:
  EngineSubject() {
    engine_ = tpm::Engine::manufacture(host_, {}, {});
    if (engine_ == nullptr) abort();
    engine_->power_on();
    if (!engine_->startup()) abort();
  }
  const char* name() const override { return "engine"; }
  void execute(client::Bytes& command) override {
    size_ = engine_->execute(0, base::ForeignBytes::read_only(command), base::ForeignBytes(area_));
  }
  client::Bytes response() const override { return {area_.begin(), area_.begin() + static_cast<long>(size_)}; }

 private:
  MemoryHost host_;
  std::unique_ptr<tpm::Engine> engine_;
  std::array<uint8_t, 4096> area_{};
  size_t size_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_engine() { return std::make_unique<EngineSubject>(); }

}  // namespace bench
