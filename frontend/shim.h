// SPDX-License-Identifier: MIT
// Shim: a vTPM device of this domain, negotiated over XenStore as Linux's xen-tpmfront does it. It outlives what it is
// connected to: the backend may close and come back, and the domain may be suspended and go on elsewhere.
#pragma once

#include <chrono>
#include <memory>

#include "frontend/keeper.h"
#include "frontend/ring.h"
#include "lib/xen/store.h"
#include "xenstore-schema/values.h"

namespace frontend {

class Shim {
 public:
  // Which version of the ring is spoken.
  enum class Protocol : uint8_t { AsAnnounced, V1, V2 };
  // The device of that number. Nothing is negotiated yet; ENOENT when the domain has no such device. Whatever waits is
  // told to end (ECANCELED) while `ending` is readable. Of extra pages it shares as many as are wanted and the backend
  // takes.
  static xen::Result<std::unique_ptr<Shim>> open(unsigned device, Protocol protocol, Keeper keeper, int ending,
                                                 unsigned extra_pages);
  ~Shim();

  // This domain's number, as it is now.
  xen::Result<unsigned> domain() const;

  // Offers a new ring and waits for the backend to join it; whatever was before is closed first. ETIMEDOUT when it
  // does not, ECONNREFUSED when it closes the device or does not speak that version.
  xen::Result<> connect(std::chrono::milliseconds most);
  bool connected() const { return ring_ != nullptr; }

  // ENOTCONN before connect(): nothing was sent. ECONNRESET: the ring ended under the command, which may have been
  // executed or not. ETIMEDOUT, EBADMSG: the backend does not answer, or with nonsense. After each of them connect()
  // may help. Otherwise as Ring::transact().
  xen::Result<base::Bytes> transact(base::View command, uint8_t locality, std::chrono::milliseconds patience);

  // Readable when something may have happened to the connection; then look().
  int fd() const { return store_->fd(); }
  // Takes what XenStore has told, and lets go of a ring that stands no more. EBUSY: another driver has taken the
  // device, which is its own from now on.
  xen::Result<> look();
  // Tells the backend, waits until it has let go of the page, and takes the page back.
  void close();

 private:
  // The states of xenbus.
  enum class State : uint8_t {
    Unknown = 0,
    Initialising = 1,
    InitWait = 2,
    Initialised = 3,
    Connected = 4,
    Closing = 5,
    Closed = 6,
  };
  // What has become of the ring, by what stands in XenStore.
  enum class Standing : uint8_t {
    Stands,
    BackendClosed,
    Replaced,  // the toolstack has made the device anew, or removed it: the domain was suspended, or lost the device
    Taken,     // another driver has offered a ring of its own
  };
  Shim(std::unique_ptr<xen::Store> store, xen::Path front, xen::Path back, Protocol protocol, Keeper keeper,
       int ending);

  using Deadline = std::chrono::steady_clock::time_point;
  // Where the backend is now; both change with a suspension.
  xen::Result<> discover();
  xen::Result<> negotiate(std::chrono::milliseconds most);
  xen::Result<bool> announces_version_2() const;
  xen::Result<bool> speaks_version_2(Deadline end);
  xen::Result<> offer(bool version_2);
  unsigned extra_pages_taken() const;
  xen::Result<Standing> standing() const;
  // Lets go of a ring of another life of this domain.
  void abandon();
  xen::Result<State> state_of(const schema::Node<schema::Xenbus>& node) const;
  xen::Result<> show(State state);
  template <class F>
  xen::Result<State> wait_for(F wanted, Deadline end, bool even_when_ending = false);
  xen::Result<bool> swallow_events() const;

  std::unique_ptr<xen::Store> store_;  // stays where the watch knows it
  xen::Path front_, back_;
  xen::DomId backend_{};
  std::optional<xen::Watch> front_watch_, back_watch_;
  Protocol protocol_;
  Keeper keeper_;
  int ending_;
  unsigned extra_pages_ = 0;
  Fd either_;  // XenStore or the end
  State shown_ = State::Unknown;
  std::unique_ptr<AnyRing> ring_;
};

}  // namespace frontend
