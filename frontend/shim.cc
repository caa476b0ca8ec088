// SPDX-License-Identifier: MIT
#include "frontend/shim.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>

#include "frontend/legacy_ring.h"
#include "lib/base/log.h"
#include "xenstore-schema/vtpm.h"

namespace frontend {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kClosingTime{2000};

// What a node holds that we have written, or the toolstack for us.
enum class Found : uint8_t { Ours, Nothing, Other };
template <class T>
xen::Result<Found> found(const xen::Result<T>& read, const T& ours) {
  if (read.ok()) return read.value() == ours ? Found::Ours : Found::Other;
  if (read.error().number == ENOENT) return Found::Nothing;
  if (read.error().number == EBADMSG) return Found::Other;
  return read.error();
}

}  // namespace

Shim::Shim(std::unique_ptr<xen::Store> store, xen::Path front, xen::Path back, Protocol protocol, Keeper keeper,
           int ending)
    : store_(std::move(store)),
      front_(std::move(front)),
      back_(std::move(back)),
      protocol_(protocol),
      keeper_(std::move(keeper)),
      ending_(ending) {}

xen::Result<std::unique_ptr<Shim>> Shim::open(unsigned device, Protocol protocol, Keeper keeper, int ending,
                                              unsigned extra_pages) {
  auto store = std::make_unique<xen::Store>(TRY(xen::Store::open()));
  xen::Path front = schema::frontend::own_dir(device);
  auto back = TRY(schema::read(*store, schema::frontend::backend(front)));
  std::unique_ptr<Shim> shim(
      new Shim(std::move(store), std::move(front), std::move(back), protocol, std::move(keeper), ending));
  shim->extra_pages_ = extra_pages;
  shim->front_watch_ = TRY(shim->store_->watch(shim->front_, "frontend"));
  TRY(shim->discover());
  shim->either_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  for (int fd : {shim->store_->fd(), ending}) {
    epoll_event readable{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(shim->either_.get(), EPOLL_CTL_ADD, fd, &readable) < 0) return xen::failed("wait for XenStore");
  }
  return shim;
}

Shim::~Shim() { close(); }

xen::Result<unsigned> Shim::domain() const {
  return static_cast<unsigned>(TRY(schema::read(*store_, schema::home::own_domid())));
}

xen::Result<> Shim::discover() {
  auto backend = TRY(schema::read(*store_, schema::frontend::backend_id(front_)));
  auto back = TRY(schema::read(*store_, schema::frontend::backend(front_)));
  if (back_watch_ && back == back_ && backend == backend_) return {};
  back_watch_.reset();
  back_watch_ = TRY(store_->watch(schema::backend::state(back).path, "backend"));
  back_ = std::move(back);
  backend_ = backend;
  return {};
}

xen::Result<> Shim::connect(milliseconds most) {
  close();
  auto done = negotiate(most);
  if (!done.ok()) close();
  return done;
}

xen::Result<> Shim::negotiate(milliseconds most) {
  Deadline end = Clock::now() + most;
  TRY(discover());
  // A state that an earlier frontend left: the backend must have let go of that one's ring.
  if (TRY(state_of(schema::frontend::state(front_))) != State::Initialising) {
    TRY(show(State::Closed));
    auto let_go = [](State s) { return s == State::Closed || s == State::InitWait || s == State::Initialising; };
    if (!let_go(TRY(wait_for(let_go, end)))) return xen::SysError{ETIMEDOUT, "wait for the backend to close"};
    TRY(show(State::Initialising));
  }
  State before = TRY(state_of(schema::backend::state(back_)));
  const bool version_2 = TRY(speaks_version_2(end));
  TRY(offer(version_2));
  // One that has closed an earlier ring sees the offer and comes back; one that closes now refuses.
  if (before == State::Closed) before = TRY(wait_for([](State s) { return s != State::Closed; }, end));
  auto decided = [](State s) { return s == State::Connected || s == State::Closing || s == State::Closed; };
  State state = TRY(wait_for(decided, end));
  if (!decided(state) || before == State::Closed) return xen::SysError{ETIMEDOUT, "wait for the backend"};
  bool understood = state == State::Connected && (!version_2 || TRY(announces_version_2()));
  if (!understood) return xen::SysError{ECONNREFUSED, "connect to the backend"};
  return show(State::Connected);
}

xen::Result<bool> Shim::announces_version_2() const {
  auto told = schema::read(*store_, schema::backend::feature_protocol_v2(back_));
  if (told.ok()) return !told.value().empty();
  if (told.error().number == ENOENT || told.error().number == EBADMSG) return false;
  return told.error();
}

// A backend says so before it waits for an offer; what it says stays when it has closed.
xen::Result<bool> Shim::speaks_version_2(Deadline end) {
  if (protocol_ != Protocol::AsAnnounced) return protocol_ == Protocol::V2;
  State state = TRY(wait_for([](State s) { return s != State::Initialising && s != State::Unknown; }, end));
  bool waits = state == State::InitWait || state == State::Connected;
  return !waits || TRY(announces_version_2());
}

// A backend that says nothing sensible of extra pages takes none.
unsigned Shim::extra_pages_taken() const {
  if (extra_pages_ == 0) return 0;
  auto most = schema::read(*store_, schema::backend::max_extra_pages(back_));
  return most.ok() ? static_cast<unsigned>(std::min<uint64_t>(most.value(), extra_pages_)) : 0;
}

xen::Result<> Shim::offer(bool version_2) {
  if (version_2) {
    ring_ = TRY(Ring::make(backend_, extra_pages_taken()));
  } else {
    base::log(base::Level::Notice, "speaks version 1 of the ring");
    ring_ = TRY(LegacyRing::make(backend_));
  }
  auto offered = store_->transact([&](xen::Transaction& t) -> xen::Result<> {
    TRY(schema::write(t, schema::frontend::ring_ref(front_), ring_->ref()));
    TRY(schema::write(t, schema::frontend::event_channel(front_), ring_->port()));
    const auto feature = schema::frontend::feature_protocol_v2(front_);
    if (version_2) return schema::write(t, feature, "1");
    // One that spoke version 2 may have been here.
    return TRY(t.exists(feature.path)) ? t.remove(feature.path) : xen::Result<>();
  });
  if (!offered.ok()) return offered;
  return show(State::Initialised);
}

xen::Result<base::Bytes> Shim::transact(base::View command, uint8_t locality, milliseconds patience) {
  if (!connected()) return xen::SysError{ENOTCONN, "send command"};
  auto look_again = [this]() -> xen::Result<bool> {
    pollfd ending{ending_, POLLIN, 0};
    if (poll(&ending, 1, 0) > 0) return xen::SysError{ECANCELED, "wait for response"};
    if (TRY(swallow_events()) && TRY(standing()) != Standing::Stands) return false;
    return true;
  };
  constexpr milliseconds kGrace{2000};
  auto response = ring_->transact(command, locality, patience, kGrace, {either_.get(), look_again});
  bool unsent = !response.ok() && (response.error().number == EMSGSIZE || response.error().number == EOPNOTSUPP);
  if (response.ok() || unsent) return response;
  // Only a command that the backend has ended leaves a page that can be used again.
  if (response.error().number != ECANCELED || ring_->busy()) {
    close();
    return response;
  }
  // Ended because the backend is going?
  if (TRY(standing()) == Standing::Stands) return response;
  close();
  return xen::SysError{ECONNRESET, "wait for response"};
}

xen::Result<> Shim::look() {
  bool something_changed = TRY(swallow_events());
  if (!connected() || !something_changed) return {};
  Standing now = TRY(standing());
  if (now == Standing::Stands) return {};
  close();
  if (now == Standing::Taken) return xen::SysError{EBUSY, "drive the device: another driver has taken it"};
  base::log(base::Level::Notice, now == Standing::Replaced ? "the device was made anew: this domain was suspended"
                                                           : "the backend has closed the device");
  return {};
}

xen::Result<Shim::Standing> Shim::standing() const {
  Found ref = TRY(found(schema::read(*store_, schema::frontend::ring_ref(front_)), ring_->ref()));
  Found port = TRY(found(schema::read(*store_, schema::frontend::event_channel(front_)), ring_->port()));
  if (ref == Found::Other || port == Found::Other) return Standing::Taken;
  Found back = TRY(found(schema::read(*store_, schema::frontend::backend(front_)), back_));
  State front = TRY(state_of(schema::frontend::state(front_)));
  if (ref != Found::Ours || port != Found::Ours || back != Found::Ours || front != shown_) return Standing::Replaced;
  State state = TRY(state_of(schema::backend::state(back_)));
  return state == State::Connected || state == State::InitWait ? Standing::Stands : Standing::BackendClosed;
}

void Shim::close() {
  if (!connected()) return;
  auto now = standing();
  if (now.ok() && now.value() == Standing::Taken) {
    ring_.reset();
    return;
  }
  if (!now.ok() || now.value() == Standing::Replaced) return abandon();
  Deadline end = Clock::now() + kClosingTime;
  auto closed = show(State::Closing);
  if (closed.ok()) {
    auto waited =
        wait_for([](State s) { return s == State::Closing || s == State::Closed || s == State::Unknown; }, end, true);
    if (!waited.ok()) base::log(base::Level::Warning, waited.error().text());
    closed = show(State::Closed);
  }
  if (!closed.ok()) base::log(base::Level::Warning, closed.error().text());
  // The page must not be ours again while somebody else still writes to it.
  auto gone =
      wait_for([](State s) { return s == State::Closed || s == State::Unknown || s == State::InitWait; }, end, true);
  if (!gone.ok()) base::log(base::Level::Warning, gone.error().text());
  ring_.reset();
}

void Shim::abandon() {
  auto kept = keeper_.keep(ring_->fd());
  if (kept.ok()) {
    ring_.reset();
    return;
  }
  base::log(base::Level::Error, kept.error().text());
  // Nobody else holds the channel: it must not be closed, and so the ring is never given back.
  static_cast<void>(ring_.release());
}

// Unknown: the node is gone, or is no state.
xen::Result<Shim::State> Shim::state_of(const schema::Node<schema::Xenbus>& node) const {
  auto state = schema::read(*store_, node);
  if (!state.ok()) {
    if (state.error().number == ENOENT || state.error().number == EBADMSG) return State::Unknown;
    return state.error();
  }
  return static_cast<State>(state.value());
}

xen::Result<> Shim::show(State state) {
  // The tool stack removes the nodes of a device it takes away; nobody shall find a new one.
  TRY(store_->write_existing(schema::frontend::state(front_).path, std::to_string(static_cast<unsigned>(state))));
  shown_ = state;
  return {};
}

// The backend's state as soon as it is wanted, or the one at `end`.
template <class F>
xen::Result<Shim::State> Shim::wait_for(F wanted, Deadline end, bool even_when_ending) {
  for (;;) {
    State state = TRY(state_of(schema::backend::state(back_)));
    auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (wanted(state) || left.count() <= 0) return state;
    pollfd set[] = {{store_->fd(), POLLIN, 0}, {even_when_ending ? -1 : ending_, POLLIN, 0}};
    if (poll(set, std::size(set), static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return xen::failed("wait for XenStore");
    }
    if (set[1].revents != 0) return xen::SysError{ECANCELED, "wait for the backend"};
    TRY(swallow_events());
  }
}

// Whether there were any.
xen::Result<bool> Shim::swallow_events() const {
  bool any = false;
  while (TRY(store_->next_event())) any = true;
  return any;
}

}  // namespace frontend
