// SPDX-License-Identifier: MIT
// Manager: watches XenStore, starts a worker for every connected frontend, keeps their states. Never on the way of a
// TPM command.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "backend/manager/device.h"
#include "lib/base/log.h"
#include "lib/xen/domains.h"

namespace backend {

class Manager {
 public:
  Manager(Loop& loop, xen::Store store, xen::Domains domains, vault::Vault& vault, Spawner spawner);

  // Finds the workers an earlier manager left, and sets the watches. Fails when XenStore does.
  xen::Result<> begin();
  // Between two rounds of the loop: looks again at every device something happened to.
  void settle();
  // XenStore cannot be spoken to any more.
  bool broken() const { return broken_; }

  // For the control socket.
  const std::map<DeviceId, Device>& devices() const { return devices_; }
  vault::Vault& vault() { return vault_; }
  // Ends the power cycle of an instance that nobody serves; its snapshot, if any, is discarded.
  vault::Result<> power_cycle(const vault::Uuid& uuid);
  vault::Result<> quarantine(const vault::Uuid& uuid, const std::string& why);
  // The administrator trusts the stored state again; whether it can be had is checked as always.
  vault::Result<> lift_quarantine(const vault::Uuid& uuid);

 private:
  // manager.cc: what happened
  void on_store();
  void on_watch(const xen::WatchEvent& event);
  void scan();
  void sweep_errors();
  void find(DeviceId id);
  void look_at(Device& device);
  std::optional<Event> level(Device& device);
  std::optional<Event> front_level(Device& device);
  bool may_start(Device& device);
  bool has_lease(Device& device);
  void apply(Device& device, Event event);
  void show(Device& device);
  void refuse(Device& device, const std::string& why);
  void forget(Device& device);

  // lifecycle.cc: workers and states
  bool start(Device& device);
  vault::Result<Plan> decide(Device& device, vault::Instance& instance);
  vault::Result<vault::Instance> load_or_create(Device& device);
  bool send_start(Device& device, const Plan& plan, const vault::Instance& instance);
  void retry(Device& device);
  void tell(Device& device, const char* what, xen::Result<> sent);
  void drain(Device& device);
  void attach(Device& device, Process process);
  void on_channel(DeviceId id, uint64_t serial);
  void on_message(Device& device, Channel::Datagram datagram);
  void on_ready(Device& device);
  void on_commit(Device& device, const message::Commit& commit);
  void on_snapshot(Device& device, const message::Snapshot& snapshot);
  void on_failed(Device& device, message::Failure why);
  void on_exit(DeviceId id, uint64_t serial);
  void kill_after(Device& device, std::chrono::milliseconds delay, const char* why, bool unless_ready);
  void settle_without_worker(Device& device);
  void release_lease(Device& device);
  Here here(const Device& device) const;
  std::optional<xen::DomainState> domain_of(const Device& device) const;

  // adoption.cc: workers of an earlier manager
  void adopt_left_over();
  void on_adoption(DeviceId id);
  void adopt(DeviceId id, const message::Hello& hello, Channel::Datagram datagram, Channel channel);
  void end_adoption(DeviceId id);

  Device* device(DeviceId id);
  Worker* worker(DeviceId id, uint64_t serial);
  static void log(base::Level level, const Device& device, const std::string& text);

  Loop& loop_;
  xen::Store store_;
  xen::Domains domains_;
  vault::Vault& vault_;
  Spawner spawner_;
  HostBoot host_;
  xen::Path home_{"/"};
  bool first_scan_ = true;
  bool broken_ = false;
  uint64_t next_serial_ = 1;
  std::map<DeviceId, Device> devices_;
  std::map<DeviceId, Channel> adoptions_;  // asked, not answered
  std::set<DeviceId> dirty_;
  std::vector<xen::Watch> watches_;  // before store_ goes, like those of the devices
};

}  // namespace backend
