// SPDX-License-Identifier: MIT
// Files as they may lie about: what is no file, what cannot be read, what changes while it is read.
#include "backend/measure/file_digest.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

namespace measure {
namespace {

class FileDigest : public ::testing::Test {
 protected:
  FileDigest() {
    char name[] = "/tmp/vtpm-digest-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~FileDigest() override { std::filesystem::remove_all(directory_); }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name)) << content;
    return path(name);
  }
  static Result<Digest> digest(const std::string& path) {
    auto file = RegularFile::open(path);
    if (!file.ok()) return file.error();
    return file.value().digest([](uint64_t, uint64_t) {});
  }
  static void expect_refused(const std::string& path, const std::string& why) {
    auto result = digest(path);
    ASSERT_FALSE(result.ok()) << path;
    EXPECT_NE(result.error().text.find(why), std::string::npos) << result.error().text;
  }
  static Digest sha1_of(const std::string& content) {
    Digest digest{};
    std::vector<uint8_t> bytes(content.begin(), content.end());
    SHA1(bytes.data(), bytes.size(), digest.data());
    return digest;
  }
  std::string directory_;
};

TEST_F(FileDigest, IsTheSha1OfTheWholeFile) {
  for (size_t n : {size_t{0}, size_t{1}, size_t{1} << 20, (size_t{3} << 20) + 17}) {
    const std::string content(n, 'x');
    auto result = digest(write("file", content));
    ASSERT_TRUE(result.ok()) << result.error().text;
    EXPECT_EQ(result.value(), sha1_of(content)) << n;
  }
}
TEST_F(FileDigest, FollowsLinks) {
  write("vmlinuz-6.1", "kernel");
  std::filesystem::create_symlink("vmlinuz-6.1", path("vmlinuz"));
  auto result = digest(path("vmlinuz"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value(), sha1_of("kernel"));
}
TEST_F(FileDigest, RefusesWhatIsNoRegularFileWithoutWaitingForIt) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  expect_refused(path("pipe"), "is a pipe");
  expect_refused(directory_, "is a directory");
  expect_refused("/dev/zero", "is a device");
  std::filesystem::create_symlink("loop", path("loop"));
  expect_refused(path("loop"), "cannot be opened");
}
TEST_F(FileDigest, RefusesWhatIsNotThere) {
  expect_refused(path("missing"), "No such file");
  std::filesystem::create_symlink("missing", path("dangling"));
  expect_refused(path("dangling"), "No such file");
}
TEST_F(FileDigest, RefusesPathsThatNobodyCanResolve) {
  expect_refused("", "not an absolute path");
  expect_refused("boot/vmlinuz", "not an absolute path");
  expect_refused("/" + std::string(5000, 'a'), "is no path");
  expect_refused(std::string("/dev/null\0/x", 12), "is no path");
}
TEST_F(FileDigest, RefusesWhatItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  std::string file = write("secret", "x");
  ASSERT_EQ(::chmod(file.c_str(), 0), 0);
  expect_refused(file, "Permission denied");
}
TEST_F(FileDigest, RefusesWhatIsTooLargeToBeABootFile) {
  std::string file = write("sparse", "");
  ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(kLargestFile) + 1), 0);
  expect_refused(file, "more than 4 GiB");
}
TEST_F(FileDigest, ReadsHoles) {
  std::string file = write("sparse", "");
  ASSERT_EQ(::truncate(file.c_str(), 5 << 20), 0);
  auto result = digest(file);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value(), sha1_of(std::string(5 << 20, '\0')));
}
TEST_F(FileDigest, RefusesAFileThatChangesWhileItIsRead) {
  struct Change {
    const char* what;
    std::function<void(const std::string&)> make;
  };
  auto overwrite = [](const std::string& file) { std::ofstream(file, std::ios::in | std::ios::out) << "y"; };
  auto grow = [](const std::string& file) { std::ofstream(file, std::ios::app) << "more"; };
  auto shrink = [](const std::string& file) { ASSERT_EQ(::truncate(file.c_str(), 1), 0); };
  for (const Change& change : {Change{"overwritten", overwrite}, Change{"grown", grow}, Change{"cut", shrink}}) {
    auto file = RegularFile::open(write("file", std::string(3 << 20, 'x')));
    ASSERT_TRUE(file.ok());
    bool once = false;
    auto result = file.value().digest([&](uint64_t, uint64_t) {
      if (!once) change.make(path("file"));
      once = true;
    });
    ASSERT_FALSE(result.ok()) << change.what;
    EXPECT_NE(result.error().text.find("was changed while it was read"), std::string::npos);
  }
}
TEST_F(FileDigest, EndsThoughTheFileGrowsAsItIsRead) {
  auto file = RegularFile::open(write("file", std::string(1 << 20, 'x')));
  ASSERT_TRUE(file.ok());
  int calls = 0;
  auto result = file.value().digest([&](uint64_t, uint64_t) {
    calls++;
    std::ofstream(path("file"), std::ios::app) << std::string(2 << 20, 'y');
  });
  EXPECT_FALSE(result.ok());
  EXPECT_LE(calls, 3);
}
TEST_F(FileDigest, TellsHowFarItIs) {
  auto file = RegularFile::open(write("file", std::string((2 << 20) + 1, 'x')));
  ASSERT_TRUE(file.ok());
  uint64_t last = 0;
  ASSERT_TRUE(file.value()
                  .digest([&](uint64_t done, uint64_t size) {
                    EXPECT_GT(done, last);
                    EXPECT_EQ(size, (2U << 20) + 1);
                    last = done;
                  })
                  .ok());
  EXPECT_EQ(last, (2U << 20) + 1);
}
TEST_F(FileDigest, TakesTheRecordOfTheToolstackAsItIs) {
  auto content = content_of(write("record", "{}"));
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content.value(), "{}");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(content_of(path("pipe")).ok());
  std::filesystem::create_symlink("record", path("link"));
  EXPECT_FALSE(content_of(path("link")).ok());
}

}  // namespace
}  // namespace measure
