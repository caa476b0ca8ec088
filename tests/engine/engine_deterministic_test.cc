// SPDX-License-Identifier: MIT
// Two engines with the same state, entropy and clock answer with the same bytes to the same commands. What OpenSSL
// draws by itself, for keys and paddings, comes from a seeded generator here, and in tests only.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

#include "tests/engine/engine_machine.h"
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

// Hashes of a count, from a seed.
class Stream {
 public:
  explicit Stream(uint64_t seed) : seed_(seed) {}
  void fill(std::span<uint8_t> out) {
    for (size_t i = 0; i < out.size(); i += 20) {
      Digest block = client::sha1(Out().u64(seed_).u64(++drawn_));
      std::copy_n(block.begin(), std::min<size_t>(block.size(), out.size() - i),
                  out.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

 private:
  uint64_t seed_;
  uint64_t drawn_ = 0;
};

// What OpenSSL draws while this lives comes from a stream of its own.
class SeededOpenssl {
 public:
  explicit SeededOpenssl(uint64_t seed) : before_(RAND_get_rand_method()) {
    stream() = Stream(seed);
    static const RAND_METHOD method = {.bytes = draw, .pseudorand = draw, .status = [] { return 1; }};
    RAND_set_rand_method(&method);
  }
  ~SeededOpenssl() { RAND_set_rand_method(before_); }
  SeededOpenssl(const SeededOpenssl&) = delete;
  SeededOpenssl& operator=(const SeededOpenssl&) = delete;

 private:
  static Stream& stream() {
    static Stream stream(0);
    return stream;
  }
  static int draw(unsigned char* to, int n) {
    stream().fill(std::span(to, static_cast<size_t>(n)));
    return 1;
  }
  const RAND_METHOD* before_;
};

class SeededPlatform : public machine::MemoryPlatform {
 public:
  explicit SeededPlatform(uint64_t seed) : stream_(seed) {}
  void entropy(std::span<uint8_t> out) override { stream_.fill(out); }

 private:
  Stream stream_;
};

class SeededEngine {
 public:
  SeededEngine(const machine::Snapshot& from, uint64_t seed) : seed_(seed), platform_(seed) {
    auto loaded = tpm::Engine::load(platform_, {}, from.permanent);
    if (!loaded.ok()) abort();
    engine_ = std::move(loaded).take();
    if (!engine_->resume(from.volatile_state).ok()) abort();
  }
  Bytes execute(const Bytes& command, uint8_t locality) {
    SeededOpenssl openssl(seed_ + ++commands_);
    Bytes response(4088);
    response.resize(engine_->execute(locality, base::ForeignBytes::read_only(command), base::ForeignBytes(response)));
    return response;
  }
  Bytes state() const {
    auto permanent = engine_->save_permanent(), volatile_state = engine_->save_volatile();
    return Out()
        .raw(Bytes(permanent.begin(), permanent.end()))
        .raw(Bytes(volatile_state.begin(), volatile_state.end()));
  }

 private:
  uint64_t seed_;
  uint64_t commands_ = 0;
  SeededPlatform platform_;
  std::unique_ptr<tpm::Engine> engine_;
};

struct Exchange {
  Bytes command;
  uint8_t locality = 0;
  Bytes response;
};

std::string name_of(const testing::TestParamInfo<Entry>& info) { return info.param.name; }

}  // namespace

class Deterministic : public testing::TestWithParam<Entry> {
 protected:
  Deterministic() : w(GetParam().stage), from(w.point().snapshot) {}
  World w;
  machine::Snapshot from;
};

TEST_P(Deterministic, TheSameEntropyAndClockGiveTheSameBytes) {
  std::vector<Exchange> exchanges;
  SeededEngine one(from, 1);
  w.tpm = client::Tpm([&](const Bytes& command, uint8_t locality) {
    exchanges.push_back({command, locality, one.execute(command, locality)});
    return exchanges.back().response;
  });
  client::Command command = GetParam().make(w);
  w.tpm.locality = GetParam().locality;
  ASSERT_TRUE(ok(w.tpm.run(command)));

  SeededEngine two(from, 1);
  for (const Exchange& exchange : exchanges) {
    ASSERT_EQ(two.execute(exchange.command, exchange.locality), exchange.response);
  }
  EXPECT_EQ(one.state(), two.state());
}

INSTANTIATE_TEST_SUITE_P(Catalogue, Deterministic, testing::ValuesIn(catalogue()), name_of);

TEST(Entropy, AnotherOneGivesOtherBytes) {
  World w;
  machine::Snapshot from = w.point().snapshot;
  Bytes get_random = Out().u16(0xc1).u32(14).u32(0x46).u32(20);
  SeededEngine one(from, 1), two(from, 2);
  EXPECT_NE(one.execute(get_random, 0), two.execute(get_random, 0));
}

}  // namespace world
