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

// Part 3, 13.1: a SHA-1 thread ends with any other command, and with one from the other side of its transport session.
bool keeps_sha1_thread(const Tpm& tpm, uint32_t ordinal, const Envelope* envelope) {
  if (ordinal == ordinal::ExecuteTransport) return true;  // what it carries decides
  bool goes_on =
      ordinal == ordinal::SHA1Update || ordinal == ordinal::SHA1Complete || ordinal == ordinal::SHA1CompleteExtend;
  return goes_on && tpm.transports->sha1_thread == (envelope != nullptr ? envelope->transport : 0);
}

// Part 3, 24.1, action 9: these two see for themselves which transport session they are of.
bool is_of_a_transport(uint32_t ordinal) {
  return ordinal == ordinal::ExecuteTransport || ordinal == ordinal::ReleaseTransportSigned;
}

// What comes due with any command, and stands whatever comes of it. Each says whether it changed something.
bool test_when_untested(Tpm& tpm, const CommandRow& row) {
  if (row.before_selftest || tpm.stany->full_tested || tpm.stany->failed) return false;
  test_in_full(tpm);
  return true;
}

bool end_sha1_thread(Tpm& tpm, const CommandRow& row, const Envelope* envelope) {
  if (!tpm.sha1->running || keeps_sha1_thread(tpm, row.ordinal, envelope)) return false;
  tpm.sha1.edit() = {};
  if (tpm.transports->sha1_thread != 0) tpm.transports.edit().sha1_thread = 0;
  return true;
}

// Part 3, 3.3: a saved state is good only as long as nothing happens after it.
bool forget_saved_state(Tpm& tpm, const CommandRow& row) {
  if (!tpm.saved->valid || row.ordinal == ordinal::Startup) return false;
  tpm.saved.edit() = {};
  return true;
}

bool end_lockouts_that_are_over(Tpm& tpm) {
  if (!tpm.lockout->running()) return false;
  CurrentTicks now = tpm.ticks();
  if (!tpm.lockout->something_is_over(now)) return false;
  tpm.lockout.edit().end_what_is_over(now);
  return true;
}

bool end_exclusive_transport(Tpm& tpm, const CommandRow& row, const Envelope* envelope) {
  if (tpm.stany->transport_exclusive == 0 || envelope != nullptr || is_of_a_transport(row.ordinal)) return false;
  end_exclusive_but(tpm, 0);
  return true;
}

Result<> check_before(Tpm& tpm, const CommandRow& row, uint8_t locality, const Envelope* envelope) {
  TRY(require(locality <= 4, Rc::BadLocality));
  // Part 3, 3.1: between TPM_Init and TPM_Startup nothing else runs.
  TRY(require(row.ordinal == ordinal::Startup || !tpm.stany->post_initialise, Rc::InvalidPostInit));
  bool changed = test_when_untested(tpm, row);
  changed |= end_sha1_thread(tpm, row, envelope);
  changed |= forget_saved_state(tpm, row);
  changed |= end_lockouts_that_are_over(tpm);
  changed |= end_exclusive_transport(tpm, row, envelope);
  return changed ? tpm.commit() : Result<>{};
}

// A guess counts before its outcome is told, and counts even when it cannot be made durable. One inside a transport
// session does not wait for the command around it.
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

Result<size_t> run(Tpm& tpm, uint8_t locality, base::ForeignBytes command, base::ForeignBytes response,
                   const Envelope* envelope) {
  wire::Reader head(command);
  Header header{};
  TRY(wire::read_into(head, header));
  TRY(require(header.param_size >= kHeaderBytes && header.param_size <= command.size(), Rc::BadParamSize));
  auto params = command.part(kHeaderBytes, header.param_size - kHeaderBytes);
  VERIFY(params.has_value());

  const CommandRow* row = find_command(header.ordinal);
  TRY(require(row != nullptr, Rc::BadOrdinal));
  TRY(check_before(tpm, *row, locality, envelope));

  Call call(tpm, *row, header.tag, locality, response, envelope);
  wire::Reader reader(*params);
  Result<size_t> length = row->execute(call, reader);
  if (length.ok()) return length;
  tpm.abort();
  if (call.wrong_proof()) TRY(count_wrong_proof(tpm, *call.wrong_proof(), *row));
  if (call.past_parsing() && length.error() != Rc::DefendLockRunning) {
    call.end_sessions();
    if (envelope == nullptr) TRY(tpm.commit());
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

size_t dispatch(Tpm& tpm, uint8_t locality, base::ForeignBytes command, base::ForeignBytes response,
                const Envelope* envelope) {
  Result<size_t> length = run(tpm, locality, command, response, envelope);
  if (length.ok()) return length.value();
  if (envelope == nullptr) tpm.abort();
  return refuse(response, length.error());
}

}  // namespace tpm
