// SPDX-License-Identifier: MIT
// Manager: how a worker is started, and which state it gets.
#include "backend/manager/manager.h"
#include "lib/base/log.h"

namespace backend {

using base::Level;
using message::StartKind;
using PowerKind = vault::Power::Kind;

namespace {

constexpr uint32_t kBootPcrs = 8;
constexpr int kMostStartTimes = 16;  // how far the time for a start may grow

const char* text_of(StartKind kind) {
  switch (kind) {
    case StartKind::PowerOn:
      return "power on";
    case StartKind::Reconnect:
      return "state goes on";
    case StartKind::Continuation:
      return "continuation after a crash";
    case StartKind::Lost:
      return "volatile state lost: the TPM fails its self-test until the guest's next power cycle";
    case StartKind::Manufacture:
      return "makes a new TPM";
    case StartKind::Clone:
      return "makes a copy of a TPM";
  }
  return "?";
}

}  // namespace

bool Manager::start(Device& device) {
  auto instance = load_or_create(device);
  if (!instance.ok()) {
    refuse(device, instance.error().text);
    return false;
  }
  auto plan = decide(device, instance.value());
  if (!plan.ok()) {
    refuse(device, plan.error().text);
    return false;
  }
  bool legacy = device.ring->version == 1;
  auto process = legacy ? spawner_.spawn_with_grantd(device.id) : spawner_.spawn(device.id);
  if (!process.ok()) {
    refuse(device, process.error().text());
    return false;
  }
  device.starts.push_back(Clock::now());
  attach(device, std::move(process).take());
  log(Level::Info, device,
      "worker " + std::to_string(device.worker->process.pid) + ": " + text_of(plan.value().kind) +
          (legacy ? ", version 1 of the ring" : ""));
  return send_start(device, plan.value(), instance.value());
}

vault::Result<vault::Instance> Manager::load_or_create(Device& device) {
  const vault::Uuid& uuid = device.back->uuid;
  TRY(settle_marks(uuid));
  auto instance = vault_.load(uuid);
  if (instance.ok() || instance.error().kind != vault::Refusal::Kind::Unknown) return instance;
  if (!policy_.make_on_first_use) {
    return vault::Refusal{vault::Refusal::Kind::Unknown, "there is no instance " + vault::text_of(uuid) +
                                                             ", and none is made on first use: make it with " +
                                                             "`vtpmctl create " + vault::text_of(uuid) + "`"};
  }
  TRY(vault_.create(uuid, policy_.defaults, measure::items_of(policy_.measure)));
  event(Level::Notice, "created", device, "new instance on first use");
  fill_pool_later();
  return vault_.load(uuid);
}

// The record says Running, without the snapshot, before a worker has it: whatever crashes, it is never used twice.
vault::Result<Plan> Manager::decide(Device& device, vault::Instance& instance) {
  if (device.journal) return Plan{StartKind::Continuation, {}};
  if (device.plan) return *device.plan;
  vault::Power& power = instance.power;
  Plan plan;
  switch (how_to_start(power, instance.epoch, here(device))) {
    case Take::PowerOn:
      power.cycle++;
      break;
    case Take::Snapshot:
      plan = {StartKind::Reconnect, power.snapshot};
      break;
    case Take::Marked:
      power.cycle++;
      power.saved_stands = true;
      for (uint32_t pcr = 0; pcr < kBootPcrs; pcr++) plan.events.push_back(measure::action(pcr, measure::kMarkedBoot));
      event(Level::Warning, "marked-boot", device,
            "a suspended state stands and this domain looks like a new boot: its TPM has a new power cycle, with a "
            "marker in PCRs 0-7; so has every boot until the suspended state is given up with `vtpmctl power-cycle " +
                vault::text_of(device.back->uuid) + "` while the guest is shut down");
      break;
    case Take::Lost:
      plan.kind = StartKind::Lost;
      event(Level::Warning, "state-lost", device,
            "the volatile state is lost: the TPM fails its self-test until the guest's next power cycle");
      break;
    case Take::Refuse:
      return vault::Refusal{vault::Refusal::Kind::Conflict,
                            "a suspended state of instance " + vault::text_of(device.back->uuid) +
                                " stands and this domain has run already, so that nobody can tell whether it is its " +
                                "own: restore it, or discard the state with `vtpmctl power-cycle " +
                                vault::text_of(device.back->uuid) + "`"};
  }
  if (plan.kind == StartKind::PowerOn && device.measured) {
    plan.events.insert(plan.events.end(), device.measured->begin(), device.measured->end());
  }
  // Before the record says that this power cycle has begun. Without events an older log speaks of another one.
  if (!plan.events.empty()) TRY(measure::keep_log(vault_, device.back->uuid, power.cycle, plan.events));
  power.kind = PowerKind::Running;
  power.host = host_;
  power.domain = static_cast<uint16_t>(device.id.domain);
  power.epoch = instance.epoch;
  power.snapshot = {};
  TRY(vault_.set_power(device.back->uuid, power));
  device.plan = plan;
  return plan;
}

bool Manager::send_start(Device& device, const Plan& plan, const vault::Instance& instance) {
  message::Start start;
  start.uuid = device.back->uuid;
  start.domain = static_cast<uint16_t>(device.id.domain);
  start.device = device.id.number;
  start.kind = plan.kind;
  start.ring_version = device.ring->version;
  start.grant_ref = static_cast<uint32_t>(device.ring->grant);
  start.port = static_cast<uint32_t>(device.ring->port);
  start.extra_pages = device.extra_pages.value_or(message::ExtraPages{});
  start.localities = instance.settings.localities;
  start.physical_presence_command = instance.settings.physical_presence_command;
  start.endorsement_key = instance.settings.endorsement_key;
  start.enabled = instance.settings.enabled;
  start.activated = instance.settings.activated;
  for (const measure::Event& event : plan.events) {
    start.extends.items.push_back({static_cast<uint8_t>(event.pcr), event.digest});
  }
  start.instance_key = instance.key;
  start.power_cycle = instance.power.cycle;
  start.epoch = instance.epoch;
  start.permanent = instance.permanent;
  start.snapshot = plan.snapshot;
  int journal = plan.kind == StartKind::Continuation ? device.journal.get() : -1;
  auto sent = device.worker->process.channel.send(start, journal);
  bool ok = sent.ok();
  tell(device, "start", std::move(sent));
  if (ok) begin_trace(device);
  kill_after(device, device.start_time, "did not become ready in time", true);
  device.start_time = std::min(2 * device.start_time, kMostStartTimes * policy_.start_time);
  return ok;
}

}  // namespace backend
