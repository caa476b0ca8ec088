// SPDX-License-Identifier: MIT
// Starts that cannot be: each is told with its reason.
#include <sys/wait.h>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

class BadStart : public Serve {
 protected:
  void expect_failure(message::Start start, message::Failure why) {
    auto w = new_process();
    w->send(start);
    auto failed = w->expect<message::Failed>();
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->why, why);
    auto status = w->wait_end();
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1);
  }
};

TEST_F(BadStart, ABadGrantIsTold) {
  message::Start start = start_message(StartKind::PowerOn);
  start.grant_ref = 9999;
  expect_failure(start, message::Failure::CannotMap);
}
TEST_F(BadStart, ABadPortIsTold) {
  message::Start start = start_message(StartKind::PowerOn);
  start.port = 9999;
  expect_failure(start, message::Failure::CannotBind);
}
TEST_F(BadStart, StatesThatDoNotOpenAreTold) {
  started().reset();
  message::Start start = start_message(StartKind::PowerOn);
  start.instance_key.fill()[0] ^= 1;
  expect_failure(start, message::Failure::CannotUnseal);
  new_ring();
  start = start_message(StartKind::Reconnect);
  start.snapshot = wire::SizedBytes(Bytes(100, 1));
  expect_failure(start, message::Failure::CannotUnseal);
}
TEST_F(BadStart, StatesThatMakeNoSenseAreTold) {
  stored_ = {1, vault::seal(key_, uuid_, vault::Purpose::Permanent, 1, Bytes{1, 2, 3})};
  expect_failure(start_message(StartKind::PowerOn), message::Failure::BadState);
}
TEST_F(BadStart, StartsThatMakeNoSenseAreTold) {
  message::Start start = start_message(StartKind::PowerOn);
  start.version++;
  expect_failure(start, message::Failure::BadStart);
  expect_failure(start_message(StartKind::Reconnect), message::Failure::BadStart);  // of an instance without a state
  expect_failure(start_message(static_cast<StartKind>(9)), message::Failure::BadStart);
  start = start_message(StartKind::PowerOn);
  start.extends.items = {{8, {}}};  // not a boot's
  expect_failure(start, message::Failure::BadStart);
  start = start_message(StartKind::Lost);
  start.epoch = 1;
  start.permanent = wire::SizedBytes(Bytes{1});
  start.extends.items = {{4, {}}};  // no power-on
  expect_failure(start, message::Failure::BadStart);
}
TEST_F(BadStart, NoStartAtAllEndsIt) {
  auto w = new_process();
  w->send_bytes(Bytes{1, 2, 3});
  auto failed = w->expect<message::Failed>();
  EXPECT_TRUE(failed && failed->why == message::Failure::BadStart);
  w = new_process();
  w->hang_up();
  EXPECT_TRUE(w->wait_end());
}

}  // namespace
}  // namespace worker_test
