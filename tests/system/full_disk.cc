// SPDX-License-Identifier: MIT
// The disk of the state directory is full while a guest works: a file system of a few MiB, mounted for the test.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/engine/nv_client.h"
#include "tests/system/stack.h"

namespace system_test {
namespace {

using client::Digest;

constexpr uint32_t kPcr = 10, kIndex = 0x1100;
const Digest kOwner = client::secret("owner"), kArea = client::secret("area");

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    stack_.kill_manager();
    std::filesystem::remove_all(states());
    std::filesystem::create_directory(states());
    mounted_ = ::mount("vtpm-states", states().c_str(), "tmpfs", 0, "size=4m,mode=0700") == 0;
    if (!mounted_) GTEST_SKIP() << "a file system cannot be mounted here";
    stack_.start_manager();
  }
  ~FullDisk() override {
    if (HasFailure()) std::cerr << stack_.log();
    if (!mounted_) return;
    if (guest_ > 0) destroy_domain(guest_);
    stack_.kill_manager();
    ::umount2(states().c_str(), MNT_DETACH);
  }
  std::string states() const { return stack_.directory() + "/state"; }
  std::string ballast() const { return states() + "/ballast"; }
  void fill() const {
    std::ofstream file(ballast(), std::ios::binary);
    for (std::string block(4096, 'x'); file.write(block.data(), 4096).flush();) continue;
  }
  void make_room() const { std::filesystem::remove(ballast()); }
  // Writes to the area until it is refused, as a guest that goes on working; how many were acknowledged.
  uint32_t write_until_refused(client::Tpm& tpm) {
    for (uint32_t n = 1; n < 2000; n++) {
      auto written = client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(n), kArea);
      if (written.ok()) continue;
      EXPECT_TRUE(written.defect.empty()) << written.defect << ": an error code, not silence";
      refused_with_ = written.code;
      return n - 1;
    }
    ADD_FAILURE() << "the disk does not fill";
    return 0;
  }
  static uint32_t stored(client::Tpm& tpm) {
    auto area = client::Nv(tpm).read_auth(kIndex, 0, 4, kArea);
    EXPECT_TRUE(area.ok()) << area.code() << area.reply.defect;
    uint32_t value = 0;
    for (uint8_t byte : area.value) value = value << 8 | byte;
    return value;
  }

  Stack stack_;
  std::string uuid_ = fresh_uuid();
  unsigned guest_ = 0;
  bool mounted_ = false;
  uint32_t refused_with_ = 0;
};

TEST_F(FullDisk, AGuestGetsAnErrorAndIsServedAgainWhenThereIsRoom) {
  guest_ = create_domain(uuid_);
  Frontend frontend(stack_, guest_);
  ASSERT_TRUE(frontend.connect());
  auto& tpm = frontend.tpm();
  ASSERT_TRUE(tpm.take_ownership(tpm.read_pubek().value, kOwner, client::kWellKnown).ok());
  client::NvPublic area{.index = kIndex, .attributes = client::kNvAuthWrite | client::kNvAuthRead, .bytes = 4};
  ASSERT_TRUE(client::Nv(tpm).define_as_owner(area, kOwner, kArea).ok());
  ASSERT_TRUE(client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(0), kArea).ok());
  Digest measured = tpm.extend(kPcr, client::sha1(client::bytes_of("measured"))).value;
  pid_t manager = stack_.manager(), worker = stack_.worker_of(guest_);

  fill();
  uint32_t acknowledged = write_until_refused(tpm);
  EXPECT_NE(refused_with_, 0U);
  EXPECT_EQ(stored(tpm), acknowledged) << "what was refused has not happened";
  EXPECT_EQ(tpm.pcr_read(kPcr).value, measured);
  EXPECT_NE(stack_.control({"doctor"}).dump().find("MiB left"), std::string::npos);
  EXPECT_FALSE(client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(7), kArea).ok()) << "still full";
  EXPECT_EQ(stored(tpm), acknowledged);

  make_room();
  ASSERT_TRUE(client::Nv(tpm).write_auth(kIndex, 0, client::Out().u32(12345), kArea).ok());
  EXPECT_EQ(stored(tpm), 12345U);
  EXPECT_EQ(stack_.manager(), manager);
  EXPECT_EQ(stack_.worker_of(guest_), worker) << "nothing was started anew";
  EXPECT_TRUE(stack_.manager_lives());
  stack_.kill_manager();
  stack_.start_manager();
  ASSERT_TRUE(eventually([this] { return stack_.stage_of(guest_) == "serving"; }));
  EXPECT_EQ(stored(tpm), 12345U);
  EXPECT_EQ(tpm.pcr_read(kPcr).value, measured);
  EXPECT_FALSE(stack_.control({"show", uuid_})["instance"].value("quarantined", true));
}

}  // namespace
}  // namespace system_test
