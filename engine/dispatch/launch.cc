// SPDX-License-Identifier: MIT
#include "engine/dispatch/launch.h"

#include "engine/dispatch/transport.h"

namespace tpm::launch {

namespace {

constexpr size_t kFirstDynamicPcr = 17, kLastDynamicPcr = 22;
constexpr size_t kLocality4Pcr = 17;

bool fail(Tpm& tpm) {
  tpm.abort();
  tpm.stany.edit().failed = true;
  static_cast<void>(tpm.commit());  // nothing permanent is in it: it cannot fail
  return false;
}

}  // namespace

bool start(Tpm& tpm) {
  if (tpm.stany->post_initialise || tpm.stany->failed) return fail(tpm);
  end_exclusive_but(tpm, 0);
  tpm.stany.edit().tos_present = true;
  if (!tpm.flags->tpm_established) tpm.flags.edit().tpm_established = true;
  Pcrs& pcrs = tpm.pcrs.edit();
  pcrs.dynamic_launch_seen = true;
  for (size_t i = kFirstDynamicPcr; i <= kLastDynamicPcr; i++) pcrs.values[i] = {};
  tpm.launch_hash.edit().start();
  // What was saved for a later Startup is no longer the state there is.
  if (tpm.saved->valid) tpm.saved.edit() = {};
  return tpm.commit().ok() || fail(tpm);
}

bool data(Tpm& tpm, View bytes) {
  if (!tpm.launch_hash->running) return fail(tpm);
  tpm.launch_hash.edit().update(bytes);
  return tpm.commit().ok() || fail(tpm);
}

bool end(Tpm& tpm) {
  if (!tpm.launch_hash->running) return fail(tpm);
  Digest measured = tpm.launch_hash.edit().complete({});
  Pcrs& pcrs = tpm.pcrs.edit();
  pcrs.values[kLocality4Pcr] = {};  // whatever was extended since the start
  pcrs.extend(kLocality4Pcr, measured);
  return tpm.commit().ok() || fail(tpm);
}

}  // namespace tpm::launch
