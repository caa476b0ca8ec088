// SPDX-License-Identifier: MIT
#include "engine/dispatch/dispatcher.h"

#include "engine/commands/selftest.h"
#include "engine/dispatch/call.h"
#include "engine/spec/ordinals.h"
#include "lib/base/verify.h"

namespace tpm {

namespace {

struct Header {
  Tag tag{};
  uint32_t param_size = 0;
  uint32_t ordinal = 0;
};
constexpr uint32_t kHeaderBytes = 10;

// Part 3, 13.1: any other command ends a SHA-1 thread.
bool keeps_sha1_thread(uint32_t ordinal) {
  return ordinal == ordinal::SHA1Update || ordinal == ordinal::SHA1Complete || ordinal == ordinal::SHA1CompleteExtend;
}

Result<> check_before(Tpm& tpm, const CommandRow& row, uint8_t locality) {
  TRY(require(locality <= 4, Rc::BadLocality));
  // Part 3, 3.1: between TPM_Init and TPM_Startup nothing else runs.
  bool starting = row.ordinal == ordinal::Startup;
  TRY(require(starting || !tpm.stany->post_initialise, Rc::InvalidPostInit));
  if (!row.before_selftest && !tpm.stany->full_tested && !tpm.stany->failed) test_in_full(tpm);
  if (tpm.sha1->running && !keeps_sha1_thread(row.ordinal)) tpm.sha1.edit() = {};
  // Part 3, 3.3: a saved state is good only as long as nothing happens after it.
  if (tpm.saved->valid && !starting) tpm.saved.edit() = {};
  if (tpm.lockout->running()) {
    CurrentTicks now = tpm.ticks();
    if (tpm.lockout->something_is_over(now)) tpm.lockout.edit().end_what_is_over(now);
  }
  return tpm.commit();
}

// A guess counts before its outcome is told, and counts even when it cannot be made durable.
Result<> count_wrong_proof(Tpm& tpm, EntityType type, const CommandRow& row) {
  Lockout counted = *tpm.lockout;
  CurrentTicks now = tpm.ticks();
  counted.count(type, now);
  if (row.ordinal == ordinal::ResetLockValue) counted.refuse_reset(now);
  tpm.lockout.edit() = counted;
  Result<> durable = tpm.commit();
  if (!durable.ok()) tpm.lockout.reset(counted);
  return durable;
}

Result<size_t> run(Tpm& tpm, uint8_t locality, base::ForeignBytes command, base::ForeignBytes response) {
  wire::Reader head(command);
  Header header = TRY(head.get<Header>());
  TRY(require(header.param_size >= kHeaderBytes && header.param_size <= command.size(), Rc::BadParamSize));
  auto params = command.part(kHeaderBytes, header.param_size - kHeaderBytes);
  VERIFY(params.has_value());

  const CommandRow* row = find_command(header.ordinal);
  TRY(require(row != nullptr, Rc::BadOrdinal));
  TRY(check_before(tpm, *row, locality));

  Call call(tpm, *row, header.tag, locality, response);
  wire::Reader reader(*params);
  Result<size_t> length = row->execute(call, reader);
  if (length.ok()) return length;
  tpm.abort();
  if (call.wrong_proof()) TRY(count_wrong_proof(tpm, *call.wrong_proof(), *row));
  if (call.past_parsing() && length.error() != Rc::DefendLockRunning) {
    call.end_sessions();
    TRY(tpm.commit());
  }
  return length;
}

size_t refuse(base::ForeignBytes response, Rc code) {
  wire::Writer w(response);
  w.put(Tag::Response);
  w.uint(kHeaderBytes);
  w.put(code);
  auto written = w.finish();
  VERIFY(written.ok());
  return written.value();
}

}  // namespace

size_t dispatch(Tpm& tpm, uint8_t locality, base::ForeignBytes command, base::ForeignBytes response) {
  Result<size_t> length = run(tpm, locality, command, response);
  if (length.ok()) return length.value();
  tpm.abort();
  return refuse(response, length.error());
}

}  // namespace tpm
