// SPDX-License-Identifier: MIT
#include "backend/worker/serve.h"

#include <string>

#include "lib/base/log.h"

namespace backend {

namespace {

constexpr uint64_t kStatisticsPeriodUs = 1'000'000;

class Server {
 public:
  explicit Server(LiveTpm& tpm) : tpm_(tpm), page_(tpm.ring->page()) {}

  bool run() {
    bool same_ring = tpm_.start == message::StartKind::Continuation || tpm_.start == message::StartKind::Lost;
    // The command may have been executed by the worker that died, and half its response may be on the page.
    if (same_ring) page_.answer_unread(kTpmFail);
    // From here on the manager counts on our journal: no command may have been executed before.
    tpm_.host->say_ready();
    if (!same_ring) look();
    while (!stopped_) {
      // A frozen worker leaves events where they are: they count when it serves again.
      bool serving = !frozen_ && !broken_;
      bool event = tpm_.host->wait(serving ? tpm_.ring->channel().fd() : -1);
      if (event) on_event();
      while (auto order = tpm_.host->next_order()) obey(*order);
      if (tpm_.host->overtaken()) {
        base::log(base::Level::Warning, "a state that was given up has been stored: ends, for a worker that has it");
        return false;
      }
    }
    return true;
  }

 private:
  void on_event() {
    auto taken = tpm_.ring->channel().acknowledge();
    if (!taken.ok()) {
      base::log(base::Level::Error, taken.error().text());
      broken_ = true;
      return;
    }
    look();
  }

  void look() {
    if (tpm_.host->halted()) return page_.answer_if_waiting(kTpmFail);
    auto request = page_.take();
    if (request.ok()) {
      execute(request.value());
    } else if (request.error() != TpmPage::Refusal::Idle && request.error() != TpmPage::Refusal::Cancelled) {
      statistics_.errors++;
    }
  }

  void execute(const Request& request) {
    tpm_.host->begin_command(page_);
    size_t length = tpm_.engine->execute(request.locality, request.command, page_.response_area());
    tpm_.host->end_command();
    page_.finish(length);

    statistics_.commands++;
    statistics_.commits = tpm_.engine->commits();
    if (uint64_t now = tpm_.host->now_us(); now - told_at_us_ >= kStatisticsPeriodUs) {
      told_at_us_ = now;
      tpm_.host->say_statistics(statistics_);
    }
  }

  void obey(message::Kind order) {
    switch (order) {
      case message::Kind::Freeze:
        set_frozen(true);
        tpm_.host->say_snapshot(tpm_.engine->save_volatile());
        break;
      case message::Kind::Thaw:
        set_frozen(false);
        look();
        break;
      case message::Kind::Stop:
        tpm_.host->say_snapshot(tpm_.engine->save_volatile());
        page_.leave_idle();
        stopped_ = true;
        break;
      default:
        break;
    }
  }

  void set_frozen(bool frozen) {
    frozen_ = frozen;
    tpm_.host->set_frozen(frozen);
  }

  LiveTpm& tpm_;
  TpmPage& page_;
  message::Statistics statistics_;
  uint64_t told_at_us_ = 0;
  bool frozen_ = false;
  bool broken_ = false;
  bool stopped_ = false;
};

}  // namespace

bool serve(LiveTpm& tpm) { return Server(tpm).run(); }

}  // namespace backend
