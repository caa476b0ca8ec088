// SPDX-License-Identifier: MIT
// What tests of the vault share: a directory of their own, and commits that are waited for.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/vault/sqlite.h"

namespace vault {

namespace fs = std::filesystem;

inline constexpr Uuid kOne = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr Uuid kTwo = {2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

inline base::Bytes sealed(Vault& vault, const Uuid& uuid, uint64_t epoch, const std::string& text) {
  base::Bytes plain(text.begin(), text.end());
  return seal(vault.load(uuid).value().key, uuid, Purpose::Permanent, epoch, plain);
}
// What the permanent state says, or why it cannot be had.
inline std::string content(Vault& vault, const Uuid& uuid) {
  auto instance = vault.load(uuid);
  if (!instance.ok()) return "refused: " + instance.error().text;
  const Instance& i = instance.value();
  auto plain = unseal(i.key, uuid, Purpose::Permanent, i.epoch, i.permanent);
  return plain ? std::string(plain->begin(), plain->end()) : "does not open";
}
inline void complete(Vault& vault, int timeout_ms = 10'000) {
  pollfd ready{vault.fd(), POLLIN, 0};
  if (::poll(&ready, 1, timeout_ms) == 1) vault.completed();
}
inline Result<> commit(Vault& vault, const Uuid& uuid, uint64_t expected, base::View blob) {
  std::optional<Result<>> outcome;
  vault.commit(uuid, expected, blob, [&](Result<> r) { outcome = std::move(r); });
  for (int tries = 0; !outcome && tries < 3; tries++) complete(vault);
  return outcome.value_or(Refusal{Refusal::Kind::Broken, "not answered"});
}
// What its history tells, oldest first.
using What = std::vector<Happened>;
inline What told(Vault& vault, const Uuid& uuid = kOne) {
  auto history = vault.history(uuid);
  EXPECT_TRUE(history.ok()) << (history.ok() ? "" : history.error().text);
  What what;
  if (!history.ok()) return what;
  for (const Deed& deed : history.value().deeds.items) what.push_back(deed.what);
  return what;
}

class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    // In memory where that is possible: what is tested here is not the disk.
    std::string name = std::string(fs::exists("/dev/shm") ? "/dev/shm" : "/tmp") + "/vault-test-XXXXXX";
    base_ = ::mkdtemp(name.data());
    options_.directory = base_ + "/state";
  }
  ~VaultTest() override { fs::remove_all(base_); }

  std::unique_ptr<SqliteVault> open() {
    auto vault = SqliteVault::open(options_);
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return vault.ok() ? std::move(vault).take() : nullptr;
  }
  // Why it does not open; empty when it does.
  std::string refusal() {
    auto vault = SqliteVault::open(options_);
    return vault.ok() ? "" : vault.error().text;
  }
  std::string file(const std::string& name) const { return options_.directory + "/" + name; }
  void make(const Uuid& uuid, uint64_t commits) {
    auto vault = open();
    ASSERT_TRUE(vault->create(uuid, {}).ok());
    for (uint64_t epoch = 0; epoch < commits; epoch++) {
      ASSERT_TRUE(commit(*vault, uuid, epoch, sealed(*vault, uuid, epoch + 1, "state")).ok());
    }
  }

  std::string base_;
  SqliteVault::Options options_;
};

}  // namespace vault
