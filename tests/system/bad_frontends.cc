// SPDX-License-Identifier: MIT
// Frontends that do not keep to the protocol: each closes its own device with a message, and a second guest, which
// works all the while, notices nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <map>

#include "tests/system/neighbour.h"

namespace system_test {
namespace {

struct BadFrontend {
  const char* name;
  std::map<std::string, std::string> nodes;  // written into the frontend's directory; an empty value removes
  const char* said;                          // a part of the message in the error node and the log
};

void PrintTo(const BadFrontend& bad, std::ostream* to) { *to << bad.name; }

std::map<std::string, std::string> with(std::map<std::string, std::string> changed) {
  std::map<std::string, std::string> nodes = {
      {"ring-ref", "8"}, {"event-channel", "9"}, {"feature-protocol-v2", "1"}, {"state", "3"}};
  for (auto& [name, value] : changed) nodes[name] = value;
  return nodes;
}

const BadFrontend kBad[] = {
    {"GrantOfNothing", with({{"ring-ref", "4000"}}), "grant could not be mapped"},
    {"GrantTooLarge", with({{"ring-ref", "4294967296"}}), "ring-ref is '4294967296'"},
    {"GrantNegative", with({{"ring-ref", "-1"}}), "ring-ref is '-1'"},
    {"GrantNoNumber", with({{"ring-ref", "8 or 9"}}), "ring-ref is '8 or 9'"},
    {"GrantOfControlCharacters", with({{"ring-ref", "8\x1b[2J\xff"}}), "x1b[2J"},
    {"GrantMissing", with({{"ring-ref", ""}}), "ring-ref is missing"},
    {"PortZero", with({{"event-channel", "0"}}), "event-channel is '0'"},
    {"PortNoNumber", with({{"event-channel", "0x9"}}), "event-channel is '0x9'"},
    {"PortMissing", with({{"event-channel", ""}}), "event-channel is missing"},
    {"LegacyGrantOfNothing", with({{"feature-protocol-v2", ""}, {"ring-ref", "4000"}}), "grant could not be mapped"},
    {"LegacyGrantMissing", with({{"feature-protocol-v2", ""}, {"ring-ref", ""}}), "ring-ref is missing"},
    {"ProtocolOne", with({{"feature-protocol-v2", "0"}}), "feature-protocol-v2 is '0'"},
    {"StateNoNumber", with({{"state", "three"}}), "state is 'three'"},
    {"StateUnknown", with({{"state", "0"}}), "state is '0'"},
    {"StateReconfiguring", with({{"state", "7"}}), "state is '7'"},
    {"StateHuge", with({{"state", "99999999999999999999"}}), "state is '99999999999999999999'"},
    {"StateLong", with({{"state", std::string(1000, '3')}}), "state is '3333"},
};

class BadFrontends : public ::testing::TestWithParam<BadFrontend> {
 protected:
  static void SetUpTestSuite() {
    stack = std::make_unique<Stack>();
    neighbour = std::make_unique<Neighbour>(*stack);
    ASSERT_TRUE(neighbour->connected());
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(neighbour->unanswered(), 0);
    if (testing::UnitTest::GetInstance()->current_test_suite()->Failed()) std::cerr << stack->log();
    neighbour.reset();
    stack.reset();
  }

  static inline std::unique_ptr<Stack> stack;
  static inline std::unique_ptr<Neighbour> neighbour;
};

TEST_P(BadFrontends, CloseTheirDeviceOnly) {
  unsigned domain = create_domain(fresh_uuid());
  ASSERT_GT(domain, 0U);
  for (const auto& [name, value] : GetParam().nodes) {
    if (name != "state" && !value.empty()) set_node(front_path(domain) + "/" + name, value);
  }
  set_node(front_path(domain) + "/state", GetParam().nodes.at("state"));

  ASSERT_TRUE(eventually([&] { return node(error_path(domain)).has_value(); }));
  EXPECT_NE(node(error_path(domain)).value_or("").find(GetParam().said), std::string::npos)
      << node(error_path(domain)).value_or("");
  EXPECT_NE(stack->log().find(GetParam().said), std::string::npos);
  EXPECT_TRUE(eventually([&] { return node(back_path(domain) + "/state") == "6"; }));
  EXPECT_EQ(stack->worker_of(domain), 0);

  EXPECT_TRUE(neighbour->works());
  EXPECT_EQ(neighbour->unanswered(), 0);
  EXPECT_TRUE(stack->manager_lives());
  destroy_domain(domain);
  EXPECT_TRUE(eventually([&] { return stack->stage_of(domain) == "none"; }));
}

INSTANTIATE_TEST_SUITE_P(Each, BadFrontends, ::testing::ValuesIn(kBad),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(BadFrontends, RecoverWhenTheyComeBackInOrder) {
  unsigned domain = create_domain(fresh_uuid());
  set_node(front_path(domain) + "/state", "nonsense");
  ASSERT_TRUE(eventually([&] { return stack->stage_of(domain) == "failed"; }));
  set_node(front_path(domain) + "/state", "1");
  ASSERT_TRUE(eventually([&] { return node(back_path(domain) + "/state") == "2"; }));
  Frontend frontend(*stack, domain);
  ASSERT_TRUE(frontend.connect());
  EXPECT_TRUE(frontend.tpm().pcr_read(0).ok());
  EXPECT_FALSE(node(error_path(domain)).has_value());
  destroy_domain(domain);
}

TEST_F(BadFrontends, WhosePortLeadsNowhereAreClosed) {
  unsigned domain = create_domain(fresh_uuid());
  Frontend frontend(*stack, domain);
  ASSERT_TRUE(frontend.connect());
  pid_t serving = stack->worker_of(domain);
  // Its own driver would let go of a device that somebody else writes to.
  ASSERT_EQ(::kill(frontend.pid(), SIGSTOP), 0);
  set_node(front_path(domain) + "/event-channel", "4000");
  ASSERT_EQ(::kill(serving, SIGKILL), 0);  // the next worker reads the nodes anew
  ASSERT_TRUE(eventually([&] { return node(error_path(domain)).has_value(); }));
  EXPECT_NE(node(error_path(domain)).value_or("").find("event channel could not be bound"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return node(back_path(domain) + "/state") == "6"; }));
  destroy_domain(domain);
}

TEST_F(BadFrontends, CannotSendUsElsewhere) {
  // Everything in its own directory that points to somebody else is the guest's to write, and means nothing.
  unsigned domain = create_domain(fresh_uuid());
  set_node(front_path(domain) + "/backend", "/local/domain/0/backend/vtpm/1/0");
  set_node(front_path(domain) + "/backend-id", "1");
  set_node(front_path(domain) + "/uuid", fresh_uuid());
  set_node(front_path(domain) + "/frontend-id", "1");
  std::string uuid = node(back_path(domain) + "/uuid").value_or("");
  Frontend frontend(*stack, domain);
  ASSERT_TRUE(eventually([&] { return stack->stage_of(domain) != "announced" || !frontend.lives(); }));
  auto instances = stack->control({"show", uuid});
  EXPECT_TRUE(!frontend.lives() || instances.value("ok", false)) << instances.dump();
  destroy_domain(domain);
}

}  // namespace
}  // namespace system_test
