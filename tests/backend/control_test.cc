// SPDX-License-Identifier: MIT
// The control channel of vtpm-socketd without its sockets: requests out of a byte stream, and what they answer.
#include "backend/socket/control.h"

#include <gtest/gtest.h>

#include <random>

namespace {

using base::Bytes;
using socketd::Answer;
using socketd::Control;
using socketd::ControlRequest;
using socketd::ControlRequests;
using socketd::Order;
using Next = ControlRequests::Next;

void put_word(Bytes& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<uint8_t>(value >> shift));
}
uint32_t word(const Bytes& from, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; i++) value = value << 8 | from.at(i);
  return value;
}
Bytes words(std::initializer_list<uint32_t> values) {
  Bytes bytes;
  for (uint32_t value : values) put_word(bytes, value);
  return bytes;
}
Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) base::append(all, part);
  return all;
}

// What comes out of a stream, written down.
std::string requests_of(const Bytes& stream, size_t piece) {
  ControlRequests requests;
  std::string seen;
  for (size_t at = 0; at <= stream.size(); at += piece) {
    requests.add(base::View(stream).subspan(at, std::min(piece, stream.size() - at)));
    ControlRequest request;
    for (Next next = requests.next(request); next != Next::Incomplete; next = requests.next(request)) {
      if (next == Next::Unknown) return seen + "unknown";
      if (next == Next::TooLong) return seen + "too long";
      seen += std::to_string(static_cast<uint32_t>(request.order)) + ":" + std::to_string(request.body.size()) + " ";
    }
  }
  return seen;
}

const Bytes kEvery = joined({words({1, 2, 0, 3, 4, 5}),
                             {2},
                             words({6, 7, 3}),
                             {1, 2, 3},
                             words({8, 9, 10, 11}),
                             {3},
                             words({12, 0, 1, 0, 13, 0, 2, 2}),
                             {7, 7},
                             words({14, 15, 16, 17, 0, 18, 0, 3, 0, 0, 19, 5})});
constexpr auto kEverySeen = "1:0 2:4 3:0 4:0 5:1 6:0 7:7 8:0 9:0 10:0 11:1 12:12 13:14 14:0 15:0 16:0 17:4 18:16 19:4 ";

TEST(ControlRequests, AreTheSameHoweverTheyAreSplit) {
  for (size_t piece = 1; piece <= kEvery.size(); piece++) EXPECT_EQ(requests_of(kEvery, piece), kEverySeen) << piece;
}

TEST(ControlRequests, AcceptALocalityAsTheFourBytesOfAUnion) {
  Bytes padded = joined({words({5}), {2, 0, 0, 0}, words({11}), {3, 0, 0, 0}, words({1, 5}), {1}, words({9})});
  for (size_t piece = 1; piece <= padded.size(); piece++) {
    EXPECT_EQ(requests_of(padded, piece), "5:1 11:1 1:0 5:1 9:0 ") << piece;
  }
}

TEST(ControlRequests, EndAtWhatIsNone) {
  EXPECT_EQ(requests_of(words({1, 0, 1}), 4), "1:0 unknown");
  EXPECT_EQ(requests_of(words({20}), 4), "unknown");
  EXPECT_EQ(requests_of(words({0xffffffff}), 4), "unknown");
  EXPECT_EQ(requests_of(joined({words({5}), {2, 0, 0, 0, 0}, words({1})}), 4), "5:1 unknown");
  EXPECT_EQ(requests_of(words({7, ControlRequests::kMostData + 1}), 4), "too long");
  EXPECT_EQ(requests_of(words({13, 0, 1, 0xffffffff}), 4), "too long");
}

TEST(ControlRequests, LetOnlyACancelOutOfTurn) {
  ControlRequests requests;
  ControlRequest request;
  requests.add(words({9, 1}));
  EXPECT_TRUE(requests.take_cancel());
  EXPECT_FALSE(requests.take_cancel());
  ASSERT_EQ(requests.next(request), Next::Whole);
  EXPECT_EQ(request.order, Order::GetCapability);
  EXPECT_FALSE(requests.take_cancel());
}

class ControlTest : public testing::Test {
 protected:
  ControlTest()
      : host_(ending_, nullptr),
        device_(host_, nullptr,
                tpm::Engine::manufacture(host_, socketd::Device::settings(), {.endorsement_key = false})),
        control_(device_, [this](vault::Fd) {
          n_seated_++;
          return Answer::Success;
        }) {}

  // The response to the one request of these bytes.
  Bytes respond(const Bytes& bytes) {
    ControlRequests requests;
    requests.add(bytes);
    ControlRequest request;
    EXPECT_EQ(requests.next(request), Next::Whole);
    vault::Fd none;
    return control_.execute(request, none);
  }
  Answer answer(const Bytes& bytes) { return Answer{word(respond(bytes), 0)}; }
  Bytes blob(uint32_t type) {
    Bytes response = respond(words({12, 1, type, 0}));
    EXPECT_EQ(word(response, 0), 0u);
    EXPECT_EQ(word(response, 8), response.size() - 16);
    return {response.begin() + 16, response.end()};
  }
  Bytes set(uint32_t flags, uint32_t type, const Bytes& state) {
    return joined({words({13, flags, type, static_cast<uint32_t>(state.size())}), state});
  }
  uint32_t code(const Bytes& command) { return word(device_.execute(command), 6); }
  static Bytes startup() { return {0x00, 0xc1, 0, 0, 0, 12, 0, 0, 0, 0x99, 0, 1}; }
  static Bytes extend() {
    Bytes command = {0x00, 0xc1, 0, 0, 0, 34, 0, 0, 0, 0x14, 0, 0, 0, 5};
    command.resize(34, 0xab);
    return command;
  }
  Bytes pcr_5() { return device_.execute(Bytes{0x00, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 5}); }

  const Bytes init_ = words({2, 0}), init_once_ = words({2, 1}), stop_ = words({14});
  socketd::Ending ending_;
  socketd::Host host_;
  socketd::Device device_;
  int n_seated_ = 0;
  Control control_;
};

TEST_F(ControlTest, WithoutPowerOnlyWhatNeedsNoneIsDone) {
  for (uint32_t order : {4u, 6u, 8u, 9u, 10u}) EXPECT_EQ(answer(words({order})), Answer::BadOrdinal) << order;
  EXPECT_EQ(answer(words({7, 0})), Answer::BadOrdinal);
  EXPECT_EQ(answer(joined({words({11}), {4}})), Answer::BadOrdinal);
  EXPECT_EQ(answer(words({12, 0, 1, 0})), Answer::BadOrdinal);
  EXPECT_EQ(code(startup()), 9u);
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(code(startup()), 0u);
  for (uint32_t order : {4u, 6u, 8u, 9u, 10u}) EXPECT_EQ(answer(words({order})), Answer::Success) << order;
}

TEST_F(ControlTest, EveryResponseHasItsLengthWhateverItSays) {
  for (const Bytes& power : {stop_, init_}) {
    EXPECT_EQ(answer(power), Answer::Success);
    EXPECT_EQ(respond(words({1})).size(), 8u);
    EXPECT_EQ(respond(words({4})).size(), 8u);
    EXPECT_EQ(respond(words({12, 0, 9, 0})).size(), 16u);
    EXPECT_EQ(respond(words({15})).size(), 8u);
    EXPECT_EQ(respond(words({17, 2000})).size(), 16u);
    EXPECT_EQ(respond(words({18, 0, 0, 99, 0})).size(), 12u);
    EXPECT_EQ(respond(words({19, 1})).size(), 4u);
  }
}

TEST_F(ControlTest, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(answer(joined({words({5}), {5}})), Answer::BadLocality);
  EXPECT_EQ(answer(joined({words({11}), {5}})), Answer::BadLocality);
  EXPECT_EQ(answer(words({2, 2})), Answer::BadParameter);
  EXPECT_EQ(answer(words({12, 0, 0, 0})), Answer::BadParameter);
  EXPECT_EQ(answer(words({12, 0, 4, 0})), Answer::BadParameter);
  EXPECT_EQ(answer(words({18, 0, 3, 4096, 0})), Answer::BadParameter);
  EXPECT_EQ(answer(words({16})), Answer::BadParameter) << "no descriptor came with it";
  EXPECT_EQ(n_seated_, 0);
}

TEST_F(ControlTest, ABlobIsGivenFromAnyOffset) {
  EXPECT_EQ(answer(init_), Answer::Success);
  Bytes whole = blob(1);
  for (uint32_t offset : {0u, 1u, static_cast<uint32_t>(whole.size()) - 1}) {
    Bytes part = respond(words({12, 0, 1, offset}));
    EXPECT_EQ(word(part, 8), whole.size() - offset);
    EXPECT_TRUE(std::equal(part.begin() + 16, part.end(), whole.begin() + offset, whole.end()));
  }
  for (uint32_t offset : {static_cast<uint32_t>(whole.size()), 0xffffffffu}) {
    EXPECT_EQ(respond(words({12, 0, 1, offset})), words({0, 0, 0, 0}));
  }
}

TEST_F(ControlTest, StateMovesOnlyAsAWhole) {
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(code(startup()), 0u);
  EXPECT_EQ(code(extend()), 0u);
  Bytes pcr = pcr_5(), permanent = blob(1), moving = blob(2);
  EXPECT_TRUE(blob(3).empty());
  EXPECT_EQ(answer(set(0, 1, permanent)), Answer::BadOrdinal) << "it has power";
  EXPECT_EQ(answer(stop_), Answer::Success);
  EXPECT_EQ(answer(set(2, 1, permanent)), Answer::KeyNotFound) << "said to be encrypted";
  EXPECT_EQ(answer(set(0, 1, moving)), Answer::BadParameter);
  EXPECT_EQ(answer(set(0, 2, permanent)), Answer::BadParameter);
  EXPECT_EQ(answer(set(0, 3, permanent)), Answer::BadParameter);
  EXPECT_EQ(answer(set(0, 3, {})), Answer::Success);
  for (size_t at = 0; at < moving.size(); at += 7) {
    Bytes damaged = moving;
    damaged[at] ^= 1;
    EXPECT_EQ(answer(set(0, 2, damaged)), Answer::BadParameter) << at;
    EXPECT_EQ(answer(set(0, 2, Bytes(moving.begin(), moving.begin() + static_cast<std::ptrdiff_t>(at)))),
              Answer::BadParameter);
  }
  EXPECT_EQ(answer(set(0, 2, moving)), Answer::Success);
  EXPECT_EQ(answer(set(0, 1, permanent)), Answer::Success);
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(pcr_5(), pcr);
  EXPECT_EQ(code(extend()), 0u);
  EXPECT_EQ(answer(init_once_), Answer::Success) << "not forgotten yet";
  EXPECT_EQ(pcr_5(), pcr);
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(code(startup()), 0u) << "forgotten";
}

TEST_F(ControlTest, AVolatileStateGoesWithItsPermanentState) {
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(code(startup()), 0u);
  EXPECT_EQ(answer(words({10})), Answer::Success);
  EXPECT_EQ(answer(words({6})), Answer::Success) << "tpmEstablished is permanent";
  EXPECT_EQ(answer(init_), Answer::Fail);
  EXPECT_FALSE(device_.on());
}

TEST_F(ControlTest, ALaunchHasItsTimeAndLivesBesideCommands) {
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(answer(words({6})), Answer::Fail) << "before TPM_Startup";
  EXPECT_EQ(answer(init_), Answer::Success);
  EXPECT_EQ(code(startup()), 0u);
  EXPECT_EQ(answer(words({6})), Answer::Success);
  EXPECT_EQ(code(extend()), 0u);
  EXPECT_EQ(answer(words({8})), Answer::Success);
  EXPECT_EQ(answer(words({8})), Answer::Fail) << "its end has been";
  EXPECT_EQ(code(extend()), 28u) << "TPM_FAILEDSELFTEST: what fails in a launch is failure mode";
}

TEST_F(ControlTest, AnswersWhateverComes) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; round++) {
    Bytes bytes = words({static_cast<uint32_t>(1 + random() % 19)});
    for (size_t n = random() % 40; n > 0; n--) bytes.push_back(static_cast<uint8_t>(random() % 4));
    ControlRequests requests;
    requests.add(bytes);
    ControlRequest request;
    if (requests.next(request) != Next::Whole) continue;
    vault::Fd none;
    EXPECT_GE(control_.execute(request, none).size(), 4u);
  }
}

}  // namespace
