// SPDX-License-Identifier: MIT
// Host: what the engine asks for, in a worker: entropy, a clock, commits by way of the manager, the journal, and the
// page's CANCEL. It also keeps what must survive a change of managers: the commit whose outcome is unknown.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "backend/ring/ring.h"
#include "backend/worker/entropy.h"
#include "backend/worker/journal.h"
#include "backend/worker/link.h"
#include "backend/worker/tracer.h"
#include "engine/platform.h"

namespace backend {

class Host : public tpm::Platform {
 public:
  struct Identity {
    message::Uuid uuid{};
    uint16_t domain = 0;
    uint16_t device = 0;
    uint64_t power_cycle = 0;
    base::Secret<32> key;
    message::ExtraPages extra_pages;
  };
  // A commit that no manager has answered within `patience` fails.
  Host(Identity identity, uint64_t epoch, Link link, Journal journal, std::chrono::seconds patience);

  void entropy(std::span<uint8_t> out) override { pool_.take(out); }
  uint64_t now_us() override;
  bool commit(base::View permanent) override;
  void journal(std::span<const tpm::JournalSection> changed) override { journal_.write(epoch_, changed); }
  bool cancelled() override { return in_flight_ != nullptr && in_flight_->cancel_asked(); }

  // Between these two cancelled() asks the page. The second leaves a journal that names the newest epoch.
  void begin_command(const Ring& ring) { in_flight_ = &ring; }
  void end_command();

  // Readable when hear_manager() has something to hear.
  int manager_fd() const { return link_.fd(); }
  // Does not wait. Orders are kept for next_order().
  void hear_manager();
  std::optional<message::Kind> next_order();

  // Where commands are told; null: nowhere.
  Tracer* tracer() { return tracer_ && tracer_->has_reader() ? &*tracer_ : nullptr; }

  // A commit was not answered in time: no command may be executed, until a manager says that it was not stored.
  bool halted() const { return halted_; }
  // The commit that the engine has given up was stored after all: only a fresh worker can go on from it.
  bool overtaken() const { return overtaken_; }

  // Tells the manager of the endorsement key, and waits for the certificate if it wants one. Empty: there is none, or
  // no manager has answered in time.
  base::Bytes endorsed(const message::Endorsement& endorsement);
  void say_ready();
  // The manager has it in order with everything else that is said.
  void say_begun(const message::Statistics& statistics) { say(statistics); }
  void say_failed(message::Failure why) { say(message::Failed{why}); }
  void say_snapshot(base::View volatile_state);
  void say_statistics(const message::Statistics& statistics);
  void set_frozen(bool frozen) { frozen_ = frozen; }

 private:
  template <class M>
  void say(const M& m) {
    link_.send(message::encode(m));
  }
  void handle(Link::Woken& woken);
  void greet();
  void settle(const message::Committed& answer);

  Identity identity_;
  uint64_t epoch_;  // the last one known to be durable
  Link link_;
  Journal journal_;
  EntropyPool pool_;
  std::chrono::seconds patience_;
  const Ring* in_flight_ = nullptr;
  std::optional<base::Bytes> open_commit_;       // the message, as it was sent
  std::optional<bool> outcome_;                  // of the commit being waited for
  std::optional<base::Bytes> open_endorsement_;  // the message, while its answer is waited for
  base::Bytes certificate_;                      // the answer
  std::deque<message::Kind> orders_;
  std::optional<Tracer> tracer_;
  bool frozen_ = false;
  bool halted_ = false;
  bool overtaken_ = false;
};

}  // namespace backend
