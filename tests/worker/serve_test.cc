// SPDX-License-Identifier: MIT
// The program vtpmd from outside: between a guest's page and a manager.
#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "backend/vault/seal.h"
#include "frontend/ring.h"
#include "tests/loopback/machine_fixture.h"
#include "tests/worker/fake_manager.h"

namespace worker_test {
namespace {

using base::Bytes;
using message::StartKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kFail = 9, kBadLocality = 61, kFailedSelfTest = 28, kBadOrdinal = 10;

Bytes be32(uint32_t v) {
  return {static_cast<uint8_t>(v >> 24), static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 8),
          static_cast<uint8_t>(v)};
}
Bytes command(uint32_t ordinal, base::View parameters) {
  Bytes c = {0x00, 0xc1};
  base::append(c, be32(static_cast<uint32_t>(10 + parameters.size())));
  base::append(c, be32(ordinal));
  base::append(c, parameters);
  return c;
}
Bytes pcr_read(uint32_t pcr) { return command(0x15, be32(pcr)); }
Bytes extend(uint32_t pcr, uint8_t with) {
  Bytes parameters = be32(pcr);
  parameters.resize(24, with);
  return command(0x14, parameters);
}
// Changes permanent state the first time: TPM_PHYSICAL_PRESENCE_CMD_ENABLE or _HW_ENABLE.
Bytes physical_presence(uint16_t what) {
  return command(0x4000000a, Bytes{static_cast<uint8_t>(what >> 8), static_cast<uint8_t>(what)});
}
uint32_t code_of(base::View response) {
  if (response.size() < 10) return UINT32_MAX;
  return static_cast<uint32_t>(response[6]) << 24 | static_cast<uint32_t>(response[7]) << 16 |
         static_cast<uint32_t>(response[8]) << 8 | response[9];
}
// Bytes of a response with a size that is its own, and a response tag.
bool well_formed(base::View r) {
  if (r.size() < 10 || r[0] != 0 || r[1] < 0xc4 || r[1] > 0xc6) return false;
  size_t size =
      static_cast<size_t>(r[2]) << 24 | static_cast<size_t>(r[3]) << 16 | static_cast<size_t>(r[4]) << 8 | r[5];
  return size == r.size();
}

// What a manager keeps of an instance.
struct Stored {
  uint64_t epoch = 0;
  Bytes permanent;
};

class Serve : public loopback::MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    guest_ = new_domain();
    key_.fill()[7] = 1;
    uuid_[0] = 0x55;
    new_ring();
  }
  void TearDown() override {
    ring_.reset();
    MachineTest::TearDown();
  }

  void new_ring() {
    as(guest_);
    auto ring = frontend::Ring::make(xen::DomId{0});
    ASSERT_TRUE(ring.ok()) << ring.error().text();
    ring_ = std::move(ring).take();
    as(loopback::kDom0);
  }
  std::unique_ptr<WorkerProcess> new_process() {
    as(loopback::kDom0);
    return std::make_unique<WorkerProcess>(directory_ + "/worker", commit_patience_);
  }
  message::Start start_message(StartKind kind) const {
    message::Start start;
    start.uuid = uuid_;
    start.domain = loopback::raw(guest_);
    start.kind = kind;
    start.grant_ref = static_cast<uint32_t>(ring_->ref());
    start.port = static_cast<uint32_t>(ring_->port());
    start.instance_key = key_;
    start.power_cycle = 3;
    start.epoch = stored_.epoch;
    start.permanent = wire::SizedBytes(base::View(stored_.permanent));
    return start;
  }
  // Stores what a Commit carries, after checking all it claims.
  void store(WorkerProcess& w, const message::Commit& commit) {
    EXPECT_EQ(commit.epoch, stored_.epoch + 1);
    EXPECT_TRUE(vault::unseal(key_, uuid_, vault::Purpose::Permanent, commit.epoch, commit.permanent));
    stored_ = {commit.epoch, commit.permanent.bytes()};
    w.send(message::Committed{commit.epoch, true});
  }
  // A new instance is made once; its first commit is answered here.
  std::unique_ptr<WorkerProcess> started(StartKind kind = StartKind::PowerOn, int old_journal = -1,
                                         base::View snapshot = {}) {
    auto w = new_process();
    message::Start start = start_message(kind);
    start.snapshot = wire::SizedBytes(snapshot);
    w->send(start, old_journal);
    if (stored_.epoch == 0) {
      auto commit = w->expect<message::Commit>(seconds(60));
      EXPECT_TRUE(commit) << "no state of a new instance";
      if (commit) store(*w, *commit);
    }
    EXPECT_TRUE(w->expect<message::Ready>(seconds(60))) << "not ready";
    return w;
  }
  Bytes send(base::View c, uint8_t locality = 0) {
    auto response = ring_->transact(c, locality, seconds(30));
    EXPECT_TRUE(response.ok()) << response.error().text();
    if (!response.ok()) return {};
    EXPECT_TRUE(well_formed(response.value()));
    return std::move(response).take();
  }
  uint32_t result_of(base::View c, uint8_t locality = 0) { return code_of(send(c, locality)); }
  Bytes pcr(uint32_t index) {
    Bytes response = send(pcr_read(index));
    EXPECT_EQ(code_of(response), 0u);
    return response.size() == 30 ? Bytes(response.begin() + 10, response.end()) : Bytes();
  }
  // The answer to a command that somebody else submitted.
  Bytes wait_answer(milliseconds most = seconds(10)) {
    auto end = std::chrono::steady_clock::now() + most;
    while (ring_->progress() == frontend::Ring::Progress::Running && std::chrono::steady_clock::now() < end) {
      if (readable(ring_->fd(), 100)) acknowledge();
    }
    auto response = ring_->response();
    return response.ok() && ring_->progress() == frontend::Ring::Progress::Answered ? std::move(response).take()
                                                                                    : Bytes();
  }
  void acknowledge() { EXPECT_TRUE(ring_->acknowledge().ok()); }
  void swallow_notifications() {
    while (readable(ring_->fd(), 0)) acknowledge();
  }

  loopback::DomId guest_{};
  vault::InstanceKey key_;
  message::Uuid uuid_{};
  Stored stored_;
  const char* commit_patience_ = "30";
  std::unique_ptr<frontend::Ring> ring_;
};

// ---- Starting and serving ----

TEST_F(Serve, MakesANewTpmAndAnswersAtOnce) {
  auto w = started();
  EXPECT_EQ(stored_.epoch, 1u);
  EXPECT_EQ(pcr(10), Bytes(20, 0));
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  EXPECT_NE(pcr(10), Bytes(20, 0));
}

TEST_F(Serve, AnswersACommandThatWaitedForIt) {
  ASSERT_TRUE(ring_->submit(pcr_read(0), 0).ok());
  auto w = started();
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Serve, IsConfinedWhenReady) {
  auto w = started();
  std::ifstream file("/proc/" + std::to_string(w->pid()) + "/status");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos);
  if (geteuid() == 0) {
    std::string id = std::to_string(1900000000 + loopback::raw(guest_));
    EXPECT_NE(text.find("Uid:\t" + id + "\t" + id), std::string::npos) << text;
  }
}

TEST_F(Serve, PowerOnForgetsThePcrs) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w.reset();
  new_ring();
  w = started();
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

// ---- What a frontend may do wrong ----

TEST_F(Serve, AnswersBadHeadersAndGoesOn) {
  auto w = started();
  auto answer_to = [&](uint32_t length, uint8_t state, uint8_t locality) {
    EXPECT_TRUE(ring_->page().store<uint32_t>(0, length));
    EXPECT_TRUE(ring_->page().store<uint8_t>(5, locality));
    EXPECT_TRUE(ring_->page().store<uint8_t>(4, state));
    ring_->notify();
    auto end = std::chrono::steady_clock::now() + seconds(10);
    while (ring_->progress() != frontend::Ring::Progress::Answered && std::chrono::steady_clock::now() < end) {
      if (readable(ring_->fd(), 100)) acknowledge();
    }
    auto response = ring_->response();
    return response.ok() ? code_of(response.value()) : UINT32_MAX;
  };
  for (uint32_t length : {0u, 9u, 4089u, 0xffffffffu}) EXPECT_EQ(answer_to(length, 1, 0), 25u) << length;
  for (uint8_t locality : {uint8_t{1}, uint8_t{4}, uint8_t{255}})
    EXPECT_EQ(answer_to(14, 1, locality), kBadLocality) << int{locality};
  EXPECT_EQ(answer_to(14, 77, 0), 3u);
  EXPECT_EQ(result_of(command(0x7fff, {})), kBadOrdinal);
  EXPECT_EQ(pcr(1), Bytes(20, 0));
}

TEST_F(Serve, AnswersCancelWithIdle) {
  auto w = started();
  EXPECT_EQ(pcr(1), Bytes(20, 0));
  swallow_notifications();
  ring_->cancel();
  ASSERT_TRUE(readable(ring_->fd()));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Cancelled);
  EXPECT_EQ(pcr(1), Bytes(20, 0));
}

// ---- Dying and going on ----

TEST_F(Serve, AKilledWorkerLosesNothing) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  Descriptor journal = std::move(w->journal);
  w.reset();

  ASSERT_TRUE(ring_->submit(extend(10, 0xbb), 0).ok());
  swallow_notifications();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(code_of(wait_answer()), kFail) << "it may have been executed";
  EXPECT_EQ(pcr(10), before);
  EXPECT_EQ(result_of(extend(10, 0xbb)), 0u);
  Bytes after = pcr(10);

  journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), after);
}

TEST_F(Serve, AContinuationNotifiesEvenWhenNothingWaits) {
  auto w = started();
  EXPECT_EQ(pcr(10), Bytes(20, 0));
  Descriptor journal = std::move(w->journal);
  w.reset();
  swallow_notifications();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_TRUE(readable(ring_->fd()));
}

TEST_F(Serve, ALostJournalIsNeverAFreshTpm) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Descriptor journal = std::move(w->journal);
  w.reset();
  const std::vector<uint8_t> nonsense(message::kJournalBytes - 4096, 1);
  ASSERT_EQ(pwrite(journal.get(), nonsense.data(), nonsense.size(), 4096), static_cast<ssize_t>(nonsense.size()));
  w = started(StartKind::Continuation, journal.get());
  wait_answer(milliseconds(200));
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
  w.reset();

  w = started(StartKind::Continuation);
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
  w.reset();
  w = started(StartKind::Lost);
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
}

TEST_F(Serve, AJournalOfAnotherPowerCycleIsNotTaken) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = new_process();
  message::Start start = start_message(StartKind::Continuation);
  start.power_cycle++;
  w->send(start, journal.get());
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
}

TEST_F(Serve, KilledAtAnyMomentItKeepsEveryAcknowledgedExtend) {
  auto w = started();
  std::mt19937_64 random(7);
  for (int round = 0; round < 8; round++) {
    std::thread killer([&, pid = w->pid(), delay = random() % 4000] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      ::kill(pid, SIGKILL);
    });
    Bytes last;
    for (;;) {
      auto response = ring_->transact(extend(10, 0xaa), 0, milliseconds(300), milliseconds(1));
      if (!response.ok()) break;
      ASSERT_EQ(code_of(response.value()), 0u);
      last = Bytes(response.value().begin() + 10, response.value().end());
    }
    killer.join();
    Descriptor journal = std::move(w->journal);
    w.reset();
    w = started(StartKind::Continuation, journal.get());
    wait_answer(milliseconds(500));
    swallow_notifications();
    Bytes now = pcr(10);
    if (last.empty() || now == last) continue;
    // One more had been executed when it died: its value is that of one more extend.
    EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
    EXPECT_NE(now, Bytes(20, 0));
  }
}

// ---- Orders ----

TEST_F(Serve, StopsWithASnapshotFromWhichAnotherGoesOn) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  w->send(message::Stop{});
  auto snapshot = w->expect<message::Snapshot>();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->epoch, stored_.epoch);
  EXPECT_TRUE(vault::unseal(key_, uuid_, vault::Purpose::Snapshot, stored_.epoch, snapshot->snapshot));
  EXPECT_EQ(w->wait_end(), 0);
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Cancelled);

  new_ring();
  w = started(StartKind::Reconnect, -1, snapshot->snapshot);
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Serve, FrozenItServesNothingUntilThawed) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w->send(message::Freeze{});
  ASSERT_TRUE(w->expect<message::Snapshot>());
  ASSERT_TRUE(ring_->submit(pcr_read(10), 0).ok());
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  w->send(message::Thaw{});
  EXPECT_EQ(code_of(wait_answer()), 0u);
  EXPECT_EQ(pcr(11), Bytes(20, 0));
}

// ---- Managers come and go ----

TEST_F(Serve, OutlivesItsManagerAndIsAdopted) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w->hang_up();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);

  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->uuid, uuid_);
  EXPECT_EQ(hello->domain, loopback::raw(guest_));
  EXPECT_EQ(hello->power_cycle, 3u);
  EXPECT_EQ(hello->epoch, stored_.epoch);
  EXPECT_FALSE(hello->frozen);
  EXPECT_FALSE(hello->commit_open);
  EXPECT_GE(w->received_descriptor().get(), 0);
  Descriptor journal = std::move(w->received_descriptor());
  Bytes before = pcr(10);

  w->send(message::Freeze{});
  EXPECT_TRUE(w->expect<message::Snapshot>());
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->frozen);

  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Serve, RefusesWhoSpeaksAnotherLanguage) {
  auto w = started();
  for (const Bytes& nonsense : {Bytes{}, Bytes{0}, Bytes{6}, Bytes{6, 0, 0, 0, 9}, Bytes(64, 6), Bytes(100000, 1)}) {
    Descriptor journal;
    w->hang_up();
    ASSERT_TRUE(w->connect());
    if (nonsense.empty()) continue;  // who says nothing at all harms nobody
    w->send_bytes(nonsense);
    EXPECT_FALSE(w->receive(seconds(5)));
  }
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  EXPECT_TRUE(w->expect<message::Hello>());
  EXPECT_EQ(pcr(10), Bytes(20, 0));

  w->send_bytes(Bytes{99});  // from the manager itself: the same end of the connection
  EXPECT_FALSE(w->receive(seconds(5)));
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

TEST_F(Serve, OffersAnOpenCommitToTheNextManager) {
  auto w = new_process();
  w->send(start_message(StartKind::PowerOn));
  auto commit = w->receive(seconds(60));
  ASSERT_TRUE(commit);
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->commit_open);
  EXPECT_EQ(hello->epoch, 0u);
  auto again = w->receive();
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *commit);
  store(*w, message::decode<message::Commit>(*again).value());
  EXPECT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

// ---- Commits while serving ----

class Commits : public Serve {
 protected:
  // The guest sends a command that changes permanent state; the commit is left unanswered.
  std::unique_ptr<WorkerProcess> with_open_commit() {
    auto w = started();
    EXPECT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
    open_ = w->expect<message::Commit>();
    EXPECT_TRUE(open_);
    return w;
  }
  std::optional<message::Commit> open_;
};

TEST_F(Commits, TheAnswerWaitsUntilTheStateIsDurable) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  w->send(message::Committed{open_->epoch + 1, true});  // of another epoch: means nothing
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  store(*w, *open_);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Commits, AFailedCommitIsAnErrorAndNoChange) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  w->send(message::Committed{open_->epoch, false});
  EXPECT_EQ(code_of(wait_answer()), kFail);
  ASSERT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
  auto again = w->expect<message::Commit>();
  ASSERT_TRUE(again) << "the change had been kept";
  EXPECT_EQ(again->epoch, open_->epoch);
  store(*w, *again);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Commits, AKillAfterTheCommitKeepsStateAndPcrs) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  ASSERT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
  auto commit = w->expect<message::Commit>();
  ASSERT_TRUE(commit);
  stored_ = {commit->epoch, commit->permanent.bytes()};
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(code_of(wait_answer()), kFail);
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Commits, TheJournalNamesTheNewestEpochAfterEveryCommand) {
  auto w = started();
  for (uint16_t what : {uint16_t{0x0020}, uint16_t{0x0040}}) {
    ASSERT_TRUE(ring_->submit(physical_presence(what), 0).ok());
    auto commit = w->expect<message::Commit>();
    ASSERT_TRUE(commit) << what;
    store(*w, *commit);
    EXPECT_EQ(code_of(wait_answer()), 0u);
  }
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  wait_answer(milliseconds(100));
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

TEST_F(Commits, AnOpenCommitSurvivesAChangeOfManagers) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  w->hang_up();
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->commit_open);
  auto again = w->expect<message::Commit>();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->digest, open_->digest);
  EXPECT_EQ(again->permanent, open_->permanent);
  store(*w, *again);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

class Halted : public Commits {
 protected:
  void SetUp() override {
    Commits::SetUp();
    commit_patience_ = "1";
  }
  // The manager is away for longer than the worker's patience, then another comes.
  std::unique_ptr<WorkerProcess> with_new_manager() {
    auto w = with_open_commit();
    if (!open_) return w;
    w->hang_up();
    EXPECT_EQ(code_of(wait_answer()), kFail);
    EXPECT_EQ(result_of(pcr_read(10)), kFail) << "executes nothing while it does not know its state";
    EXPECT_TRUE(w->connect());
    w->send(message::Adopt{});
    auto hello = w->expect<message::Hello>();
    EXPECT_TRUE(hello && hello->commit_open);
    auto again = w->expect<message::Commit>();
    EXPECT_TRUE(again && again->digest == open_->digest);
    return w;
  }
};

TEST_F(Halted, GoesOnWhenTheCommitWasNotStored) {
  auto w = with_new_manager();
  ASSERT_TRUE(open_);
  w->send(message::Committed{open_->epoch, false});
  w->send(message::Freeze{});
  ASSERT_TRUE(w->expect<message::Snapshot>());
  w->send(message::Thaw{});
  EXPECT_EQ(result_of(pcr_read(10)), 0u);
}

TEST_F(Halted, EndsWhenTheCommitWasStored) {
  auto w = with_new_manager();
  ASSERT_TRUE(open_);
  store(*w, *open_);
  auto status = w->wait_end();
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1);
  Descriptor journal = std::move(w->journal);
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

// ---- Starts that cannot be ----

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

// ---- A hostile guest ----

// The page changes all the time while commands run: every answer is well-formed as it is written, the worker lives, and
// another guest's worker answers throughout.
TEST_F(Serve, SurvivesAGuestThatRewritesThePage) {
  auto w = started();
  std::atomic<bool> stop{false};
  std::thread hostile([&, page = ring_->page()] {
    std::mt19937_64 random(11);
    while (!stop) {
      uint64_t r = random();
      size_t at = r % 5 == 0 ? (r >> 8) % 8 : 8 + (r >> 8) % 64;
      if (at == 4) continue;
      EXPECT_TRUE(page.store<uint8_t>(at, static_cast<uint8_t>(r >> 32)));
    }
  });
  int answered = 0;
  for (int i = 0; i < 3000; i++) {
    EXPECT_TRUE(ring_->page().store<uint32_t>(0, 34));
    EXPECT_TRUE(ring_->page().store_bytes(8, extend(static_cast<uint32_t>(i % 24), 1)));
    EXPECT_TRUE(ring_->page().store<uint8_t>(4, 1));
    ring_->notify();
    while (ring_->progress() == frontend::Ring::Progress::Running) {
      ASSERT_TRUE(readable(ring_->fd(), 20000)) << "no answer to command " << i;
      ASSERT_TRUE(ring_->acknowledge().ok());
    }
    answered++;
  }
  stop = true;
  hostile.join();
  EXPECT_EQ(answered, 3000);
  swallow_notifications();
  EXPECT_EQ(send(pcr_read(23)).size(), 30u);
}

}  // namespace
}  // namespace worker_test
