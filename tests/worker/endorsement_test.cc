// SPDX-License-Identifier: MIT
// What a worker tells of its endorsement key, and what it does with a certificate.
#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

constexpr uint32_t kBadIndex = 2;

Bytes nv_read(uint32_t offset, uint32_t n) {
  Bytes parameters = be32(0x1000f000);
  base::append(parameters, be32(offset));
  base::append(parameters, be32(n));
  return command(0xcf, parameters);
}
Bytes create_endorsement_key() {
  Bytes parameters(20, 7);
  base::append(parameters, Bytes{0, 0, 0, 1, 0, 3, 0, 1});  // RSA, OAEP, no signatures
  for (uint32_t n : {12U, 2048U, 2U, 0U}) base::append(parameters, be32(n));
  return command(0x78, parameters);
}

class Endorsements : public Serve {
 protected:
  std::unique_ptr<WorkerProcess> begun(bool with_key = true) {
    auto w = new_process();
    w->sees_endorsements = true;
    message::Start start = start_message(StartKind::PowerOn);
    start.endorsement_key = with_key;
    w->send(start);
    return w;
  }
  // As `most` says: a start that makes a key takes its time.
  std::optional<message::Endorsement> told(WorkerProcess& w) { return w.expect<message::Endorsement>(seconds(60)); }
  void commit(WorkerProcess& w) {
    auto commit = w.expect<message::Commit>(seconds(60));
    ASSERT_TRUE(commit);
    store(w, *commit);
  }
  static message::Certificate with(Bytes certificate) {
    return {.certificate = wire::SizedBytes(std::move(certificate))};
  }
  // What a guest finds behind the header.
  Bytes in_nv(size_t n) {
    Bytes response = send(nv_read(7, static_cast<uint32_t>(n)));
    EXPECT_EQ(code_of(response), 0U);
    return response.size() == 14 + n ? Bytes(response.begin() + 14, response.end()) : Bytes();
  }
};

TEST_F(Endorsements, AreToldBeforeTheFirstCommitWhichHasTheCertificate) {
  auto w = begun();
  auto first = told(*w);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->present && first->wants_certificate);
  EXPECT_NE(first->modulus.front() & 0x80, 0);
  EXPECT_EQ(first->vendor, (std::array<uint8_t, 4>{'X', 'v', 'T', 'P'}));
  EXPECT_FALSE(w->receive(milliseconds(300))) << "it waits";
  Bytes certificate(message::kMaxCertificate, 0x5c);
  w->send(with(certificate));
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(stored_.epoch, 1U);
  EXPECT_EQ(in_nv(certificate.size()), certificate);
}

TEST_F(Endorsements, WithoutACertificateTheNextPowerOnAsksAgain) {
  auto w = begun();
  auto first = told(*w);
  ASSERT_TRUE(first);
  w->send(with({}));
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(result_of(nv_read(0, 7)), kBadIndex);

  w.reset();
  new_ring();
  w = begun();
  auto again = told(*w);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->wants_certificate);
  EXPECT_EQ(again->modulus, first->modulus);
  w->send(with(Bytes(900, 1)));
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(in_nv(900), Bytes(900, 1));

  w.reset();
  new_ring();
  w = begun();
  again = told(*w);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->wants_certificate) << "there is one";
  EXPECT_TRUE(w->expect<message::Ready>()) << "and waits for nothing";
}

TEST_F(Endorsements, OfABareTpmAreToldWhenItsGuestHasMadeAKey) {
  auto w = begun(false);
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>()) << "there is nothing to tell";
  ASSERT_TRUE(ring_->submit(create_endorsement_key(), 0).ok());
  commit(*w);
  ASSERT_EQ(code_of(wait_answer(seconds(60))), 0U);
  EXPECT_EQ(result_of(nv_read(0, 7)), kBadIndex);

  w.reset();
  new_ring();
  w = begun(false);
  auto late = told(*w);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->present && late->wants_certificate);
  w->send(with(Bytes(100, 3)));
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(in_nv(100), Bytes(100, 3));
}

TEST_F(Endorsements, OfATpmWithoutAKeySayThat) {
  auto w = begun(false);
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  w.reset();
  new_ring();
  w = begun(false);
  auto none = told(*w);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->present || none->wants_certificate);
  EXPECT_EQ(none->modulus, message::Modulus{});
  EXPECT_TRUE(w->expect<message::Ready>());
}

TEST_F(Endorsements, AreToldTheNextManagerWhenTheFirstDoesNotAnswer) {
  auto w = begun();
  auto first = told(*w);
  ASSERT_TRUE(first);
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  ASSERT_TRUE(w->expect<message::Hello>());
  auto again = told(*w);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->modulus, first->modulus);
  w->send(with(Bytes(100, 4)));
  commit(*w);
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(in_nv(100), Bytes(100, 4));
}

TEST_F(Endorsements, DoNotKeepATpmWaitingForAManagerThatIsGone) {
  commit_patience_ = "1";
  auto w = begun();
  ASSERT_TRUE(told(*w));
  w->hang_up();
  auto status = w->wait_end(seconds(10));
  ASSERT_TRUE(status) << "neither certificate nor commit is answered";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1);
}

TEST_F(Endorsements, ACertificateThatIsTooLongIsNonsense) {
  auto w = begun();
  ASSERT_TRUE(told(*w));
  w->send(with(Bytes(message::kMaxCertificate + 1, 1)));
  EXPECT_FALSE(w->receive(seconds(5))) << "it hangs up, and waits for another manager";
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  ASSERT_TRUE(w->expect<message::Hello>());
  EXPECT_TRUE(told(*w));
}

TEST_F(Endorsements, ACertificateThatNobodyAskedForChangesNothing) {
  auto w = started();
  w->send(with(Bytes(100, 5)));
  EXPECT_EQ(result_of(nv_read(0, 7)), kBadIndex);
}

}  // namespace
}  // namespace worker_test
