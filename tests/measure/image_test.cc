// SPDX-License-Identifier: MIT
#include "backend/measure/image.h"

#include <gtest/gtest.h>

namespace measure {
namespace {

// As libxl 4.17 writes it of a PVH domain, shortened.
constexpr const char* kRecorded = R"({
    "c_info": {"type": "pvh", "name": "g", "uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f", "cmdline": "not this"},
    "b_info": {"max_vcpus": 1, "avail_vcpus": [0], "kernel": "/boot/vmlinux", "cmdline": "console=hvc0 \"quoted\" a\\b",
        "ramdisk": "/boot/initrd", "type.pvh": {}, "arch_x86": {}},
    "vtpms": [{"devid": 0, "uuid": "00010203-0405-0607-0809-0a0b0c0d0e0f"}]
})";

TEST(Image, IsWhatLibxlRecordedOfTheBuild) {
  auto image = image_in(kRecorded);
  ASSERT_TRUE(image.ok()) << image.error().text;
  EXPECT_EQ(image.value().kernel, "/boot/vmlinux");
  EXPECT_EQ(image.value().ramdisk, "/boot/initrd");
  EXPECT_EQ(image.value().command_line, "console=hvc0 \"quoted\" a\\b");
}
TEST(Image, HasNoRamdiskAndNoCommandLineWhenNoneIsRecorded) {
  auto image = image_in(R"({"b_info": {"kernel": "/k", "ramdisk": null}})");
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image.value().ramdisk, "");
  EXPECT_EQ(image.value().command_line, "");
}
TEST(Image, SaysThatThereIsNoKernel) {
  auto image = image_in(R"({"b_info": {"type.hvm": {"firmware": "x"}}})");
  ASSERT_FALSE(image.ok());
  EXPECT_NE(image.error().text.find("no kernel"), std::string::npos);
}
TEST(Image, RefusesWhatItDoesNotUnderstand) {
  for (const char* text : {"", "{", "[]", "7", "{}", R"({"b_info": []})", R"({"b_info": {"kernel": 7}})",
                           R"({"b_info": {"kernel": "/k", "ramdisk": {}}})", R"({"b_info": {"kernel": "/k"}} more)"}) {
    EXPECT_FALSE(image_in(text).ok()) << text;
  }
  const std::string deep(100'000, '[');
  EXPECT_FALSE(image_in(deep).ok());
  const std::string whole = kRecorded;
  for (size_t n = 0; n < whole.size(); n++) EXPECT_FALSE(image_in(whole.substr(0, n)).ok()) << n;
}

}  // namespace
}  // namespace measure
