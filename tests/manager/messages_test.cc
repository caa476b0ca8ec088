// SPDX-License-Identifier: MIT
#include "backend/manager/messages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/manager/channel.h"
#include "backend/manager/spawn.h"

namespace message {
namespace {

Start a_start() {
  Start start;
  start.uuid[0] = 7;
  start.domain = 3;
  start.kind = StartKind::Reconnect;
  start.grant_ref = 8;
  start.port = 9;
  start.power_cycle = 5;
  start.epoch = 6;
  start.extends.items = {{4, {1, 2}}, {5, {3}}};
  start.permanent = wire::SizedBytes(base::Bytes(100, 1));
  start.snapshot = wire::SizedBytes(base::Bytes(50, 2));
  return start;
}

template <class M>
class Messages : public ::testing::Test {};
using Every =
    ::testing::Types<Start, Committed, Freeze, Thaw, Stop, Trace, Adopt, Hello, Ready, Failed, Commit, Snapshot,
                     Statistics, Certificate, Endorsement, Measure, Measuring, Measured, NotMeasured>;
TYPED_TEST_SUITE(Messages, Every);

TYPED_TEST(Messages, AreWholeOrNothing) {
  base::Bytes bytes = encode(TypeParam{});
  EXPECT_TRUE(decode<TypeParam>(bytes).ok());
  EXPECT_EQ(encode(decode<TypeParam>(bytes).take()), bytes);
  for (size_t n = 0; n < bytes.size(); n++) EXPECT_FALSE(decode<TypeParam>(base::View(bytes).first(n)).ok()) << n;
  bytes.push_back(0);
  EXPECT_FALSE(decode<TypeParam>(bytes).ok());
}

TYPED_TEST(Messages, AreOfOneKindOnly) {
  base::Bytes bytes = encode(TypeParam{});
  for (unsigned kind = 0; kind < 256; kind++) {
    bytes[0] = static_cast<uint8_t>(kind);
    EXPECT_EQ(decode<TypeParam>(bytes).ok(), static_cast<Kind>(kind) == kKindOf<TypeParam>);
  }
}

TEST(StartMessage, CarriesEveryField) {
  auto start = decode<Start>(encode(a_start()));
  ASSERT_TRUE(start.ok());
  EXPECT_EQ(start.value().kind, StartKind::Reconnect);
  EXPECT_EQ(start.value().grant_ref, 8U);
  EXPECT_EQ(start.value().epoch, 6U);
  EXPECT_EQ(start.value().permanent.size(), 100U);
  ASSERT_EQ(start.value().extends.items.size(), 2U);
  EXPECT_EQ(start.value().extends.items[1].pcr, 5);
  EXPECT_EQ(start.value().extends.items[0].digest[1], 2);
  EXPECT_EQ(start.value().snapshot.size(), 50U);
}

TEST(StartMessage, RefusesALengthBeyondItsEnd) {
  base::Bytes bytes = encode(a_start());
  size_t length_of_snapshot = bytes.size() - 50 - 4;
  bytes[length_of_snapshot] = 0xff;
  EXPECT_FALSE(decode<Start>(bytes).ok());
}

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    one_ = backend::Channel(vault::Fd(ends[0]));
    other_ = backend::Channel(vault::Fd(ends[1]));
    backend::make_room(ends[0]);
  }
  backend::Channel one_, other_;
};
using Received = backend::Channel::Datagram::Kind;

TEST_F(ChannelTest, CarriesTheLargestMessage) {
  Commit commit;
  commit.permanent = wire::SizedBytes(base::Bytes(kMaxMessage - encode(Commit{}).size(), 3));
  ASSERT_TRUE(one_.send(commit).ok());
  auto received = other_.receive();
  ASSERT_TRUE(received.ok());
  EXPECT_EQ(decode<Commit>(received.value().bytes).value().permanent.size(), commit.permanent.size());
}

TEST_F(ChannelTest, RefusesALongerOne) {
  ASSERT_TRUE(one_.send_bytes(base::Bytes(kMaxMessage + 1, 3), -1).ok());
  EXPECT_FALSE(other_.receive().ok());
}

TEST_F(ChannelTest, TellsNothingFromClosed) {
  EXPECT_EQ(other_.receive().value().kind, Received::Nothing);
  one_ = backend::Channel();
  EXPECT_EQ(other_.receive().value().kind, Received::Closed);
}

TEST_F(ChannelTest, PassesADescriptor) {
  vault::Fd file(::memfd_create("test", MFD_CLOEXEC));
  ASSERT_TRUE(one_.send(Ready{}, file.get()).ok());
  auto received = other_.receive();
  ASSERT_TRUE(received.ok());
  EXPECT_TRUE(received.value().descriptor);
  EXPECT_NE(received.value().descriptor.get(), file.get());
}

TEST(Journals, MustBeOfOneSizeForEver) {
  auto make = [](size_t size, int seals) {
    vault::Fd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
  };
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  EXPECT_TRUE(backend::is_journal(make(kJournalBytes, kSeals).get()));
  EXPECT_FALSE(backend::is_journal(make(kJournalBytes - 1, kSeals).get()));
  EXPECT_FALSE(backend::is_journal(make(kJournalBytes, F_SEAL_GROW | F_SEAL_SEAL).get()));
  EXPECT_FALSE(backend::is_journal(vault::Fd(::open("/dev/null", O_RDWR | O_CLOEXEC)).get()));
}

}  // namespace
}  // namespace message
