// SPDX-License-Identifier: MIT
// Manager: TPMs of other programs that become instances. A process of its own makes the state; here nobody looks into
// one.
#include "backend/manager/manager.h"

namespace backend {

namespace {

constexpr size_t kMostAtOnce = 4;
constexpr size_t kMostRemarks = 256, kLongestRemark = 4096;
constexpr std::chrono::milliseconds kPatience{30'000};

using vault::Refusal;

// What the process made of a state that may be anybody's.
std::string text_of(const wire::SizedBytes& bytes) {
  return base::plain_text(bytes.view().first(std::min(bytes.size(), kLongestRemark)));
}

Refusal not_taken(std::string why) { return {Refusal::Kind::Conflict, std::move(why)}; }

bool sound(const message::Converted& converted) {
  bool key = converted.endorsement_key ? identity::sound(converted.modulus) : converted.modulus == message::Modulus{};
  return key && !converted.permanent.empty() && converted.remarks.items.size() <= kMostRemarks;
}

}  // namespace

void Manager::take_over(Foreign foreign, TakenOver done) {
  if (vault_.known(foreign.uuid)) {
    return done(
        Refusal{Refusal::Kind::Exists, "there is or was an instance with this uuid: say another one with --uuid"});
  }
  if (converters_.size() >= kMostAtOnce) {
    return done(Refusal{Refusal::Kind::Leased, "other states are being converted: try again"});
  }
  auto process = spawner_.spawn_converter(foreign.question.get());
  if (!process.ok()) return done(not_taken(process.error().text()));
  foreign.question = vault::Fd();  // the process has it now
  uint64_t serial = next_serial_++;
  Converter converter{std::move(foreign), std::move(process).take(), std::move(done)};
  const Converter& added = converters_.emplace(serial, std::move(converter)).first->second;
  loop_.add(added.process.channel.fd(), [this, serial] { on_converter(serial); });
  loop_.add(added.process.pidfd.get(), [this, serial] { on_converter_exit(serial); });
  loop_.after(kPatience, [this, serial] {
    if (auto at = converters_.find(serial); at != converters_.end()) at->second.process.kill();
  });
}

void Manager::on_converter(uint64_t serial) {
  auto at = converters_.find(serial);
  if (at == converters_.end()) return;
  Converter& converter = at->second;
  auto datagram = converter.process.channel.receive();
  using Kind = Channel::Datagram::Kind;
  if (datagram.ok() && datagram.value().kind == Kind::Nothing) return;
  if (datagram.ok() && datagram.value().kind == Kind::Closed) return loop_.remove(converter.process.channel.fd());
  base::View bytes = datagram.ok() ? base::View(datagram.value().bytes) : base::View();
  if (auto failed = message::decode<message::NotConverted>(bytes); failed.ok()) {
    return told(converter, not_taken(text_of(failed.value().why)));
  }
  auto converted = message::decode<message::Converted>(bytes);
  if (!converted.ok() || !sound(converted.value())) {
    converter.process.kill();
    return told(converter, not_taken("the process that converts says nothing that makes sense"));
  }
  told(converter, taken_over(converter.foreign, converted.value()));
}

void Manager::told(Converter& converter, const vault::Result<Remarks>& outcome) {
  if (TakenOver done = std::exchange(converter.done, nullptr)) done(outcome);
}

vault::Result<Manager::Remarks> Manager::taken_over(const Foreign& foreign, const message::Converted& converted) {
  Remarks remarks;
  for (const message::Remark& remark : converted.remarks.items) {
    (remark.carried ? remarks.carried : remarks.left).push_back(text_of(remark.text));
  }
  if (!foreign.store) return remarks;
  vault::Settings settings = policy_.defaults;
  settings.label = foreign.label;
  settings.endorsement_key = converted.endorsement_key;
  settings.enabled = converted.enabled;
  settings.activated = converted.activated;
  std::vector<vault::ItemValue> items = measure::items_of(policy_.measure);
  identity::Endorsement key{.present = converted.endorsement_key, .modulus = converted.modulus};
  items.push_back({vault::Item::Endorsement, wire::encode(key)});
  TRY(vault_.create_from(foreign.uuid, settings, converted.permanent, items, "a state of swtpm"));
  event(Level::Notice, "taken-over", foreign.uuid, "new instance from a state of swtpm, whose keys it has");
  look_again(foreign.uuid);
  return remarks;
}

void Manager::on_converter_exit(uint64_t serial) {
  on_converter(serial);
  auto at = converters_.find(serial);
  if (at == converters_.end()) return;
  told(at->second, not_taken("the process that converts ended " + backend::text_of(reap(at->second.process.pidfd))));
  loop_.remove(at->second.process.pidfd.get());
  loop_.remove(at->second.process.channel.fd());
  converters_.erase(at);
}

}  // namespace backend
