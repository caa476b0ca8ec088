// SPDX-License-Identifier: MIT
// A worker that is traced, from outside: what it tells is what it did, and nobody waits for whoever reads it.
#include <openssl/sha.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "backend/trace/fields.h"
#include "backend/trace/record.h"
#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

class Trace : public Serve {
 protected:
  void trace(WorkerProcess& w) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    reader_ = Descriptor(ends[0]);
    Descriptor worker(ends[1]);
    int room = 64 << 10;  // much less than some thousand commands take, whatever this machine's usual is
    ASSERT_EQ(::setsockopt(worker.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    w.send(message::Trace{}, worker.get());
  }
  std::optional<trace::Record> told(int most_ms = 10'000) {
    pollfd set{reader_.get(), POLLIN, 0};
    Bytes datagram(trace::kMaxRecord);
    if (::poll(&set, 1, most_ms) <= 0) return std::nullopt;
    ssize_t n = ::recv(reader_.get(), datagram.data(), datagram.size(), 0);
    if (n <= 0) return std::nullopt;
    auto record = wire::decode<trace::Record>(base::View(datagram).first(static_cast<size_t>(n)));
    EXPECT_TRUE(record.ok());
    if (!record.ok()) return std::nullopt;
    return std::move(record).take();
  }

  Descriptor reader_;
};

TEST_F(Trace, BeginsWithTheFirstCommand) {
  auto w = new_process();
  ASSERT_TRUE(ring_->submit(pcr_read(3), 0).ok());  // on the page before there is anybody
  w->send(start_message(StartKind::PowerOn));
  trace(*w);
  auto commit = w->expect<message::Commit>(seconds(60));
  ASSERT_TRUE(commit);
  store(*w, *commit);
  ASSERT_TRUE(w->expect<message::Ready>(seconds(60)));
  Bytes answer = wait_answer();
  auto record = told();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->number, 1U);
  EXPECT_EQ(record->command.bytes(), pcr_read(3));
  EXPECT_EQ(record->response.bytes(), answer);
}

TEST_F(Trace, TellsCommandsWithoutWhatIsBehindThemOnThePage) {
  auto w = started();
  trace(*w);
  Bytes longer = pcr_read(1);
  longer.resize(200, 0x77);
  send(longer);
  auto record = told();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->command.bytes(), pcr_read(1));
  EXPECT_EQ(result_of(pcr_read(1), 2), kBadLocality);
  EXPECT_FALSE(told(200)) << "a refused request is no command";
}

TEST_F(Trace, HidesSecretsBeforeTheyLeaveTheWorker) {
  auto w = started();
  trace(*w);
  Bytes random = send(command(0x46, be32(32)));
  auto record = told();
  ASSERT_TRUE(record);
  ASSERT_EQ(record->response.size(), 46U);
  EXPECT_EQ(Bytes(record->response.bytes().begin() + 14, record->response.bytes().end()), Bytes(32, 'X'));
  EXPECT_NE(Bytes(random.begin() + 14, random.end()), Bytes(32, 'X'));
}

// The guest rewrites its command all the time: what is told must be what went into the PCR.
TEST_F(Trace, TellsWhatWasExecuted) {
  auto w = started();
  trace(*w);
  std::atomic<bool> done = false;
  std::thread rewriting([&] {
    for (uint8_t i = 0; !done; i++) static_cast<void>(ring_->page().store_bytes(14 + 8, Bytes(20, i)));
  });
  Bytes expected(20, 0);
  for (int i = 0; i < 300; i++) {
    ASSERT_TRUE(ring_->submit(extend(10, 0), 0).ok());
    auto end = std::chrono::steady_clock::now() + seconds(10);
    while (ring_->progress() == frontend::Ring::Progress::Running && std::chrono::steady_clock::now() < end) {
      if (readable(ring_->fd(), 100)) acknowledge();
    }
    auto record = told();
    if (!record || record->command.size() != 34 || record->response.size() != 30) break;
    base::append(expected, base::View(record->command).subspan(14));
    std::array<uint8_t, 20> digest{};
    SHA1(expected.data(), expected.size(), digest.data());
    expected.assign(digest.begin(), digest.end());
    EXPECT_TRUE(std::equal(digest.begin(), digest.end(), record->response.bytes().begin() + 10)) << i;
  }
  done = true;
  rewriting.join();
  swallow_notifications();
  EXPECT_EQ(pcr(10), expected);
}

TEST_F(Trace, CountsWhatASlowReaderMisses) {
  auto w = started();
  trace(*w);
  uint64_t sent = 0;
  for (; sent < 2000; sent++) ASSERT_EQ(result_of(pcr_read(0)), 0U);
  uint64_t number = 0, missed = 0;
  auto next = [&](const trace::Record& record) {
    EXPECT_EQ(record.number, number + record.dropped + 1);
    number = record.number;
    missed += record.dropped;
  };
  // The last command is told after its answer is there: there may be room for it again.
  for (auto record = told(200); record; record = told(200)) next(*record);
  ASSERT_EQ(result_of(pcr_read(0)), 0U);
  auto after = told();
  ASSERT_TRUE(after);
  next(*after);
  EXPECT_EQ(number, sent + 1);
  EXPECT_GT(missed, sent / 2) << "there was room for most of them";
}

TEST_F(Trace, EndsWhenItsReaderGoesOrTheManagerSaysSo) {
  auto w = started();
  trace(*w);
  EXPECT_EQ(result_of(pcr_read(0)), 0U);
  EXPECT_TRUE(told());
  reader_ = Descriptor();
  for (int i = 0; i < 3; i++) EXPECT_EQ(result_of(pcr_read(0)), 0U) << "it serves on";
  trace(*w);
  EXPECT_EQ(result_of(pcr_read(0)), 0U);
  auto record = told();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->number, 1U) << "a trace of its own";
  w->send(message::Trace{});
  EXPECT_EQ(result_of(pcr_read(0)), 0U);
  EXPECT_FALSE(told(500)) << "its end is closed";
}

}  // namespace
}  // namespace worker_test
