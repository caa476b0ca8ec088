// SPDX-License-Identifier: MIT
// SavedGuest: a guest that measures itself, is saved and comes back; for scenarios about what it finds then.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/system/stack.h"

namespace system_test {

inline constexpr uint32_t kFailedSelfTest = 0x1c;
inline constexpr unsigned kPcr = 10;

class SavedGuest : public ::testing::Test {
 protected:
  ~SavedGuest() override {
    if (HasFailure()) std::cerr << stack_.log();
  }
  static Finished domain(Words words) {
    words.insert(words.begin(), {program("xen-loopback"), "domain"});
    return run(words);
  }
  static unsigned number(const Finished& finished) {
    EXPECT_EQ(finished.status, 0);
    return finished.status == 0 ? static_cast<unsigned>(std::stoul(finished.output)) : 0;
  }
  // What the manager answered: "done", or why not.
  static std::string said(const nlohmann::json& answer) {
    return answer.value("ok", false) ? "done" : answer.value("error", answer.dump());
  }
  std::string image() const { return stack_.directory() + "/image"; }
  client::Digest measure(Frontend& frontend) {
    auto extended = frontend.tpm().extend(kPcr, client::sha1(client::bytes_of("measured")));
    EXPECT_TRUE(extended.ok()) << extended.code() << extended.reply.defect;
    return extended.value;
  }
  static client::Digest pcr(Frontend& frontend, unsigned index = kPcr) {
    auto read = frontend.tpm().pcr_read(index);
    EXPECT_TRUE(read.ok()) << read.code() << read.reply.defect;
    return read.value;
  }
  // A new guest's PCR after one measurement; then the guest is saved.
  client::Digest measured_and_saved() {
    unsigned guest = create_domain(uuid_);
    Frontend frontend(stack_, guest);
    EXPECT_TRUE(frontend.connect());
    client::Digest measured = measure(frontend);
    EXPECT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
    return measured;
  }
  unsigned restored() { return number(domain({"restore", image()})); }
  bool happened(const std::string& kind) {
    return eventually([&] {
      const auto answer = stack_.control({"events", "--past"});
      for (const auto& event : answer.value("events", nlohmann::json::array())) {
        if (event.value("event", "") == kind && event.value("uuid", "") == uuid_) return true;
      }
      return false;
    });
  }
  // What a PCR holds that was extended with the marker and nothing else.
  static client::Digest marker() {
    client::Bytes zero_and_event(20);
    client::Digest event = client::sha1(client::bytes_of("vtpm: powered on while a suspended state of this TPM stood"));
    zero_and_event.insert(zero_and_event.end(), event.begin(), event.end());
    return client::sha1(zero_and_event);
  }
  void expect_marked(unsigned guest) {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    for (unsigned i = 0; i < 8; i++) EXPECT_EQ(pcr(frontend, i), marker()) << "PCR " << i;
    EXPECT_EQ(pcr(frontend), client::Digest{}) << "what was measured before is not there";
  }
  void expect_clean(unsigned guest) {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    for (unsigned i : {0U, 7U, kPcr}) EXPECT_EQ(pcr(frontend, i), client::Digest{}) << "PCR " << i;
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
};

}  // namespace system_test
