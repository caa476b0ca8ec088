// SPDX-License-Identifier: MIT
// Two managers, each with its own states, and an instance that moves between them. Guests are served by the one that
// runs when they are there: the machine has one XenStore.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Bytes;
using client::Digest;
using nlohmann::json;

constexpr uint32_t kSrk = 0x40000000;

class MovingHosts : public SavedGuest {
 public:
  MovingHosts() {
    there_.end_manager();
    start(here());
  }
  ~MovingHosts() override {
    if (HasFailure()) std::cerr << "there:\n" << there_.log();
    there_.end_manager();
    if (apart_ > 0) destroy_domain(apart_);
    start(there_);  // so that it can end
  }
  Stack& here() { return stack_; }
  std::string name_of(const Stack& stack) { return &stack == &there_ ? "there" : "here"; }
  void start(Stack& stack) { stack.start_manager("", {"--host-name", name_of(stack)}); }
  // In a domain of its own, where it does not see the other one's devices.
  void start_apart(Stack& stack) {
    if (apart_ == 0) apart_ = number(domain({"create"}));
    stack.run_manager_in(apart_);
  }
  void restart(Stack& stack) {
    stack.kill_manager();
    start(stack);
  }
  std::string paper(const std::string& name) { return here().directory() + "/" + name; }
  // What vtpmctl refused, or "done".
  std::string print(Stack& of) { return of.control({"peers"})["own"].value("fingerprint", ""); }
  std::string state_in(Stack& of) {
    return of.control({"show", uuid_})
        .value("instance", json::object())
        .value("move", json::object())
        .value("state", "");
  }
  void create() {
    ASSERT_TRUE(here().control({"create", uuid_, "--label", "web server"}).value("ok", false));
    ASSERT_TRUE(eventually([&] { return here().control({"show", uuid_})["instance"].value("epoch", 0) == 1; }));
  }

  json invite() { return there_.control({"invite", "--for", uuid_, "--out", paper("invitation")}); }
  json export_it() {
    return here().control(
        {"export", uuid_, "--to", paper("invitation"), "--out", paper("export"), "--trust", print(there_)});
  }
  json import_it() {
    return there_.control({"import", paper("export"), "--out", paper("receipt"), "--trust", print(here())});
  }
  json release() { return here().control({"release", uuid_, "--receipt", paper("receipt"), "--out", paper("token")}); }
  json import_token() { return there_.control({"import", paper("token")}); }
  void move() {
    ASSERT_EQ(said(invite()), "done");
    ASSERT_EQ(said(export_it()), "done");
    ASSERT_EQ(said(import_it()), "done");
    ASSERT_EQ(said(release()), "done");
    ASSERT_EQ(said(import_token()), "done");
  }
  // A way to the other host that is ours.
  std::string ssh() {
    std::string path = paper("ssh");
    std::ofstream(path) << "#!/bin/sh\nshift\nVTPM_RUNTIME_DIR=" << there_.directory()
                        << "/run PATH=" + std::filesystem::path(program("vtpmctl")).parent_path().string() +
                               ":$PATH exec sh -c \"$*\"\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  Stack there_;
  unsigned apart_ = 0;
};

TEST_F(MovingHosts, SealedDataOpenAtTheDestinationAndNowhereElse) {
  const Digest owner = client::secret("owner"), srk = client::secret("srk"), data = client::secret("data");
  Bytes blob;
  {
    unsigned guest = create_domain(uuid_);
    Frontend frontend(here(), guest);
    ASSERT_TRUE(frontend.connect());
    auto ek = frontend.tpm().read_pubek();
    ASSERT_TRUE(frontend.tpm().take_ownership(ek.value, owner, srk).ok());
    auto sealed = frontend.tpm().seal(kSrk, srk, client::bytes_of("kept"), data);
    ASSERT_TRUE(sealed.ok());
    blob = sealed.value;
    start_apart(there_);
    EXPECT_EQ(said(invite()), "done");
    EXPECT_NE(said(export_it()).find("shut its guest down"), std::string::npos) << "not while it is served";
    there_.end_manager();
    destroy_domain(guest);
    ASSERT_TRUE(eventually([&] { return here().stage_of(guest) == "none"; }));
  }
  start(there_);
  EXPECT_EQ(said(export_it()), "done") << "the invitation still stands";
  EXPECT_EQ(said(import_it()), "done");
  EXPECT_EQ(said(release()), "done");
  EXPECT_EQ(said(import_token()), "done");
  EXPECT_EQ(state_in(here()), "moved");
  here().end_manager();
  {
    unsigned guest = create_domain(uuid_);
    Frontend frontend(there_, guest);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(frontend.tpm().unseal(kSrk, srk, blob, data).value, client::bytes_of("kept"));
    destroy_domain(guest);
    ASSERT_TRUE(eventually([&] { return there_.stage_of(guest) == "none"; }));
  }
  there_.end_manager();
  start(here());
  unsigned guest = create_domain(uuid_);
  Frontend frontend(here(), guest);
  EXPECT_TRUE(eventually([&] { return node(error_path(guest)).has_value(); }));
  EXPECT_NE(node(error_path(guest)).value_or("").find("moved to host '"), std::string::npos);
  EXPECT_FALSE(frontend.connect(1000)) << "the source answers with its tombstone";
}

TEST_F(MovingHosts, ASavedGuestGoesOnWithItsPcrs) {
  Digest measured = measured_and_saved();
  ASSERT_TRUE(eventually([&] { return here().control({"stats"})["devices"].empty(); }));
  start(there_);
  move();
  here().end_manager();
  unsigned guest = restored();
  Frontend frontend(there_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured);
}

// As with xl, which brings the domain before its TPM: a fresh one is made at no time.
TEST_F(MovingHosts, ADomainThatComesBeforeItsTpmWaitsForIt) {
  Digest measured = measured_and_saved();
  ASSERT_TRUE(eventually([&] { return here().control({"stats"})["devices"].empty(); }));
  start(there_);
  ASSERT_EQ(said(invite()), "done");
  ASSERT_EQ(said(export_it()), "done");
  here().end_manager();
  unsigned guest = restored();
  Frontend frontend(there_, guest);
  ASSERT_TRUE(eventually([&] { return node(back_path(guest) + "/state") == "2"; })) << "InitWait at once";
  EXPECT_FALSE(frontend.connect(1000));
  start_apart(here());
  EXPECT_NE(there_.control({"doctor"}).dump().find("waits for its TPM"), std::string::npos);
  there_.control({"import", paper("export"), "--out", paper("receipt"), "--trust", print(here())});
  ASSERT_EQ(said(release()), "done");
  here().end_manager();
  EXPECT_FALSE(frontend.connect(1000)) << "it has arrived, and may not run yet";
  ASSERT_EQ(said(import_token()), "done");
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured);
}

// The source burns down after the copy has arrived: the guest that waits for it is served on an administrator's word.
TEST_F(MovingHosts, ACopyWhoseSourceIsLostRunsWhenAnAdministratorSaysSo) {
  Digest measured = measured_and_saved();
  ASSERT_TRUE(eventually([&] { return here().control({"stats"})["devices"].empty(); }));
  start(there_);
  ASSERT_EQ(said(invite()), "done");
  ASSERT_EQ(said(export_it()), "done");
  std::string source = print(here());
  here().end_manager();
  unsigned guest = restored();
  Frontend frontend(there_, guest);
  ASSERT_TRUE(eventually([&] { return node(back_path(guest) + "/state") == "2"; }));
  EXPECT_NE(said(there_.control({"import", "--source-lost", uuid_, "--yes"})).find("import its export first"),
            std::string::npos);
  ASSERT_EQ(said(there_.control({"import", paper("export"), "--out", paper("receipt"), "--trust", source})), "done");
  std::string warned = said(there_.control({"import", "--source-lost", uuid_}));
  for (const std::string& part : {std::string("host 'here'"), source, std::string("--yes")}) {
    EXPECT_NE(warned.find(part), std::string::npos) << warned;
  }
  EXPECT_NE(there_.control({"doctor"}).dump().find("vtpmctl import --source-lost " + uuid_), std::string::npos);
  EXPECT_FALSE(frontend.connect(1000)) << "nothing was done";
  EXPECT_EQ(state_in(there_), "arrived");
  json taken = there_.control({"import", "--source-lost", uuid_, "--yes"});
  ASSERT_EQ(said(taken), "done");
  EXPECT_EQ(taken.value("uuid", ""), uuid_);
  EXPECT_TRUE(taken.value("restored", false));
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured);
  EXPECT_NE(measure(frontend), measured);
  json again = there_.control({"import", "--source-lost", uuid_, "--yes"});
  EXPECT_EQ(said(again), "done");
  EXPECT_FALSE(again.value("restored", true));
  json shown = there_.control({"show", uuid_})["instance"]["move"];
  EXPECT_EQ(shown.value("state", ""), "here");
  EXPECT_EQ(shown.value("from", ""), "export");
  int told = 0;
  const json past = there_.control({"events", "--past"});
  for (const json& event : past["events"]) {
    told += event.value("event", "") == "restored" && event.value("uuid", "") == uuid_ ? 1 : 0;
  }
  EXPECT_EQ(told, 1);
}

TEST_F(MovingHosts, ACopyWhoseSourceIsLostCanBeDeleted) {
  create();
  start(there_);
  ASSERT_EQ(said(invite()), "done");
  ASSERT_EQ(said(export_it()), "done");
  ASSERT_EQ(said(import_it()), "done");
  EXPECT_NE(said(there_.control({"delete", uuid_})).find("--source-lost"), std::string::npos);
  for (const Words& wrong :
       {Words{paper("export"), "--yes"}, Words{"--yes"}, Words{paper("export"), "--source-lost", uuid_},
        Words{"--source-lost", "none"}, Words{"--source-lost", uuid_, "--out", paper("none")}}) {
    Words words = {program("vtpmctl"), "--runtime-dir", there_.directory() + "/run", "import"};
    words.insert(words.end(), wrong.begin(), wrong.end());
    EXPECT_NE(run(words).status, 0) << wrong.front();
  }
  EXPECT_EQ(state_in(there_), "arrived");
  ASSERT_EQ(said(there_.control({"import", "--source-lost", uuid_, "--yes"})), "done");
  restart(there_);
  EXPECT_EQ(state_in(there_), "here");
  ASSERT_EQ(said(there_.control({"delete", uuid_})), "done");
  EXPECT_FALSE(there_.control({"show", uuid_}).value("ok", false));
  EXPECT_NE(said(there_.control({"import", "--source-lost", uuid_, "--yes"})).find("deleted"), std::string::npos);
}

// The domain is suspended while it migrates: its state is taken then. It runs on here when that is aborted.
TEST_F(MovingHosts, ASuspendedGuestIsExportedAndRunsOnAfterAnAbort) {
  unsigned guest = create_domain(uuid_);
  Frontend frontend(here(), guest);
  ASSERT_TRUE(frontend.connect());
  Digest measured = measure(frontend);
  ASSERT_EQ(domain({"halt", std::to_string(guest)}).status, 0);
  ASSERT_TRUE(eventually([&] { return here().stage_of(guest) == "frozen"; }));
  start_apart(there_);
  ASSERT_EQ(said(invite()), "done");
  std::string trusted = print(there_);
  ASSERT_EQ(said(here().control({"export", uuid_, "--to", paper("invitation"), "--out", paper("export"), "--wait", "5",
                                 "--trust", trusted})),
            "done");
  ASSERT_EQ(domain({"run-on", std::to_string(guest)}).status, 0);
  EXPECT_FALSE(eventually([&] { return here().stage_of(guest) == "serving"; }, 1000)) << "not while it may run there";
  ASSERT_EQ(said(here().control({"export", uuid_, "--abort", "--out", paper("notice")})), "done");
  ASSERT_TRUE(eventually([&] { return here().stage_of(guest) == "serving"; }));
  EXPECT_EQ(pcr(frontend), measured);
  EXPECT_NE(measure(frontend), measured);
}

TEST_F(MovingHosts, ADomainThatRunsOnAfterItsTpmHasGoneIsNotServed) {
  unsigned guest = create_domain(uuid_);
  Frontend frontend(here(), guest);
  ASSERT_TRUE(frontend.connect());
  ASSERT_EQ(domain({"halt", std::to_string(guest)}).status, 0);
  ASSERT_TRUE(eventually([&] { return here().stage_of(guest) == "frozen"; }));
  start_apart(there_);
  move();
  ASSERT_EQ(domain({"run-on", std::to_string(guest)}).status, 0);
  EXPECT_TRUE(eventually([&] { return node(error_path(guest)).value_or("").find("moved") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return here().worker_of(guest) == 0; }));
}

// Each manager is killed before and after each step; the step is said again.
TEST_F(MovingHosts, EveryStepOutlivesKillsOfBothManagers) {
  create();
  start(there_);
  using Step = json (MovingHosts::*)();
  for (Step step : {&MovingHosts::invite, &MovingHosts::export_it, &MovingHosts::import_it, &MovingHosts::release,
                    &MovingHosts::import_token}) {
    restart(here());
    restart(there_);
    ASSERT_EQ(said((this->*step)()), "done");
    restart(here());
    restart(there_);
    if (step == &MovingHosts::invite) continue;  // a second one is another one
    ASSERT_EQ(said((this->*step)()), "done") << "again";
  }
  EXPECT_EQ(state_in(here()), "moved");
  EXPECT_EQ(there_.control({"show", uuid_})["instance"]["settings"].value("label", ""), "web server");
  EXPECT_EQ(there_.control({"show", uuid_})["instance"].value("epoch", 0), 1);
}

// At any moment of a step: the killed manager comes back, and the step is said again until it is done.
TEST_F(MovingHosts, AKillInTheMiddleOfAStepLosesNothing) {
  start(there_);
  for (int round = 0; round < 6; round++) {
    uuid_ = fresh_uuid();
    create();
    using Step = json (MovingHosts::*)();
    ASSERT_EQ(said(invite()), "done");
    for (auto [step, host] : {std::pair<Step, Stack*>{&MovingHosts::export_it, &here()},
                              {&MovingHosts::import_it, &there_},
                              {&MovingHosts::release, &here()},
                              {&MovingHosts::import_token, &there_}}) {
      std::thread killer([&, pid = host->manager()] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5 + 6 * round));
        ::kill(pid, SIGKILL);
      });
      static_cast<void>((this->*step)());
      killer.join();
      restart(*host);
      ASSERT_EQ(said((this->*step)()), "done");
    }
    EXPECT_EQ(state_in(here()), "moved");
    EXPECT_EQ(there_.control({"show", uuid_})["instance"].value("epoch", 0), 1);
  }
}

TEST_F(MovingHosts, OneCommandDoesAllAndGoesOnAfterAFailure) {
  create();
  start(there_);
  Finished refused = run({program("vtpmctl"), "--runtime-dir", here().directory() + "/run", "move", uuid_, "--ssh",
                          "there", "--ssh-command", ssh()});
  EXPECT_NE(refused.status, 0) << "the other host is not known yet";
  EXPECT_EQ(state_in(here()), "");
  auto moved = [&](const std::string& way) {
    return here().control({"move", uuid_, "--ssh", "there", "--ssh-command", way, "--trust", print(there_)});
  };
  // A way that breaks when the export is to be carried, and one that breaks with the token.
  std::string breaking = paper("breaking");
  std::ofstream(breaking) << "#!/bin/sh\ncase \"$*\" in *import*) exit 1 ;; esac\nexec " << ssh() << " \"$@\"\n";
  std::filesystem::permissions(breaking, std::filesystem::perms::owner_all);
  EXPECT_NE(said(moved(breaking)).find("locked"), std::string::npos);
  EXPECT_EQ(state_in(here()), "moving-out");
  std::ofstream(breaking) << "#!/bin/sh\ncase \"$*\" in *--out*|*invite*) exec " << ssh()
                          << " \"$@\" ;; esac\nexit 1\n";
  EXPECT_NE(said(moved(breaking)).find("token"), std::string::npos);
  EXPECT_EQ(state_in(here()), "moved");
  EXPECT_EQ(state_in(there_), "arrived");
  EXPECT_EQ(said(moved(ssh())), "done");
  EXPECT_EQ(state_in(there_), "here");
}

TEST_F(MovingHosts, FilesAreForTheirOwnerAlone) {
  create();
  start(there_);
  move();
  for (const char* name : {"invitation", "export", "receipt", "token"}) {
    EXPECT_EQ(std::filesystem::status(paper(name)).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << name;
  }
}

// What `xl migrate -s vtpm-migrate-ssh` does between two hosts, with an xl that says what the real one does: the source
// is suspended, a domain with the same TPM appears at the destination, and either that runs, or the source runs on.
class Migration : public MovingHosts {
 public:
  Migration() {
    start_apart(there_);
    watcher_.emplace(Words{program("vtpm-domwatch")}, there_.directory() + "/log");
    source_ = create_domain(uuid_);
    frontend_ = std::make_unique<Frontend>(here(), source_);
    EXPECT_TRUE(frontend_->connect());
    measured_ = measure(*frontend_);
  }
  ~Migration() override {
    for (unsigned domain : {source_, copy()}) {
      if (domain > 0) destroy_domain(domain);
    }
  }
  unsigned copy() const {
    unsigned number = 0;
    std::ifstream(stack_.directory() + "/copy") >> number;
    return number;
  }
  void write_script(const std::string& name, const std::string& text) {
    std::ofstream(paper(name)) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(paper(name), std::filesystem::perms::owner_all);
  }
  // `end`: what xl does at the destination when the domain is there.
  int migrate(const std::string& end) {
    std::string loopback = program("xen-loopback"), apart = std::to_string(apart_);
    std::filesystem::create_directory(paper("other"));
    std::string back = "/local/domain/" + apart + "/backend/vtpm/$copy/0/state";
    write_script("other/xl", loopback + " domain halt " + std::to_string(source_) + "\ncopy=$(" + loopback +
                                 " domain create --restored --vtpm backend=" + apart + ",uuid=" + uuid_ +
                                 ")\necho $copy >" + paper("copy") + "\ntries=100\nuntil [ \"$(xenstore-read " + back +
                                 ")\" = 2 ]; do [ $((tries -= 1)) -gt 0 ] || exit 3; sleep 0.1; done\n" + end);
    std::string tools = std::filesystem::path(program("vtpmctl")).parent_path().string();
    write_script("to-other",
                 "shift\ncase $* in *boot_id*) echo another; exit ;; esac\nVTPM_RUNTIME_DIR=" + there_.directory() +
                     "/run PATH=" + paper("other") + ":" + tools + ":$PATH exec sh -c \"$*\"\n");
    return run({"env", "PATH=" + tools + ":" + ::getenv("PATH"), "VTPM_RUNTIME_DIR=" + here().directory() + "/run",
                "VTPM_SSH=" + paper("to-other"), "VTPM_TRUST=" + print(there_),
                "VTPM_DOMAIN=" + std::to_string(source_), "sh", "hotplug/vtpm-migrate-ssh", "other", "xl",
                "migrate-receive"})
        .status;
  }

  std::optional<Program> watcher_;
  unsigned source_ = 0;
  std::unique_ptr<Frontend> frontend_;
  Digest measured_{};
};

TEST_F(Migration, TheTpmFollowsItsDomain) {
  ASSERT_EQ(migrate("exit 0\n"), 0);
  EXPECT_EQ(state_in(here()), "moved");
  Frontend frontend(there_, copy());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured_);
  EXPECT_NE(measure(frontend), measured_);
  destroy_domain(source_);
  EXPECT_TRUE(eventually([&] { return here().stage_of(source_) == "none"; }));
}

TEST_F(Migration, TheTpmStaysWhenTheDomainDoes) {
  std::string destroy = program("xen-loopback") + " domain destroy $copy\n";
  ASSERT_NE(migrate("sleep 1\n" + destroy + "exit 1\n"), 0);
  ASSERT_EQ(domain({"run-on", std::to_string(source_)}).status, 0);
  ASSERT_TRUE(eventually([&] { return here().stage_of(source_) == "serving"; }));
  EXPECT_EQ(pcr(*frontend_), measured_);
  EXPECT_NE(measure(*frontend_), measured_);
  EXPECT_NE(state_in(there_), "here");
  EXPECT_NE(state_in(there_), "arrived");
}

}  // namespace
}  // namespace system_test
