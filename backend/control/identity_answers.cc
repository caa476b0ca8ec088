// SPDX-License-Identifier: MIT
#include "backend/control/identity_answers.h"

#include <unistd.h>

#include "backend/control/failure.h"

namespace backend {

using nlohmann::json;

namespace {

constexpr int kSoonDays = 60;

json finding(const char* level, const std::string& text) { return {{"level", level}, {"text", text}}; }

const char* remedy(const Certifier& certifier) {
  return certifier.given()
             ? "; give the manager another one with --ca-certificate and --ca-key"
             : "; restore the state directory, or give the manager one with --ca-certificate and --ca-key";
}

}  // namespace

json show_endorsement(Manager& manager, const vault::Uuid& uuid) {
  auto entry = manager.vault().entry(uuid);
  if (!entry.ok()) return failure(entry.error().text);
  auto known = manager.endorsement(uuid);
  if (!known.ok()) return failure(known.error().text);
  if (!known.value()) {
    return failure(
        "the endorsement key of this instance is not known yet: it will be when its TPM is made, or powered "
        "on the next time");
  }
  const identity::Endorsement& endorsement = *known.value();
  if (!endorsement.present) {
    return failure("this instance has no endorsement key: its guest may make one, which is seen at its next power-on");
  }
  json told = {{"public_key", identity::pem_of_key(endorsement.modulus)}};
  if (!endorsement.certificate.empty()) told["certificate"] = identity::pem_of_certificate(endorsement.certificate);
  return {{"ok", true}, {"endorsement", told}};
}

json show_authority(const Manager& manager) {
  const Certifier& certifier = manager.certifier();
  if (!certifier.trouble().empty()) return failure(certifier.trouble());
  if (certifier.authority() == nullptr) return failure("the authority for endorsement keys is being made: try again");
  return {{"ok", true},
          {"authority",
           {{"certificate", certifier.authority()->certificates()},
            {"origin", certifier.given() ? "given" : "own"},
            {"days_left", certifier.authority()->days_left()}}}};
}

std::vector<json> authority_findings(const Manager& manager) {
  const Certifier& certifier = manager.certifier();
  if (!certifier.trouble().empty()) return {finding("error", certifier.trouble() + remedy(certifier))};
  if (certifier.authority() == nullptr) return {};
  std::vector<json> found;
  int days = certifier.authority()->days_left();
  auto valid = certifier.authority()->check_validity();
  if (!valid.ok()) {
    found.push_back(finding("error", "endorsement keys are not certified: the authority " + certifier.file() + ": " +
                                         valid.error() + remedy(certifier)));
  } else if (days < kSoonDays) {
    found.push_back(finding("warning", "the authority that certifies endorsement keys expires in " +
                                           std::to_string(days) + " days, and so do its certificates" +
                                           remedy(certifier)));
  }
  if (::access(certifier.file().c_str(), F_OK) != 0) {
    found.push_back(finding("warning", certifier.file() +
                                           " is missing: `vtpmctl show --ca` prints it, and the next start "
                                           "of the manager writes it"));
  }
  return found;
}

}  // namespace backend
