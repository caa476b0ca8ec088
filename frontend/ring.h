// SPDX-License-Identifier: MIT
// Ring: the front half of the tpmif v2 page: shares it, sends one command at a time, waits for the answer. AnyRing:
// what it has in common with the one of version 1.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "lib/base/bytes.h"
#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"

namespace frontend {

// What fits on a page and so many extra ones, whose list takes room as well.
constexpr size_t packet_bytes(size_t n_extra_pages) {
  return (n_extra_pages + 1) * xen::kPageBytes - 8 - n_extra_pages * sizeof(uint32_t);
}
inline constexpr size_t kPacketBytes = packet_bytes(0);
inline constexpr size_t kMostExtraPages = 255;

// What ends the waiting for an answer early: when `fd` is readable, `look` is asked whether the ring still stands.
struct Interruption {
  int fd = -1;
  std::function<xen::Result<bool>()> look;
};

class AnyRing {
 public:
  virtual ~AnyRing() = default;
  AnyRing(const AnyRing&) = delete;
  AnyRing& operator=(const AnyRing&) = delete;

  xen::GrantRef ref() const { return share_.ref(); }
  xen::Port port() const { return channel_.port(); }
  // Readable when the backend has notified. Also for whoever must keep the event channel from being closed.
  int fd() const { return channel_.fd(); }

  // Sends the command and waits for its response: after `patience` the command is cancelled, where that can be done,
  // and given up `grace` later (ETIMEDOUT). EMSGSIZE: it does not fit. ECANCELED: the backend ended it without an
  // answer. ECONNRESET: the ring stands no more. EBADMSG: what it got is no response.
  virtual xen::Result<base::Bytes> transact(base::View command, uint8_t locality, std::chrono::milliseconds patience,
                                            std::chrono::milliseconds grace, const Interruption& interruption) = 0;
  // Whether a command has been sent and is not answered.
  virtual bool busy() const = 0;

 protected:
  AnyRing(xen::GrantShare share, xen::EventChannel channel) : share_(std::move(share)), channel_(std::move(channel)) {}
  // Whether the command ended in time.
  xen::Result<bool> wait(std::chrono::milliseconds most, const Interruption& interruption);

  xen::GrantShare share_;
  xen::EventChannel channel_;
  bool rung_ = false;  // a notification has been taken
};

class Ring : public AnyRing {
 public:
  // A page and an event channel that only `backend` can join; nobody has yet. Extra pages, as many as the backend
  // takes, are on its list for as long as the ring lasts.
  static xen::Result<std::unique_ptr<Ring>> make(xen::DomId backend, size_t n_extra_pages = 0);
  // The longest command and the longest response.
  size_t packet_bytes() const { return frontend::packet_bytes(n_extra_pages_); }

  // Puts the command on the page. EMSGSIZE: it does not fit; EBUSY: the last one is not finished.
  xen::Result<> submit(base::View command, uint8_t locality);
  // Asks for an early end of the command in flight.
  void cancel();
  // Takes a notification that fd() has told.
  xen::Result<> acknowledge() const { return channel_.acknowledge(); }

  enum class Progress { Running, Answered, Cancelled };
  Progress progress() const;
  // After Answered. EBADMSG: the backend claims more than a page holds, or left no response of that length there. What
  // is behind the response's own size is cut off: it would be taken for the beginning of the next.
  xen::Result<base::Bytes> response() const;

  // submit(), then response().
  xen::Result<base::Bytes> transact(base::View command, uint8_t locality, std::chrono::milliseconds patience,
                                    std::chrono::milliseconds grace = std::chrono::seconds(2),
                                    const Interruption& interruption = {}) override;
  bool busy() const override { return progress() == Progress::Running; }

  // For those who test the other half with what is not a command.
  base::ForeignBytes page() const { return share_.bytes(); }
  void notify() const { static_cast<void>(channel_.notify()); }

 private:
  Ring(xen::GrantShare share, xen::EventChannel channel, std::optional<xen::GrantArea> extra);
  // The packet goes on from the first page to the others, which lie elsewhere in our memory.
  void store_packet(base::View packet) const;
  void load_packet(std::span<uint8_t> packet) const;

  std::optional<xen::GrantArea> extra_;
  size_t n_extra_pages_;
  size_t packet_at_;
};

}  // namespace frontend
