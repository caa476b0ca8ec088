// SPDX-License-Identifier: MIT
#include "backend/worker/serve.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

constexpr std::chrono::seconds kStatisticsPeriod{1};

class Server {
 public:
  explicit Server(LiveTpm& tpm) : tpm_(tpm), ring_(tpm.guest->back_half()) {}

  bool run() {
    bool same_ring = tpm_.start == message::StartKind::Continuation || tpm_.start == message::StartKind::Lost;
    // The command may have been executed by the worker that died, and half its response may have been written.
    if (same_ring) ring_.answer_unread(kTpmFail);
    // From here on the manager counts on our journal: no command may have been executed before.
    tpm_.host->say_ready();
    tpm_.host->hear_manager();  // who traces from the start gets the first command, too
    if (!same_ring) look(ring_.take_untold());
    while (!stopped_) {
      WatchSet::Ready ready = tpm_.watched->wait(-1);
      if (ready.has(tpm_.host->manager_fd())) tpm_.host->hear_manager();
      if (ready.has(tpm_.guest->channel().fd())) on_event();
      if (ready.has(tpm_.alarm->fd())) on_alarm();
      while (auto order = tpm_.host->next_order()) obey(*order);
      if (tpm_.host->overtaken()) {
        base::log(base::Level::Warning, "a state that was given up has been stored: ends, for a worker that has it");
        return false;
      }
      // The command in flight is answered by the next worker.
      if (!ring_.stands()) return false;
    }
    return true;
  }

 private:
  void on_event() {
    auto taken = tpm_.guest->channel().acknowledge();
    if (!taken.ok()) {
      base::log(base::Level::Error, taken.error().text());
      tpm_.watched->remove(tpm_.guest->channel().fd());
      return;
    }
    if (tpm_.host->halted()) return ring_.answer_if_waiting(kTpmFail);
    look(ring_.take());
  }

  void look(const base::Result<Request, Ring::Refusal>& request) {
    if (request.ok()) {
      execute(request.value());
    } else if (request.error() != Ring::Refusal::Idle && request.error() != Ring::Refusal::Cancelled) {
      statistics_.errors++;
    }
  }

  void execute(const Request& request) {
    uint64_t begun_us = tpm_.host->now_us();
    // Known before its response is: another copy of this TPM may be waiting to go on in our place.
    if (statistics_.commands++ == 0) tpm_.host->say_begun(statistics_);
    tpm_.host->begin_command(ring_);
    Tracer* tracer = tpm_.host->tracer();
    size_t length = tracer == nullptr ? tpm_.engine->execute(request.locality, request.command, ring_.response_area())
                                      : tracer->execute(*tpm_.engine, request, ring_.response_area());
    tpm_.host->end_command();
    ring_.finish(length);

    uint64_t now_us = tpm_.host->now_us();
    note(now_us - begun_us);
    if (tracer != nullptr) tracer->tell(now_us - begun_us);
    statistics_.commits = tpm_.engine->commits();
    tell_later();
  }

  void note(uint64_t took_us) {
    statistics_.total_us += took_us;
    statistics_.took[std::min(static_cast<size_t>(std::bit_width(took_us)), message::kLatencyBuckets - 1)]++;
  }

  // By an alarm, once a second: a wait with a time limit would set and clear a timer of the kernel's for each command.
  void tell_later() {
    if (untold_) return;
    untold_ = true;
    tpm_.alarm->set(kStatisticsPeriod);
  }

  void on_alarm() {
    tpm_.alarm->take();
    if (untold_) tell();
  }

  void tell() {
    untold_ = false;
    tpm_.host->say_statistics(statistics_);
  }

  void obey(message::Kind order) {
    switch (order) {
      case message::Kind::Freeze:
        set_frozen(true);
        tell();
        tpm_.host->say_snapshot(tpm_.engine->save_volatile());
        break;
      case message::Kind::Thaw:
        set_frozen(false);
        if (!tpm_.host->halted()) look(ring_.take_untold());
        break;
      case message::Kind::Stop:
        tell();
        tpm_.host->say_snapshot(tpm_.engine->save_volatile());
        ring_.leave_idle();
        stopped_ = true;
        break;
      default:
        break;
    }
  }

  // A frozen worker leaves events where they are: they count when it serves again.
  void set_frozen(bool frozen) {
    int guest = tpm_.guest->channel().fd();
    tpm_.watched->remove(guest);
    if (!frozen) VERIFY(tpm_.watched->add(guest).ok());
    tpm_.host->set_frozen(frozen);
  }

  LiveTpm& tpm_;
  Ring& ring_;
  message::Statistics statistics_;
  bool untold_ = false;
  bool stopped_ = false;
};

}  // namespace

bool serve(LiveTpm& tpm) {
  if (tpm.guest) return Server(tpm).run();
  tpm.host->say_ready();  // made, and stored: nobody is served
  return true;
}

}  // namespace backend
