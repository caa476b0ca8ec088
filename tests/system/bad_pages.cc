// SPDX-License-Identifier: MIT
// Frontends that are connected and put on their page what is no request: each gets the answer that
// Documentation/protocol.md names, its device stays, its TPM has done nothing, and a second guest notices nothing.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/system/neighbour.h"

namespace system_test {
namespace {

using client::Bytes;

constexpr uint8_t kIdle = 0, kSubmit = 1, kFinish = 2, kCancel = 3;
constexpr unsigned kPcr = 10;

struct Header {
  uint32_t length = 0;
  uint8_t state = kSubmit;
  uint8_t locality = 0;
  uint8_t n_extra_pages = 0;

  std::string hex() const {
    Bytes bytes(8);
    for (size_t i = 0; i < 4; i++) bytes[i] = static_cast<uint8_t>(length >> 8 * i);
    bytes[4] = state;
    bytes[5] = locality;
    bytes[6] = 0xa5;  // nobody's
    bytes[7] = n_extra_pages;
    return client::hex(bytes);
  }
};

// An Extend that would show in kPcr if it were executed.
const Bytes& extend_packet() {
  static const Bytes packet =
      client::Out().u16(0xc1).u32(34).u32(0x14).u32(kPcr).raw(client::sha1(client::bytes_of("must not happen")));
  return packet;
}

// The page as the backend has left it.
struct Page {
  bool rang = false;
  Bytes bytes;
  uint8_t state() const { return bytes.at(4); }
  uint32_t length() const {
    uint32_t n = 0;
    for (size_t i = 4; i-- > 0;) n = n << 8 | bytes.at(i);
    return n;
  }
  Bytes packet(size_t n_extra_pages = 0) const {
    size_t from = 8 + 4 * n_extra_pages, to = std::min<size_t>(from + length(), bytes.size());
    return {bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to)};
  }
};

// The program tests/system/puppet in a domain.
class Puppet {
 public:
  explicit Puppet(unsigned domain) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return;
    std::string number = std::to_string(domain), loopback = program("xen-loopback"),
                puppet = program("../system/puppet");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execl(loopback.c_str(), loopback.c_str(), "exec", number.c_str(), "--", puppet.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
  }
  Puppet(const Puppet&) = delete;
  Puppet& operator=(const Puppet&) = delete;
  ~Puppet() {
    ::fclose(to_);  // its end of input
    ::fclose(from_);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string line() const {
    std::string text;
    for (int c = 0; (c = ::fgetc(from_)) != EOF && c != '\n';) text += static_cast<char>(c);
    return text;
  }
  Page put(const Header& header, const Bytes& packet, unsigned times = 1) const {
    std::fprintf(to_, "%s %s %u\n", header.hex().c_str(), client::hex(packet).c_str(), times);
    std::fflush(to_);
    std::istringstream words(line());
    std::string bell, hex;
    words >> bell >> hex;
    Page page{.rang = bell == "rang"};
    for (size_t at = 0; at + 1 < hex.size(); at += 2) {
      page.bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at, 2), nullptr, 16)));
    }
    page.bytes.resize(4096);
    return page;
  }

 private:
  pid_t pid_ = 0;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

struct BadPage {
  const char* name;
  Header header;
  uint32_t code;
};
void PrintTo(const BadPage& bad, std::ostream* to) { *to << bad.name; }

constexpr uint32_t kBadParameter = 3, kBadParamSize = 25, kBadLocality = 61;

const BadPage kBad[] = {
    {"Length0", {.length = 0}, kBadParamSize},
    {"Length9", {.length = 9}, kBadParamSize},
    {"Length4089", {.length = 4089}, kBadParamSize},
    {"LengthLargest", {.length = UINT32_MAX}, kBadParamSize},
    {"Locality4", {.length = 34, .locality = 4}, kBadLocality},
    {"Locality255", {.length = 34, .locality = 255}, kBadLocality},
    {"State4", {.length = 34, .state = 4}, kBadParameter},
    {"State255", {.length = 34, .state = 255}, kBadParameter},
    {"OneExtraPage", {.length = 34, .n_extra_pages = 1}, kBadParamSize},
    {"MostExtraPages", {.length = 34, .n_extra_pages = 255}, kBadParamSize},
    {"Everything", {.length = UINT32_MAX, .state = 255, .locality = 255, .n_extra_pages = 255}, kBadParameter},
};

size_t descriptors_of(pid_t process) {
  size_t n = 0;
  DIR* directory = ::opendir(("/proc/" + std::to_string(process) + "/fd").c_str());
  if (directory == nullptr) return 0;  // not ours to see
  while (::readdir(directory) != nullptr) n++;
  ::closedir(directory);
  return n;
}

long kilobytes_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}

class BadPages : public ::testing::TestWithParam<BadPage> {
 protected:
  static void SetUpTestSuite() {
    stack = std::make_unique<Stack>();
    neighbour = std::make_unique<Neighbour>(*stack);
    ASSERT_TRUE(neighbour->connected());
    domain = create_domain(fresh_uuid());
    puppet = std::make_unique<Puppet>(domain);
    ASSERT_EQ(puppet->line(), "connected");
    worker = stack->worker_of(domain);
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(neighbour->unanswered(), 0);
    if (testing::UnitTest::GetInstance()->current_test_suite()->Failed()) std::cerr << stack->log();
    neighbour.reset();
    destroy_domain(domain);
    puppet.reset();
    stack.reset();
  }

  // The TPM as before, the device open, the same worker, and the neighbour at work.
  static void expect_no_effect() {
    Page page = puppet->put({.length = 14}, client::Out().u16(0xc1).u32(14).u32(0x15).u32(kPcr));
    EXPECT_TRUE(page.rang);
    EXPECT_EQ(page.state(), kFinish);
    EXPECT_EQ(page.packet(), client::Out().u16(0xc4).u32(30).u32(0).raw(client::Digest{}).bytes());
    EXPECT_EQ(node(back_path(domain) + "/state"), "4");
    EXPECT_FALSE(node(error_path(domain)).has_value());
    EXPECT_EQ(stack->worker_of(domain), worker);
    EXPECT_TRUE(neighbour->works());
    EXPECT_EQ(neighbour->unanswered(), 0);
  }

  static inline std::unique_ptr<Stack> stack;
  static inline std::unique_ptr<Neighbour> neighbour;
  static inline std::unique_ptr<Puppet> puppet;
  static inline unsigned domain;
  static inline pid_t worker;
};

TEST_P(BadPages, AreAnsweredAsDocumented) {
  Page page = puppet->put(GetParam().header, extend_packet());
  EXPECT_TRUE(page.rang);
  EXPECT_EQ(page.state(), kFinish);
  ASSERT_EQ(page.length(), 10U);
  EXPECT_EQ(page.packet(GetParam().header.n_extra_pages), client::Out().u16(0xc4).u32(10).u32(GetParam().code).bytes());
  expect_no_effect();
}

INSTANTIATE_TEST_SUITE_P(Each, BadPages, ::testing::ValuesIn(kBad),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(BadPages, WithoutARequestStayAsTheyAre) {
  for (uint8_t state : {kIdle, kFinish}) {
    Page page = puppet->put({.length = UINT32_MAX, .state = state, .locality = 255}, extend_packet());
    EXPECT_FALSE(page.rang);
    EXPECT_EQ(page.state(), state);
    EXPECT_EQ(page.length(), UINT32_MAX);
    EXPECT_EQ(Bytes(page.bytes.begin() + 8, page.bytes.begin() + 42), extend_packet());
  }
  expect_no_effect();
}

TEST_F(BadPages, WithNothingToCancelBecomeIdle) {
  Page page = puppet->put({.length = 34, .state = kCancel}, extend_packet());
  EXPECT_TRUE(page.rang);
  EXPECT_EQ(page.state(), kIdle);
  expect_no_effect();
}

TEST_F(BadPages, AThousandTimesEachLeakNothing) {
  constexpr unsigned kTimes = 1000;
  constexpr long kSlackKilobytes = 1024;
  for (const BadPage& bad : kBad) puppet->put(bad.header, extend_packet(), kTimes);
  size_t descriptors = descriptors_of(worker);
  long kilobytes = kilobytes_of(worker);
  for (const BadPage& bad : kBad) {
    Page page = puppet->put(bad.header, extend_packet(), kTimes);
    EXPECT_TRUE(page.rang) << bad.name;
    EXPECT_EQ(page.state(), kFinish) << bad.name;
  }
  EXPECT_EQ(descriptors_of(worker), descriptors);
  EXPECT_LE(kilobytes_of(worker), kilobytes + kSlackKilobytes);
  expect_no_effect();
}

}  // namespace
}  // namespace system_test
