// SPDX-License-Identifier: MIT
// Device: what the manager knows of one vTPM device and its worker. No behaviour; the manager has it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "backend/manager/instance.h"
#include "backend/manager/loop.h"
#include "backend/manager/nodes.h"
#include "backend/manager/power.h"
#include "backend/manager/spawn.h"
#include "backend/measure/event_log.h"

namespace backend {

struct Worker {
  Process process;
  uint64_t serial = 0;  // no two workers of this manager have the same
  bool ready = false;
  bool may_endorse = true;  // it may say what its endorsement key is
  bool told_to_stop = false;
  bool gave_up = false;   // said Failed, or was given up: its end is no crash
  bool replaced = false;  // its state has been taken from it, for another one at the same ring
  std::string version;
};

// A start that is decided, kept until a worker has said Ready: before that nothing was served.
struct Plan {
  message::StartKind kind = message::StartKind::PowerOn;
  wire::SizedBytes snapshot;
  std::vector<measure::Event> events;  // extended first; PowerOn
};

// How long a worker may take to become ready before it is taken for hung. The stock frontend waits as long for its
// first answer. Each further attempt gets twice the time: a first start makes an endorsement key, and on a slow machine
// one that is cut short has to begin again.
constexpr std::chrono::milliseconds kStartTime{120'000};

struct Device {
  Device(const xen::Store& store, xen::DomId own, DeviceId device, std::chrono::milliseconds start)
      : id(device), nodes(store, own, device), start_time(start) {}

  DeviceId id;
  DeviceNodes nodes;
  Stage stage = Stage::Announced;
  std::optional<BackNodes> back;
  std::optional<xen::Watch> front_watch;
  xen::BootLook look = xen::BootLook::TooLate;
  bool domain_seen = false;
  bool waits_for_proof = false;
  bool domain_runs = false;        // when it was looked at last: it was not suspended, shut down or on its way out
  std::optional<bool> looked_new;  // while it was suspended, which it may be still
  std::optional<xen::DomainState> ended;  // how, of a domain that went while there was no manager
  bool served = false;
  bool settled = false;  // the record has been settled since the toolstack began to close the device
  bool waits_for_lease = false;
  bool awaits = false;  // its instance is to come from another host

  std::optional<FrontRing> ring;                   // the one we serve or served last
  std::optional<message::ExtraPages> extra_pages;  // of the connection, as the first worker has read them
  bool front_connected = false;                    // the frontend has been seen Connected on that ring
  std::optional<vault::Lease> lease;
  std::optional<uint64_t> measuring;                    // the process that does
  std::optional<std::vector<measure::Event>> measured;  // what the start that is due extends
  std::optional<Plan> plan;
  vault::Fd journal;  // of the last worker that was ready, when it left no snapshot
  std::unique_ptr<Worker> worker;

  std::deque<Clock::time_point> deaths;  // of workers, unexpected, in the last minute
  std::deque<Clock::time_point> starts;  // in the last seconds
  std::chrono::milliseconds start_time;  // of the next start
  Clock::time_point not_before{};        // no start until then

  // Of the frozen worker, while the domain is suspended; then the device that was given it, or that gave it to us.
  std::optional<message::Snapshot> held;
  std::optional<DeviceId> handed_to, taken_from;
  bool looks_again = false;  // a timer is set
  bool moving = false;       // its state was exported from `held`
  bool renewing = false;     // frozen to be given a new key
  bool renewed = false;      // has it, or cannot have it

  std::string error;  // why it is Failed
  std::string last_error;
  bool orders_seen = false;                      // those that stood in XenStore before there was a manager
  std::string control;                           // what became of the last order in XenStore
  std::map<std::string_view, std::string> info;  // as it stands in XenStore
  bool info_due = false;                         // a timer is set
  message::Statistics statistics;
};

}  // namespace backend
