// SPDX-License-Identifier: MIT
// Descriptors that go along with bytes: sent here by the system's own calls.
#include "lib/base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

namespace {

class Passing : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    here_.reset(ends[0]);
    there_.reset(ends[1]);
  }
  void send(const std::vector<int>& descriptors) {
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    memcpy(CMSG_DATA(rights), descriptors.data(), sizeof(int) * descriptors.size());
    ASSERT_EQ(::sendmsg(there_.get(), &header, 0), 1);
  }
  static size_t open_descriptors() {
    size_t n = 0;
    DIR* all = ::opendir("/proc/self/fd");
    while (all != nullptr && ::readdir(all) != nullptr) n++;
    ::closedir(all);
    return n;
  }
  static ino_t inode(int fd) {
    struct stat about {};
    EXPECT_EQ(::fstat(fd, &about), 0);
    return about.st_ino;
  }

  base::Fd here_, there_;
  std::array<uint8_t, 8> bytes_{};
};

TEST_F(Passing, OneArrivesAndIsClosedOnExec) {
  base::Fd file(::open("/proc/self/status", O_RDONLY));
  uint8_t byte = 'x';
  ASSERT_EQ(base::send_with(there_.get(), {&byte, 1}, file.get(), 0), 1);
  base::Arrived arrived = base::receive_with(here_.get(), bytes_, 0);
  EXPECT_EQ(arrived.n, 1);
  EXPECT_EQ(bytes_[0], 'x');
  EXPECT_FALSE(arrived.several || arrived.cut);
  ASSERT_TRUE(arrived.descriptor);
  EXPECT_EQ(inode(arrived.descriptor.get()), inode(file.get()));
  EXPECT_EQ(::fcntl(arrived.descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(Passing, BytesAloneArriveAlone) {
  uint8_t byte = 'x';
  ASSERT_EQ(base::send_with(there_.get(), {&byte, 1}, -1, 0), 1);
  base::Arrived arrived = base::receive_with(here_.get(), bytes_, 0);
  EXPECT_EQ(arrived.n, 1);
  EXPECT_FALSE(arrived.descriptor);
}

TEST_F(Passing, OfSeveralNoneIsLeaked) {
  for (size_t n : {2U, 3U, 16U}) {
    size_t before = open_descriptors();
    send(std::vector<int>(n, STDIN_FILENO));
    {
      base::Arrived arrived = base::receive_with(here_.get(), bytes_, 0);
      EXPECT_TRUE(arrived.several) << n;
      EXPECT_EQ(open_descriptors(), before + 1) << n;
    }
    EXPECT_EQ(open_descriptors(), before) << n;
  }
}

TEST_F(Passing, WhatDoesNotFitIsSaid) {
  std::array<uint8_t, 9> longer{};
  ASSERT_EQ(base::send_with(there_.get(), longer, -1, 0), 9);
  EXPECT_TRUE(base::receive_with(here_.get(), bytes_, 0).cut);
  there_.reset();
  EXPECT_EQ(base::receive_with(here_.get(), bytes_, 0).n, 0);
}

}  // namespace
