// SPDX-License-Identifier: MIT
// The pages beside the first: read from its list once, and what they make room for.
#include <openssl/sha.h>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

constexpr size_t kCountAt = 7, kListAt = 8;
constexpr uint32_t kBadParamSize = 25;

class ExtraPages : public Serve {
 protected:
  void offer(size_t n_extra_pages) {
    ring_.reset();
    as(guest_);
    auto ring = frontend::Ring::make(xen::DomId{0}, n_extra_pages);
    ASSERT_TRUE(ring.ok()) << ring.error().text();
    ring_ = std::move(ring).take();
    as(loopback::kDom0);
  }
  void list(size_t i, uint32_t ref) { ASSERT_TRUE(ring_->page().store<uint32_t>(kListAt + 4 * i, ref)); }
  uint32_t listed(size_t i) { return ring_->page().load<uint32_t>(kListAt + 4 * i).value_or(0); }
  void count(uint8_t n) { ASSERT_TRUE(ring_->page().store<uint8_t>(kCountAt, n)); }
  uint32_t input_buffer() {
    Bytes parameters = be32(5);
    base::append(parameters, be32(4));
    base::append(parameters, be32(0x124));  // TPM_CAP_PROP_INPUT_BUFFER
    Bytes response = send(command(0x65, parameters));
    EXPECT_EQ(response.size(), 18U);
    uint32_t value = 0;
    for (size_t i = 14; i < response.size(); i++) value = value << 8 | response[i];
    return value;
  }
  // Only the refusal, and no TPM made or changed.
  void expect_refused() {
    auto w = new_process();
    w->send(start_message(StartKind::PowerOn));
    auto failed = w->expect<message::Failed>(seconds(60));
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->why, message::Failure::BadExtraPages);
  }
  std::unique_ptr<WorkerProcess> started_with(const message::ExtraPages& pages, int journal) {
    auto w = new_process();
    message::Start start = start_message(StartKind::Continuation);
    start.extra_pages = pages;
    w->send(start, journal);
    return w;
  }
};

TEST_F(ExtraPages, MakeRoomForLongCommandsAndAnswers) {
  for (size_t n : {size_t{0}, size_t{1}, size_t{message::kMostExtraPages}}) {
    offer(n);
    auto w = started();
    size_t room = frontend::packet_bytes(n);
    EXPECT_EQ(input_buffer(), room);
    Bytes random = send(command(0x46, be32(1 << 20)));
    EXPECT_EQ(code_of(random), 0U);
    EXPECT_EQ(random.size(), room) << "as much as fits";
    Bytes start = send(command(0xa0, {}));
    ASSERT_EQ(start.size(), 14U);
    uint32_t most = code_of(Bytes(start.begin() + 4, start.end()));
    EXPECT_GT(most, room - 128);
    Bytes data(most);
    for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(i * 7 + i / 251);
    Bytes parameters = be32(most);
    base::append(parameters, data);
    EXPECT_EQ(result_of(command(0xa1, parameters)), 0U);
    Bytes digest = send(command(0xa2, be32(0)));
    std::array<uint8_t, 20> expected{};
    SHA1(data.data(), data.size(), expected.data());
    ASSERT_EQ(digest.size(), 30U);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), digest.begin() + 10));
    EXPECT_EQ(ring_->submit(Bytes(room + 1), 0).error().number, EMSGSIZE);
  }
}

TEST_F(ExtraPages, AreRefusedWhenThereAreTooMany) {
  offer(message::kMostExtraPages + 1);
  expect_refused();
  offer(frontend::kMostExtraPages);
  expect_refused();
}

TEST_F(ExtraPages, AreRefusedWhenOneIsListedTwiceOrIsTheFirst) {
  offer(3);
  list(2, listed(0));
  expect_refused();
  offer(3);
  list(1, static_cast<uint32_t>(ring_->ref()));
  expect_refused();
}

TEST_F(ExtraPages, AreRefusedWhenOneIsNotGranted) {
  offer(2);
  list(1, 4'000'000);
  expect_refused();
  offer(2);
  as(guest_);
  uint32_t ended = 0;
  {
    auto area = xen::GrantArea::share(xen::DomId{0}, 1);
    ASSERT_TRUE(area.ok());
    ended = static_cast<uint32_t>(area.value().refs().front());
  }
  as(loopback::kDom0);
  list(1, ended);
  expect_refused();
  offer(1);
  list(0, 0);
  expect_refused();
}

TEST_F(ExtraPages, AreFrozenWhenTheyHaveBeenRead) {
  offer(2);
  auto w = new_process();
  w->send(start_message(StartKind::PowerOn));
  auto commit = w->expect<message::Commit>(seconds(60));
  ASSERT_TRUE(commit);
  store(*w, *commit);
  auto ready = w->expect<message::Ready>(seconds(60));
  ASSERT_TRUE(ready);
  EXPECT_TRUE(ready->extra_pages.frozen);
  EXPECT_EQ(ready->extra_pages.refs.items, (std::vector<uint32_t>{listed(0), listed(1)}));
  list(0, 4'000'000);
  list(1, 4'000'000);
  EXPECT_EQ(send(command(0x46, be32(9000))).size(), 9014U) << "the list is read once";
  Bytes value = send(extend(11, 0x42));
  // The worker dies; the next one must not believe the list either.
  w->kill();
  auto next = started_with(ready->extra_pages, w->journal.get());
  ASSERT_TRUE(next->expect<message::Ready>(seconds(60)));
  EXPECT_EQ(pcr(11), Bytes(value.begin() + 10, value.end()));
  EXPECT_EQ(send(command(0x46, be32(9000))).size(), 9014U);
  next->kill();
  auto believing = started_with({}, next->journal.get());
  auto failed = believing->expect<message::Failed>(seconds(60));
  ASSERT_TRUE(failed) << "what it would have been without";
  EXPECT_EQ(failed->why, message::Failure::BadExtraPages);
}

TEST_F(ExtraPages, AreTheSameNumberInEveryRequest) {
  offer(2);
  auto w = started();
  Bytes before = pcr(10);
  for (uint8_t other : std::initializer_list<uint8_t>{0, 1, 3, 255}) {
    size_t at = kListAt + 4 * size_t{other};
    Bytes packet = extend(10, 1);
    ASSERT_TRUE(ring_->page().store_bytes(at, packet));
    ASSERT_TRUE(ring_->page().store<uint32_t>(0, static_cast<uint32_t>(packet.size())));
    count(other);
    ASSERT_TRUE(ring_->page().store<uint8_t>(4, 1));
    ring_->notify();
    auto end = std::chrono::steady_clock::now() + seconds(10);
    while (ring_->progress() == frontend::Ring::Progress::Running && std::chrono::steady_clock::now() < end) {
      if (readable(ring_->fd(), 100)) acknowledge();
    }
    Bytes answer(10);
    ASSERT_TRUE(ring_->page().load_bytes(at, answer));
    EXPECT_EQ(code_of(answer), kBadParamSize) << unsigned{other};
    EXPECT_EQ(pcr(10), before) << "not executed";
  }
}

}  // namespace
}  // namespace worker_test
