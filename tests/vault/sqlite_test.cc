// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "tests/vault/vault_client.h"

namespace vault {
namespace {

using Kind = Refusal::Kind;

class Sqlite : public VaultTest {
 protected:
  // Statements on the closed database, as somebody with the file could run them.
  void tamper(const std::string& statements) {
    auto database = Database::open(file("vtpm.db"), "", false);
    ASSERT_TRUE(database.ok());
    auto done = database.value().run(statements.c_str());
    ASSERT_TRUE(done.ok()) << done.error().text;
  }
  static void flip(const std::string& name, size_t bit) {
    std::fstream f(name, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(bit / 8));
    char c = static_cast<char>(f.get() ^ (1 << bit % 8));
    f.seekp(static_cast<std::streamoff>(bit / 8));
    f.put(c);
  }
  // Whether the bytes stand anywhere in the directory.
  bool stands_in_directory(const base::Bytes& bytes) {
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::string all((std::istreambuf_iterator<char>(in)), {});
      if (all.find(std::string(bytes.begin(), bytes.end())) != std::string::npos) return true;
    }
    return false;
  }
};

TEST(Uuids, RoundTripAndRefuseEverythingElse) {
  EXPECT_EQ(text_of(kOne), "01020304-0506-0708-090a-0b0c0d0e0f10");
  EXPECT_EQ(uuid_in("01020304-0506-0708-090A-0B0C0D0E0F10"), kOne);
  for (const char* bad : {"", "01020304-0506-0708-090a-0b0c0d0e0f1", "01020304-0506-0708-090a-0b0c0d0e0f100",
                          "0102030400506-0708-090a-0b0c0d0e0f10", "g1020304-0506-0708-090a-0b0c0d0e0f10",
                          "../../../../../../../../../etc/passw"}) {
    EXPECT_FALSE(uuid_in(bad)) << bad;
  }
}

TEST_F(Sqlite, KeepsWhatWasCommittedAcrossAReopen) {
  make(kOne, 3);
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).value().epoch, 3U);
  EXPECT_EQ(content(*vault, kOne), "state");
}

TEST_F(Sqlite, KeepsSettingsAndPower) {
  Settings settings{
      .label = wire::SizedBytes(base::Bytes{'w', 'e', 'b'}), .physical_presence_command = false, .localities = 0x1f};
  Power power{.kind = Power::Kind::Suspended, .cycle = 7, .domain = 3, .epoch = 1, .saved_stands = true};
  power.snapshot = wire::SizedBytes(base::Bytes(100'000, 0x5a));
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, settings).ok());
    ASSERT_TRUE(vault->set_power(kOne, power).ok());
  }
  Instance instance = open()->load(kOne).value();
  EXPECT_EQ(instance.settings.label, settings.label);
  EXPECT_FALSE(instance.settings.physical_presence_command);
  EXPECT_EQ(instance.settings.localities, 0x1f);
  EXPECT_EQ(instance.power.kind, power.kind);
  EXPECT_EQ(instance.power.cycle, 7U);
  EXPECT_TRUE(instance.power.saved_stands);
  EXPECT_EQ(instance.power.snapshot, power.snapshot);
}

TEST_F(Sqlite, NotesASavedDomainOnceAndInQuarantineToo) {
  make(kOne, 1);
  {
    auto vault = open();
    EXPECT_EQ(vault->note_saved(kTwo).error().kind, Kind::Unknown);
    ASSERT_TRUE(vault->quarantine(kOne, "its worker crashes").ok());
    EXPECT_TRUE(vault->note_saved(kOne).value());
    EXPECT_FALSE(vault->note_saved(kOne).value());
  }
  auto vault = open();
  ASSERT_TRUE(vault->quarantine(kOne, "").ok());
  EXPECT_TRUE(vault->load(kOne).value().power.saved_stands);
  ASSERT_TRUE(vault->remove(kOne).ok());
  EXPECT_EQ(vault->note_saved(kOne).error().kind, Kind::Unknown);
}

TEST_F(Sqlite, KeepsSecretsToRoot) {
  make(kOne, 1);
  auto vault = open();
  for (const char* name : {"master.key", "register", "vtpm.db", "vtpm.db-wal"}) {
    struct stat about {};
    ASSERT_EQ(::stat(file(name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 07777, 0600U) << name;
  }
  EXPECT_FALSE(fs::exists(file("vtpm.db-shm")));
}

TEST_F(Sqlite, ComparesBeforeItSwaps) {
  make(kOne, 2);
  auto vault = open();
  EXPECT_EQ(commit(*vault, kOne, 1, sealed(*vault, kOne, 2, "fork")).error().kind, Kind::Conflict);
  EXPECT_EQ(commit(*vault, kOne, 5, sealed(*vault, kOne, 6, "leap")).error().kind, Kind::Conflict);
  EXPECT_EQ(commit(*vault, kTwo, 0, base::Bytes(3)).error().kind, Kind::Unknown);
  base::Bytes third = sealed(*vault, kOne, 3, "third");
  EXPECT_TRUE(commit(*vault, kOne, 2, third).ok());
  EXPECT_TRUE(commit(*vault, kOne, 2, third).ok()) << "a repeat of the last commit had succeeded";
  EXPECT_EQ(content(*vault, kOne), "third");
}

TEST_F(Sqlite, OneRefusedCommitSpoilsNoOtherOfItsTransaction) {
  make(kOne, 1);
  make(kTwo, 1);
  auto vault = open();
  std::map<int, bool> stored;
  base::Bytes good = sealed(*vault, kOne, 2, "good"), bad = sealed(*vault, kTwo, 9, "bad");
  vault->commit(kTwo, 8, bad, [&](Result<> r) { stored[0] = r.ok(); });
  vault->commit(kOne, 1, good, [&](Result<> r) { stored[1] = r.ok(); });
  vault->commit(kTwo, 7, bad, [&](Result<> r) { stored[2] = r.ok(); });
  while (stored.size() < 3) complete(*vault);
  EXPECT_EQ(stored, (std::map<int, bool>{{0, false}, {1, true}, {2, false}}));
  EXPECT_EQ(content(*vault, kOne), "good");
  EXPECT_EQ(content(*vault, kTwo), "state");
}

TEST_F(Sqlite, LeasesOnce) {
  make(kOne, 1);
  auto vault = open();
  {
    auto first = vault->lease(kOne);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(vault->lease(kOne).error().kind, Kind::Leased);
    EXPECT_EQ(vault->remove(kOne).error().kind, Kind::Leased);
  }
  EXPECT_TRUE(vault->lease(kOne).ok());
}

TEST_F(Sqlite, ServesOneManagerOnly) {
  auto vault = open();
  EXPECT_NE(refusal(), "");
  vault.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(Sqlite, NeverMakesAFreshInstanceWhateverBitIsFlipped) {
  make(kOne, 2);
  make(kTwo, 1);
  std::mt19937 random(20'261'125);
  size_t served = 0, quarantined = 0, refused = 0;
  for (const char* name : {"vtpm.db", "register", "master.key"}) {
    size_t bits = 8 * fs::file_size(file(name));
    size_t step = std::max<size_t>(bits / 400, 1);
    for (size_t bit = random() % step; bit < bits; bit += 1 + random() % (2 * step)) {
      fs::copy(options_.directory, base_ + "/whole", fs::copy_options::recursive);
      flip(file(name), bit);
      if (auto vault = SqliteVault::open(options_); vault.ok()) {
        for (const Uuid& uuid : {kOne, kTwo}) {
          auto instance = vault.value()->load(uuid);
          instance.ok() ? served++ : quarantined++;
          if (instance.ok()) {
            EXPECT_EQ(instance.value().epoch, uuid == kOne ? 2U : 1U) << name << " bit " << bit;
            EXPECT_EQ(content(*vault.value(), uuid), "state");
          } else {
            EXPECT_EQ(instance.error().kind, Kind::Quarantined) << name << " bit " << bit;
          }
          EXPECT_EQ(vault.value()->create(uuid, {}).error().kind, Kind::Exists) << name << " bit " << bit;
        }
      } else {
        refused++;
        EXPECT_NE(vault.error().text.find("backup"), std::string::npos) << vault.error().text;
      }
      fs::remove_all(options_.directory);
      fs::rename(base_ + "/whole", options_.directory);
    }
  }
  EXPECT_GT(served, 0U) << "a bit in unused space";
  EXPECT_GT(quarantined, 0U);
  EXPECT_GT(refused, 0U);
}

TEST_F(Sqlite, QuarantinesADeletedRow) {
  make(kOne, 1);
  tamper("DELETE FROM instances");
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Quarantined);
  EXPECT_EQ(vault->create(kOne, {}).error().kind, Kind::Exists);
  ASSERT_EQ(vault->list().value().size(), 1U);
  EXPECT_NE(vault->list().value()[0].quarantine.find("missing"), std::string::npos);
}

TEST_F(Sqlite, QuarantinesARowOfAnother) {
  make(kOne, 1);
  make(kTwo, 1);
  for (const char* column : {"record", "permanent"}) {
    fs::copy(file("vtpm.db"), base_ + "/db");
    tamper("UPDATE instances SET " + std::string(column) + " = (SELECT " + column +
           " FROM instances ORDER BY uuid LIMIT 1)");
    EXPECT_EQ(open()->load(kTwo).error().kind, Kind::Quarantined) << column;
    EXPECT_TRUE(open()->load(kOne).ok()) << column;
    fs::remove(file("vtpm.db"));
    fs::rename(base_ + "/db", file("vtpm.db"));
  }
}

TEST_F(Sqlite, QuarantinesAnEpochThatIsNotTheStates) {
  make(kOne, 2);
  tamper("UPDATE instances SET epoch = 3");
  EXPECT_EQ(open()->load(kOne).error().kind, Kind::Quarantined);
}

TEST_F(Sqlite, QuarantinesAStateOlderThanTheLastCleanDetach) {
  make(kOne, 1);
  fs::copy_file(file("vtpm.db"), base_ + "/old");
  {
    auto vault = open();
    ASSERT_TRUE(commit(*vault, kOne, 1, sealed(*vault, kOne, 2, "newer")).ok());
    ASSERT_TRUE(vault->detached(kOne).ok());
  }
  fs::copy_file(base_ + "/old", file("vtpm.db"), fs::copy_options::overwrite_existing);
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Quarantined);
  EXPECT_NE(vault->load(kOne).error().text.find("older"), std::string::npos);
}

TEST_F(Sqlite, KeepsAQuarantineAndEndsIt) {
  make(kOne, 1);
  EXPECT_TRUE(open()->quarantine(kOne, "the worker crashes").ok());
  auto vault = open();
  EXPECT_NE(vault->load(kOne).error().text.find("the worker crashes"), std::string::npos);
  EXPECT_TRUE(vault->quarantine(kOne, "").ok());
  EXPECT_EQ(content(*vault, kOne), "state") << "the old state was kept";
}

TEST_F(Sqlite, DoesNotMakeARemovedInstanceAgain) {
  make(kOne, 1);
  fs::copy_file(file("vtpm.db"), base_ + "/old");
  EXPECT_TRUE(open()->remove(kOne).ok());
  fs::copy_file(base_ + "/old", file("vtpm.db"), fs::copy_options::overwrite_existing);
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Quarantined);
  EXPECT_EQ(vault->create(kOne, {}).error().kind, Kind::Exists);
  EXPECT_TRUE(vault->list().value().empty());
}

TEST_F(Sqlite, OverwritesWhatItRemoves) {
  make(kOne, 1);
  auto vault = open();
  base::Bytes blob = base::copy_of(vault->load(kOne).value().permanent);
  EXPECT_TRUE(stands_in_directory(blob));
  EXPECT_TRUE(vault->remove(kOne).ok());
  EXPECT_TRUE(vault->compact().ok());
  EXPECT_FALSE(stands_in_directory(blob));
}

TEST_F(Sqlite, RefusesToStartWithoutAPartOfItselfAndNamesIt) {
  for (const std::string part : {"master.key", "register", "vtpm.db"}) {
    make(kOne, 1);
    fs::rename(file(part), base_ + "/away");
    for (const char* when : {"", ", the second time"}) {
      std::string why = refusal();
      EXPECT_NE(why.find(part), std::string::npos) << why << when;
      EXPECT_NE(why.find("restore"), std::string::npos) << why;
    }
    EXPECT_FALSE(fs::exists(file(part))) << "nothing was made in its place";
    fs::rename(base_ + "/away", file(part));
    EXPECT_TRUE(open()->load(kOne).ok()) << part;
    fs::remove_all(options_.directory);
  }
}

TEST_F(Sqlite, RefusesAnyTwoPartsMissing) {
  for (const std::string left : {"master.key", "register", "vtpm.db"}) {
    make(kOne, 1);
    for (const std::string part : {"master.key", "register", "vtpm.db"}) {
      if (part != left) fs::remove(file(part));
    }
    EXPECT_NE(refusal(), "") << left << " alone";
    fs::remove_all(options_.directory);
  }
}

TEST_F(Sqlite, RefusesPartsOfAnotherVault) {
  make(kOne, 1);
  std::string first = options_.directory;
  options_.directory = base_ + "/other";
  make(kOne, 1);
  for (const std::string part : {"master.key", "register", "vtpm.db"}) {
    fs::copy_file(file(part), base_ + "/own");
    fs::copy_file(first + "/" + part, file(part), fs::copy_options::overwrite_existing);
    EXPECT_NE(refusal().find("backup"), std::string::npos) << part << ": " << refusal();
    fs::remove(file(part));
    fs::rename(base_ + "/own", file(part));
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(Sqlite, FinishesAFirstStartThatWasInterrupted) {
  open();
  std::ofstream(file("first-start")).flush();
  EXPECT_EQ(refusal(), "") << "everything was there but the end";
  EXPECT_FALSE(fs::exists(file("first-start")));
  for (const std::string missing : {"register", "vtpm.db"}) {
    std::ofstream(file("first-start")).flush();
    fs::remove(file("register"));
    fs::remove(file(missing));
    EXPECT_EQ(refusal(), "") << missing;
  }
  make(kOne, 1);
  std::ofstream(file("first-start")).flush();
  fs::remove(file("register"));
  EXPECT_NE(refusal(), "") << "a vault with an instance is no first start";
}

TEST_F(Sqlite, TakesUpAnInstanceTheRegisterDoesNotKnowYet) {
  open();
  fs::copy_file(file("register"), base_ + "/register");
  make(kOne, 1);
  fs::copy_file(base_ + "/register", file("register"), fs::copy_options::overwrite_existing);
  EXPECT_EQ(content(*open(), kOne), "state");
}

TEST_F(Sqlite, TakesItsKeyFromAFile) {
  options_.key_file = base_ + "/key";
  EXPECT_NE(refusal().find(options_.key_file), std::string::npos);
  std::ofstream(options_.key_file) << std::string(64, 'a') << "\n";
  make(kOne, 1);
  EXPECT_FALSE(fs::exists(file("master.key")));
  std::ofstream(options_.key_file) << std::string(32, '\xaa');
  EXPECT_EQ(content(*open(), kOne), "state") << "the same key in the other form";
  std::ofstream(options_.key_file) << std::string(32, 'b');
  EXPECT_NE(refusal().find("master key"), std::string::npos);
  std::ofstream(options_.key_file) << std::string(31, 'b');
  EXPECT_NE(refusal().find("32 bytes"), std::string::npos);
}

TEST_F(Sqlite, RenewsTheMasterKey) {
  make(kOne, 1);
  fs::copy(options_.directory, base_ + "/old", fs::copy_options::recursive);
  {
    auto vault = open();
    ASSERT_TRUE(vault->renew_master({}).ok());
    EXPECT_EQ(content(*vault, kOne), "state");
    ASSERT_TRUE(commit(*vault, kOne, 1, sealed(*vault, kOne, 2, "after")).ok());
  }
  EXPECT_EQ(content(*open(), kOne), "after");
  fs::copy_file(base_ + "/old/master.key", file("master.key"), fs::copy_options::overwrite_existing);
  EXPECT_NE(refusal(), "") << "the old key opens nothing of the new database";
}

TEST_F(Sqlite, RenewsAGivenMasterKeyOnlyForAnother) {
  options_.key_file = base_ + "/key";
  std::ofstream(options_.key_file) << std::string(32, 'a');
  make(kOne, 1);
  {
    auto vault = open();
    EXPECT_FALSE(vault->renew_master({}).ok());
    std::array<uint8_t, 32> next{};
    next.fill('b');
    EXPECT_TRUE(vault->renew_master(MasterKey(next)).ok());
  }
  EXPECT_NE(refusal(), "");
  std::ofstream(options_.key_file) << std::string(32, 'b');
  EXPECT_EQ(content(*open(), kOne), "state");
}

TEST_F(Sqlite, FinishesARenewalThatWasInterrupted) {
  make(kOne, 1);
  fs::copy(options_.directory, base_ + "/old", fs::copy_options::recursive);
  EXPECT_TRUE(open()->renew_master({}).ok());
  // Each point between two of its steps: what of the old still stands, what of the new lies ready.
  struct Moment {
    bool new_database, new_register, new_key;
  };
  for (Moment at : {Moment{false, false, false}, Moment{true, false, false}, Moment{true, true, false}}) {
    fs::copy(options_.directory, base_ + "/new", fs::copy_options::recursive);
    auto put = [&](const char* name, bool renewed) {
      if (renewed) return;
      fs::copy_file(base_ + "/new/" + name, file(std::string(name) + ".next"));
      fs::copy_file(base_ + "/old/" + name, file(name), fs::copy_options::overwrite_existing);
    };
    put("master.key", at.new_key);
    put("register", at.new_register);
    if (!at.new_database) {
      fs::copy_file(base_ + "/old/vtpm.db", file("vtpm.db"), fs::copy_options::overwrite_existing);
    }
    EXPECT_EQ(content(*open(), kOne), "state") << at.new_database << at.new_register;
    EXPECT_FALSE(fs::exists(file("master.key.next")));
    EXPECT_FALSE(fs::exists(file("register.next")));
    fs::remove_all(options_.directory);
    fs::rename(base_ + "/new", options_.directory);
  }
}

TEST_F(Sqlite, RenewsAnInstancesKeyWithEverythingUnderIt) {
  make(kOne, 1);
  auto vault = open();
  Instance before = vault->load(kOne).value();
  base::Bytes volatile_state = {1, 2, 3};
  Power parked{.kind = Power::Kind::Parked, .epoch = 1};
  parked.snapshot = wire::SizedBytes(seal(before.key, kOne, Purpose::Snapshot, 1, volatile_state));
  ASSERT_TRUE(vault->renew_key(kOne, parked).ok());
  Instance after = vault->load(kOne).value();
  EXPECT_FALSE(before.key == after.key);
  EXPECT_EQ(content(*vault, kOne), "state");
  EXPECT_EQ(unseal(after.key, kOne, Purpose::Snapshot, 1, after.power.snapshot), volatile_state);
  EXPECT_FALSE(unseal(before.key, kOne, Purpose::Permanent, 1, after.permanent).has_value());
}

// Commits as fast as it can and tells the epochs that are durable, until it is killed.
[[noreturn]] void commit_until_killed(const SqliteVault::Options& options, int tell) {
  auto vault = std::move(SqliteVault::open(options)).take();
  for (uint64_t epoch = vault->load(kOne).value().epoch;; epoch++) {
    base::Bytes blob = sealed(*vault, kOne, epoch + 1, std::string(2000, 'x'));
    uint64_t durable = epoch + 1;
    if (!commit(*vault, kOne, epoch, blob).ok() || ::write(tell, &durable, sizeof(durable)) != sizeof(durable)) {
      ::_exit(1);
    }
  }
}

TEST_F(Sqlite, LosesNoAcknowledgedCommitWhenKilled) {
  make(kOne, 1);
  uint64_t last = 1;
  for (int round = 0; round < 8; round++) {
    int tell[2];
    ASSERT_EQ(::pipe2(tell, O_CLOEXEC), 0);
    pid_t child = ::fork();
    if (child == 0) commit_until_killed(options_, tell[1]);
    ::close(tell[1]);
    ::usleep(40'000 + 3'333 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    uint64_t durable = 0;
    while (::read(tell[0], &durable, sizeof(durable)) == sizeof(durable)) last = durable;
    ::close(tell[0]);
    auto instance = open()->load(kOne);
    ASSERT_TRUE(instance.ok()) << instance.error().text;
    EXPECT_GE(instance.value().epoch, last);
    EXPECT_LE(instance.value().epoch, last + 1);
    last = instance.value().epoch;
  }
  EXPECT_GT(last, 10U) << "it did commit";
}

}  // namespace
}  // namespace vault
