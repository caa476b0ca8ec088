// SPDX-License-Identifier: MIT
#include "lib/xen/proofs.h"

#include <algorithm>
#include <array>

namespace xen {

namespace {

struct ReasonWord {
  ShutdownReason reason;
  std::string_view word;
};
constexpr std::array kReasons = {
    ReasonWord{ShutdownReason::Poweroff, "poweroff"}, ReasonWord{ShutdownReason::Reboot, "reboot"},
    ReasonWord{ShutdownReason::Suspend, "suspend"}, ReasonWord{ShutdownReason::Crash, "crash"},
    ReasonWord{ShutdownReason::Other, "other"}};
constexpr std::string_view kRuns = "runs", kDying = "dying-", kNew = "new", kRestored = "restored",
                           kUnknown = "unknown", kKernel = "kernel";

bool read_state(std::string_view word, DomainState& state) {
  state.dying = word.starts_with(kDying);
  if (state.dying) word.remove_prefix(kDying.size());
  if (word == kRuns) return true;
  const auto* found = std::find_if(kReasons.begin(), kReasons.end(), [&](const auto& r) { return r.word == word; });
  if (found == kReasons.end()) return false;
  state.shutdown = found->reason;
  return true;
}

}  // namespace

std::string_view word_of(BootLook look) {
  switch (look) {
    case BootLook::Fresh:
      return kNew;
    case BootLook::Restored:
      return kRestored;
    case BootLook::TooLate:
      break;
  }
  return kUnknown;
}

std::optional<BootLook> boot_look_in(std::string_view word) {
  for (BootLook look : {BootLook::Fresh, BootLook::Restored, BootLook::TooLate}) {
    if (word == word_of(look)) return look;
  }
  return std::nullopt;
}

std::string text_of(const Proof& proof) {
  std::string text(proof.state.dying ? kDying : "");
  if (proof.state.shutdown) {
    text += std::find_if(kReasons.begin(), kReasons.end(), [&](const auto& r) {
              return r.reason == *proof.state.shutdown;
            })->word;
  } else {
    text += kRuns;
  }
  return text + " " + std::string(word_of(proof.boot)) + " " + std::string(proof.looked_new ? kNew : kKernel);
}

std::optional<Proof> proof_in(std::string_view text) {
  size_t first = text.find(' '), second = text.rfind(' ');
  if (first == std::string_view::npos || second == first) return std::nullopt;
  Proof proof;
  std::string_view looked = text.substr(second + 1);
  auto boot = boot_look_in(text.substr(first + 1, second - first - 1));
  bool good = read_state(text.substr(0, first), proof.state) && boot && (looked == kNew || looked == kKernel);
  if (!good) return std::nullopt;
  proof.boot = *boot;
  proof.looked_new = looked == kNew;
  return proof;
}

Result<Proofs> Proofs::open(Path directory) { return Proofs(TRY(Store::open()), std::move(directory)); }

Result<std::optional<Proof>> Proofs::proof(DomId domain) const {
  auto text = store_.read(directory_ / static_cast<unsigned>(domain));
  // Of a node that is not there a domain that may not see its directory is told the one or the other.
  if (!text.ok() && (text.error().number == ENOENT || text.error().number == EACCES)) return std::optional<Proof>();
  if (!text.ok()) return text.error();
  auto proof = proof_in(text.value());
  if (!proof) return SysError{EBADMSG, "read what vtpm-domwatch says of a domain"};
  return proof;
}

Result<std::optional<DomainState>> Proofs::look(DomId domain) const {
  auto found = TRY(proof(domain));
  return found ? std::optional(found->state) : std::optional<DomainState>();
}

Result<std::map<DomId, DomainState>> Proofs::look_at(const std::set<DomId>& domains) const {
  std::map<DomId, DomainState> states;
  for (DomId domain : domains) {
    if (auto state = TRY(look(domain))) states[domain] = *state;
  }
  return states;
}

Result<BootLook> Proofs::boot_look(DomId domain) const {
  auto found = TRY(proof(domain));
  return found ? found->boot : BootLook::TooLate;
}

Result<bool> Proofs::looks_new(DomId domain) const {
  auto found = TRY(proof(domain));
  if (!found) return SysError{ESRCH, "look at a domain"};
  return found->looked_new;
}

bool Proofs::looked_new(DomId domain) const {
  auto found = proof(domain);
  return found.ok() && found.value() && found.value()->looked_new;
}

}  // namespace xen
