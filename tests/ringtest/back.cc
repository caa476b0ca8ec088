// SPDX-License-Identifier: MIT
#include "tests/ringtest/back.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <thread>

#include "tests/engine/stream_transport.h"
#include "tests/ringtest/legacy.h"
#include "tests/ringtest/shell.h"

namespace ringtest {

namespace {

constexpr char kBackends[] = "/local/domain/0/backend/vtpm";

unsigned number_in(const std::string& text) {
  unsigned number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A device that waits for a backend; of that domain, unless it is 0.
std::optional<xen::Path> waiting(const xen::Store& store, unsigned domain) {
  auto domains = store.list(kBackends);
  if (!domains.ok()) return std::nullopt;
  for (const std::string& one : domains.value()) {
    if (domain != 0 && number_in(one) != domain) continue;
    auto devices = store.list(xen::Path(kBackends) / one);
    if (!devices.ok()) continue;
    for (const std::string& device : devices.value()) {
      xen::Path path = xen::Path(kBackends) / one / device;
      auto state = store.read(path / "state");
      if (state.ok() && (domain != 0 || state.value() == kInitialising)) return path;
    }
  }
  return std::nullopt;
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    uint8_t byte = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 2, byte, 16);
    if (error != std::errc{} || end != text.data() + at + 2) break;
    bytes.push_back(byte);
  }
  return bytes;
}

}  // namespace

Back::Back(xen::Store store, Patience most, Frontend frontend, xen::DomId domain, xen::Path front, xen::Path back)
    : Half(std::move(store), most),
      frontend_(std::move(frontend)),
      domain_(domain),
      front_(std::move(front)),
      back_(std::move(back)),
      socket_("/tmp/vtpm-ringtest." + std::to_string(getpid())),
      tpm_(machine::make(false)) {
  client::Tpm([this](const Bytes& command, uint8_t locality) { return tpm_->execute(command, locality); }).startup();
}

Back::~Back() {
  if (running_) static_cast<void>(stop_frontend());
  leave();
  static_cast<void>(show(kClosed));
  if (answered_.valid()) answered_.wait();
  unlink(socket_.c_str());
}

Outcome<std::unique_ptr<Back>> Back::open(const Frontend& frontend, Patience patience) {
  xen::Store store = TRY(xen::Store::open());
  std::unique_ptr<Shell> creating;
  // The toolstack waits for us to show InitWait.
  if (!frontend.create.empty() && !waiting(store, frontend.domain))
    creating = std::make_unique<Shell>(frontend.create, std::map<std::string, std::string>());
  Clock::time_point end = Clock::now() + patience.answer;
  std::optional<xen::Path> back;
  while (!(back = waiting(store, frontend.domain))) {
    if (Clock::now() > end) return failed("no device waits for a backend below " + std::string(kBackends));
    std::this_thread::sleep_for(milliseconds(20));
  }
  std::string path = TRY(store.read(*back / "frontend")), number = TRY(store.read(*back / "frontend-id"));
  auto front = xen::Path::parse(path);
  xen::DomId domain{static_cast<uint16_t>(number_in(number))};
  if (!front) return failed((*back / "frontend").text() + " is no path");
  auto made = std::unique_ptr<Back>(new Back(std::move(store), patience, frontend, domain, *front, *back));
  made->trace.begin();
  TRY(made->begin_anew());
  while (creating && !creating->status()) std::this_thread::sleep_for(milliseconds(20));
  return made;
}

// ---- The frontend under test ----

Outcome<> Back::begin_anew(bool legacy) {
  leave();
  held_ = false;
  legacy_ = legacy;
  if (!legacy) TRY(set("feature-protocol-v2", "1"));
  if (legacy && node(back_ / "feature-protocol-v2")) TRY(unset("feature-protocol-v2"));
  return show(kInitWait);
}

Outcome<> Back::bring_to(Start start) {
  bool connected = running_ && !died() && mapping_ && front_state() == kConnected &&
                   node(back_ / "state") == kConnected && !answered_.valid();
  bool legacy = start == Start::Legacy;
  if (start != Start::Announced && connected && legacy_ == legacy) return {};
  if (running_) TRY(stop_frontend());
  TRY(begin_anew(legacy));
  if (start == Start::Announced) return {};
  TRY(start_frontend());
  TRY(accept());
  return {};
}

std::map<std::string, std::string> Back::environment() const {
  return {{"DOMID", std::to_string(static_cast<unsigned>(domain_))}, {"SOCKET", socket_}};
}

Outcome<> Back::start_frontend() {
  trace.did("start the frontend");
  unlink(socket_.c_str());
  running_ = std::make_unique<Shell>(
      frontend_.start, std::map<std::string, std::string>{{"DOMID", std::to_string(static_cast<unsigned>(domain_))},
                                                          {"SOCKET", socket_}});
  return {};
}

void Back::ask_to_stop() {
  if (stopping_) return;
  trace.did("ask the frontend to end");
  if (frontend_.stop.empty()) return running_->ask_to_end();
  // Such a command may not return before we have done our part.
  stopping_ = std::make_unique<Shell>(frontend_.stop, environment());
}

Outcome<> Back::stop_frontend() {
  // A driver that is still probing its TPM ends when it has been answered, not before.
  if (!held_ && front_state() == kInitialised && !ended()) {
    auto finished_probing = joined() ? accept_joined() : accept();
    if (!finished_probing.ok()) trace.saw(finished_probing.error().text);
  }
  ask_to_stop();
  Clock::time_point end = Clock::now() + patience.answer;
  bool in_time = true;
  while (!ended() && (in_time = Clock::now() < end)) {
    serve(milliseconds(20));
    TRY(follow_closing());
  }
  leave();
  if (node(back_ / "state") != kClosed) TRY(show(kClosed));
  // One that died has left what it had offered.
  if (died()) TRY(forget_front_state());
  running_.reset();
  stopping_.reset();
  if (answered_.valid()) static_cast<void>(answered_.get());
  return expect(in_time, "the frontend did not end when it was asked to");
}

Outcome<> Back::follow_closing(bool unmap) {
  std::string state = front_state();
  if (state == kClosing && node(back_ / "state") == kConnected) TRY(show(kClosing));
  if ((state == kClosed || state == kClosing) && node(back_ / "state") != kClosed) {
    if (unmap) leave();
    TRY(show(kClosed));
  }
  return {};
}

std::optional<std::string> Back::died() const {
  auto status = running_ ? running_->status() : std::nullopt;
  if (!status) return std::nullopt;
  if (WIFSIGNALED(*status)) return "the frontend ended by signal " + std::to_string(WTERMSIG(*status));
  // What a shell says of a child that ended by a signal.
  constexpr int kSignalled = 128;
  int code = WEXITSTATUS(*status);
  if (code > kSignalled) return "the frontend ended by signal " + std::to_string(code - kSignalled);
  return std::nullopt;
}

bool Back::ended() const {
  if (!frontend_.stop.empty()) return stopping_ && stopping_->status();
  return !running_ || running_->status();
}

bool Back::has_client() const { return !frontend_.send.empty() || frontend_.start.find("SOCKET") != std::string::npos; }

// ---- The handshake ----

Outcome<std::vector<std::string>> Back::writes_until_offer() {
  xen::Watch watch = TRY(store_.watch(front_, "writes"));
  TRY(start_frontend());
  TRY(await_front({kInitialised}));
  // What is written after the state is told after it.
  std::this_thread::sleep_for(patience.silence);
  std::vector<std::string> names;
  while (auto event = TRY(store_.next_event())) {
    auto path = xen::Path::parse(event->path);
    auto below = path ? path->below(front_) : std::nullopt;
    if (below && below->size() == 1) names.push_back(below->front());
  }
  return names;
}
Outcome<> Back::show(const char* state) {
  trace.did("state = " + std::string(state));
  TRY(store_.write_existing(back_ / "state", state));
  return {};
}

Outcome<> Back::join() {
  auto ref = front_node("ring-ref"), port = front_node("event-channel");
  TRY(expect(ref && port, "state 3 without ring-ref or event-channel"));
  ref_ = xen::GrantRef{number_in(*ref)};
  trace.saw("ring-ref " + *ref + ", event-channel " + *port);
  xen::Gnttab device = TRY(xen::Gnttab::open());
  mapping_.emplace(TRY(xen::GrantMapping::map(std::move(device), domain_, ref_)));
  channel_.emplace(TRY(xen::EventChannel::bind(domain_, xen::Port{number_in(*port)})));
  return {};
}

Outcome<> Back::accept() {
  TRY(await_front({kInitialised, kConnected}));
  TRY(join());
  return accept_joined();
}

Outcome<> Back::accept_joined() {
  TRY(show(kConnected));
  serving_ = true;
  auto connected = await_front({kConnected});
  serving_ = false;
  if (!connected.ok()) return connected.error();
  return {};
}

void Back::leave() {
  if (mapping_ && !legacy_ && page().state() != kFinish) page().store_state(kIdle);
  if (channel_ && !legacy_) ring();
  drop();
}

void Back::drop() {
  mapping_.reset();
  packet_.reset();
  channel_.reset();
}

bool Back::can_map(xen::GrantRef ref) const {
  auto device = xen::Gnttab::open();
  return device.ok() && xen::GrantMapping::map(std::move(device).take(), domain_, ref).ok();
}

// ---- The page ----

void Back::notify(unsigned times) {
  trace.did(times == 1 ? "notify" : "notify, " + std::to_string(times) + " times");
  for (unsigned i = 0; i < times; i++) ring();
}

void Back::drain() const {
  pollfd set{channel_->fd(), POLLIN, 0};
  while (poll(&set, 1, 0) == 1 && channel_->acknowledge().ok()) continue;
}

bool Back::bell(milliseconds most) {
  pollfd set{channel_->fd(), POLLIN, 0};
  return poll(&set, 1, static_cast<int>(most.count())) == 1 && channel_->acknowledge().ok();
}

Bytes Back::answer_of(const Header& header) {
  Bytes command = page().packet(header);
  return tpm_->execute(command, 0);
}

void Back::finish(const Bytes& response) {
  finish_as({.length = static_cast<uint32_t>(response.size()), .state = kFinish}, response);
}

void Back::finish_as(const Header& header, const Bytes& packet) {
  trace.did("answer " + text_of(header));
  page().store_bytes(kHeader, packet);
  page().store_length(header.length);
  page().store_state(header.state);
  ring();
}

void Back::serve(milliseconds most) {
  Clock::time_point end = Clock::now() + most;
  do {
    if (!mapping_ || held_) {
      std::this_thread::sleep_for(milliseconds(5));
      continue;
    }
    if (legacy_) {
      if (bell(milliseconds(5))) serve_legacy();
      continue;
    }
    Header header = page().header();
    if (header.state == kSubmit) {
      Bytes response = answer_of(header);
      page().store_bytes(kHeader, response);
      page().store_length(static_cast<uint32_t>(response.size()));
      page().store_state(kFinish);
      ring();
    } else if (header.state == kCancel) {
      page().store_state(kIdle);
      ring();
    } else {
      static_cast<void>(bell(milliseconds(5)));
    }
  } while (Clock::now() < end);
}

void Back::serve_legacy() {
  Slot slot = slot_on(page());
  auto packet = packet_page(slot.ref);
  if (!packet) return;
  Bytes response = execute(packet->bytes(slot.offset(), slot.size));
  packet->store_bytes(slot.offset(), response);
  slot.size = static_cast<uint16_t>(response.size());
  put(page(), slot);
  drop_packet();
  ring();
}

std::optional<Page> Back::packet_page(uint32_t ref) {
  packet_.reset();
  auto device = xen::Gnttab::open();
  if (!device.ok()) return std::nullopt;
  auto mapping = xen::GrantMapping::map(std::move(device).take(), domain_, xen::GrantRef{ref});
  if (!mapping.ok()) return std::nullopt;
  packet_.emplace(std::move(mapping).take());
  return Page(packet_->bytes());
}

void Back::meanwhile() {
  if (serving_) serve(milliseconds(1));
}

void Back::ask(const Bytes& command) {
  asked_ = command;
  if (!has_client()) return;
  trace.did("have the frontend send " + client::hex(command));
  answered_ = std::async(std::launch::async, [this, command] {
    if (!frontend_.send.empty()) {
      std::map<std::string, std::string> environment = {{"DOMID", std::to_string(static_cast<unsigned>(domain_))},
                                                        {"COMMAND", client::hex(command)}};
      return from_hex(output_of("set -- \"$COMMAND\"; " + frontend_.send, environment).value_or(""));
    }
    int most = static_cast<int>(2 * patience.answer.count());
    client::Stream stream("unix:" + socket_, most);
    return stream.write(command) ? stream.read_response(most) : Bytes();
  });
}

Outcome<Header> Back::await_request() {
  Clock::time_point end = Clock::now() + patience.answer;
  while (Clock::now() < end) {
    TRY(follow_closing());
    TRY(expect(joined(), "the frontend has closed"));
    Header header = page().header();
    bool wanted = !has_client() || page().packet({.length = static_cast<uint32_t>(asked_.size())}) == asked_;
    if (header.state == kSubmit && wanted) {
      trace.saw("request " + text_of(header));
      return header;
    }
    // Kernels have commands of their own, and give them up.
    if (!wanted && (header.state == kSubmit || header.state == kCancel)) serve(milliseconds(1));
    static_cast<void>(bell(milliseconds(2)));
    if (auto why = died()) return failed(*why);
  }
  if (!has_client()) return skipped("the frontend sends nothing by itself");
  return failed("the command did not come: " + text_of(page().header()) + " " +
                client::hex(page().packet({.length = static_cast<uint32_t>(asked_.size())})));
}

Outcome<Bytes> Back::client_answer(bool unmap) {
  if (!answered_.valid()) return Bytes();
  Clock::time_point end = Clock::now() + 2 * patience.answer;
  while (answered_.wait_for(milliseconds(5)) != std::future_status::ready) {
    if (Clock::now() > end) return failed("the client waits for ever");
    TRY(follow_closing(unmap));
    meanwhile();
  }
  return answered_.get();
}

Outcome<> Back::recovers() {
  if (!await_node(front_ / "state", {kClosing, kClosed}, patience.silence).ok()) return works();
  note("the frontend gives the ring up and offers another");
  for (Clock::time_point end = Clock::now() + patience.answer; front_state() == kClosing;) {
    TRY(follow_closing());
    if (Clock::now() > end) return failed("the frontend stays in Closing");
    std::this_thread::sleep_for(milliseconds(5));
  }
  TRY(follow_closing());
  TRY(come_back());
  return works();
}

Outcome<> Back::come_back() {
  TRY(begin_anew());
  ask(pcr_read());
  TRY(accept());
  // It may be sent only now.
  serving_ = true;
  auto answered = client_answer();
  serving_ = false;
  if (!answered.ok()) return answered.error();
  return {};
}

Outcome<> Back::works() {
  ask(pcr_read());
  Header header = TRY(await_request());
  Bytes response = answer_of(header);
  finish(response);
  if (!has_client()) return {};
  Bytes got = TRY(client_answer());
  if (auto why = died()) return failed(*why);
  return expect(got == response, "the client was answered " + client::hex(got) + ", not " + client::hex(response));
}

}  // namespace ringtest
