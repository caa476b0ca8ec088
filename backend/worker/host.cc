// SPDX-License-Identifier: MIT
#include "backend/worker/host.h"

#include <openssl/evp.h>

#include <chrono>

#include "lib/base/log.h"
#include "lib/base/verify.h"
#include "lib/base/version.h"

namespace backend {

namespace {

using Clock = std::chrono::steady_clock;

std::array<uint8_t, 32> sha256(base::View bytes) {
  std::array<uint8_t, 32> digest{};
  unsigned n = 0;
  VERIFY(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &n, EVP_sha256(), nullptr) == 1);
  return digest;
}

int ms_until(Clock::time_point end) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(left);
}

}  // namespace

Host::Host(Identity identity, uint64_t epoch, Link link, Journal journal, std::chrono::seconds patience)
    : identity_(std::move(identity)),
      epoch_(epoch),
      link_(std::move(link)),
      journal_(std::move(journal)),
      patience_(patience) {}

uint64_t Host::now_us() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count());
}

// The outcome stays open while no manager answers; what is sent again to the next one is the same message.
bool Host::commit(base::View permanent) {
  if (halted_) return false;
  base::Bytes sealed = vault::seal(identity_.key, identity_.uuid, vault::Purpose::Permanent, epoch_ + 1, permanent);
  message::Commit commit{.epoch = epoch_ + 1, .digest = sha256(sealed)};
  commit.permanent = wire::SizedBytes(std::move(sealed));
  open_commit_ = message::encode(commit);
  outcome_.reset();
  link_.send(*open_commit_);

  auto end = Clock::now() + patience_;
  while (!outcome_ && Clock::now() < end) {
    Link::Woken woken = link_.wait(ms_until(end));
    handle(woken);
  }
  if (outcome_) return *outcome_;
  halted_ = true;
  base::log(base::Level::Error, "no manager has stored the state in time: executes no command until one answers");
  return false;
}

base::Bytes Host::endorsed(const message::Endorsement& endorsement) {
  base::Bytes datagram = message::encode(endorsement);
  link_.send(datagram);
  if (!endorsement.wants_certificate) return {};
  open_endorsement_ = std::move(datagram);
  // A manager may be making its own key yet; it ends us when that takes too long.
  auto end = Clock::now() + patience_;
  while (open_endorsement_ && (link_.has_manager() || Clock::now() < end)) {
    Link::Woken woken = link_.wait(link_.has_manager() ? -1 : ms_until(end));
    if (link_.has_manager()) end = Clock::now() + patience_;
    handle(woken);
  }
  if (open_endorsement_) base::log(base::Level::Error, "no manager has answered with a certificate in time");
  open_endorsement_.reset();
  return std::move(certificate_);
}

void Host::end_command() {
  in_flight_ = nullptr;
  if (journal_.epoch() != epoch_) journal_.write(epoch_, {});
}

void Host::hear_manager() {
  Link::Woken woken = link_.wait(0);
  handle(woken);
}

std::optional<message::Kind> Host::next_order() {
  // What a snapshot would hold is not known before the commit is settled.
  if (orders_.empty() || open_commit_) return std::nullopt;
  message::Kind order = orders_.front();
  orders_.pop_front();
  return order;
}

void Host::say_ready() {
  say(message::Ready{.version = wire::SizedBytes(base::Bytes(base::kVersion.begin(), base::kVersion.end())),
                     .extra_pages = identity_.extra_pages});
}

void Host::say_snapshot(base::View volatile_state) {
  message::Snapshot snapshot{.epoch = epoch_};
  snapshot.snapshot =
      wire::SizedBytes(vault::seal(identity_.key, identity_.uuid, vault::Purpose::Snapshot, epoch_, volatile_state));
  say(snapshot);
}

void Host::say_statistics(const message::Statistics& statistics) { link_.send_if_room(message::encode(statistics)); }

void Host::handle(Link::Woken& woken) {
  if (woken.adopted) greet();
  if (!woken.order) return;
  base::View datagram = woken.order->datagram();
  bool understood = false;
  switch (woken.order->kind()) {
    case message::Kind::Committed:
      if (auto answer = message::decode<message::Committed>(datagram); answer.ok()) {
        understood = true;
        settle(answer.value());
      }
      break;
    case message::Kind::Certificate:
      if (auto answer = message::decode<message::Certificate>(datagram);
          answer.ok() && answer.value().certificate.size() <= message::kMaxCertificate) {
        understood = true;
        if (open_endorsement_) certificate_ = std::move(answer.value().certificate.bytes());
        open_endorsement_.reset();
      }
      break;
    case message::Kind::Trace:
      understood = datagram.size() == 1;
      tracer_.reset();
      if (understood && woken.order->descriptor) tracer_.emplace(std::move(woken.order->descriptor));
      break;
    case message::Kind::Freeze:
    case message::Kind::Thaw:
    case message::Kind::Stop:
      understood = datagram.size() == 1;
      if (understood) orders_.push_back(woken.order->kind());
      break;
    default:
      break;
  }
  if (understood) return;
  base::log(base::Level::Error, "malformed message from the manager; waiting for another");
  link_.drop_manager();
}

void Host::greet() {
  message::Hello hello{.uuid = identity_.uuid,
                       .domain = identity_.domain,
                       .device = identity_.device,
                       .power_cycle = identity_.power_cycle,
                       .epoch = epoch_,
                       .frozen = frozen_,
                       .commit_open = open_commit_.has_value(),
                       .extra_pages = identity_.extra_pages};
  base::log(base::Level::Info, "adopted by another manager");
  orders_.clear();  // they were another's
  link_.send_with_journal(message::encode(hello));
  if (open_commit_) link_.send(*open_commit_);
  if (open_endorsement_) link_.send(*open_endorsement_);
}

void Host::settle(const message::Committed& answer) {
  if (!open_commit_ || answer.epoch != epoch_ + 1) return;
  open_commit_.reset();
  if (!halted_) {
    outcome_ = answer.ok;
    if (answer.ok) epoch_++;
    return;
  }
  halted_ = false;
  overtaken_ = answer.ok;
}

}  // namespace backend
