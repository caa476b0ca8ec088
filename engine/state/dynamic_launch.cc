// SPDX-License-Identifier: MIT
#include "engine/state/dynamic_launch.h"

namespace tpm {

namespace {

constexpr size_t kFirst = 17, kLast = 22;

}  // namespace

Result<> start_launch(Tpm& tpm, std::unique_ptr<Sha1Thread>& launch) {
  launch.reset();
  TRY(require(!tpm.stany->failed, Rc::FailedSelfTest));
  TRY(require(!tpm.stany->post_initialise, Rc::InvalidPostInit));
  if (!tpm.flags->tpm_established) tpm.flags.edit().tpm_established = true;  // 5
  Pcrs& pcrs = tpm.pcrs.edit();
  pcrs.dynamic_launch_seen = true;                                                   // 6
  for (size_t i = kFirst; i <= kLast; i++) pcrs.values.at(i) = pcrs.reset_value(i);  // 7
  // A saved state is good only as long as nothing happens after it (Part 3, 3.3).
  if (tpm.saved->valid) tpm.saved.edit() = {};
  TRY(tpm.commit());
  launch = std::make_unique<Sha1Thread>();  // 9
  launch->start();                          // 10
  return {};
}

Result<> end_launch(Tpm& tpm, const Digest& measured) {
  Pcrs& pcrs = tpm.pcrs.edit();
  pcrs.values.at(kFirst) = {};
  pcrs.extend(kFirst, measured);  // 3
  return tpm.commit();
}

Result<> launch_failure(Tpm& tpm, Result<> result) {
  if (result.ok()) return result;
  tpm.abort();
  StAny& any = tpm.stany.edit();
  any.failed = true;
  static_cast<void>(tpm.commit());  // nothing permanent is in it: it cannot fail
  return result;
}

}  // namespace tpm
