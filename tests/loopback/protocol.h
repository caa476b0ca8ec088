// SPDX-License-Identifier: MIT
// What the preloaded library and the machine say to each other: one SOCK_SEQPACKET message a request, one a reply,
// descriptors beside them. Also the memory that the two ends of an event channel share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace loopback {

enum class Op : uint32_t {
  Share,        // domain = who may map, a = pages → the grant references; fd: the memory
  Unshare,      // a = first reference
  Map,          // domain, a = reference → a = mapping, b = offset in the memory; fd: the memory
  Unmap,        // a = mapping
  BindUnbound,  // domain = who may connect; fd: what wakes the caller → a = port, b = side; fd: the channel's page
  BindInterdomain,  // domain, a = its port; fd as above → as above; second fd: what wakes the peer
  FindPeer,         // a = port → fd: what wakes the peer; none when nobody is connected
  Unbind,           // a = port
  Restrict,         // domain = the only one this connection may bind to from now on
  ListDomains,      // a = first → DomainRecords, at most kListed: whoever wants more asks again after the last one
  // The tool stack's, for dom0 only.
  CreateDomain,  // a = 1 for PVH, b = 1 when its first processor shows a kernel that has run, uuid → a = number
  PauseDomain,
  UnpauseDomain,
  ShutDownDomain,  // domain, a = reason
  ResumeDomain,
  DestroyDomain,
  DisguiseDomain,  // domain: its first processor shows what a new boot shows, as its kernel may bring about
  EndMembers,      // asks the processes of the domain to end, as a guest does that shuts down
  Join,            // the caller and its descendants live in the domain of this socket, and die with it
};

struct Request {
  Op op;
  uint32_t domain;
  uint32_t a;
  uint32_t b;
  uint32_t writable;
  uint32_t notify_offset;  // of the byte cleared at the end; kNoOffset for none
  uint32_t notify_port;    // signalled at the end; kNoPort for none
  uint8_t uuid[16];
};
constexpr uint32_t kNoOffset = UINT32_MAX;
constexpr uint32_t kNoPort = UINT32_MAX;

struct Reply {
  int32_t error;
  uint32_t a;
  uint32_t b;
  uint32_t n;  // of what follows: uint32_t references, or DomainRecords
};

struct DomainRecord {
  uint32_t domain;
  uint8_t pvh, paused, shut_down, shutdown_reason, dying;
  uint8_t members;        // processes that joined and have not ended; 255 for more
  uint8_t has_run;        // its processors have, if only for a moment
  uint8_t kernel_set_up;  // its first processor shows a kernel that has set itself up
  uint8_t reserved[3];
  uint8_t uuid[16];
};

constexpr size_t kListed = 256;
constexpr size_t kMaxMessage = 32768;
constexpr uint32_t kMaxPages = 1024;  // one request may share
constexpr size_t kPageSize = 4096;
constexpr size_t kCacheLine = 64;

// One page a channel, seen by both ends and by the machine.
struct ChannelPage {
  static constexpr uint32_t kPending = 1;
  static constexpr uint32_t kMasked = 2;
  struct Side {
    alignas(kCacheLine) std::atomic<uint32_t> state;  // of this side's port
    std::atomic<uint32_t> peer_changes;               // grows whenever the other side is bound or closed
  };
  Side sides[2];
};
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(ChannelPage) <= kPageSize);

}  // namespace loopback
