// SPDX-License-Identifier: MIT
// Frontends that change what is not theirs to change, take away what is in use, and write rubbish. The device may be
// closed for some of it; it must come back when it is begun anew.
#include "tests/ringtest/front.h"
#include "tests/ringtest/meddler.h"

namespace ringtest {

namespace {

// Commands while `deed` is done to the page: each ends, with FINISH or IDLE, and the TPM is never lost.
template <class F>
Outcome<> meddle(Front& f, const char* what, F deed) {
  f.trace.did("PCRRead, over and over, while another thread " + std::string(what));
  {
    Meddler meddler(deed);
    for (Clock::time_point enough = Clock::now() + f.patience.race; Clock::now() < enough;) {
      f.page().put({.length = 14, .state = kSubmit}, pcr_read());
      f.notify();
      Clock::time_point end = Clock::now() + f.patience.answer;
      uint8_t state = kSubmit;
      while ((state = f.page().state()) == kSubmit || state == kCancel) {
        if (f.bell(milliseconds(20))) continue;
        // A state that the meddler has overwritten is answered with the next notification.
        f.notify();
        if (Clock::now() > end) return failed("no answer while another thread " + std::string(what));
      }
      Bytes packet = f.page().packet({.length = 10});
      TRY(expect(code_in(packet) != 9, "TPM_FAIL: the backend did not survive"));
    }
  }
  // What the meddler left there last is no request.
  f.page().store_length(0);
  f.page().store_state(kIdle);
  f.drain();
  return f.works();
}

Outcome<> rewrites_length(Front& f) {
  Page page = f.page();
  return meddle(f, "rewrites the length", [page] {
    page.store_length(14);
    page.store_length(UINT32_MAX);
    page.store_length(14);
    page.store_length(kLongestPacket + 1);
  });
}

Outcome<> rewrites_locality(Front& f) {
  Page page = f.page();
  return meddle(f, "rewrites the locality", [page] {
    page.store_byte(5, 0);
    page.store_byte(5, 4);
    page.store_byte(5, 255);
  });
}

Outcome<> rewrites_extra_pages(Front& f) {
  Page page = f.page();
  return meddle(f, "rewrites nr_extra_pages", [page] {
    page.store_byte(7, 0);
    page.store_byte(7, 255);
    page.store_byte(7, 0);
    page.store_byte(7, 1);
  });
}

Outcome<> rewrites_packet(Front& f) {
  Page page = f.page();
  Bytes sane = pcr_read(), other = sane;
  other[5] = 0xff;   // paramSize
  other[13] = 0xff;  // the PCR
  return meddle(f, "rewrites the packet", [=] {
    page.store_bytes(kHeader, sane);
    page.store_bytes(kHeader, other);
  });
}

Outcome<> rewrites_command(Front& f) {
  Page page = f.page();
  Bytes read = pcr_read(), forbidden = client::Out().u16(0xc3).u32(0xffffffff).u32(0x14).u32(0xffffffff);
  return meddle(f, "changes the command into another", [=] {
    page.store_bytes(kHeader, read);
    page.store_bytes(kHeader, forbidden);
  });
}

// Whatever it makes of this, the device works after it was begun anew.
Outcome<> recovers(Front& f) {
  TRY(f.start_anew());
  TRY(f.connect());
  return f.works();
}

Outcome<> revokes_grant(Front& f) {
  f.submit(pcr_read());
  f.trace.did("unshare the page while it is mapped");
  f.drop_page();
  return recovers(f);
}

Outcome<> closes_port(Front& f) {
  f.submit(pcr_read());
  f.trace.did("close the port while it is bound");
  f.drop_port();
  std::this_thread::sleep_for(f.patience.silence);
  return recovers(f);
}

Outcome<> both_gone(Front& f) {
  f.trace.did("unshare the page, close the port");
  f.drop_page();
  f.drop_port();
  std::this_thread::sleep_for(f.patience.silence);
  TRY(f.set_state(kClosed));
  return recovers(f);
}

Outcome<> half_written(Front& f) {
  static const char* const kNames[] = {"ring-ref", "event-channel", "feature-protocol-v2", "state"};
  static const char* const kValues[] = {"", "0", "1", "3", "4", "6", "-1", "999999", "x", "18446744073709551616"};
  for (int i = 0; i < 40; i++) {
    const char* name = kNames[f.roll(std::size(kNames))];
    const char* value = kValues[f.roll(std::size(kValues))];
    TRY(*value != 0 ? f.set(name, value) : f.unset(name));
  }
  TRY(f.set_state(kClosed));
  return recovers(f);
}

Outcome<> states_in_a_storm(Front& f) {
  for (int i = 0; i < 100; i++) TRY(f.set_state(std::to_string(1 + f.roll(6)).c_str()));
  TRY(f.set_state(kClosed));
  return recovers(f);
}

Outcome<> changes_ring_ref(Front& f) {
  TRY(f.set("ring-ref", "4000"));
  std::this_thread::sleep_for(f.patience.silence);
  return recovers(f);
}

Outcome<> points_elsewhere(Front& f) {
  TRY(f.set("backend", "/local/domain/0/backend/vtpm/4000/0"));
  TRY(f.set("backend-id", "4000"));
  TRY(f.set("uuid", "00000000-0000-0000-0000-000000000000"));
  return f.works();
}

Outcome<> random_pages(Front& f) {
  for (int i = 0; i < 200; i++) {
    Header header{.length = f.roll(2) != 0 ? f.roll(kPage + 64) : static_cast<uint32_t>(f.dice()),
                  .state = static_cast<uint8_t>(f.roll(6)),
                  .locality = static_cast<uint8_t>(f.roll(6)),
                  .unused = static_cast<uint8_t>(f.dice()),
                  .n_extra_pages = static_cast<uint8_t>(f.roll(4) != 0 ? 0 : f.dice())};
    f.put(header, f.roll_bytes(f.roll(64)));
    f.notify();
    bool request = header.state != kIdle && header.state != kFinish;
    if (!request) continue;
    Clock::time_point end = Clock::now() + f.patience.answer;
    for (uint8_t state = kSubmit; (state = f.page().state()) != kIdle && state != kFinish;) {
      if (!f.bell(milliseconds(20)) && Clock::now() > end) return failed("left waiting: " + text_of(header));
    }
  }
  f.drain();
  return f.works();
}

constexpr FrontCase kCases[] = {
    {"hostile/rewrites-length", Kind::Hostile, Start::Connected,
     "the length is loaded once: changing it while a command is taken does no harm", kProtocol, rewrites_length},
    {"hostile/rewrites-locality", Kind::Hostile, Start::Connected, "the same for the locality", kProtocol,
     rewrites_locality},
    {"hostile/rewrites-extra-pages", Kind::Hostile, Start::Connected, "the same for nr_extra_pages", kProtocol,
     rewrites_extra_pages},
    {"hostile/rewrites-packet", Kind::Hostile, Start::Connected, "the same for paramSize and parameters", kProtocol,
     rewrites_packet},
    {"hostile/rewrites-command", Kind::Hostile, Start::Connected, "the same for the whole command", kProtocol,
     rewrites_command},
    {"hostile/revokes-grant", Kind::Hostile, Start::Connected,
     "a page that is unshared in the middle of a command: the device comes back", kXenbus, revokes_grant},
    {"hostile/closes-port", Kind::Hostile, Start::Connected, "the same for the port", kXenbus, closes_port},
    {"hostile/both-gone", Kind::Hostile, Start::Connected, "the same for both, and no word of it in XenStore", kXenbus,
     both_gone},
    {"hostile/half-written-nodes", Kind::Hostile, Start::Announced, "nodes with anything in them, in any order",
     kXenbus, half_written},
    {"hostile/state-storm", Kind::Hostile, Start::Connected, "a hundred states of xenbus in no order", kXenbus,
     states_in_a_storm},
    {"hostile/ring-ref-changes", Kind::Hostile, Start::Connected, "another ring-ref while the ring is in use", kXenbus,
     changes_ring_ref},
    {"hostile/points-elsewhere", Kind::Hostile, Start::Connected,
     "backend, backend-id and uuid in the frontend's own directory mean nothing to the backend", kManager,
     points_elsewhere},
    {"hostile/random-pages", Kind::Hostile, Start::Connected,
     "two hundred pages of chance: each request ends, and the ring goes on", kProtocol, random_pages},
};

}  // namespace

std::span<const FrontCase> front_hostile_cases() { return kCases; }

}  // namespace ringtest
