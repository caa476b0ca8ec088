// SPDX-License-Identifier: MIT
#include "backend/manager/certifier.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace backend {

using base::Level;
using identity::Authority;

namespace {

base::View view_of(const std::string& text) {
  return {static_cast<const uint8_t*>(static_cast<const void*>(text.data())), text.size()};
}

}  // namespace

Certifier::Certifier(Loop& loop, vault::Vault& vault, Options options)
    : loop_(loop), vault_(vault), options_(std::move(options)) {}

Certifier::~Certifier() {
  cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

identity::Result<> Certifier::begin() {
  if (given()) {
    use(TRY(identity::read_authority(options_.certificate_file, options_.key_file)));
    return {};
  }
  auto kept = vault_.item(vault::kHost, vault::Item::Authority);
  if (!kept.ok()) {
    give_up(kept.error().text);
  } else if (kept.value().empty()) {
    make();
  } else {
    auto authority = Authority::from_kept(kept.value());
    if (!authority.ok()) {
      give_up(authority.error());
    } else {
      use(std::move(authority).take());
    }
  }
  return {};
}

void Certifier::make() {
  finished_ = vault::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  VERIFY(finished_);
  loop_.add(finished_.get(), [this] { on_made(); });
  thread_ = std::thread([this] {
    made_ = Authority::make(cancelled_);
    uint64_t one = 1;
    static_cast<void>(!::write(finished_.get(), &one, sizeof(one)));
  });
}

void Certifier::on_made() {
  thread_.join();
  loop_.remove(finished_.get());
  finished_ = vault::Fd();
  if (!made_->ok()) return give_up(made_->error());
  Authority authority = std::move(*made_).take();
  auto stored = vault_.put_items(vault::kHost, {{vault::Item::Authority, authority.kept()}});
  if (!stored.ok()) return give_up(stored.error().text);
  base::log(Level::Notice, "made an authority for endorsement keys; its certificate is " + file());
  use(std::move(authority));
}

void Certifier::use(Authority authority) {
  authority_.emplace(std::move(authority));
  take_over();
  answer_all();
}

void Certifier::give_up(const std::string& why) {
  trouble_ = "endorsement keys are not certified: " + why;
  base::log(Level::Error, trouble_);
  answer_all();
}

// The file says whose certificates there have been: TPMs made in advance with those of another authority are given to
// nobody. Of everything in the directory it alone is for others to read.
void Certifier::take_over() {
  constexpr mode_t kForAll = 0644;
  std::string wanted = authority_->certificates();
  auto directory = vault::Directory::open(options_.state_directory, false);
  auto there =
      directory.ok() ? directory.value().read(kFileName) : xen::Result<std::optional<base::Bytes>>(directory.error());
  if (there.ok() && there.value() && std::ranges::equal(*there.value(), view_of(wanted))) return;
  auto dropped = vault_.drop_spares();
  if (!dropped.ok()) base::log(Level::Error, "TPMs made in advance are kept: " + dropped.error().text);
  auto written =
      directory.ok() ? directory.value().write(kFileName, view_of(wanted), kForAll) : xen::Result<>(directory.error());
  if (!written.ok()) base::log(Level::Error, file() + " cannot be written: " + written.error().text());
}

void Certifier::certify(const message::Endorsement& endorsement, Done done) {
  waiting_.push_back({endorsement, std::move(done)});
  if (authority_ || !trouble_.empty()) answer_all();
}

void Certifier::answer_all() {
  std::vector<Waiting> all;
  all.swap(waiting_);
  for (Waiting& one : all) one.done(certificate_for(one.endorsement));
}

base::Bytes Certifier::certificate_for(const message::Endorsement& endorsement) const {
  if (!authority_) return {};
  identity::Make make{endorsement.vendor, endorsement.spec_level, endorsement.major, endorsement.minor};
  auto certificate = authority_->certify(endorsement.modulus, make);
  if (certificate.ok() && certificate.value().size() <= message::kMaxCertificate) return std::move(certificate).take();
  base::log(Level::Error,
            "an endorsement key is not certified: " +
                (certificate.ok() ? std::string("its certificate would be too large") : certificate.error()));
  return {};
}

}  // namespace backend
