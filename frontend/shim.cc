// SPDX-License-Identifier: MIT
#include "frontend/shim.h"

#include <poll.h>

#include "lib/base/log.h"
#include "xenstore-schema/vtpm.h"

namespace frontend {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kClosingTime{5000};

}  // namespace

Shim::Shim(std::unique_ptr<xen::Store> store, xen::Path front, xen::Path back, xen::DomId backend, xen::Watch watch)
    : store_(std::move(store)),
      front_(std::move(front)),
      back_(std::move(back)),
      backend_(backend),
      watch_(std::move(watch)) {}

xen::Result<std::unique_ptr<Shim>> Shim::open(unsigned device) {
  auto store = std::make_unique<xen::Store>(TRY(xen::Store::open()));
  xen::Path front = schema::frontend::own_dir(device);
  auto backend = TRY(schema::read(*store, schema::frontend::backend_id(front)));
  auto back = TRY(schema::read(*store, schema::frontend::backend(front)));
  xen::Watch watch = TRY(store->watch(schema::backend::state(back).path, "backend"));
  return std::unique_ptr<Shim>(
      new Shim(std::move(store), std::move(front), std::move(back), backend, std::move(watch)));
}

Shim::~Shim() { close(); }

xen::Result<> Shim::connect(milliseconds most) {
  close();
  // A state that an earlier frontend left: the backend must have let go of that one's ring.
  if (TRY(state_of(schema::frontend::state(front_))) != State::Initialising) {
    TRY(show(State::Closed));
    auto let_go = [](State s) { return s == State::Closed || s == State::InitWait || s == State::Initialising; };
    if (!let_go(TRY(wait_for(let_go, most, interrupt_))))
      return xen::SysError{ETIMEDOUT, "wait for the backend to close"};
    TRY(show(State::Initialising));
  }
  State before = TRY(state_of(schema::backend::state(back_)));
  TRY(offer());
  // One that has closed an earlier ring sees the offer and comes back; one that closes now refuses.
  if (before == State::Closed) before = TRY(wait_for([](State s) { return s != State::Closed; }, most, interrupt_));
  auto decided = [](State s) { return s == State::Connected || s == State::Closing || s == State::Closed; };
  State state = TRY(wait_for(decided, most, interrupt_));
  auto version = state == State::Connected ? schema::read(*store_, schema::backend::feature_protocol_v2(back_))
                                           : xen::Result<std::string>(std::string());
  if (version.ok() && !version.value().empty()) {
    auto shown = show(State::Connected);
    if (shown.ok()) return {};
  }
  close();
  if (!decided(state) || before == State::Closed) return xen::SysError{ETIMEDOUT, "wait for the backend"};
  return xen::SysError{ECONNREFUSED, "connect to the backend"};
}

xen::Result<> Shim::offer() {
  ring_ = TRY(Ring::make(backend_));
  ring_->interrupt_by(interrupt_);
  auto offered = store_->transact([this](xen::Transaction& t) -> xen::Result<> {
    TRY(schema::write(t, schema::frontend::ring_ref(front_), ring_->ref()));
    TRY(schema::write(t, schema::frontend::event_channel(front_), ring_->port()));
    return schema::write(t, schema::frontend::feature_protocol_v2(front_), "1");
  });
  if (offered.ok()) offered = show(State::Initialised);
  if (!offered.ok()) ring_.reset();
  return offered;
}

xen::Result<base::Bytes> Shim::transact(base::View command, uint8_t locality, milliseconds patience) {
  TRY(look());
  if (!connected()) return xen::SysError{ENOTCONN, "send command"};
  auto response = ring_->transact(command, locality, patience);
  if (!response.ok()) {
    // Ended because the backend has gone?
    TRY(look());
    if (!connected()) return xen::SysError{ENOTCONN, "wait for response"};
  }
  return response;
}

xen::Result<> Shim::cancel() {
  if (!connected()) return xen::SysError{ENOTCONN, "cancel command"};
  ring_->cancel();
  return {};
}

xen::Result<> Shim::look() {
  bool something_changed = TRY(swallow_events());
  if (!connected() || !something_changed) return {};
  State state = TRY(state_of(schema::backend::state(back_)));
  bool alive = state == State::Connected || state == State::InitWait;
  if (!alive) close();
  return {};
}

void Shim::close() {
  if (!connected()) return;
  auto closed = show(State::Closing);
  if (closed.ok()) {
    auto waited = wait_for([](State s) { return s == State::Closing || s == State::Closed || s == State::Unknown; },
                           kClosingTime);
    if (!waited.ok()) base::log(base::Level::Warning, waited.error().text());
    closed = show(State::Closed);
  }
  if (!closed.ok()) base::log(base::Level::Warning, closed.error().text());
  // The page must not be ours again while somebody else still writes to it.
  auto gone =
      wait_for([](State s) { return s == State::Closed || s == State::Unknown || s == State::InitWait; }, kClosingTime);
  if (!gone.ok()) base::log(base::Level::Warning, gone.error().text());
  ring_.reset();
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

xen::Result<> Shim::show(State state) const {
  // The tool stack removes the nodes of a device it takes away; nobody shall find a new one.
  TRY(store_->write_existing(schema::frontend::state(front_).path, std::to_string(static_cast<unsigned>(state))));
  return {};
}

// The backend's state as soon as it is wanted, or the one after that time.
template <class F>
xen::Result<Shim::State> Shim::wait_for(F wanted, milliseconds most, int interrupt) {
  Clock::time_point end = Clock::now() + most;
  for (;;) {
    State state = TRY(state_of(schema::backend::state(back_)));
    auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (wanted(state) || left.count() <= 0) return state;
    pollfd set[] = {{store_->fd(), POLLIN, 0}, {interrupt, POLLIN, 0}};
    if (poll(set, std::size(set), static_cast<int>(left.count())) < 0 && errno != EINTR)
      return xen::failed("wait for XenStore");
    if (set[1].revents != 0) return xen::SysError{EINTR, "wait for the backend"};
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
