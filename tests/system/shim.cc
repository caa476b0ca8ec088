// SPDX-License-Identifier: MIT
// vtpm-frontend before backends that do what no honest one does: it answers its client, lives, and ends when it is told
// to; and what it sends again when a ring ends under a command.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/engine/stream_transport.h"
#include "tests/system/manual_backend.h"

namespace system_test {
namespace {

using client::Bytes;

const Bytes kGetRandom = {0x00, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x46, 0, 0, 0, 4};
const Bytes kRandom = {0x00, 0xc4, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4};
const Bytes kSaveState = {0x00, 0xc1, 0, 0, 0, 10, 0, 0, 0, 0x98};
const Bytes kSuccess = {0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0};
const Bytes kFail = {0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 9};
Bytes extend() {
  Bytes command = {0x00, 0xc1, 0, 0, 0, 34, 0, 0, 0, 0x14, 0, 0, 0, 10};
  command.resize(34, 0xaa);
  return command;
}

class Shim : public ::testing::Test {
 protected:
  Shim() {
    char name[] = "/tmp/vtpm-shim-XXXXXX";
    directory_ = ::mkdtemp(name);
    shim_.emplace(words(directory_ + "/tpm"), directory_ + "/log");
  }
  ~Shim() override {
    backend_.show("6");
    shim_.reset();
    std::filesystem::remove_all(directory_);
  }
  Words words(const std::string& socket) const {
    return {program("xen-loopback"),
            "exec",
            std::to_string(backend_.domain()),
            "--",
            program("vtpm-frontend"),
            "--listen",
            "unix:" + socket,
            "--command-timeout",
            "1",
            "--connect-timeout",
            "5"};
  }
  bool connect() {
    if (!backend_.join()) return false;
    client_ = std::make_unique<client::Stream>("unix:" + directory_ + "/tpm", 10'000);
    return client_->connected();
  }
  // The backend closes with the command on the page, and is there again.
  bool come_back() {
    backend_.show("5");
    if (!eventually([&] { return node(front_path(backend_.domain()) + "/state") == "6"; })) return false;
    backend_.leave();
    backend_.show("6");
    if (!eventually([&] { return node(front_path(backend_.domain()) + "/state") == "3"; })) return false;
    backend_.show("2");
    return backend_.join();
  }
  std::string log() const {
    std::stringstream text;
    text << std::ifstream(directory_ + "/log").rdbuf();
    return text.str();
  }

  ManualBackend backend_;
  std::string directory_;
  std::optional<Program> shim_;
  std::unique_ptr<client::Stream> client_;
};

struct Trick {
  const char* name;
  void (*play)(ManualBackend&);  // with a command on the page
  const Bytes& answer;           // of the client
};
void PrintTo(const Trick& trick, std::ostream* to) { *to << trick.name; }

void claims(ManualBackend& backend, uint32_t length) {
  static_cast<void>(backend.page().store_bytes(8, kRandom));
  backend.set_length(length);
  backend.set_state(2);
  backend.notify();
}

const Trick kTricks[] = {
    {"LengthOfMoreThanAPage", [](ManualBackend& b) { claims(b, 4089); }, kFail},
    {"LengthOfEverything", [](ManualBackend& b) { claims(b, 0xffffffff); }, kFail},
    {"LengthZero", [](ManualBackend& b) { claims(b, 0); }, kFail},
    {"LengthOfHalfAHeader", [](ManualBackend& b) { claims(b, 9); }, kFail},
    {"LengthThatIsNotTheResponses", [](ManualBackend& b) { claims(b, 17); }, kFail},
    {"StateThatDoesNotExist",
     [](ManualBackend& b) {
       b.set_state(77);
       b.notify();
     },
     kFail},
    {"NoAnswer", [](ManualBackend&) {}, kFail},
    {"IdleInsteadOfAnAnswer",
     [](ManualBackend& b) {
       b.set_state(0);
       b.notify();
     },
     kFail},
    {"AnswerWithoutNotification",
     [](ManualBackend& b) {
       static_cast<void>(b.page().store_bytes(8, kRandom));
       b.set_length(static_cast<uint32_t>(kRandom.size()));
       b.set_state(2);
     },
     kRandom},
    {"StormOfNotifications",
     [](ManualBackend& b) {
       for (int i = 0; i < 20'000; i++) b.notify();
       b.answer(kRandom);
     },
     kRandom},
    {"StateNodeOfNonsense",
     [](ManualBackend& b) {
       b.show("nonsense");
       b.leave();
     },
     kFail},
    {"StateNodeThatIsHuge", [](ManualBackend& b) { b.show(std::string(2000, '4')); }, kFail},
    {"NodesThatVanish", [](ManualBackend& b) { remove_node(back_path(b.domain()) + "/state"); }, kFail},
    {"PortThatIsClosed", [](ManualBackend& b) { b.leave(); }, kFail},
};

class HostileBackend : public Shim, public ::testing::WithParamInterface<Trick> {};

TEST_P(HostileBackend, NeitherStopsNorFools) {
  ASSERT_TRUE(connect());
  // Not to be sent again: one trick, one answer.
  ASSERT_TRUE(client_->write(extend()));
  ASSERT_TRUE(backend_.take());
  GetParam().play(backend_);
  EXPECT_EQ(client_->read_response(30'000), GetParam().answer);
  EXPECT_TRUE(shim_->lives());
  backend_.show("6");
  shim_->end(SIGTERM);
  EXPECT_EQ(log().find("Sanitizer"), std::string::npos) << log();
}

INSTANTIATE_TEST_SUITE_P(Each, HostileBackend, ::testing::ValuesIn(kTricks),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(Shim, TakesOneLookAtAPageThatChanges) {
  ASSERT_TRUE(connect());
  std::atomic<bool> done = false;
  std::thread flipping([&] {
    for (uint32_t i = 0; !done; i++) backend_.set_length(i % 2 == 0 ? 18 : 0xffff);
  });
  int well = 0;
  for (int i = 0; i < 200; i++) {
    ASSERT_TRUE(client_->write(kGetRandom));
    ASSERT_TRUE(eventually([&] { return backend_.state() == 1; }));
    static_cast<void>(backend_.page().store_bytes(8, kRandom));
    backend_.set_state(2);
    backend_.notify();
    Bytes answer = client_->read_response(10'000);
    if (answer == kRandom) well++;
    if (answer != kRandom) {
      EXPECT_EQ(answer, kFail);
      break;  // the ring is given up
    }
  }
  done = true;
  flipping.join();
  EXPECT_TRUE(shim_->lives());
}

TEST_F(Shim, EndsWhenItIsToldToWhileACommandIsInFlight) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(client_->write(kGetRandom));
  ASSERT_TRUE(backend_.take());
  ::kill(shim_->pid(), SIGTERM);
  EXPECT_TRUE(eventually([&] { return !shim_->lives(); }, 9'000));
}

TEST_F(Shim, SendsAgainWhatMayBeSentAgain) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(client_->write(kGetRandom));
  ASSERT_EQ(backend_.take(), kGetRandom);
  ASSERT_TRUE(come_back());
  EXPECT_EQ(backend_.take(), kGetRandom);
  backend_.answer(kRandom);
  EXPECT_EQ(client_->read_response(), kRandom);
}

TEST_F(Shim, SendsNothingElseAgain) {
  ASSERT_TRUE(connect());
  for (const Bytes& command : {extend(), Bytes{0x00, 0xc2, 0, 0, 0, 10, 0, 0, 0, 0x46}}) {
    ASSERT_TRUE(client_->write(command));
    ASSERT_EQ(backend_.take(), command);
    backend_.show("5");
    EXPECT_EQ(client_->read_response(), kFail);
    // The next command finds a new ring, with nothing on it but itself.
    backend_.leave();
    backend_.show("6");
    ASSERT_TRUE(client_->write(kGetRandom));
    ASSERT_TRUE(eventually([&] { return node(front_path(backend_.domain()) + "/state") == "3"; }));
    backend_.show("2");
    ASSERT_TRUE(backend_.join());
    EXPECT_EQ(backend_.take(), kGetRandom);
    backend_.answer(kRandom);
    EXPECT_EQ(client_->read_response(), kRandom);
  }
}

TEST_F(Shim, SendsNothingAgainWhileASavedStateStands) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(client_->write(kSaveState));
  ASSERT_TRUE(backend_.serve(kSuccess));
  EXPECT_EQ(client_->read_response(), kSuccess);
  ASSERT_TRUE(client_->write(kGetRandom));
  ASSERT_TRUE(backend_.take());
  backend_.show("5");
  EXPECT_EQ(client_->read_response(), kFail);
}

TEST_F(Shim, GoesOnWhenItsDeviceWasMadeAnew) {
  ASSERT_TRUE(connect());
  // As a toolstack leaves it when it has restored the domain.
  std::string front = front_path(backend_.domain());
  for (const char* name : {"ring-ref", "event-channel", "feature-protocol-v2"}) remove_node(front + "/" + name);
  set_node(front + "/state", "1");
  backend_.leave();
  backend_.show("2");
  ASSERT_TRUE(client_->write(kGetRandom));
  ASSERT_TRUE(backend_.join());
  ASSERT_TRUE(backend_.serve(kRandom));
  EXPECT_EQ(client_->read_response(), kRandom);
}

TEST_F(Shim, YieldsToADriverThatTakesItsDevice) {
  ASSERT_TRUE(connect());
  std::string front = front_path(backend_.domain());
  set_node(front + "/ring-ref", "77");
  EXPECT_TRUE(eventually([&] { return !shim_->lives(); }));
  EXPECT_NE(log().find("another driver has taken it"), std::string::npos) << log();
  EXPECT_EQ(node(front + "/state"), "4") << "what is another's is left alone";
}

TEST_F(Shim, IsAloneWithItsDevice) {
  ASSERT_TRUE(connect());
  Finished second = run(words(directory_ + "/second"));
  EXPECT_EQ(second.status, 3);
  ASSERT_TRUE(client_->write(kGetRandom));
  ASSERT_TRUE(backend_.serve(kRandom));
  EXPECT_EQ(client_->read_response(), kRandom);
}

}  // namespace
}  // namespace system_test
