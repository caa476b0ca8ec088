// SPDX-License-Identifier: MIT
// The shim with extra pages, through the whole stack: what the TPM says of its buffer, commands and answers beyond a
// page, over the death of a worker and of the manager; and backends that take none.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/system/manual_backend.h"
#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Bytes;

class ExtraPages : public ::testing::Test {
 protected:
  ~ExtraPages() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  void attach(const char* n_extra_pages) {
    domain_ = create_domain(uuid_);
    frontend_.emplace(stack_, domain_, Words{"--extra-pages", n_extra_pages});
    ASSERT_TRUE(frontend_->connect());
  }
  // TPM_CAP_PROP_INPUT_BUFFER.
  uint32_t room() {
    Bytes told = frontend_->tpm().send(client::Out().u16(0xc1).u32(22).u32(0x65).u32(5).u32(4).u32(0x124));
    if (told.size() != 18) return 0;
    client::In in(Bytes(told.begin() + 14, told.end()));
    return in.u32();
  }
  size_t random(uint32_t n_bytes) {
    return frontend_->tpm().send(client::Out().u16(0xc1).u32(14).u32(0x46).u32(n_bytes)).size();
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
  unsigned domain_ = 0;
  std::optional<Frontend> frontend_;
};

TEST_F(ExtraPages, LastOverWorkersAndManagers) {
  attach("3");
  EXPECT_EQ(node(back_path(domain_) + "/max-extra-pages"), "7");
  EXPECT_EQ(room(), 4U * 4096 - 8 - 12);
  EXPECT_EQ(random(10'000), 10'014U);
  auto replaced = [&](pid_t worker) {
    return eventually([&] { return stack_.worker_of(domain_) != worker && stack_.stage_of(domain_) == "serving"; });
  };
  pid_t worker = stack_.worker_of(domain_);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(replaced(worker));
  EXPECT_EQ(random(10'000), 10'014U);
  stack_.kill_manager();
  stack_.start_manager();
  ASSERT_TRUE(eventually([&] { return stack_.stage_of(domain_) == "serving"; }));
  worker = stack_.worker_of(domain_);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(replaced(worker));
  EXPECT_EQ(random(10'000), 10'014U);
  EXPECT_EQ(room(), 4U * 4096 - 8 - 12);
}

TEST_F(ExtraPages, AreAsManyAsTheBackendTakes) {
  attach("200");
  EXPECT_EQ(room(), 8U * 4096 - 8 - 28);
}

TEST_F(ExtraPages, AreNoneUnlessAskedFor) {
  attach("0");
  EXPECT_EQ(room(), 4088U);
  EXPECT_EQ(random(10'000), 4088U);
}

// What stands in max-extra-pages; null: nothing.
class WithoutExtraPages : public ::testing::TestWithParam<const char*> {};

TEST_P(WithoutExtraPages, TheShimHasOnePage) {
  const Bytes command = client::Out().u16(0xc1).u32(10).u32(0x0a), answer = client::Out().u16(0xc4).u32(10).u32(9);
  ManualBackend backend;
  if (GetParam() != nullptr) set_node(back_path(backend.domain()) + "/max-extra-pages", GetParam());
  char name[] = "/tmp/vtpm-pages-XXXXXX";
  std::string directory = ::mkdtemp(name);
  {
    Program shim({program("xen-loopback"), "exec", std::to_string(backend.domain()), "--", program("vtpm-frontend"),
                  "--listen", "unix:" + directory + "/tpm", "--extra-pages", "5", "--connect-timeout", "5"},
                 directory + "/log");
    ASSERT_TRUE(backend.join());
    client::Stream client("unix:" + directory + "/tpm", 10'000);
    ASSERT_TRUE(client.connected());
    ASSERT_TRUE(client.write(command));
    auto taken = backend.take();
    ASSERT_TRUE(taken);
    EXPECT_EQ(backend.page().load<uint8_t>(7), 0);
    EXPECT_EQ(*taken, command);
    backend.answer(answer);
    EXPECT_EQ(client.read_response(10'000), answer);
    backend.show("6");
  }
  std::filesystem::remove_all(directory);
}
INSTANTIATE_TEST_SUITE_P(, WithoutExtraPages, ::testing::Values(nullptr, "0", "many", "-1", "99999999999999999999"));

}  // namespace
}  // namespace system_test
