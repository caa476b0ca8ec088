// SPDX-License-Identifier: MIT
// vtpmctl check-xenstore and trees that are broken in one way each, all of them written by the stock tools: no manager
// runs, so that nobody mends them.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/system/stack.h"

namespace system_test {
namespace {

// In words: $B is the backend's directory of the device, $F the frontend's, $L libxl's record, $P the proof; $D is the
// guest, $S the domain that serves.
struct Broken {
  const char* name;
  std::vector<const char*> commands;  // of stock tools; "guest: " before those that the guest runs
  std::vector<const char*> found;
};

void PrintTo(const Broken& broken, std::ostream* to) { *to << broken.name; }

class Tree : public ::testing::Test {
 protected:
  explicit Tree(bool in_driver_domain = false) {
    auto create = [] { return run({program("xen-loopback"), "domain", "create"}).output; };
    server_ = in_driver_domain ? create() : "0";
    guest_ = create();
    // As libxl, a frontend and a backend leave it when they are connected.
    write("$L",
          {{"frontend", "$F"},
           {"backend", "$B"},
           {"frontend-id", "$D"},
           {"online", "1"},
           {"state", "1"},
           {"handle", "0"},
           {"uuid", kUuid},
           {"resume", "False"}},
          {"n0"});
    write("$F",
          {{"backend", "$B"},
           {"backend-id", "$S"},
           {"state", "4"},
           {"handle", "0"},
           {"ring-ref", "8"},
           {"event-channel", "9"},
           {"feature-protocol-v2", "1"}},
          {"n$D", "r$S"});
    write("$B",
          {{"frontend", "$F"},
           {"frontend-id", "$D"},
           {"online", "1"},
           {"state", "4"},
           {"handle", "0"},
           {"uuid", kUuid},
           {"resume", "False"},
           {"feature-protocol-v2", "1"},
           {"info/stage", "serving"},
           {"info/boot", "new"},
           {"info/served", "1"},
           {"info/commands", "12"},
           {"info/error", ""}},
          {"n$S", "r$D"});
    for (const char* above : {"/local/domain/$S/backend/vtpm", "/local/domain/$S/backend/vtpm/$D"})
      run({"xenstore-chmod", filled(above), "n0"});
    if (!in_driver_domain) return;
    run({"xenstore-write", filled("$P"), "runs new kernel"});
    run({"xenstore-chmod", filled("$P"), "n0", filled("r$S")});
  }
  ~Tree() override {
    for (const char* path : {"$L", "/local/domain/$S/backend", "/local/domain/0/error/backend", "/tool/vtpm",
                             "/libxl/77", "/libxl/$D/device"})
      run({"xenstore-rm", filled(path)});
    run({program("xen-loopback"), "domain", "destroy", guest_});
    if (server_ != "0") run({program("xen-loopback"), "domain", "destroy", server_});
  }

  std::string filled(std::string text) const {
    const std::pair<std::string, std::string> words[] = {{"$B", "/local/domain/$S/backend/vtpm/$D/0"},
                                                         {"$F", "/local/domain/$D/device/vtpm/0"},
                                                         {"$L", "/libxl/$D/device/vtpm/0"},
                                                         {"$P", "/tool/vtpm/domain/$D"},
                                                         {"$D", guest_},
                                                         {"$S", server_}};
    for (const auto& [word, meaning] : words) {
      for (size_t at = 0; (at = text.find(word, at)) != std::string::npos;) text.replace(at, word.size(), meaning);
    }
    return text;
  }
  void break_it(const Broken& how) const {
    for (std::string command : how.commands) {
      Words words;
      if (command.starts_with("guest: ")) {
        words = {program("xen-loopback"), "exec", guest_, "--"};
        command.erase(0, 7);
      }
      std::istringstream in(filled(command));
      for (std::string word; in >> word;) words.push_back(word == "''" ? "" : word);
      ASSERT_EQ(run(words).status, 0) << command;
    }
  }
  static Words lines(const std::string& text) {
    Words all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    std::sort(all.begin(), all.end());
    return all;
  }
  void expect(const std::vector<const char*>& found) const {
    Words wanted;
    for (const char* line : found) wanted.push_back(filled(line));
    std::sort(wanted.begin(), wanted.end());
    Finished checked = run({program("vtpmctl"), "check-xenstore"});
    EXPECT_EQ(lines(checked.output), wanted);
    EXPECT_EQ(checked.status, 1);
  }

  static constexpr const char* kUuid = "01234567-89ab-cdef-0123-456789abcdef";
  std::string server_, guest_;

 private:
  void write(const char* directory, const std::vector<std::pair<const char*, const char*>>& nodes,
             const Words& permissions) const {
    Words words = {"xenstore-write", "--"};
    for (const auto& [name, value] : nodes) {
      words.push_back(filled(std::string(directory) + "/" + name));
      words.push_back(filled(value));
    }
    run(words);
    words = {"xenstore-chmod", "-r", filled(directory)};
    for (const std::string& permission : permissions) words.push_back(filled(permission));
    run(words);
  }
};

TEST_F(Tree, IsWholeAtFirst) {
  Finished checked = run({program("vtpmctl"), "check-xenstore"});
  EXPECT_EQ(checked.output, "devices: 1; all is as it has to be");
  EXPECT_EQ(checked.status, 0);
}

const Broken kBroken[] = {
    {"StrayInTheBackend",
     {"xenstore-write $B/hotplug-status connected"},
     {"$B/hotplug-status: stray: is 'connected', expected no such node; domain 0 owns it"}},
    {"StrayByTheGuest",
     {"guest: xenstore-write device/vtpm/0/foo bar"},
     {"$F/foo: stray: is 'bar', expected no such node; domain $D owns it"}},
    {"StrayOrder",
     {"xenstore-write $B/control/reboot 1"},
     {"$B/control/reboot: stray: is '1', expected no such node; domain 0 owns it"}},
    {"StrayBelowANode",
     {"xenstore-write $B/uuid/version 4"},
     {"$B/uuid/version: stray: is '4', expected no such node; domain 0 owns it"}},
    {"StrayNameOfADevice",
     {"xenstore-write /local/domain/0/backend/vtpm/$D/00/state 1"},
     {"/local/domain/0/backend/vtpm/$D/00: stray: is '', expected no such node; domain 0 owns it"}},
    {"StrayNameOfADomain",
     {"xenstore-write /local/domain/0/backend/vtpm/32752/0/state 1"},
     {"/local/domain/0/backend/vtpm/32752: stray: is '', expected no such node; domain 0 owns it"}},
    {"StrayOfOurs",
     {"xenstore-write /tool/vtpm/lock 1"},
     {"/tool/vtpm/lock: stray: is '1', expected no such node; domain 0 owns it"}},
    {"MissingUuid",
     {"xenstore-rm $B/uuid"},
     {"$B/uuid: missing: expected a uuid; written by toolstack; its directory: domain 0 owns it"}},
    {"MissingFrontendId",
     {"xenstore-rm $B/frontend-id"},
     {"$B/frontend-id: missing: expected \"$D\"; written by toolstack; its directory: domain 0 owns it"}},
    {"MissingOnline",
     {"xenstore-rm $B/online"},
     {"$B/online: missing: expected \"0\" or \"1\"; written by toolstack; its directory: domain 0 owns it"}},
    {"MissingState",
     {"guest: xenstore-rm device/vtpm/0/state"},
     {"$F/state: missing: expected a state from 1 to 6; written by toolstack or frontend; its directory: domain $D "
      "owns "
      "it"}},
    {"MissingGrant",
     {"guest: xenstore-rm device/vtpm/0/ring-ref"},
     {"$F/ring-ref: missing: expected a grant's number in state 4; written by frontend; its directory: domain $D owns "
      "it"}},
    // What stands without a version is one of version 1.
    {"MissingPort",
     {"xenstore-rm $F/event-channel", "xenstore-rm $F/feature-protocol-v2", "xenstore-write $F/state 3"},
     {"$F/event-channel: missing: expected an event channel's number in state 3; written by frontend; its directory: "
      "domain $D owns it"}},
    {"MissingVersionOfTheBackend",
     {"xenstore-rm $B/feature-protocol-v2", "xenstore-write $B/state 2"},
     {"$B/feature-protocol-v2: missing: expected \"1\" in state 2; written by backend; its directory: domain 0 owns "
      "it"}},
    {"MissingInfo",
     {"xenstore-rm $B/info/commands", "xenstore-rm $B/info/served"},
     {"$B/info/commands: missing: expected a number in state 4; written by backend; its directory: domain 0 owns it",
      "$B/info/served: missing: expected \"0\" or \"1\" in state 4; written by backend; its directory: domain 0 owns "
      "it"}},
    {"MissingFrontend",
     {"xenstore-rm /local/domain/$D/device/vtpm"},
     {"$F: missing: expected the directory of the frontend; written by toolstack; its directory: domain 0 owns it"}},
    {"MissingRecord",
     {"xenstore-rm /libxl/$D/device"},
     {"$L: missing: expected the toolstack's record of the device; written by toolstack; its directory: domain 0 owns "
      "it"}},
    {"NoState",
     {"xenstore-write $B/state banana"},
     {"$B/state: ill-typed: is 'banana', expected a state from 1 to 6; written by toolstack or backend; domain 0 owns "
      "it"}},
    {"NoStateOfTheFrontend",
     {"guest: xenstore-write device/vtpm/0/state 07"},
     {"$F/state: ill-typed: is '07', expected a state from 1 to 6; written by toolstack or frontend; domain $D owns "
      "it"}},
    {"NoUuid",
     {"xenstore-write $B/uuid 01234567-89ab-cdef-0123-456789abcdeg", "xenstore-rm $L/uuid"},
     {"$B/uuid: ill-typed: is '01234567-89ab-cdef-0123-456789abcdeg', expected a uuid; written by toolstack; domain 0 "
      "owns it",
      "$L/uuid: missing: expected a uuid; written by toolstack; its directory: domain 0 owns it"}},
    {"NoGrant",
     {"guest: xenstore-write device/vtpm/0/ring-ref 4294967296"},
     {"$F/ring-ref: ill-typed: is '4294967296', expected a grant's number; written by frontend; domain $D owns it"}},
    {"NoPort",
     {"guest: xenstore-write device/vtpm/0/event-channel 0"},
     {"$F/event-channel: ill-typed: is '0', expected an event channel's number; written by frontend; domain $D owns "
      "it"}},
    {"NoFlag",
     {"xenstore-write $B/online yes"},
     {"$B/online: ill-typed: is 'yes', expected \"0\" or \"1\"; written by toolstack; domain 0 owns it"}},
    {"NoStage",
     {"xenstore-write $B/info/stage dancing"},
     {"$B/info/stage: ill-typed: is 'dancing', expected \"announced\" or \"starting\" or \"serving\" or \"frozen\" or "
      "\"crashed\" or \"draining\" or \"closed\" or \"failed\" or \"gone\"; written by backend; domain 0 owns it"}},
    {"NoLevel",
     {"xenstore-write $B/control/log-level 9"},
     {"$B/control/log-level: ill-typed: is '9', expected \"3\" or \"4\" or \"5\" or \"6\" or \"7\"; written by "
      "administrator; domain 0 owns it"}},
    {"NoPrintableText",
     {"guest: xenstore-write device/vtpm/0/handle \\x1b[2J"},
     {"$F/handle: ill-typed: is '\\x1b[2J', expected \"0\"; written by toolstack; domain $D owns it"}},
    {"NoText",
     {"guest: xenstore-write device/vtpm/0/handle 0\\x00"},
     {"$F/handle: ill-typed: holds no text, expected \"0\"; written by toolstack; domain $D owns it"}},
    {"ADirectoryWithAValue",
     {"xenstore-write $B/info 1"},
     {"$B/info: ill-typed: is '1', expected an empty text; written by backend; domain 0 owns it"}},
    {"AnotherFrontend",
     {"xenstore-write $B/frontend /local/domain/$D/data/vtpm", "xenstore-write $B/frontend-id 4"},
     {"$B/frontend: ill-typed: is '/local/domain/$D/data/vtpm', expected \"$F\"; written by toolstack; domain 0 owns "
      "it",
      "$B/frontend-id: ill-typed: is '4', expected \"$D\"; written by toolstack; domain 0 owns it"}},
    {"AnotherBackend",
     {"guest: xenstore-write device/vtpm/0/backend /local/domain/$D/data/vtpm device/vtpm/0/backend-id $D"},
     {"$F/backend: ill-typed: is '/local/domain/$D/data/vtpm', expected \"$B\"; written by toolstack; domain $D owns "
      "it",
      "$F/backend-id: ill-typed: is '$D', expected \"0\"; written by toolstack; domain $D owns it"}},
    {"AnotherUuid",
     {"xenstore-write $B/uuid 00000000-89ab-cdef-0123-456789abcdef"},
     {"$B/uuid: inconsistent: is '00000000-89ab-cdef-0123-456789abcdef', expected "
      "'01234567-89ab-cdef-0123-456789abcdef' as in $L; written by toolstack; domain 0 owns it"}},
    {"TheGuestMayWrite",
     {"xenstore-chmod $B/uuid n0 b$D"},
     {"$B/uuid: permissions: are n0,b$D, expected n0,r$D; written by toolstack; domain 0 owns it, domain $D may "
      "write"}},
    {"TheGuestOwnsIt",
     {"xenstore-chmod $B/info/boot n$D"},
     {"$B/info/boot: permissions: are n$D, expected n0,r$D; written by backend; domain $D owns it"}},
    {"EverybodyMayWrite",
     {"xenstore-chmod /local/domain/0/backend/vtpm/$D w0"},
     {"/local/domain/0/backend/vtpm/$D: permissions: are w0, expected n0 and readers; written by toolstack; domain 0 "
      "owns it"}},
    {"TheGuestMayNotRead",
     {"xenstore-chmod $B/state n0"},
     {"$B/state: permissions: are n0, expected n0,r$D; written by toolstack or backend; domain 0 owns it"}},
    {"ANeighbourMayRead",
     {"guest: xenstore-chmod device/vtpm/0/ring-ref n$D r0 r4"},
     {"$F/ring-ref: permissions: are n$D,r0,r4, expected n$D,r0; written by frontend; domain $D owns it"}},
    {"TheGuestMayReadTheRecord",
     {"xenstore-chmod $L/state n0 r$D"},
     {"$L/state: permissions: are n0,r$D, expected n0; written by toolstack; domain 0 owns it"}},
    {"BackendOfADomainThatIsGone",
     {"xenstore-write /local/domain/0/backend/vtpm/77/0/state 4"},
     {"/local/domain/0/backend/vtpm/77: stale: there is no domain 77; written by toolstack; domain 0 owns it"}},
    {"RecordOfADomainThatIsGone",
     {"xenstore-write /libxl/77/device/vtpm/0/state 1"},
     {"/libxl/77/device/vtpm: stale: there is no domain 77; written by toolstack; domain 0 owns it"}},
    {"ProofOfADomainThatIsGone",
     {"xenstore-write /tool/vtpm/domain/77 dying_new_kernel"},
     {"/tool/vtpm/domain/77: stale: there is no domain 77; written by domwatch; domain 0 owns it"}},
    {"FrontendAndRecordWithoutABackend",
     {"xenstore-rm /local/domain/0/backend/vtpm"},
     {"$F: stale: there is no $B; written by toolstack or frontend; domain $D owns it",
      "$L: stale: there is no $B; written by toolstack; domain 0 owns it"}},
    {"FrontendThatNamesABackendItNeverHad",
     {"xenstore-rm /local/domain/0/backend/vtpm", "xenstore-rm /libxl/$D/device",
      "guest: xenstore-write device/vtpm/0/backend-id 77"},
     {"$F: stale: there is no /local/domain/77/backend/vtpm/$D/0; written by toolstack or frontend; domain $D owns "
      "it"}},
    {"ErrorWithoutADevice",
     {"xenstore-write /local/domain/0/error/backend/vtpm/$D/5/error 22"},
     {"/local/domain/0/error/backend/vtpm/$D/5: stale: there is no /local/domain/0/backend/vtpm/$D/5; written by "
      "backend; domain 0 owns it"}},
    {"NoDeviceAtAll",
     {"xenstore-rm $B", "xenstore-rm /libxl/$D/device", "xenstore-rm /local/domain/$D/device/vtpm"},
     {"/local/domain/0/backend/vtpm/$D: stale: holds no device; written by toolstack; domain 0 owns it"}},
};

class BrokenTrees : public Tree, public ::testing::WithParamInterface<Broken> {};

TEST_P(BrokenTrees, AreNamed) {
  break_it(GetParam());
  expect(GetParam().found);
}
INSTANTIATE_TEST_SUITE_P(All, BrokenTrees, ::testing::ValuesIn(kBroken),
                         [](const auto& broken) { return broken.param.name; });

const Broken kBrokenInADriverDomain[] = {
    {"MissingProof",
     {"xenstore-rm $P"},
     {"$P: missing: expected three words of vtpm-domwatch; written by domwatch; its directory: domain 0 owns it"}},
    {"NoProof",
     {"xenstore-write $P sleeps"},
     {"$P: ill-typed: is 'sleeps', expected three words of vtpm-domwatch; written by domwatch; domain 0 owns it"}},
    {"TheGuestMayReadTheProof",
     {"xenstore-chmod $P n0 r$S r$D"},
     {"$P: permissions: are n0,r$S,r$D, expected n0,r$S; written by domwatch; domain 0 owns it"}},
    {"TheServerMayWriteTheProof",
     {"xenstore-chmod $P n0 b$S"},
     {"$P: permissions: are n0,b$S, expected n0,r$S; written by domwatch; domain 0 owns it, domain $S may write"}},
    {"Dom0OwnsTheBackend",
     {"xenstore-chmod $B/online n0 r$S r$D"},
     {"$B/online: permissions: are n0,r$S,r$D, expected n$S,r$D; written by toolstack; domain 0 owns it"}},
    {"TheServerMayNotReadTheFrontend",
     {"guest: xenstore-chmod device/vtpm/0/state n$D"},
     {"$F/state: permissions: are n$D, expected n$D,r$S; written by toolstack or frontend; domain $D owns it"}},
};

class BrokenTreesInADriverDomain : public Tree, public ::testing::WithParamInterface<Broken> {
 protected:
  BrokenTreesInADriverDomain() : Tree(true) {}
};

TEST_P(BrokenTreesInADriverDomain, AreNamed) {
  break_it(GetParam());
  expect(GetParam().found);
}
INSTANTIATE_TEST_SUITE_P(All, BrokenTreesInADriverDomain, ::testing::ValuesIn(kBrokenInADriverDomain),
                         [](const auto& broken) { return broken.param.name; });

// As many nodes as a directory of a guest's may have: all are named, and the rest is still looked at.
TEST_F(Tree, OfAGuestThatFloodsIt) {
  Words words = {program("xen-loopback"), "exec", guest_, "--", "xenstore-write"};
  constexpr size_t kNodes = 50, kLength = 30;
  for (size_t i = 0; i < kNodes; i++) {
    words.push_back("device/vtpm/0/" + std::string(kLength, 'a') + std::to_string(i));
    words.push_back(std::string(kLength, '1'));
  }
  ASSERT_EQ(run(words).status, 0);
  break_it({"", {"xenstore-write $B/state 9"}, {}});
  Finished checked = run({program("vtpmctl"), "check-xenstore"});
  EXPECT_EQ(checked.status, 1);
  EXPECT_EQ(lines(checked.output).size(), kNodes + 1);
  EXPECT_NE(checked.output.find(filled("$B/state: ill-typed: is '9'")), std::string::npos);
}

// XenStore takes longer ones from dom0 than the rest of this project.
TEST_F(Tree, WithANameThatIsTooLong) {
  const std::string path = filled("$B/") + std::string(2040, 'z');
  ASSERT_EQ(run({"xenstore-write", path, "1"}).status, 0);
  expect({(path + ": stray: a name that is too long; its directory: domain 0 owns it").c_str()});
}

TEST_F(Tree, IsDescribedInJson) {
  break_it({"", {"xenstore-chmod $B/uuid n0 b$D"}, {}});
  Finished checked = run({program("vtpmctl"), "check-xenstore", "--json"});
  EXPECT_EQ(checked.status, 1);
  auto answer = nlohmann::json::parse(checked.output);
  nlohmann::json wanted = {
      {"path", filled("$B/uuid")},
      {"kind", "permissions"},
      {"what", filled("are n0,b$D, expected n0,r$D")},
      {"writers", {"toolstack"}},
      {"able", {0, std::stoi(guest_)}},
      {"text",
       filled("$B/uuid: permissions: are n0,b$D, expected n0,r$D; written by toolstack; domain 0 owns it, domain "
              "$D may write")}};
  EXPECT_EQ(answer, (nlohmann::json{{"ok", true}, {"devices", 1}, {"findings", {wanted}}}));
}

TEST_F(Tree, ThatCannotBeReadIsStatusTwo) {
  Finished checked = run({"env", "XENSTORED_PATH=/nonexistent", program("vtpmctl"), "check-xenstore", "--json"});
  EXPECT_EQ(checked.status, 2);
  EXPECT_EQ(nlohmann::json::parse(checked.output).value("ok", true), false);
  EXPECT_EQ(run({"env", "XENSTORED_PATH=/nonexistent", program("vtpmctl"), "check-xenstore"}).output, "");
}

}  // namespace
}  // namespace system_test
