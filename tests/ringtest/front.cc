// SPDX-License-Identifier: MIT
#include "tests/ringtest/front.h"

#include <poll.h>

#include <algorithm>
#include <thread>

#include "lib/base/verify.h"

namespace ringtest {

Outcome<std::unique_ptr<Front>> Front::open(unsigned device, Patience patience) {
  xen::Store store = TRY(xen::Store::open());
  xen::Path front = xen::Path("device/vtpm") / device;
  auto backend = store.read_number<uint16_t>(front / "backend-id");
  auto path = store.read(front / "backend");
  if (!backend.ok() || !path.ok()) return failed("this domain has no " + front.text());
  auto back = xen::Path::parse(path.value());
  if (!back) return failed((front / "backend").text() + " is no path");
  xen::DomId domain{backend.value().at_most(UINT16_MAX).value_or(0)};
  auto made = std::unique_ptr<Front>(new Front(std::move(store), patience, front, *back, domain));
  made->trace.begin();
  return made;
}

Outcome<> Front::bring_to(Start start) {
  bool fresh = node(front_ / "state") == kInitialising && backend_state() == kInitWait && !share_;
  bool connected =
      share_ && !extra_ && channel_ && node(front_ / "state") == kConnected && backend_state() == kConnected;
  if (start == Start::Announced) return fresh ? Outcome<>() : start_anew();
  connected = connected && legacy_ == (start == Start::Legacy);
  if (connected && legacy_) return {};
  if (connected) {
    uint8_t state = page().state();
    if (state == kIdle || state == kFinish) return {};
  }
  if (!fresh) TRY(start_anew());
  return start == Start::Legacy ? connect_legacy() : connect();
}

Outcome<> Front::make_ring(size_t n_extra_pages) {
  constexpr size_t kStateAt = 4;
  legacy_ = false;
  trace.did("share a page, allocate a port");
  share_.emplace(TRY(xen::GrantShare::share(backend_, kStateAt)));
  channel_.emplace(TRY(xen::EventChannel::bind_unbound(backend_)));
  extra_.reset();
  if (n_extra_pages == 0) return {};
  constexpr size_t kCountAt = 7;
  trace.did("list " + std::to_string(n_extra_pages) + " extra pages");
  extra_.emplace(TRY(xen::GrantArea::share(backend_, n_extra_pages)));
  client::Out list;
  for (size_t i = 0; i < n_extra_pages; i++) {
    for (int shift = 0; shift < 32; shift += 8) list.u8(extra_ref(i) >> shift & 0xff);
  }
  page().store_bytes(kHeader, list);
  page().store_byte(kCountAt, static_cast<uint8_t>(n_extra_pages));
  return {};
}

Outcome<> Front::offer() {
  trace.did("offer: ring-ref, event-channel, feature-protocol-v2, state = 3");
  auto offered = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    TRY(t.write(front_ / "ring-ref", ref()));
    TRY(t.write(front_ / "event-channel", port()));
    return t.write(front_ / "feature-protocol-v2", "1");
  });
  TRY(offered);
  TRY(store_.write(front_ / "state", kInitialised));
  return {};
}

Outcome<> Front::connect(size_t n_extra_pages) {
  TRY(make_ring(n_extra_pages));
  TRY(offer());
  TRY(await_backend({kConnected}));
  return set_state(kConnected);
}

Outcome<> Front::offer_legacy(const char* state) {
  trace.did("offer: ring-ref, event-channel, state = " + std::string(state));
  legacy_ = true;
  auto offered = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    TRY(t.write(front_ / "ring-ref", ref()));
    return t.write(front_ / "event-channel", port());
  });
  TRY(offered);
  TRY(store_.write(front_ / "state", state));
  return {};
}

Outcome<> Front::connect_legacy(const char* state, bool then_connected) {
  TRY(make_ring());
  TRY(offer_legacy(state));
  TRY(await_backend({kConnected}));
  if (then_connected) TRY(set_state(kConnected));
  return {};
}

Outcome<> Front::backend_stays_out_of(const char* state) {
  for (Clock::time_point end = Clock::now() + patience.silence; Clock::now() < end;) {
    TRY(expect(backend_state() != state, "the backend went to state " + std::string(state)));
    std::this_thread::sleep_for(milliseconds(5));
  }
  trace.saw("the backend is in state " + backend_state());
  return {};
}

Outcome<> Front::close() {
  if (!share_ && !channel_) return {};
  TRY(set_state(kClosing));
  // Not every backend has a Closing of its own.
  static_cast<void>(await_node(back_ / "state", {kClosing, kClosed, ""}, patience.silence));
  TRY(set_state(kClosed));
  auto closed = await_backend({kClosed, ""});
  share_.reset();
  extra_.reset();
  channel_.reset();
  if (!closed.ok()) return closed.error();
  return {};
}

Outcome<> Front::remove_strange_nodes() {
  static const char* const kLasting[] = {"backend", "backend-id", "state", "handle"};
  for (const std::string& name : TRY(store_.list(front_))) {
    if (std::ranges::find(kLasting, name) == std::end(kLasting)) TRY(store_.remove(front_ / name));
  }
  return {};
}

Outcome<> Front::start_anew() {
  TRY(close());
  if (node(front_ / "state") != kInitialising || backend_state() != kInitWait) {
    TRY(set_state(kClosed));
    // A backend that waits may go on waiting; or it has yet to read what was there before, and will close over it.
    static_cast<void>(await_node(back_ / "state", {kClosed}, patience.silence));
    TRY(await_backend({kClosed, kInitWait}));
  }
  TRY(remove_strange_nodes());
  TRY(set_state(kInitialising));
  TRY(await_backend({kInitWait}));
  return {};
}

void Front::put(const Header& header, const Bytes& packet) {
  trace.did("put " + text_of(header) + " " + client::hex(packet));
  page().put(header, packet);
}

void Front::notify(unsigned times) {
  trace.did(times == 1 ? "notify" : "notify, " + std::to_string(times) + " times");
  for (unsigned i = 0; i < times; i++) static_cast<void>(channel_->notify());
}

void Front::drain() const {
  pollfd set{channel_->fd(), POLLIN, 0};
  while (poll(&set, 1, 0) == 1 && channel_->acknowledge().ok()) continue;
}

bool Front::bell(milliseconds most) {
  pollfd set{channel_->fd(), POLLIN, 0};
  bool rang = poll(&set, 1, static_cast<int>(most.count())) == 1 && channel_->acknowledge().ok();
  if (rang) trace.saw("bell, " + text_of(page().header()));
  return rang;
}

void Front::submit(const Bytes& command, uint8_t locality) {
  drain();
  Header header{.length = static_cast<uint32_t>(command.size()),
                .state = kSubmit,
                .locality = locality,
                .n_extra_pages = static_cast<uint8_t>(n_extra_pages())};
  size_t first = std::min(command.size(), kPage - header.packet_at());
  auto end = command.begin() + static_cast<std::ptrdiff_t>(first);
  if (first < command.size()) VERIFY(extra_->bytes().store_bytes(0, Bytes(end, command.end())));
  put(header, Bytes(command.begin(), end));
  notify();
}

Outcome<Header> Front::await_end() {
  Clock::time_point end = Clock::now() + patience.answer;
  auto over = [&] {
    uint8_t state = page().state();
    return state == kFinish || state == kIdle;
  };
  for (;;) {
    bool was_over = over();
    bool rang = bell(was_over ? patience.silence : milliseconds(20));
    if (was_over && rang) return page().header();
    if (was_over) return failed("the request was ended, " + text_of(page().header()) + ", without a notification");
    if (rang && over()) return page().header();
    if (Clock::now() > end) return failed("no answer: " + text_of(page().header()));
  }
}

Outcome<Bytes> Front::response() {
  Header header = TRY(await_end());
  TRY(expect(header.state == kFinish, "the request ended in " + name_of_state(header.state) + ", not FINISH"));
  // The backend does not own the count: the packet is where it was put.
  header.n_extra_pages = static_cast<uint8_t>(n_extra_pages());
  size_t room = (n_extra_pages() + 1) * kPage - header.packet_at();
  TRY(expect(header.length >= 10 && header.length <= room, "an answer of " + std::to_string(header.length) + " bytes"));
  Bytes packet = page().packet(header);
  if (packet.size() < header.length) {
    Bytes rest(header.length - packet.size());
    VERIFY(extra_->bytes().load_bytes(0, rest));
    packet.insert(packet.end(), rest.begin(), rest.end());
  }
  TRY(expect(size_in(packet) == header.length, "length is " + std::to_string(header.length) +
                                                   " and no TPM response of that size is at " +
                                                   std::to_string(header.packet_at()) + ": " + client::hex(packet)));
  return packet;
}

Outcome<Bytes> Front::run(const Bytes& command, uint8_t locality) {
  submit(command, locality);
  return response();
}

Outcome<> Front::await_state(uint8_t state) {
  for (Clock::time_point end = Clock::now() + patience.answer; page().state() != state;) {
    if (Clock::now() > end)
      return failed("the page is in " + name_of_state(page().state()) + ", not " + name_of_state(state));
    std::this_thread::sleep_for(milliseconds(2));
  }
  return {};
}

Outcome<> Front::silence() {
  Bytes before = page().all();
  TRY(expect(!bell(patience.silence), "the backend rang for nothing"));
  return expect(page().all() == before, "the backend wrote on a page that was not its own");
}

Outcome<Bytes> Front::pcr() {
  Bytes response = TRY(run(pcr_read()));
  Bytes value = pcr_in(response);
  TRY(expect(!value.empty(), "PCRRead was answered with code " + std::to_string(code_in(response))));
  return value;
}

Outcome<> Front::works() {
  TRY(pcr());
  return expect(backend_state() == kConnected, "the backend is in state " + backend_state());
}

}  // namespace ringtest
