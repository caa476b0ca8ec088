// SPDX-License-Identifier: MIT
// CANCEL in every state of the page.
#include <thread>

#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

Outcome<> cancel_from(Front& f, uint8_t state) {
  f.drain();
  f.page().store_state(state);
  f.put({.length = 34, .state = kCancel}, extend());
  f.notify();
  Header header = TRY(f.await_end());
  TRY(expect(header.state == kIdle, "CANCEL without a command became " + name_of_state(header.state)));
  return f.works();
}
Outcome<> when_idle(Front& f) { return cancel_from(f, kIdle); }
Outcome<> when_finished(Front& f) {
  TRY(f.run(pcr_read()));
  return cancel_from(f, kFinish);
}

Outcome<> before_seen(Front& f) {
  Bytes before = TRY(f.pcr());
  f.drain();
  f.put({.length = 34, .state = kSubmit}, extend());
  f.trace.did("CANCEL over it");
  f.page().store_state(kCancel);
  f.notify();
  Header header = TRY(f.await_end());
  TRY(expect(header.state == kIdle, "it ended in " + name_of_state(header.state)));
  return expect(TRY(f.pcr()) == before, "a command that was never submitted was executed");
}

Outcome<> twice(Front& f) {
  TRY(when_idle(f));
  return when_idle(f);
}

Outcome<> while_running(Front& f) {
  for (int i = 0; i < 50; i++) {
    f.submit(pcr_read());
    f.trace.did("CANCEL, notify");
    // The answer may be there already: a state that is not SUBMIT is not ours to overwrite in this case.
    if (f.page().state() == kSubmit) f.page().store_state(kCancel);
    f.notify();
    TRY(f.await_end());
    f.page().store_state(kIdle);
  }
  f.drain();
  return f.works();
}

// The client's commands, through the ring.
client::Tpm tpm_of(Front& f) {
  return client::Tpm([&f](const Bytes& command, uint8_t locality) {
    auto response = f.run(command, locality);
    return response.ok() ? response.value() : Bytes();
  });
}

// Whether the TPM has an owner, with our secrets, so that it can make keys.
Outcome<> own(client::Tpm& tpm) {
  auto owner = client::secret("ring test owner"), srk = client::secret("ring test srk");
  auto osap = tpm.osap(client::kEtKeyHandle, client::kSrk, srk);
  if (osap.ok()) {
    tpm.flush(osap.value.handle, 2);
    return {};
  }
  auto ek = tpm.read_pubek();
  if (!ek.ok() || !tpm.take_ownership(ek.value, owner, srk).ok())
    return skipped("needs a TPM that can be owned, to have something that takes long");
  return {};
}

Outcome<> long_command(Front& f) {
  client::Tpm tpm = tpm_of(f);
  TRY(own(tpm));
  // Making a key takes as long as chance will have it: one of these must be long enough.
  for (int attempt = 0; attempt < 12; attempt++) {
    bool cut_short = false;
    Outcome<Header> ended = failed("nothing was sent");
    client::Tpm cancelling([&](const Bytes& command, uint8_t locality) {
      auto ordinal = Bytes(command.begin() + 6, command.begin() + 10);
      if (ordinal != client::Out().u32(0x1f).bytes()) {
        auto response = f.run(command, locality);
        return response.ok() ? response.value() : Bytes();
      }
      f.submit(command, locality);
      // It must be running: one that was not seen yet is never begun.
      std::this_thread::sleep_for(milliseconds(20));
      f.trace.did("CANCEL, notify");
      if (f.page().state() == kSubmit) f.page().store_state(kCancel);
      f.notify();
      ended = f.await_end();
      cut_short = ended.ok() && (ended.value().state == kIdle || code_in(f.page().packet(ended.value())) != 0);
      return ended.ok() ? f.page().packet(ended.value()) : Bytes(10);
    });
    static_cast<void>(cancelling.create_wrap_key(client::kSrk, client::secret("ring test srk"),
                                                 client::signing_key(2048), client::secret("a key")));
    if (!ended.ok()) return ended.error();
    if (cut_short && attempt > 0) {
      f.note("a key was given up at attempt " + std::to_string(attempt + 1));
    }
    if (cut_short) return f.works();
  }
  return failed("CANCEL was never heeded while a key was being made");
}

constexpr FrontCase kCases[] = {
    {"cancel/idle", Kind::Rule, Start::Connected,
     "CANCEL on an idle page becomes IDLE, with a notification: Linux waits for it before it sends again", kLinux,
     when_idle},
    {"cancel/finished", Kind::Rule, Start::Connected, "CANCEL after FINISH: the same", kLinux, when_finished},
    {"cancel/before-seen", Kind::Rule, Start::Connected,
     "SUBMIT that became CANCEL before the notification was never executed: IDLE", kProtocol, before_seen},
    {"cancel/twice", Kind::Rule, Start::Connected, "CANCEL after a CANCEL that was obeyed: the same", kProtocol, twice},
    {"cancel/running", Kind::Rule, Start::Connected,
     "CANCEL while a command runs: it ends in FINISH or IDLE, and the ring goes on", kTpmif, while_running},
    {"cancel/long-command", Kind::Rule, Start::Connected, "CANCEL cuts the making of a key short", kProtocol,
     long_command},
};

}  // namespace

std::span<const FrontCase> front_cancel_cases() { return kCases; }

}  // namespace ringtest
