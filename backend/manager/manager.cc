// SPDX-License-Identifier: MIT
#include "backend/manager/manager.h"

#include "lib/base/log.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

using base::Level;
using std::chrono::milliseconds;

namespace {

constexpr const char* kBackendToken = "backend";
constexpr const char* kReleaseToken = "release";
constexpr const char* kFrontPrefix = "front/";

std::optional<DeviceId> device_in(const std::vector<std::string>& parts, size_t from) {
  if (parts.size() < from + 2) return std::nullopt;
  auto domain = schema::value_of<xen::DomId>(parts[from]);
  auto number = schema::value_of<unsigned>(parts[from + 1]);
  if (!domain || !number) return std::nullopt;
  return DeviceId{*domain, static_cast<uint16_t>(*number)};
}

bool runs(const std::optional<xen::DomainState>& domain) { return domain && !domain->dying && !domain->shutdown; }

}  // namespace

Manager::Manager(Loop& loop, xen::Store store, std::unique_ptr<xen::DomainFacts> domains, vault::Vault& vault,
                 Certifier& certifier, Spawner spawner, Policy policy)
    : loop_(loop),
      store_(std::move(store)),
      domains_(std::move(domains)),
      vault_(vault),
      certifier_(certifier),
      spawner_(std::move(spawner)),
      policy_(std::move(policy)),
      moving_(vault, policy_.host_name),
      keeping_(vault, policy_.host_name),
      host_(this_boot()) {}

xen::Result<> Manager::begin() {
  own_ = TRY(schema::read(store_, schema::home::own_domid()));
  adopt_left_over();
  for (const xen::Path& sign : domains_->signs()) watches_.push_back(TRY(store_.watch(sign, kReleaseToken)));
  watches_.push_back(TRY(store_.watch(schema::backends::dir(own_), kBackendToken)));
  loop_.add(store_.fd(), [this] { on_store(); });
  if (vault_.fd() >= 0) loop_.add(vault_.fd(), [this] { vault_.completed(); });
  scan();
  sweep_errors();
  first_scan_ = false;
  fill_pool_later();
  return {};
}

// What an earlier manager said about devices that were removed while there was none.
void Manager::sweep_errors() {
  auto domains = store_.list(schema::errors::dir(own_));
  for (const std::string& domain : domains.ok() ? domains.value() : std::vector<std::string>()) {
    auto first = device_in({domain, "0"}, 0);
    if (!first) continue;
    auto numbers = store_.list(schema::errors_of::dir(own_, first->domain));
    for (const std::string& number : numbers.ok() ? numbers.value() : std::vector<std::string>()) {
      auto id = device_in({domain, number}, 0);
      if (id && !devices_.contains(*id)) DeviceNodes(store_, own_, *id).clear_error();
    }
  }
}

void Manager::on_store() {
  while (true) {
    auto event = store_.next_event();
    if (!event.ok()) {
      base::log(Level::Error, event.error().text() + "; ending, the workers go on");
      broken_ = true;
      loop_.stop();
      return;
    }
    if (!event.value()) return;
    on_watch(*event.value());
  }
}

void Manager::on_watch(const xen::WatchEvent& event) {
  if (event.token == kReleaseToken) {
    on_domains();
    return;
  }
  auto path = xen::Path::parse(event.token == kBackendToken ? event.path : event.token);
  auto parts = path ? path->below(event.token == kBackendToken ? schema::backends::dir(own_) : xen::Path("front"))
                    : std::nullopt;
  if (!parts) return;
  if (event.token == kBackendToken && parts->size() == 4 && (*parts)[2] == schema::backend::kControl) {
    if (auto id = device_in(*parts, 0)) on_order(*id, (*parts)[3]);
    return;
  }
  if (auto id = device_in(*parts, 0)) {
    find(*id);
  } else if (parts->size() == 1) {
    scan_domain(parts->front());
  } else {
    scan();
  }
}

// Some domain has come or gone: only those devices whose own domain is not simply running, now or when last looked at,
// or every new guest would cost a look at all the others.
void Manager::on_domains() {
  std::set<xen::DomId> theirs;
  for (const auto& [id, device] : devices_) theirs.insert(id.domain);
  auto states = domains_->look_at(theirs);
  if (!states.ok()) base::log(Level::Error, states.error().text());
  for (auto& [id, device] : devices_) {
    bool runs_on = false;
    if (states.ok()) {
      auto found = states.value().find(id.domain);
      runs_on = found != states.value().end() && runs(found->second);
    }
    if (!device.domain_runs || !runs_on || device.waits_for_proof) dirty_.insert(id);
  }
}

// Everything there is, and everything there was: a removed directory is seen by its absence.
void Manager::scan() {
  for (auto& [id, device] : devices_) dirty_.insert(id);
  auto domains = store_.list(schema::backends::dir(own_));
  for (const std::string& domain : domains.ok() ? domains.value() : std::vector<std::string>()) scan_domain(domain);
}

// One domain's part of it: with every guest that goes its directory goes, and the others' devices are as they were.
void Manager::scan_domain(const std::string& name) {
  auto first = device_in({name, "0"}, 0);
  if (!first) return;
  for (auto at = devices_.lower_bound(*first); at != devices_.end() && at->first.domain == first->domain; ++at) {
    dirty_.insert(at->first);
  }
  auto numbers = store_.list(schema::backends_of::dir(own_, first->domain));
  for (const std::string& number : numbers.ok() ? numbers.value() : std::vector<std::string>()) {
    if (auto id = device_in({name, number}, 0)) find(*id);
  }
}

// A device seen for the first time is announced and then left alone until its next watch event: the toolstack must see
// InitWait, whatever the frontend is at. An earlier manager may have done that already, and even have served the ring.
void Manager::find(DeviceId id) {
  dirty_.insert(id);
  if (devices_.contains(id)) return;
  Device fresh(store_, own_, id, policy_.start_time);
  auto seen = fresh.nodes.back();
  if (seen.gone) return;
  auto look = domains_->boot_look(id.domain);
  if (look.ok()) fresh.look = look.value();
  bool announced_before = first_scan_ && seen.nodes && seen.nodes->state >= static_cast<uint8_t>(Xenbus::InitWait);
  if (announced_before) recall(fresh);
  auto [at, _] = devices_.emplace(id, std::move(fresh));
  if (!seen.nodes || announced_before) return;
  at->second.back = std::move(seen.nodes);
  log(Level::Info, at->second, "announced for instance " + vault::text_of(at->second.back->uuid));
  static_cast<void>(known_of(at->second));
  dirty_.erase(id);
  show(at->second);
}

void Manager::settle() {
  while (!dirty_.empty()) {
    std::set<DeviceId> now;
    now.swap(dirty_);
    for (DeviceId id : now) {
      Device* found = device(id);
      if (found != nullptr && !adoptions_.contains(id)) look_at(*found);
    }
  }
}

// One level after another until nothing changes, but never past Announced: see find().
void Manager::look_at(Device& device) {
  DeviceId id = device.id;
  bool waited = device.waits_for_proof;
  for (size_t turn = 0; turn < kStages.size(); turn++) {
    auto event = level(device);
    if (waited && !device.waits_for_proof && device.stage == Stage::Announced) break;  // as if it were seen only now
    Stage before = device.stage;
    if (event) apply(device, *event);
    if (!this->device(id)) return;
    take_orders(device);
    if (device.stage == before || device.stage == Stage::Announced) break;
  }
  show(device);
}

std::optional<Event> Manager::level(Device& device) {
  auto seen = device.nodes.back();
  if (seen.gone) return Event::BackGone;
  if (!seen.nodes) {
    if (device.stage != Stage::Failed) refuse(device, seen.wrong);
    return std::nullopt;
  }
  if (device.back && (device.back->uuid != seen.nodes->uuid || device.back->front != seen.nodes->front)) {
    refuse(device, "its uuid or frontend was changed; detach and attach it again");
    return std::nullopt;
  }
  device.back = std::move(seen.nodes);
  if (!device.front_watch) {
    auto watch = store_.watch(schema::frontend::state(device.back->front).path, kFrontPrefix + text_of(device.id));
    if (watch.ok()) device.front_watch = std::move(watch).take();
  }
  auto domain = known_of(device);
  device.domain_runs = runs(domain);
  see_through(device, domain);
  bool ends = !domain || domain->dying;
  if (!device.back->online || device.back->state == static_cast<uint8_t>(Xenbus::Closing) || ends) {
    return Event::BackClosing;
  }
  device.settled = false;
  if (device.stage == Stage::Frozen) {
    if (auto event = frozen_level(device, *domain)) return event;
  }
  if (device.stage == Stage::Serving && domain->shutdown == xen::ShutdownReason::Suspend) return Event::Suspended;
  return front_level(device);
}

// What is known of its domain. Where that comes late, a domain of which nothing has been heard lives, and waits.
std::optional<xen::DomainState> Manager::known_of(Device& device) {
  auto domain = domain_of(device);
  bool waits = !domain && !device.domain_seen && domains_->come_late();
  if (waits && !device.waits_for_proof)
    log(Level::Info, device, "waits for what vtpm-domwatch in dom0 says of its domain");
  device.waits_for_proof = waits;
  if (waits) return xen::DomainState{};
  if (domain && !device.domain_seen && domains_->come_late() && device.look == xen::BootLook::TooLate) {
    auto look = domains_->boot_look(device.id.domain);
    if (look.ok()) device.look = look.value();
  }
  device.domain_seen = device.domain_seen || domain;
  return domain;
}

std::optional<Event> Manager::front_level(Device& device) {
  auto seen = device.nodes.front(device.back->front);
  if (!seen.nodes) {
    if (device.stage != Stage::Failed) refuse(device, seen.wrong);
    return std::nullopt;
  }
  const FrontNodes& front = *seen.nodes;
  bool leaves = !front.state || *front.state == Xenbus::Closing || *front.state == Xenbus::Closed;
  if (leaves || !front.ring) {
    forget_measurement(device);
    return leaves ? Event::FrontClosing : Event::FrontInitialising;
  }
  bool connected = *front.state == Xenbus::Connected;
  bool same_ring = device.ring == front.ring && !(device.front_connected && !connected);
  if (has_worker(device.stage) && device.ring && !same_ring) return Event::FrontReplaced;
  if (device.stage == Stage::Announced || device.stage == Stage::Crashed) {
    if (!may_start(device)) return std::nullopt;
    if (device.ring && device.ring != front.ring) device.extra_pages.reset();
    device.ring = front.ring;
    device.front_connected = connected;
  }
  if (!device.ring) device.ring = front.ring;
  device.front_connected = device.front_connected || connected;
  return Event::FrontReady;
}

// A frontend is not listened to while the instance is elsewhere, an old worker is still ending, or too soon.
bool Manager::may_start(Device& device) {
  if (device.worker || device.waits_for_proof || awaits(device)) return false;
  auto now = Clock::now();
  if (now < device.not_before) return false;
  constexpr size_t kMostStarts = 5;
  while (!device.starts.empty() && now - device.starts.front() > std::chrono::seconds(5)) device.starts.pop_front();
  if (device.starts.size() >= kMostStarts) {
    device.not_before = now + std::chrono::seconds(1);
    loop_.after(milliseconds(1001), [this, id = device.id] { dirty_.insert(id); });
    return false;
  }
  return has_lease(device) && measured(device);
}

bool Manager::has_lease(Device& device) {
  if (device.lease) return true;
  auto lease = vault_.lease(device.back->uuid);
  if (lease.ok()) {
    device.lease.emplace(std::move(lease).take());
    device.waits_for_lease = false;
    return true;
  }
  if (hand_over(device)) return true;
  if (!device.waits_for_lease) log(Level::Warning, device, "waits: " + lease.error().text);
  device.waits_for_lease = true;
  return false;
}

void Manager::apply(Device& device, Event event) {
  Step s = step(device.stage, event);
  if (s.next != device.stage) {
    log(Level::Info, device,
        std::string(name_of(event)) + ": " + std::string(name_of(device.stage)) + " to " +
            std::string(name_of(s.next)));
  }
  device.stage = s.next;
  // The connection is over, or there was none.
  if (s.next == Stage::Announced || s.next == Stage::Closed || s.next == Stage::Failed) device.extra_pages.reset();
  switch (s.act) {
    case Act::None:
      break;
    case Act::Spawn:
      static_cast<void>(start(device));
      break;
    case Act::Retry:
      retry(device);
      break;
    case Act::Freeze:
      tell(device, "freeze", device.worker->process.channel.send(message::Freeze{}));
      break;
    case Act::Thaw:
      tell(device, "thaw", device.worker->process.channel.send(message::Thaw{}));
      break;
    case Act::Drain:
      drain(device);
      break;
    case Act::Kill:
      if (device.worker) {
        device.worker->gave_up = true;
        device.worker->process.kill();
      }
      break;
    case Act::Forget:
      break;
  }
  bool closing = event == Event::BackClosing || event == Event::BackGone;
  if (closing && !device.worker) settle_without_worker(device);
  if (device.stage == Stage::Gone && !device.worker) forget(device);
}

// Brings the `state` node to what the stage means; whoever wrote something else there finds it put right.
void Manager::show(Device& device) {
  std::optional<Xenbus> wanted;
  // The toolstack keeps the domain paused until it sees InitWait: whoever looks at it in dom0 must have looked.
  if (device.stage == Stage::Announced && !device.waits_for_proof) wanted = Xenbus::InitWait;
  if (device.stage == Stage::Serving || device.stage == Stage::Frozen) wanted = Xenbus::Connected;
  // Closed means that the page is not mapped any more.
  if ((device.stage == Stage::Closed || device.stage == Stage::Failed) && !device.worker) wanted = Xenbus::Closed;
  if (!wanted) return show_info(device);
  show_info(device);
  auto done = device.nodes.show(*wanted);
  if (!done.ok()) log(Level::Error, device, done.error().text());
}

void Manager::event(Level level, const char* kind, const vault::Uuid& uuid, const std::string& text) {
  base::log(level, "instance " + vault::text_of(uuid) + ": " + text);
  events_.tell({.level = level, .kind = kind, .uuid = uuid, .text = text});
}

void Manager::event(Level level, const char* kind, const Device& device, const std::string& text) {
  log(level, device, text);
  vault::Uuid uuid = device.back ? device.back->uuid : vault::Uuid{};
  events_.tell({.level = level, .kind = kind, .uuid = uuid, .device = text_of(device.id), .text = text});
}

void Manager::refuse(Device& device, const std::string& why) {
  device.error = device.last_error = why;
  event(Level::Error, "refused", device, why);
  device.nodes.tell_error("vTPM: " + why);
  apply(device, Event::Refused);
}

void Manager::forget(Device& device) {
  forget_measurement(device);
  if (device.taken_from) give_back(device);
  if (device.handed_to) {
    if (Device* to = this->device(*device.handed_to)) to->taken_from.reset();
  }
  device.nodes.clear_error();
  release_lease(device);
  log(Level::Info, device, "removed");
  dirty_.erase(device.id);
  devices_.erase(device.id);
}

Device* Manager::device(DeviceId id) {
  auto at = devices_.find(id);
  return at == devices_.end() ? nullptr : &at->second;
}

Worker* Manager::worker(DeviceId id, uint64_t serial) {
  Device* found = device(id);
  return found != nullptr && found->worker && found->worker->serial == serial ? found->worker.get() : nullptr;
}

void Manager::log(Level level, const Device& device, const std::string& text) {
  base::log(level, "device " + text_of(device.id) + ": " + text);
}

}  // namespace backend
