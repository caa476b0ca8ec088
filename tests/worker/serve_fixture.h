// SPDX-License-Identifier: MIT
// Serve: the program vtpmd from outside, between a guest's page and a manager.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>

#include <memory>

#include "backend/vault/seal.h"
#include "frontend/ring.h"
#include "tests/loopback/machine_fixture.h"
#include "tests/worker/fake_manager.h"

namespace worker_test {

using base::Bytes;
using message::StartKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr uint32_t kFail = 9, kBadLocality = 61, kFailedSelfTest = 28, kBadOrdinal = 10;

inline Bytes be32(uint32_t v) {
  return {static_cast<uint8_t>(v >> 24), static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 8),
          static_cast<uint8_t>(v)};
}
inline Bytes command(uint32_t ordinal, base::View parameters) {
  Bytes c = {0x00, 0xc1};
  base::append(c, be32(static_cast<uint32_t>(10 + parameters.size())));
  base::append(c, be32(ordinal));
  base::append(c, parameters);
  return c;
}
inline Bytes pcr_read(uint32_t pcr) { return command(0x15, be32(pcr)); }
inline Bytes extend(uint32_t pcr, uint8_t with) {
  Bytes parameters = be32(pcr);
  parameters.resize(24, with);
  return command(0x14, parameters);
}
// Changes permanent state the first time: TPM_PHYSICAL_PRESENCE_CMD_ENABLE or _HW_ENABLE.
inline Bytes physical_presence(uint16_t what) {
  return command(0x4000000a, Bytes{static_cast<uint8_t>(what >> 8), static_cast<uint8_t>(what)});
}
inline uint32_t code_of(base::View response) {
  if (response.size() < 10) return UINT32_MAX;
  return static_cast<uint32_t>(response[6]) << 24 | static_cast<uint32_t>(response[7]) << 16 |
         static_cast<uint32_t>(response[8]) << 8 | response[9];
}
// Bytes of a response with a size that is its own, and a response tag.
inline bool well_formed(base::View r) {
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

}  // namespace worker_test
