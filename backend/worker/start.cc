// SPDX-License-Identifier: MIT
#include "backend/worker/start.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "backend/ring/page.h"
#include "backend/worker/lockdown.h"
#include "backend/worker/transfers.h"
#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

using message::Failure;
using message::Start;
using message::StartKind;
template <class T = void>
using Result = base::Result<T, Failure>;

Failure because(Failure why, std::string_view text) {
  base::log(base::Level::Error, text);
  return why;
}

// The value, or the failure that its error stands for here.
template <class T>
Result<T> otherwise(xen::Result<T> result, Failure why) {
  if (!result.ok()) return because(why, result.error().text());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(result).take();
  }
}

constexpr uint8_t kFirstAfterBoot = 8;

Result<> check(const Start& start) {
  bool known = start.version == message::kVersion && start.kind >= StartKind::PowerOn && start.kind <= StartKind::Clone;
  // A new instance has no past to go on from.
  bool makes = start.kind == StartKind::PowerOn || start.kind == StartKind::Manufacture;
  bool few_pages = start.extra_pages.refs.items.size() <= message::kMostExtraPages;
  bool sensible = few_pages && (start.epoch > 0 || makes) && (start.epoch > 0) != start.permanent.empty() &&
                  (start.epoch == 0 || start.kind != StartKind::Manufacture) &&
                  (start.ring_version == 1 || start.ring_version == 2) &&
                  (start.extends.items.empty() || start.kind == StartKind::PowerOn) &&
                  std::all_of(start.extends.items.begin(), start.extends.items.end(),
                              [](const message::Extend& one) { return one.pcr < kFirstAfterBoot; });
  if (!known || !sensible) return because(Failure::BadStart, "a start that makes no sense");
  return {};
}

Result<base::Bytes> opened(const Start& start, vault::Purpose purpose, base::View envelope) {
  auto plain = vault::unseal(start.instance_key, start.uuid, purpose, start.epoch, envelope);
  if (!plain) return because(Failure::CannotUnseal, "a sealed state does not open");
  return std::move(*plain);
}

// What the manager is told of an endorsement key, or of there being none.
message::Endorsement endorsement_of(base::View modulus, bool wants_certificate) {
  message::Endorsement told;
  told.present = modulus.size() == told.modulus.size();
  told.wants_certificate = told.present && wants_certificate;
  if (told.present) std::ranges::copy(modulus, told.modulus.begin());
  tpm::Make make = tpm::Engine::make();
  told.vendor = make.vendor;
  told.spec_level = make.level;
  told.major = make.major;
  told.minor = make.minor;
  return told;
}

// An endorsement key that the guest has made itself is certified at the next power-on.
void certify_late(tpm::Engine& engine, Host& host) {
  bool wants = !engine.has_endorsement_certificate();
  base::Bytes certificate = host.endorsed(endorsement_of(engine.endorsement_modulus(), wants));
  if (certificate.empty() || engine.store_endorsement_certificate(certificate)) return;
  base::log(base::Level::Error, "the certificate of the endorsement key is not stored");
}

// One without an endorsement key stays so; it is committed all the same, as the copy's first state.
bool become_another(tpm::Engine& engine, Host& host) {
  if (engine.endorsement_modulus().empty()) {
    host.endorsed(endorsement_of({}, false));
    return host.commit(engine.save_permanent());
  }
  return engine.renew_endorsement_key(
      {.certify = [&host](base::View modulus) { return host.endorsed(endorsement_of(modulus, true)); }});
}

Result<std::unique_ptr<tpm::Engine>> engine_with_permanent(const Start& start, Host& host, size_t packet_bytes) {
  tpm::Settings settings;
  settings.physical_presence_command = start.physical_presence_command;
  settings.buffer_bytes = static_cast<uint32_t>(packet_bytes);
  if (start.epoch == 0) {
    auto engine = tpm::Engine::manufacture(
        host, settings,
        {.endorsement_key = start.endorsement_key,
         .enabled = start.enabled,
         .activated = start.activated,
         .certify = [&host](base::View modulus) { return host.endorsed(endorsement_of(modulus, true)); }});
    if (engine == nullptr) return because(Failure::BadState, "a new TPM could not be stored");
    return engine;
  }
  base::Bytes permanent = TRY(opened(start, vault::Purpose::Permanent, start.permanent));
  auto engine = tpm::Engine::load(host, settings, permanent);
  if (!engine.ok()) return because(Failure::BadState, "the permanent state is malformed");
  if (start.kind == StartKind::PowerOn) certify_late(*engine.value(), host);
  if (start.kind == StartKind::Clone && !become_another(*engine.value(), host)) {
    return because(Failure::BadState, "a copy of a TPM could not be stored");
  }
  return std::move(engine).take();
}

// What the dead worker left. Its last command may have been stored without being journaled: the volatile state of the
// command before it goes on then. A journal of any other epoch is of another past.
bool resume_from_journal(const Start& start, const std::optional<Recovered>& recovered, tpm::Engine& engine) {
  if (!recovered) return false;
  if (recovered->epoch > start.epoch || start.epoch - recovered->epoch > 1) return false;
  std::vector<tpm::JournalSection> sections;
  for (const Recovered::Section& section : recovered->sections) sections.push_back({section.id, section.body});
  return engine.resume(tpm::Engine::volatile_from(sections)).ok();
}

// What the guest finds in its PCRs: it cannot have done that itself, nor undo it.
void extend_all(tpm::Engine& engine, const std::vector<message::Extend>& extends, size_t packet_bytes) {
  std::array<uint8_t, 34> extend = {0x00, 0xc1, 0, 0, 0, 34, 0, 0, 0, 0x14};
  for (const message::Extend& one : extends) {
    extend[13] = one.pcr;
    std::copy(one.digest.begin(), one.digest.end(), extend.begin() + 14);
    base::Bytes response(packet_bytes);
    engine.execute(0, base::ForeignBytes::read_only(extend), base::ForeignBytes(response));
    VERIFY(std::equal(response.begin() + 6, response.begin() + 10, std::array<uint8_t, 4>{}.begin()));
  }
}

Result<> take_up_volatile(const Start& start, const std::optional<Recovered>& recovered, tpm::Engine& engine,
                          size_t packet_bytes) {
  switch (start.kind) {
    case StartKind::PowerOn:
      engine.power_on();
      if (!engine.startup()) {
        base::log(base::Level::Error, "the TPM failed its self-test");
      } else {
        extend_all(engine, start.extends.items, packet_bytes);
      }
      return {};
    case StartKind::Reconnect: {
      base::Bytes snapshot = TRY(opened(start, vault::Purpose::Snapshot, start.snapshot));
      if (!engine.resume(snapshot).ok()) return because(Failure::BadState, "the snapshot is malformed");
      return {};
    }
    case StartKind::Manufacture:
    case StartKind::Clone:
      return {};
    case StartKind::Continuation:
      if (resume_from_journal(start, recovered, engine)) return {};
      [[fallthrough]];
    case StartKind::Lost:
      base::log(base::Level::Error, "the volatile state is lost: the TPM fails until the guest's next power cycle");
      engine.fail();
  }
  return {};
}

Result<> confine(const Guest* guest, const Start& start, uid_t uid_base) {
  Where host = Where::Xen;
  if (guest != nullptr) host = TRY(otherwise(host_of(guest->channel().fd()), Failure::CannotLockDown));
  // A user for each guest: workers cannot signal or trace one another.
  auto id = static_cast<uid_t>(uid_base + start.domain);
  return otherwise(lock_down({id, id, host}), Failure::CannotLockDown);
}

xen::Result<> watch(LiveTpm& live) {
  live.alarm = TRY(Alarm::create());
  live.watched = TRY(WatchSet::create());
  TRY(live.watched->add(live.guest->channel().fd()));
  TRY(live.watched->add(live.host->manager_fd()));
  return live.watched->add(live.alarm->fd());
}

Result<> make_ready(LiveTpm& live, const Start& start, const std::optional<Recovered>& recovered, uid_t uid_base) {
  size_t packet_bytes = live.guest ? live.guest->back_half().response_area().size() : kPacketBytes;
  live.engine = TRY(engine_with_permanent(start, *live.host, packet_bytes));
  TRY(take_up_volatile(start, recovered, *live.engine, packet_bytes));
  if (live.guest) TRY(otherwise(watch(live), Failure::BadStart));
  return confine(live.guest.get(), start, uid_base);
}

// The ring's page alone when there are no others.
Result<xen::GrantMapping> map_ring(xen::DomId guest, uint32_t ring, const message::ExtraPages& extra) {
  std::vector<xen::GrantRef> refs = {xen::GrantRef{ring}};
  for (uint32_t ref : extra.refs.items) refs.push_back(xen::GrantRef{ref});
  Failure why = extra.refs.items.empty() ? Failure::CannotMap : Failure::BadExtraPages;
  xen::Gnttab gnttab = TRY(otherwise(xen::Gnttab::open(), Failure::CannotMap));
  return otherwise(xen::GrantMapping::map(std::move(gnttab), guest, refs), why);
}

// What the frontend has put on the list, each page once; what stands there later is of no account.
Result<message::ExtraPages> announced(xen::DomId guest, uint32_t ring) {
  xen::GrantMapping page = TRY(map_ring(guest, ring, {}));
  auto refs = extra_pages_on(page.bytes(), message::kMostExtraPages);
  if (!refs) return because(Failure::BadExtraPages, "more extra pages than were offered");
  std::set<uint32_t> different(refs->begin(), refs->end());
  different.insert(ring);
  if (different.size() != refs->size() + 1) return because(Failure::BadExtraPages, "an extra page is listed twice");
  message::ExtraPages extra{.frozen = true};
  extra.refs.items = std::move(*refs);
  return extra;
}

std::unique_ptr<LiveTpm> give_up(vault::Fd& manager, Failure why) {
  base::send_with(manager.get(), message::encode(message::Failed{why}), -1, MSG_NOSIGNAL);
  return nullptr;
}

// Binding a channel raises it. Where a notification is a request that one must not count; what it may hide is looked
// for by take_untold().
xen::Result<> forget_binding(const xen::EventChannel& channel) {
  pollfd raised{channel.fd(), POLLIN, 0};
  if (::poll(&raised, 1, 0) == 1) TRY(channel.acknowledge());
  return {};
}

Result<std::unique_ptr<Guest>> join_guest(const Start& start, Inheritance& inheritance) {
  std::unique_ptr<Transfers> transfers;
  if (start.ring_version == 1) {
    transfers =
        TRY(otherwise(GrantdTransfers::join(std::move(inheritance.grantd), inheritance.transfers), Failure::NoGrantd));
  }
  return Guest::join(start, std::move(transfers));
}

}  // namespace

Guest::Guest(xen::GrantMapping mapping, xen::EventChannel channel, message::ExtraPages extra,
             std::unique_ptr<Transfers> transfers, uint8_t localities)
    : mapping_(std::move(mapping)),
      channel_(std::move(channel)),
      extra_pages_(std::move(extra)),
      transfers_(std::move(transfers)) {
  if (transfers_) {
    ring_ = std::make_unique<LegacyRing>(mapping_.bytes(), *transfers_, *this);
  } else {
    ring_ = std::make_unique<TpmPage>(mapping_.bytes(), localities, *this);
  }
}

base::Result<std::unique_ptr<Guest>, Failure> Guest::join(const Start& start, std::unique_ptr<Transfers> transfers) {
  xen::DomId guest{start.domain};
  message::ExtraPages extra = start.extra_pages;
  if (start.ring_version == 1) extra = {.frozen = true};
  if (!extra.frozen) extra = TRY(announced(guest, start.grant_ref));
  xen::GrantMapping mapping = TRY(map_ring(guest, start.grant_ref, extra));
  mapping.close_device();
  xen::EventChannel channel =
      TRY(otherwise(xen::EventChannel::bind(guest, xen::Port{start.port}), Failure::CannotBind));
  TRY(otherwise(channel.restrict_to(guest), Failure::CannotLockDown));
  if (start.ring_version == 1) TRY(otherwise(forget_binding(channel), Failure::CannotBind));
  return std::unique_ptr<Guest>(
      new Guest(std::move(mapping), std::move(channel), std::move(extra), std::move(transfers), start.localities));
}

void Guest::ring() {
  auto rung = channel_.notify();
  // A guest that has gone cannot be told; the manager will say so.
  if (!rung.ok()) base::log(base::Level::Debug, rung.error().text());
}

std::unique_ptr<LiveTpm> start_worker(Inheritance inheritance, const Options& options) {
  uid_t trusted = geteuid();
  auto first = receive_first(inheritance.manager.get());
  if (!first.ok()) {
    base::log(base::Level::Error, first.error().text());
    return nullptr;
  }
  auto decoded = message::decode<Start>(first.value().bytes);
  if (!decoded.ok() || !check(decoded.value()).ok()) return give_up(inheritance.manager, Failure::BadStart);
  const Start& start = decoded.value();
  base::log_name("vtpmd " + std::to_string(start.domain) + "/" + std::to_string(start.device));

  std::optional<Recovered> recovered;
  if (start.kind == StartKind::Continuation && first.value().descriptor) {
    recovered = recover(first.value().descriptor.get(), start.instance_key, start.uuid, start.power_cycle);
  }
  auto journal = Journal::create(inheritance.journal.get(), start.instance_key, start.uuid, start.power_cycle);
  if (!journal.ok()) return give_up(inheritance.manager, because(Failure::BadStart, journal.error().text()));
  auto live = std::make_unique<LiveTpm>();
  live->start = start.kind;
  if (start.kind != StartKind::Manufacture && start.kind != StartKind::Clone) {
    auto guest = join_guest(start, inheritance);
    if (!guest.ok()) return give_up(inheritance.manager, guest.error());
    live->guest = std::move(guest).take();
    inheritance.transfers = vault::Fd();
  }
  auto link = Link::open(std::move(inheritance.manager), std::move(inheritance.listening),
                         std::move(inheritance.journal), trusted);
  if (!link.ok()) return give_up(inheritance.manager, because(Failure::BadStart, link.error().text()));
  Host::Identity identity{start.uuid,         start.domain,
                          start.device,       start.power_cycle,
                          start.instance_key, live->guest ? live->guest->extra_pages() : message::ExtraPages{}};
  live->host = std::make_unique<Host>(std::move(identity), start.epoch, std::move(link).take(),
                                      std::move(journal).take(), options.commit_patience);
  auto ready = make_ready(*live, start, recovered, options.uid_base);
  if (ready.ok()) return live;
  live->host->say_failed(ready.error());
  return nullptr;
}

}  // namespace backend
