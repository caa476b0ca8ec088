// SPDX-License-Identifier: MIT
// Laws that hold for every command, whatever it does.
#include "tests/engine/tpm_test.h"

namespace world {

using client::Command;
using client::Prepared;
using client::Reply;

class EveryCommand : public testing::TestWithParam<Entry> {
 protected:
  EveryCommand() : w(GetParam().stage), tpm(w.tpm) { tpm.locality = 0; }

  Prepared golden() {
    Command command = GetParam().make(w);
    tpm.locality = GetParam().locality;
    return tpm.prepare(command);
  }
  Reply send(const Prepared& prepared, const Bytes& frame) { return tpm.finish(prepared, tpm.send(frame)); }
  Reply send(const Prepared& prepared) { return send(prepared, prepared.frame); }
  // The same bytes before another TPM, which has no session or key of this one.
  Reply elsewhere(Stage stage, const Prepared& prepared) {
    World other(stage);
    other.tpm.locality = tpm.locality;
    return other.tpm.finish(prepared, other.tpm.send(prepared.frame));
  }

  // A SHA-1 thread ends with any error and with any other command.
  static bool ends_on_error() { return GetParam().ordinal >= 0xa1 && GetParam().ordinal <= 0xa3; }

  World w;
  Tpm& tpm;
};

Bytes with_size(Bytes frame) {
  Bytes size = Out().u32(static_cast<uint32_t>(frame.size()));
  std::copy(size.begin(), size.end(), frame.begin() + 2);
  return frame;
}

TEST_P(EveryCommand, SucceedsOnceAsTheClauseSays) {
  Prepared prepared = golden();
  EXPECT_TRUE(ok(send(prepared)));
}

TEST_P(EveryCommand, RefusesEachTruncationAndAByteTooManyAndKeepsItsSessions) {
  Prepared prepared = golden();
  World::Point point = w.point();
  Bytes before = ends_on_error() ? Bytes{} : w.fingerprint();
  for (size_t n = 10; n < prepared.frame.size(); n++) {
    if (ends_on_error()) w.restore(point);
    Bytes frame(prepared.frame.begin(), prepared.frame.begin() + static_cast<std::ptrdiff_t>(n));
    ASSERT_TRUE(refused(send(prepared, with_size(frame)), rc::BadParamSize)) << n << " of " << prepared.frame.size();
  }
  if (ends_on_error()) w.restore(point);
  Bytes longer = prepared.frame;
  longer.push_back(0);
  EXPECT_TRUE(refused(send(prepared, with_size(longer)), rc::BadParamSize));
  if (ends_on_error()) return;
  EXPECT_EQ(w.fingerprint(), before);
  EXPECT_TRUE(ok(send(prepared)));
}

TEST_P(EveryCommand, RefusesASizeBeyondItsBytes) {
  Prepared prepared = golden();
  for (uint32_t more : {1U, 100U, 0x7fffffffU}) {
    Bytes frame = prepared.frame;
    Bytes size = Out().u32(static_cast<uint32_t>(frame.size()) + more);
    std::copy(size.begin(), size.end(), frame.begin() + 2);
    EXPECT_TRUE(refused(send(prepared, frame), rc::BadParamSize));
  }
  if (ends_on_error()) return;
  EXPECT_TRUE(ok(send(prepared)));
}

TEST_P(EveryCommand, RefusesTagsItsClauseDoesNotName) {
  Prepared prepared = golden();
  for (unsigned n = 0; n < 3; n++) {
    if (GetParam().tags & 1U << n) continue;
    Bytes frame = prepared.frame;
    frame[1] = static_cast<uint8_t>(0xc1 + n);
    EXPECT_TRUE(refused(send(prepared, frame), rc::BadTag)) << n << " trailers";
  }
  for (uint8_t other : std::initializer_list<uint8_t>{0x00, 0xc0, 0xc4, 0xff}) {
    Bytes frame = prepared.frame;
    frame[1] = other;
    EXPECT_TRUE(refused(send(prepared, frame), rc::BadTag)) << unsigned{other};
  }
  if (ends_on_error()) return;
  EXPECT_TRUE(ok(send(prepared)));
}

TEST_P(EveryCommand, BelievesNoSessionWithAFlippedBit) {
  Prepared prepared = golden();
  size_t n_proofs = prepared.command.proofs.size();
  World::Point point = w.point();
  Bytes before = w.fingerprint();
  struct Region {
    const char* name;
    size_t at;
  };
  for (size_t proof = 0; proof < n_proofs; proof++) {
    size_t trailer = prepared.frame.size() - 45 * (n_proofs - proof);
    for (Region region : {Region{"handle", 3}, Region{"nonceOdd", 4}, Region{"nonceOdd's end", 23},
                          Region{"continueAuthSession", 24}, Region{"HMAC", 25}, Region{"HMAC's end", 44}}) {
      w.restore(point);
      Bytes frame = prepared.frame;
      frame[trailer + region.at] ^= region.at == 3 ? 0x70 : 0x01;
      Reply reply = send(prepared, frame);
      EXPECT_NE(reply.code, rc::Ok) << region.name << " of proof " << proof + 1;
      EXPECT_TRUE(reply.defect.empty()) << reply.defect;
      EXPECT_EQ(w.fingerprint(), before) << region.name;
    }
  }
  for (size_t at = 10 + prepared.command.handles.size(); n_proofs > 0 && at < prepared.frame.size() - 45 * n_proofs;
       at++) {
    w.restore(point);
    Bytes frame = prepared.frame;
    frame[at] ^= 0x01;
    Reply reply = send(prepared, frame);
    EXPECT_NE(reply.code, rc::Ok) << "parameter byte " << at;
    EXPECT_TRUE(reply.defect.empty()) << reply.defect;
    EXPECT_EQ(w.fingerprint(), before) << "parameter byte " << at;
  }
}

TEST_P(EveryCommand, RefusesAWrongSecret) {
  Prepared prepared = golden();
  size_t n_proofs = prepared.command.proofs.size();
  World::Point point = w.point();
  for (size_t proof = 0; proof < n_proofs; proof++) {
    w.restore(point);
    Prepared wrong = prepared;
    wrong.frame[prepared.frame.size() - 45 * (n_proofs - proof) + 30] ^= 0x40;
    Reply reply = send(wrong, wrong.frame);
    EXPECT_TRUE(reply.code == (proof == 0 ? rc::AuthFail : rc::Auth2Fail)) << GetParam().name << ": " << reply.code;
  }
}

TEST_P(EveryCommand, WaitsForStartup) {
  if (!GetParam().gates.startup) GTEST_SKIP() << "is the startup";
  Prepared prepared = golden();
  EXPECT_TRUE(refused(elsewhere(Stage::Made, prepared), rc::InvalidPostInit));
}

TEST_P(EveryCommand, IsStoppedByDisabledOnlyIfItsClauseSaysSo) {
  if (GetParam().stage == Stage::Made) GTEST_SKIP() << "is the startup";
  Prepared prepared = golden();
  Reply reply = elsewhere(Stage::Disabled, prepared);
  EXPECT_EQ(reply.code == rc::Disabled, GetParam().gates.enabled) << reply.code;
}

TEST_P(EveryCommand, IsStoppedByDeactivatedOnlyIfItsClauseSaysSo) {
  if (GetParam().stage == Stage::Made) GTEST_SKIP() << "is the startup";
  Prepared prepared = golden();
  Reply reply = elsewhere(Stage::Deactivated, prepared);
  EXPECT_EQ(reply.code == rc::Deactivated, GetParam().gates.activated) << reply.code;
}

TEST_P(EveryCommand, NeedsAnOwnerOnlyIfItsClauseSaysSo) {
  if (GetParam().stage == Stage::Made) GTEST_SKIP() << "is the startup";
  Prepared prepared = golden();
  Reply reply = elsewhere(Stage::Started, prepared);
  EXPECT_EQ(reply.code == rc::NoSrk, GetParam().gates.owner) << reply.code;
}

TEST_P(EveryCommand, ChangesNothingWhenItsStateCannotBeMadeDurable) {
  Prepared prepared = golden();
  World::Point point = w.point();
  size_t commits = w.machine().commits();
  ASSERT_TRUE(ok(send(prepared)));
  bool commits_state = w.machine().commits() != commits;
  w.restore(point);
  if (!commits_state) {
    w.machine().break_disk(true);
    EXPECT_TRUE(ok(send(prepared))) << "needs no disk";
    return;
  }
  Bytes before = w.fingerprint();
  machine::Snapshot state = w.machine().snapshot();
  w.machine().break_disk(true);
  Reply reply = send(prepared);
  EXPECT_NE(reply.code, rc::Ok);
  EXPECT_TRUE(reply.defect.empty()) << reply.defect;
  EXPECT_EQ(w.machine().snapshot().permanent, state.permanent);
  EXPECT_EQ(w.fingerprint(), before);
  w.machine().break_disk(false);
}

std::string entry_name(const testing::TestParamInfo<Entry>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Laws, EveryCommand, testing::ValuesIn(catalogue()), entry_name);

void PrintTo(const Entry& entry, std::ostream* out) { *out << entry.name; }

// ---- The header ----

class Header : public OwnedTest {};

TEST_F(Header, ShorterThanTenBytesIsABadParamSize) {
  for (size_t n = 0; n < 10; n++) {
    Bytes frame = Out().u16(0xc1).u32(10).u32(0x0a);
    frame.resize(n);
    client::In in(tpm.send(frame));
    EXPECT_EQ(in.u16(), 0xc4) << n;
    EXPECT_EQ(in.u32(), 10U) << n;
    EXPECT_EQ(in.u32(), rc::BadParamSize) << n;
    EXPECT_TRUE(in.done()) << n;
  }
}

TEST_F(Header, BytesAfterTheCommandAreNotRead) {
  Prepared prepared = tpm.prepare({.ordinal = 0x15, .params = Out().u32(0)});
  Bytes frame = prepared.frame;
  frame.resize(frame.size() + 100, 0xee);
  EXPECT_TRUE(ok(tpm.finish(prepared, tpm.send(frame))));
}

TEST_F(Header, AnUnknownOrdinalIsABadOrdinal) {
  for (uint32_t ordinal : {0U, 9U, 0x7fU + 0x10000U, 0x40000000U, 0x20000001U, 0xffffffffU}) {
    EXPECT_TRUE(refused(tpm.run(ordinal), rc::BadOrdinal)) << ordinal;
  }
}

}  // namespace world
