// SPDX-License-Identifier: MIT
// Manager: what is extended at a power-on before the guest is served. Files are hashed by a process of its own, since a
// disk or a server of files may take any time.

#include <algorithm>

#include "backend/manager/manager.h"
#include "backend/measure/items.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

using base::Level;
using measure::EventType;

namespace {

constexpr std::ptrdiff_t kMostAtOnce = 64;
constexpr std::chrono::milliseconds kPause{100};

std::string text_of(const wire::SizedBytes& bytes) { return {bytes.view().begin(), bytes.view().end()}; }
wire::SizedBytes bytes_of(const std::string& text) { return wire::SizedBytes(base::Bytes(text.begin(), text.end())); }
std::string shown(const wire::SizedBytes& text) { return std::string(base::Printable(text_of(text)).view()); }

bool only_dom0_writes(const std::vector<xen::Permission>& permissions) {
  constexpr xen::DomId kDom0{0};
  bool others = false;
  for (const xen::Permission& permission : permissions) others = others || permission.write;
  return !permissions.empty() && permissions.front().domain == kDom0 && !others;
}

// As pv-grub has it: the kernel into PCR 4, then the command line and the ramdisk into PCR 5, each of which may be
// empty.
std::vector<measure::Event> events_of(const message::Measured& measured) {
  std::string line = text_of(measured.command_line);
  std::string ramdisk = measured.ramdisk.empty() ? "none" : text_of(measured.ramdisk);
  return {{measure::kKernelPcr, EventType::Ipl, measured.kernel_digest, "kernel: " + text_of(measured.kernel)},
          {measure::kConfigurationPcr, EventType::IplPartitionData, measure::sha1(measured.command_line),
           "command line: " + line},
          {measure::kConfigurationPcr, EventType::IplPartitionData, measured.ramdisk_digest, "ramdisk: " + ramdisk}};
}

std::vector<measure::Event> instead(std::string_view text) {
  return {measure::action(measure::kKernelPcr, text), measure::action(measure::kConfigurationPcr, text)};
}

}  // namespace

// Whether the start that is due can be made: all that it extends is known, or it extends nothing.
bool Manager::measured(Device& device) {
  if (device.measured || device.plan || device.journal) return true;
  if (device.measuring) return false;
  auto policy = policy_at_power_on(device);
  if (!policy.ok()) {
    refuse(device, policy.error().text);
    return false;
  }
  if (policy.value() == measure::Policy::Off) {
    device.measured.emplace();
    return true;
  }
  if (device.look == xen::BootLook::TooLate) {
    event(Level::Warning, "not-measured", device,
          "the domain was running already when the device was attached: a marker stands in PCRs 4 and 5");
    device.measured = instead(measure::kAttachedLate);
    return true;
  }
  return begin_measuring(device, policy.value());
}

// Off, too, when this start is no power-on, or will be refused for another reason.
vault::Result<measure::Policy> Manager::policy_at_power_on(const Device& device) {
  const vault::Uuid& uuid = device.back->uuid;
  auto instance = vault_.load(uuid);
  if (!instance.ok()) {
    if (instance.error().kind != vault::Refusal::Kind::Unknown) return instance.error();
    return policy_.make_on_first_use ? policy_.measure : measure::Policy::Off;
  }
  Take take = how_to_start(instance.value().power, instance.value().epoch, here(device));
  if (take != Take::PowerOn && take != Take::Marked) return measure::Policy::Off;
  return measure::policy_of(vault_, uuid);
}

// True: there is no more to wait for.
bool Manager::begin_measuring(Device& device, measure::Policy policy) {
  // Those that were given up are not counted: they may hang for as long as a server of files does.
  auto busy = std::count_if(devices_.begin(), devices_.end(), [](const auto& other) { return other.second.measuring; });
  if (busy >= kMostAtOnce) {
    loop_.after(kPause, [this, id = device.id] { dirty_.insert(id); });
    return false;
  }
  auto question = image_of(device);
  if (!question.ok()) return not_measured(device, policy, question.error().text);
  auto process = spawner_.spawn_measurer();
  if (!process.ok()) return not_measured(device, policy, process.error().text());
  Measurer measurer{device.id, policy, std::move(process).take(), ""};
  if (auto sent = measurer.process.channel.send(question.value()); !sent.ok()) measurer.process.kill();
  uint64_t serial = next_serial_++;
  device.measuring = serial;
  log(Level::Debug, device, "measures, by process " + std::to_string(measurer.process.pid));
  const Measurer& added = measurers_.emplace(serial, std::move(measurer)).first->second;
  loop_.add(added.process.channel.fd(), [this, serial] { on_measurer(serial); });
  loop_.add(added.process.pidfd.get(), [this, serial] { on_measurer_exit(serial); });
  loop_.after(policy_.measure_time, [this, serial] {
    auto at = measurers_.find(serial);
    if (at == measurers_.end()) return;
    at->second.why = "its files were not hashed within " + std::to_string(policy_.measure_time.count() / 1000) + " s";
    at->second.process.kill();
    // A process that waits for a server of files may not end for long.
    give_up_measuring(serial);
  });
  return false;
}

// What the toolstack wrote down, of nodes that no guest may write: for a PV domain in XenStore, for others in libxl's
// own files.
measure::Result<message::Measure> Manager::image_of(const Device& device) const {
  if (own_ != xen::DomId{0}) {
    return measure::Reason{"this is a driver domain: what the domain is started from is known in dom0 only"};
  }
  auto machine = schema::home::vm(schema::home::dir(device.id.domain));
  auto where = TRY(trusted(machine.path));
  auto path = schema::value_in(machine, where);
  auto parts = path ? path->below(schema::machines::dir()) : std::nullopt;
  auto uuid = parts && parts->size() == 1 ? schema::value_of<schema::Uuid>(parts->front()) : std::nullopt;
  if (!uuid) return measure::Reason{"XenStore does not say which virtual machine the domain is"};
  xen::Path image = schema::image::dir(*uuid);
  message::Measure question;
  auto exists = store_.exists(schema::image::kernel(image).path);
  if (!exists.ok()) return measure::Reason{exists.error().text()};
  if (!exists.value()) {
    question.configuration =
        bytes_of(policy_.toolstack_directory + "/userdata-d." +
                 std::to_string(static_cast<unsigned>(device.id.domain)) + "." + uuid->text + ".libxl-json");
    return question;
  }
  auto member = [&](const xen::Path& node) -> measure::Result<wire::SizedBytes> {
    auto there = store_.exists(node);
    if (there.ok() && !there.value()) return wire::SizedBytes();
    std::string value = TRY(trusted(node));
    return bytes_of(value);
  };
  question.kernel = TRY(member(schema::image::kernel(image).path));
  question.ramdisk = TRY(member(schema::image::ramdisk(image).path));
  question.command_line = TRY(member(schema::image::cmdline(image).path));
  return question;
}

measure::Result<std::string> Manager::trusted(const xen::Path& node) const {
  auto permissions = store_.permissions(node);
  if (!permissions.ok()) return measure::Reason{node.text() + ": " + permissions.error().text()};
  if (!only_dom0_writes(permissions.value())) {
    return measure::Reason{node.text() + " may be written by others than dom0"};
  }
  auto value = store_.read(node);
  if (!value.ok()) return measure::Reason{node.text() + ": " + value.error().text()};
  return std::move(value).take();
}

// True: it is served all the same, and everybody can see that it was not measured.
bool Manager::not_measured(Device& device, measure::Policy policy, const std::string& why) {
  if (policy == measure::Policy::Required) {
    refuse(device, "instance " + vault::text_of(device.back->uuid) + " must be measured, and cannot be: " + why);
    return false;
  }
  event(Level::Warning, "not-measured", device, why + ": a marker stands in PCRs 4 and 5");
  device.measured = instead(measure::kNotMeasured);
  return true;
}

void Manager::on_measurer(uint64_t serial) {
  auto at = measurers_.find(serial);
  if (at == measurers_.end() || !at->second.process.channel) return;
  Measurer& measurer = at->second;
  auto datagram = measurer.process.channel.receive();
  using Kind = Channel::Datagram::Kind;
  if (datagram.ok() && datagram.value().kind == Kind::Nothing) return;
  if (datagram.ok() && datagram.value().kind == Kind::Closed) return loop_.remove(measurer.process.channel.fd());
  base::View bytes = datagram.ok() ? base::View(datagram.value().bytes) : base::View();
  Device* of = device(measurer.device);
  bool wanted = of != nullptr && of->measuring == serial;
  if (auto slow = message::decode<message::Measuring>(bytes); slow.ok()) {
    auto mib = [](uint64_t n) { return std::to_string(n >> 20); };
    if (wanted) {
      log(Level::Info, *of,
          "hashes " + shown(slow.value().path) + ": " + mib(slow.value().done) + " of " + mib(slow.value().size) +
              " MiB");
    }
  } else if (auto result = message::decode<message::Measured>(bytes); result.ok()) {
    if (wanted) on_measured(*of, result.value());
  } else if (auto failed = message::decode<message::NotMeasured>(bytes); failed.ok()) {
    measurer.why = text_of(failed.value().why);
  } else {
    measurer.why = "the process that hashes says nothing that makes sense";
    measurer.process.kill();
  }
}

void Manager::on_measured(Device& device, const message::Measured& result) {
  device.measuring.reset();
  device.measured = events_of(result);
  event(Level::Info, "measured", device,
        "kernel " + shown(result.kernel) + ", ramdisk " +
            (result.ramdisk.empty() ? std::string("none") : shown(result.ramdisk)) + ", and the command line");
  dirty_.insert(device.id);
}

void Manager::on_measurer_exit(uint64_t serial) {
  // What it said last may still lie in the channel, and more than one.
  for (int i = 0; i < 2; i++) on_measurer(serial);
  auto at = measurers_.find(serial);
  if (at == measurers_.end()) return;
  Measurer& measurer = at->second;
  Ended ended = reap(measurer.process.pidfd);
  if (measurer.why.empty()) measurer.why = "the process that hashes ended " + text_of(ended);
  give_up_measuring(serial);
  loop_.remove(at->second.process.pidfd.get());
  loop_.remove(at->second.process.channel.fd());
  measurers_.erase(at);
}

// Without a result, if the device still waits for one.
void Manager::give_up_measuring(uint64_t serial) {
  const Measurer& measurer = measurers_.at(serial);
  Device* of = device(measurer.device);
  if (of == nullptr || of->measuring != serial) return;
  of->measuring.reset();
  not_measured(*of, measurer.policy, measurer.why);
  dirty_.insert(of->id);
}

// The frontend has gone before it was served: what it finds when it comes back is measured then.
void Manager::forget_measurement(Device& device) {
  device.measured.reset();
  if (!device.measuring) return;
  if (auto at = measurers_.find(*device.measuring); at != measurers_.end()) at->second.process.kill();
  device.measuring.reset();
}

vault::Result<> Manager::set_measure(const vault::Uuid& uuid, measure::Policy policy) {
  static_cast<void>(TRY(vault_.entry(uuid)));
  TRY(vault_.put_items(uuid, {measure::item_of(policy)}));
  event(Level::Notice, "measure-set", uuid,
        "from its next power-on, what it is started from is measured: " + std::string(measure::name_of(policy)));
  return {};
}

}  // namespace backend
