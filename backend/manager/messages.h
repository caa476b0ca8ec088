// SPDX-License-Identifier: MIT
// The messages between manager and worker, and between it and the processes that hash and convert: one datagram of a
// SOCK_SEQPACKET socket each, a kind byte and the fields of the struct, big-endian. Whoever receives a malformed one
// ends the connection: a peer that talks nonsense is broken.
#pragma once

#include <array>
#include <cstdint>

#include "lib/base/bytes.h"
#include "lib/base/secret.h"
#include "lib/wire/sized.h"

namespace message {

inline constexpr uint32_t kVersion = 4;
// The descriptors a worker is born with, and no others beyond standard error; the last two for version 1 of the ring.
inline constexpr int kManagerFd = 3;   // socket pair to the manager that started it
inline constexpr int kListenFd = 4;    // where a later manager connects to adopt the worker
inline constexpr int kJournalFd = 5;   // memfd of kJournalBytes, sealed against resizing
inline constexpr int kGrantdFd = 6;    // socket pair to vtpm-grantd
inline constexpr int kTransferFd = 7;  // memfd of transfer::kMemoryBytes, shared with it
inline constexpr size_t kJournalBytes = 512 * 1024;
inline constexpr size_t kMaxMessage = 1024 * 1024;
// Of everything that a worker is sent after Start.
inline constexpr size_t kMaxOrder = 4096;
inline constexpr size_t kMaxCertificate = 3072;
// Pages of a ring beside the first; more than Documentation/protocol.md offers is refused.
inline constexpr uint32_t kMostExtraPages = 7;

using Uuid = std::array<uint8_t, 16>;

// The last one takes everything that is slower.
inline constexpr size_t kLatencyBuckets = 26;

enum class Kind : uint8_t {
  // to the worker
  Start = 1,
  Committed = 2,
  Freeze = 3,
  Thaw = 4,
  Stop = 5,
  Adopt = 6,
  Certificate = 7,
  Trace = 9,
  // to the process that hashes
  Measure = 8,
  // to the manager
  Hello = 65,
  Ready = 66,
  Failed = 67,
  Commit = 68,
  Snapshot = 69,
  Statistics = 70,
  Endorsement = 71,
  Measuring = 72,
  Measured = 73,
  NotMeasured = 74,
  Converted = 75,
  NotConverted = 76,
};

enum class StartKind : uint8_t {
  PowerOn = 1,       // the worker itself does Startup(ST_CLEAR); no snapshot
  Reconnect = 2,     // state goes on from `snapshot`, new ring
  Continuation = 3,  // same ring, after a crash; the old journal comes with the message as a descriptor (SCM_RIGHTS)
  Lost = 4,          // the volatile state is lost while the guest runs on: TPM_FAILEDSELFTEST until a power cycle
  Manufacture =
      5,      // no guest: makes a new TPM, commits it as epoch 1 and ends after Ready; grant and port mean nothing
  Clone = 6,  // the same with the TPM of `permanent`, which gets another endorsement key if it has one
};

struct Extend {
  uint8_t pcr = 0;
  std::array<uint8_t, 20> digest{};
};

// What a frontend shares beside the first page of its ring: read from that once, and never again as long as the
// connection lasts, whoever serves it.
struct ExtraPages {
  bool frozen = false;  // they have been read
  wire::Counted<uint32_t> refs;
};

// First message to a worker.
struct Start {
  uint32_t version = kVersion;
  Uuid uuid{};
  uint16_t domain = 0;
  uint16_t device = 0;
  StartKind kind = StartKind::PowerOn;
  uint8_t ring_version = 2;  // 1 or 2
  uint32_t grant_ref = 0;
  uint32_t port = 0;       // the frontend's event channel
  ExtraPages extra_pages;  // frozen: of the connection that goes on
  uint8_t localities = 1;  // bit n: locality n may be claimed from the page
  bool physical_presence_command = true;
  bool endorsement_key = true;  // these three: what a new TPM is
  bool enabled = true;
  bool activated = true;
  wire::Counted<Extend> extends;  // PowerOn: in this order, before anything is served
  base::Secret<32> instance_key;
  uint64_t power_cycle = 0;    // counts the instance's power cycles; the journal must carry the same
  uint64_t epoch = 0;          // of `permanent`; 0: there is none yet, manufacture and commit as epoch 1
  wire::SizedBytes permanent;  // sealed, Purpose::Permanent
  wire::SizedBytes snapshot;   // sealed, Purpose::Snapshot, same epoch; Reconnect only
};
// Answer to Commit. ok: epoch is durable.
struct Committed {
  uint64_t epoch = 0;
  bool ok = false;
};
// Finish the command in flight, serve no more, answer Snapshot.
struct Freeze {};
// Serve again after Freeze, from the state the worker still has.
struct Thaw {};
// As Freeze; after Snapshot leave the page IDLE, notify, unmap and exit.
struct Stop {};
// First message on the listening socket: the worker answers Hello there, with its journal as a descriptor (SCM_RIGHTS),
// and speaks to this manager from now on.
struct Adopt {
  uint32_t version = kVersion;
};

// With a descriptor (SCM_RIGHTS): tells every command there from now on, each a datagram of backend/trace/record.h.
// Without one: tells none any more.
struct Trace {};

// Answer to an Endorsement that wants one: X.509 in DER, at most kMaxCertificate; empty when it cannot be had now.
struct Certificate {
  wire::SizedBytes certificate;
};

struct Hello {
  uint32_t version = kVersion;
  Uuid uuid{};
  uint16_t domain = 0;
  uint16_t device = 0;
  uint64_t power_cycle = 0;
  uint64_t epoch = 0;  // the last one known to be durable
  bool frozen = false;
  bool commit_open = false;  // a Commit of epoch + 1 is unanswered; it is sent again after Hello
  ExtraPages extra_pages;
};
// Mapped, bound, locked down, serving.
struct Ready {
  wire::SizedBytes version;  // of the program, text
  ExtraPages extra_pages;
};

enum class Failure : uint8_t {
  BadStart = 1,      // Start did not make sense
  CannotMap = 2,     // the grant could not be mapped
  CannotBind = 3,    // the event channel could not be bound
  CannotUnseal = 4,  // a sealed state did not open
  CannotLockDown = 5,
  BadState = 6,       // an opened state was malformed
  PeerBroke = 7,      // the frontend broke the protocol in a way that closes the device
  NoGrantd = 8,       // vtpm-grantd does not answer
  BadExtraPages = 9,  // too many, one twice, or not to be mapped
};
// The worker exits after this.
struct Failed {
  Failure why = Failure::BadStart;
};
using Modulus = std::array<uint8_t, 256>;
// What the TPM has for an endorsement key, once, before Ready: of a new TPM before its first Commit, of another one at
// a power-on.
struct Endorsement {
  bool present = false;
  bool wants_certificate = false;  // waits for a Certificate
  Modulus modulus{};               // RSA-2048; the exponent is 65537
  std::array<uint8_t, 4> vendor{};
  uint16_t spec_level = 0;
  uint8_t major = 0;  // of the firmware
  uint8_t minor = 0;
};
// The new permanent state, sealed as `epoch` (one more than the last). The same epoch with the same digest again is a
// repeat of a commit whose outcome the worker does not know.
struct Commit {
  uint64_t epoch = 0;
  std::array<uint8_t, 32> digest{};  // SHA-256 of `permanent`
  wire::SizedBytes permanent;
};
// Answer to Freeze and Stop.
struct Snapshot {
  uint64_t epoch = 0;
  wire::SizedBytes snapshot;
};
// Before the first command is executed, with `commands` 1; then at most once a second while commands are served, and
// before every Snapshot.
struct Statistics {
  uint64_t commands = 0;
  uint64_t errors = 0;
  uint64_t commits = 0;
  uint64_t total_us = 0;                         // from taking a command to its response, all together
  std::array<uint64_t, kLatencyBuckets> took{};  // how many took less than 2^n microseconds, and not less than half
};

// What to hash: `configuration` is where libxl's of the domain lies; empty: the three are what the domain is started
// from, a path each and a text.
struct Measure {
  wire::SizedBytes configuration;
  wire::SizedBytes kernel, ramdisk, command_line;
};
// It takes long.
struct Measuring {
  wire::SizedBytes path;
  uint64_t done = 0, size = 0;
};
// `ramdisk` may be empty: there is none, and its digest is that of nothing.
struct Measured {
  wire::SizedBytes kernel;
  std::array<uint8_t, 20> kernel_digest{};
  wire::SizedBytes command_line;
  wire::SizedBytes ramdisk;
  std::array<uint8_t, 20> ramdisk_digest{};
};
struct NotMeasured {
  wire::SizedBytes why;  // text
};

// Of a state of another program: what goes along, or does not.
struct Remark {
  bool carried = true;
  wire::SizedBytes text;
};
struct Converted {
  wire::SizedBytes permanent;  // plain
  bool enabled = true;
  bool activated = true;
  bool endorsement_key = true;
  Modulus modulus{};  // zero when there is no such key
  wire::Counted<Remark> remarks;
};
struct NotConverted {
  wire::SizedBytes why;  // text
};

template <class M>
inline constexpr Kind kKindOf = Kind{};
// clang-format off
template <> inline constexpr Kind kKindOf<Start> = Kind::Start;
template <> inline constexpr Kind kKindOf<Committed> = Kind::Committed;
template <> inline constexpr Kind kKindOf<Freeze> = Kind::Freeze;
template <> inline constexpr Kind kKindOf<Thaw> = Kind::Thaw;
template <> inline constexpr Kind kKindOf<Stop> = Kind::Stop;
template <> inline constexpr Kind kKindOf<Adopt> = Kind::Adopt;
template <> inline constexpr Kind kKindOf<Certificate> = Kind::Certificate;
template <> inline constexpr Kind kKindOf<Trace> = Kind::Trace;
template <> inline constexpr Kind kKindOf<Hello> = Kind::Hello;
template <> inline constexpr Kind kKindOf<Ready> = Kind::Ready;
template <> inline constexpr Kind kKindOf<Failed> = Kind::Failed;
template <> inline constexpr Kind kKindOf<Commit> = Kind::Commit;
template <> inline constexpr Kind kKindOf<Snapshot> = Kind::Snapshot;
template <> inline constexpr Kind kKindOf<Statistics> = Kind::Statistics;
template <> inline constexpr Kind kKindOf<Endorsement> = Kind::Endorsement;
template <> inline constexpr Kind kKindOf<Measure> = Kind::Measure;
template <> inline constexpr Kind kKindOf<Measuring> = Kind::Measuring;
template <> inline constexpr Kind kKindOf<Measured> = Kind::Measured;
template <> inline constexpr Kind kKindOf<NotMeasured> = Kind::NotMeasured;
template <> inline constexpr Kind kKindOf<Converted> = Kind::Converted;
template <> inline constexpr Kind kKindOf<NotConverted> = Kind::NotConverted;
// clang-format on

template <class M>
base::Bytes encode(const M& message) {
  base::Bytes bytes;
  wire::Writer w(bytes);
  w.put(kKindOf<M>);
  w.put(message);
  return bytes;
}

// The kind of a datagram; anything for an empty one.
inline Kind kind_of(base::View datagram) { return datagram.empty() ? Kind{} : static_cast<Kind>(datagram[0]); }

// The message in a datagram of its kind; Malformed when the datagram is of another kind, too short or too long.
template <class M>
wire::Result<M> decode(base::View datagram) {
  if (kind_of(datagram) != kKindOf<M>) return wire::Malformed{};
  return wire::decode<M>(datagram.subspan(1));
}

}  // namespace message
