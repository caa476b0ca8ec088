// SPDX-License-Identifier: MIT
// Manager: watches XenStore, starts a worker for every connected frontend, keeps their states. Never on the way of a
// TPM command.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "backend/identity/endorsement.h"
#include "backend/manager/certifier.h"
#include "backend/manager/device.h"
#include "backend/manager/events.h"
#include "backend/measure/image.h"
#include "backend/measure/items.h"
#include "backend/vault/keeping.h"
#include "backend/vault/moving.h"
#include "lib/base/log.h"
#include "lib/xen/domains.h"

namespace backend {

// What the administrator decides for all instances.
struct Policy {
  // Whether a device with a uuid that was never seen makes a new instance; otherwise only create() does.
  bool make_on_first_use = true;
  vault::Settings defaults;
  measure::Policy measure = measure::Policy::Off;  // of new instances
  std::chrono::milliseconds measure_time{60'000};
  std::string toolstack_directory = "/var/lib/xen";  // where libxl keeps what it knows of domains
  std::string state_directory;
  std::string key_file;  // empty: the master key lies in the state directory
  std::chrono::milliseconds start_time = kStartTime;
  std::string host_name;  // what other hosts know this one by
  size_t pool = 4;        // how many TPMs are made in advance, as `defaults` has them
};

// Whether a commit is what it says it is.
bool sound(const message::Commit& commit);
bool sound(const message::Endorsement& told);
// What the history says of it.
vault::Deed endorsed(const identity::Endorsement& record);

class Manager {
 public:
  using Level = base::Level;
  Manager(Loop& loop, xen::Store store, std::unique_ptr<xen::DomainFacts> domains, vault::Vault& vault,
          Certifier& certifier, Spawner spawner, Policy policy);

  // Finds the workers an earlier manager left, and sets the watches. Fails when XenStore does.
  xen::Result<> begin();
  // Between two rounds of the loop: looks again at every device something happened to.
  void settle();
  // Every worker that an earlier manager left has answered or ended.
  bool recovered() const { return adoptions_.empty(); }
  // XenStore cannot be spoken to any more.
  bool broken() const { return broken_; }

  // How many TPMs lie ready for create().
  size_t pool() const { return vault_.spares(policy_.defaults); }

  // For the control socket.
  const std::map<DeviceId, Device>& devices() const { return devices_; }
  vault::Vault& vault() { return vault_; }
  Events& events() { return events_; }
  const Certifier& certifier() const { return certifier_; }
  // As it was told at the last power-on; nothing when it was not yet.
  vault::Result<std::optional<identity::Endorsement>> endorsement(const vault::Uuid& uuid);
  const Policy& policy() const { return policy_; }
  // Durable when this returns; its TPM is made in the background, or by the first device that connects.
  vault::Result<> create(const vault::Uuid& uuid, const vault::Settings& settings, measure::Policy measure);
  // From its next power-on.
  vault::Result<> set_measure(const vault::Uuid& uuid, measure::Policy policy);
  vault::Result<> remove(const vault::Uuid& uuid);
  // A new master key, and a new key for each instance, those that are served included, one after another.
  vault::Result<> rekey(const std::optional<base::Secret<32>>& given);
  // How many instances have not got their new key yet.
  size_t left_to_renew() const { return to_renew_.size(); }
  // Ends the power cycle of an instance that nobody serves; its snapshot, if any, is discarded.
  vault::Result<> power_cycle(const vault::Uuid& uuid);
  vault::Result<> quarantine(const vault::Uuid& uuid, const std::string& why);
  // The administrator trusts the stored state again; whether it can be had is checked as always.
  vault::Result<> lift_quarantine(const vault::Uuid& uuid);

  // tracing.cc: every command of whoever serves the instance comes to `reader`, a datagram of backend/trace/record.h
  // each, until end_trace(id) or until the instance is removed.
  struct Traced {
    uint64_t id;
    vault::Fd reader;
  };
  vault::Result<Traced> trace(const vault::Uuid& uuid);
  void end_trace(uint64_t id);

  // moving.cc: between hosts. Each repeated gives the same; papers are what vault::Moving makes and reads.
  vault::Moving& moving() { return moving_; }
  vault::Result<base::Bytes> export_to(const vault::Uuid& uuid, base::View invitation, const std::string& trusted);
  vault::Result<base::Bytes> abort_export(const vault::Uuid& uuid);
  vault::Result<base::Bytes> release(const vault::Uuid& uuid, base::View receipt);
  vault::Result<vault::Moving::Imported> import(base::View paper, const std::string& trusted);
  vault::Result<vault::Moving::Inherited> inherit(const vault::Uuid& uuid, bool confirmed);
  vault::Result<size_t> withdraw(const std::optional<vault::Uuid>& uuid);

  // keeping.cc
  vault::Result<vault::Keeping::Made> backup(const vault::Uuid& uuid, const std::vector<vault::HostKey>& recovery);
  vault::Result<vault::Keeping::Done> revert(const vault::Uuid& uuid, base::View file,
                                             const vault::Keeping::Wish& wish);
  // cloning.cc: a new instance with the state of one that nobody serves. False: it is being made, ask again.
  vault::Result<bool> clone(const vault::Uuid& source, const vault::Uuid& uuid, bool keep_identity);
  // conversion.cc: a TPM of another program.
  struct Foreign {
    vault::Fd question;  // convert::Question, which nobody but the process that converts reads
    vault::Uuid uuid;
    wire::SizedBytes label;
    bool store = false;  // false: says what would go along
  };
  struct Remarks {
    std::vector<std::string> carried, left;
  };
  // Called once: before take_over() returns, or later.
  using TakenOver = std::function<void(const vault::Result<Remarks>&)>;
  void take_over(Foreign foreign, TakenOver done);

 private:
  // manager.cc: what happened
  void on_store();
  void on_watch(const xen::WatchEvent& event);
  void on_domains();
  void scan();
  void scan_domain(const std::string& name);
  void sweep_errors();
  void find(DeviceId id);
  void look_at(Device& device);
  std::optional<Event> level(Device& device);
  std::optional<Event> front_level(Device& device);
  bool may_start(Device& device);
  std::optional<xen::DomainState> known_of(Device& device);
  bool has_lease(Device& device);
  void apply(Device& device, Event event);
  void show(Device& device);
  void refuse(Device& device, const std::string& why);
  void forget(Device& device);
  void event(Level level, const char* kind, const vault::Uuid& uuid, const std::string& text);
  void event(Level level, const char* kind, const Device& device, const std::string& text);

  // handover.cc: a state that goes from one worker to another while both are there
  std::optional<Event> frozen_level(Device& device, const xen::DomainState& domain);
  bool hand_over(Device& to);
  void give_back(Device& from);
  void first_command(Device& device);
  void on_frozen(Device& device, const message::Snapshot& snapshot);
  void renew_key(Device& device, const message::Snapshot& snapshot);

  // moving.cc
  vault::Result<vault::Power> power_to_move(const vault::Uuid& uuid);
  bool lives(xen::DomId domain) const;
  std::string other_host(const vault::Uuid& uuid);
  void look_again(const vault::Uuid& uuid);
  bool awaits(Device& device);
  bool moves(Device& device);

  // keeping.cc
  vault::Result<> unused(const vault::Uuid& uuid);

  // disguise.cc: domains that look like a new boot while they are suspended
  void see_through(Device& device, const std::optional<xen::DomainState>& domain);
  vault::Result<> settle_marks(const vault::Uuid& uuid);

  // measure.cc: what is extended before a guest is served
  struct Measurer {
    DeviceId device;
    measure::Policy policy;
    Process process;
    std::string why;  // it has no result
  };
  bool measured(Device& device);
  vault::Result<measure::Policy> policy_at_power_on(const Device& device);
  bool begin_measuring(Device& device, measure::Policy policy);
  measure::Result<message::Measure> image_of(const Device& device) const;
  measure::Result<std::string> trusted(const xen::Path& node) const;
  bool not_measured(Device& device, measure::Policy policy, const std::string& why);
  void on_measurer(uint64_t serial);
  void on_measured(Device& device, const message::Measured& result);
  void on_measurer_exit(uint64_t serial);
  void give_up_measuring(uint64_t serial);
  void forget_measurement(Device& device);

  // conversion.cc
  struct Converter {
    Foreign foreign;
    Process process;
    TakenOver done;  // null once it was called
  };
  void on_converter(uint64_t serial);
  void on_converter_exit(uint64_t serial);
  static void told(Converter& converter, const vault::Result<Remarks>& outcome);
  vault::Result<Remarks> taken_over(const Foreign& foreign, const message::Converted& converted);

  // tracing.cc
  struct Trace {
    vault::Uuid uuid;
    vault::Fd worker;  // the end that workers get
  };
  void begin_trace(Device& device);
  void tell_trace(Device& device, int descriptor);

  // rekey.cc
  void renew_next();
  bool renew(const vault::Uuid& uuid);

  // cloning.cc
  struct CloneOf {
    vault::Uuid source;
    vault::Lease lease;  // of the source
    vault::Copy copy;    // without its state
    bool stored = false;
  };
  struct Maker;
  vault::Result<> may_be_cloned(const vault::Uuid& source, const vault::Uuid& uuid);
  vault::Result<> begin_clone(vault::Copy copy);
  vault::Result<> store_clone(Maker& maker, const message::Commit& commit);
  void end_clone(const Maker& maker);

  // factory.cc: TPMs that are made before anybody connects
  struct Maker {
    vault::Uuid uuid;
    std::optional<vault::Lease> lease;  // nothing: of no instance yet
    std::optional<CloneOf> clone;       // without both: it makes one in advance
    vault::InstanceKey key;
    Process process;
    bool endorsed = false;
    base::Bytes endorsement;  // as it will be kept
  };
  void make_next();
  void start_maker(const vault::Uuid& uuid);
  // `permanent`: what it makes a copy of, sealed under its key as epoch 1.
  void add_maker(Maker maker, const vault::Settings& settings, base::View permanent = {});
  void on_maker(uint64_t serial);
  void on_made(uint64_t serial, const message::Commit& commit);
  void told_maker(uint64_t serial, uint64_t epoch, const vault::Result<>& stored);
  void on_maker_exit(uint64_t serial);

  // endorse.cc; false: the worker may not say that
  bool on_endorsement(Device& device, const message::Endorsement& told);
  bool on_maker_endorsement(uint64_t serial, const message::Endorsement& told);
  bool may_change(const vault::Uuid& uuid, const vault::Result<std::optional<identity::Endorsement>>& kept);
  bool keep(const vault::Uuid& uuid, const identity::Endorsement& record);

  // pool.cc: TPMs that are made in advance, while nothing else is to be done
  void fill_pool_later();
  void fill_pool();
  bool idle() const;
  vault::Result<> store_spare(const Maker& maker, const message::Commit& commit);

  // orders.cc: what stands in XenStore from administrators
  void take_orders(Device& device);
  void on_order(DeviceId id, const std::string& name);
  std::string order_power_cycle(const vault::Uuid& uuid, const std::string& value);
  static std::string order_log_level(const std::string& value);

  // info.cc: what stands in XenStore for administrators
  void show_info(Device& device);
  static void recall(Device& device);

  // starting.cc
  bool start(Device& device);
  vault::Result<Plan> decide(Device& device, vault::Instance& instance);
  vault::Result<vault::Instance> load_or_create(Device& device);
  bool send_start(Device& device, const Plan& plan, const vault::Instance& instance);

  // lifecycle.cc: workers and states
  void retry(Device& device);
  void tell(Device& device, const char* what, xen::Result<> sent);
  void drain(Device& device);
  void attach(Device& device, Process process);
  void on_channel(DeviceId id, uint64_t serial);
  void on_message(Device& device, Channel::Datagram datagram);
  void on_ready(Device& device, const message::Ready& ready);
  void on_statistics(Device& device, const message::Statistics& statistics);
  void on_commit(Device& device, const message::Commit& commit);
  void on_snapshot(Device& device, const message::Snapshot& snapshot);
  void on_failed(Device& device, message::Failure why);
  void on_exit(DeviceId id, uint64_t serial);
  void kill_after(Device& device, std::chrono::milliseconds delay, const char* why, bool unless_ready);
  void settle_without_worker(Device& device);
  void release_lease(Device& device);
  Here here(const Device& device) const;
  std::optional<xen::DomainState> domain_of(const Device& device) const;

  // grantd.cc
  struct HeldGrantd {
    DeviceId device;
    Started process;
  };
  void hold_grantd(Device& device);
  void on_grantd_exit(uint64_t serial);

  // adoption.cc: workers of an earlier manager
  void adopt_left_over();
  void on_adoption(DeviceId id);
  void adopt(DeviceId id, const message::Hello& hello, Channel::Datagram datagram, Channel channel);
  void end_adoption(DeviceId id);
  void see_end(Device& device);

  Device* device(DeviceId id);
  Worker* worker(DeviceId id, uint64_t serial);
  static void log(Level level, const Device& device, const std::string& text);

  Loop& loop_;
  xen::Store store_;
  std::unique_ptr<xen::DomainFacts> domains_;
  vault::Vault& vault_;
  Certifier& certifier_;
  Spawner spawner_;
  Policy policy_;
  vault::Moving moving_;
  vault::Keeping keeping_;
  Events events_;
  std::deque<vault::Uuid> to_make_, to_renew_;
  std::map<uint64_t, Maker> makers_;
  std::map<vault::Uuid, std::string> not_cloned_;  // why, until somebody asks
  std::map<uint64_t, Measurer> measurers_;
  std::map<uint64_t, HeldGrantd> grantds_;  // by the serial of their workers
  std::map<uint64_t, Converter> converters_;
  std::map<uint64_t, Trace> traces_;
  bool renews_ = false;               // a timer is set
  bool pool_due_ = false;             // a timer is set
  unsigned pool_failures_ = 0;        // one after another
  std::set<vault::Uuid> owed_marks_;  // a mark that is not on disk yet
  HostBoot host_;
  xen::DomId own_{};
  bool first_scan_ = true;
  bool broken_ = false;
  uint64_t next_serial_ = 1;
  std::map<DeviceId, Device> devices_;
  std::map<DeviceId, Channel> adoptions_;  // asked, not answered
  std::set<DeviceId> dirty_;
  std::vector<xen::Watch> watches_;  // before store_ goes, like those of the devices
};

}  // namespace backend
