// SPDX-License-Identifier: MIT
// What a guest is started from, in its PCRs before it can extend anything itself. The values are computed here, from
// the files, with OpenSSL.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

Digest sha1_of(const std::string& text) { return client::sha1(client::bytes_of(text)); }

class MeasuredStart : public SavedGuest {
 protected:
  MeasuredStart() {
    write(kernel(), std::string(3 << 20, 'k'));
    write(ramdisk(), "ramdisk " + uuid_);
  }
  static void write(const std::string& path, const std::string& content) { std::ofstream(path) << content; }
  std::string kernel() const { return stack_.directory() + "/vmlinuz"; }
  std::string ramdisk() const { return stack_.directory() + "/initrd"; }

  void make(const std::string& policy) {
    ASSERT_TRUE(stack_.control({"create", uuid_, "--measure", policy}).value("ok", false));
  }
  Words creation(const std::string& type = "pv") const {
    return {"create",    "--type",  type,        "--vtpm", "backend=0,uuid=" + uuid_, "--kernel", kernel(),
            "--ramdisk", ramdisk(), "--cmdline", kLine};
  }
  unsigned created(const std::string& type = "pv") { return number(domain(creation(type))); }
  static Digest extended(Digest pcr, const Digest& event) {
    client::Bytes both(pcr.begin(), pcr.end());
    both.insert(both.end(), event.begin(), event.end());
    return client::sha1(both);
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Digest kernel_pcr(Digest before = {}) const { return extended(before, sha1_of(content(kernel()))); }
  Digest configuration_pcr(Digest before = {}) const {
    return extended(extended(before, sha1_of(kLine)), sha1_of(content(ramdisk())));
  }
  void expect_measured(Frontend& frontend) {
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(pcr(frontend, 4), kernel_pcr());
    EXPECT_EQ(pcr(frontend, 5), configuration_pcr());
    for (unsigned other : {0U, 3U, 6U, 7U, 8U}) EXPECT_EQ(pcr(frontend, other), Digest{}) << other;
  }
  static Digest marked(const std::string& text) { return extended({}, sha1_of(text)); }
  void expect_marker(Frontend& frontend, const std::string& text) {
    ASSERT_TRUE(frontend.connect());
    for (unsigned i : {4U, 5U}) EXPECT_EQ(pcr(frontend, i), marked(text)) << i;
    EXPECT_EQ(pcr(frontend, 0), Digest{});
    EXPECT_TRUE(happened("not-measured"));
  }
  // The log as it stands, replayed by its layout.
  std::map<uint32_t, Digest> replayed() {
    Finished raw = run({"sh", "-c",
                        program("vtpmctl") + " --runtime-dir " + stack_.directory() + "/run show " + uuid_ +
                            " --log --raw >" + stack_.directory() + "/log.bin"});
    EXPECT_EQ(raw.status, 0);
    std::string log = content(stack_.directory() + "/log.bin");
    auto number = [&](size_t at) {
      uint32_t value = 0;
      for (size_t i = 0; i < 4; i++) value |= static_cast<uint32_t>(static_cast<uint8_t>(log[at + i])) << (8 * i);
      return value;
    };
    std::map<uint32_t, Digest> pcrs;
    for (size_t at = 0; at < log.size();) {
      if (log.size() - at < 32 || number(at + 28) > log.size() - at - 32) {
        ADD_FAILURE() << "the log ends in an event";
        break;
      }
      Digest event{};
      for (size_t i = 0; i < event.size(); i++) event[i] = static_cast<uint8_t>(log[at + 8 + i]);
      Digest& pcr = pcrs[number(at)];
      pcr = extended(pcr, event);
      at += 32 + number(at + 28);
    }
    return pcrs;
  }
  void expect_refused(unsigned guest, const std::string& why) {
    ASSERT_TRUE(eventually([&] { return node(error_path(guest)).has_value(); }));
    std::string error = node(error_path(guest)).value_or("");
    EXPECT_NE(error.find("must be measured, and cannot be"), std::string::npos) << error;
    EXPECT_NE(error.find(why), std::string::npos) << error;
    EXPECT_TRUE(happened("refused"));
    EXPECT_TRUE(eventually([&] { return node(back_path(guest) + "/state") == "6"; }));
    EXPECT_EQ(stack_.worker_of(guest), 0);
  }
  pid_t measurer() const {
    std::string log = stack_.log();
    constexpr std::string_view kText = "measures, by process ";
    size_t at = log.rfind(kText);
    return at == std::string::npos ? 0 : static_cast<pid_t>(std::stol(log.substr(at + kText.size())));
  }

  static constexpr const char* kLine = "root=/dev/xvda1 ro quiet  \"two  words\"";
};

TEST_F(MeasuredStart, APvGuestFindsWhatItWasStartedFrom) {
  make("on");
  Frontend frontend(stack_, created());
  expect_measured(frontend);
  EXPECT_TRUE(happened("measured"));
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("measure", ""), "on");
}

TEST_F(MeasuredStart, SoDoesAPvhGuestOfWhichOnlyLibxlsFileTells) {
  make("required");
  unsigned guest = created("pvh");
  Frontend frontend(stack_, guest);
  expect_measured(frontend);
}

TEST_F(MeasuredStart, TheLogsReplayGivesThePcrs) {
  make("on");
  Frontend frontend(stack_, created());
  ASSERT_TRUE(frontend.connect());
  auto pcrs = replayed();
  ASSERT_EQ(pcrs.size(), 2U);
  for (const auto& [index, value] : pcrs) EXPECT_EQ(pcr(frontend, index), value) << index;
  // The same by a program that has nothing of ours but the file.
  std::string lines;
  for (const auto& [index, value] : pcrs)
    lines += std::to_string(index) + " " + client::hex({value.begin(), value.end()}) + "\n";
  Finished replay = run({program("../test/replay"), "start", stack_.directory() + "/log.bin"});
  EXPECT_EQ(replay.output + "\n", lines);
  auto log = stack_.control({"show", uuid_, "--log"})["log"];
  ASSERT_EQ(log["events"].size(), 3U);
  EXPECT_EQ(log["events"][0]["text"], "kernel: " + kernel());
  EXPECT_EQ(log["events"][1]["text"], std::string("command line: ") + kLine);
  EXPECT_EQ(log["events"][2]["text"], "ramdisk: " + ramdisk());
}

TEST_F(MeasuredStart, WithoutRamdiskAndCommandLineNothingOfThemIsExtended) {
  make("on");
  unsigned guest = number(domain({"create", "--vtpm", "backend=0,uuid=" + uuid_, "--kernel", kernel()}));
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 4), kernel_pcr());
  EXPECT_EQ(pcr(frontend, 5), extended(extended({}, sha1_of("")), sha1_of(""))) << "as pv-grub: the digest of nothing";
}

TEST_F(MeasuredStart, OffMeasuresNothing) {
  unsigned guest = created();  // made on first use: the manager's default
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  for (unsigned i : {4U, 5U}) EXPECT_EQ(pcr(frontend, i), Digest{});
  EXPECT_TRUE(replayed().empty());
}

TEST_F(MeasuredStart, TheManagersDefaultIsThatOfNewInstances) {
  stack_.end_manager();
  stack_.start_manager("", {"--measure", "required"});
  Frontend frontend(stack_, created());
  expect_measured(frontend);
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("measure", ""), "required");
}

TEST_F(MeasuredStart, ARebootMeasuresAfreshAndWhatIsSetMeanwhileHoldsFromThen) {
  make("on");
  unsigned guest = created();
  {
    Frontend frontend(stack_, guest);
    expect_measured(frontend);
    write(kernel(), "another kernel");
    guest = number(domain({"reboot", std::to_string(guest)}));
  }
  {
    Frontend frontend(stack_, guest);
    expect_measured(frontend);
    ASSERT_TRUE(stack_.control({"set", uuid_, "--measure", "off"}).value("ok", false));
    EXPECT_EQ(pcr(frontend, 4), kernel_pcr()) << "not before the next power-on";
    guest = number(domain({"reboot", std::to_string(guest)}));
  }
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 4), Digest{});
  EXPECT_TRUE(stack_.control({"show", uuid_, "--log"})["log"]["events"].empty()) << "of this power cycle";
}

TEST_F(MeasuredStart, AMissingFileLeavesAMarkerOrIsRefused) {
  make("on");
  std::filesystem::remove(ramdisk());
  unsigned guest = created();
  {
    Frontend frontend(stack_, guest);
    expect_marker(frontend, "vtpm: powered on without a measurement");
    auto pcrs = replayed();
    for (unsigned i : {4U, 5U}) EXPECT_EQ(pcrs[i], pcr(frontend, i));
  }
  destroy_domain(guest);
  ASSERT_TRUE(stack_.control({"set", uuid_, "--measure", "required"}).value("ok", false));
  guest = created();
  {
    Frontend frontend(stack_, guest);
    expect_refused(guest, "No such file");
    frontend.unload();
  }
  write(ramdisk(), "there again");
  Frontend frontend(stack_, guest);
  expect_measured(frontend);
}

TEST_F(MeasuredStart, WhatIsNoFileIsRefused) {
  make("required");
  std::filesystem::remove(kernel());
  ASSERT_EQ(::mkfifo(kernel().c_str(), 0600), 0);
  unsigned guest = created();
  Frontend frontend(stack_, guest);
  expect_refused(guest, "is a pipe");
}

TEST_F(MeasuredStart, NoRecordAtAllIsRefused) {
  make("required");
  unsigned guest = create_domain(uuid_);
  Frontend frontend(stack_, guest);
  expect_refused(guest, "no kernel");
}

TEST_F(MeasuredStart, ANodeThatAGuestCouldWriteIsNotRead) {
  make("required");
  Words paused = creation();
  paused.push_back("--paused");
  unsigned guest = number(domain(paused));
  std::string vm = node("/local/domain/" + std::to_string(guest) + "/vm").value_or("");
  ASSERT_EQ(run({"xenstore-chmod", vm + "/image/kernel", "n0", "b" + std::to_string(guest)}).status, 0);
  ASSERT_EQ(domain({"unpause", std::to_string(guest)}).status, 0);
  Frontend frontend(stack_, guest);
  expect_refused(guest, "may be written by others than dom0");
}

TEST_F(MeasuredStart, ADeviceThatIsAttachedLateGetsAMarker) {
  make("required");
  unsigned guest = number(domain({"create", "--kernel", kernel(), "--ramdisk", ramdisk(), "--cmdline", kLine}));
  ASSERT_EQ(run({program("xen-loopback"), "vtpm-attach", std::to_string(guest), "backend=0", "uuid=" + uuid_}).status,
            0);
  {
    Frontend frontend(stack_, guest);
    expect_marker(frontend, "vtpm: attached to a domain that was running already");
  }
  destroy_domain(guest);
}

TEST_F(MeasuredStart, AResumeMeasuresNothing) {
  make("required");
  unsigned guest = created();
  {
    Frontend frontend(stack_, guest);
    expect_measured(frontend);
    measure(frontend);
    ASSERT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
  }
  // Whatever there is now, it is not looked at.
  Digest kernel_then = kernel_pcr();
  std::filesystem::remove(kernel());
  guest = restored();
  {
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(pcr(frontend, 4), kernel_then);
    EXPECT_EQ(replayed().at(4), kernel_then) << "the log of this power cycle stands";
    pid_t worker = stack_.worker_of(guest);
    ::kill(worker, SIGKILL);
    ASSERT_TRUE(eventually([&] { return stack_.worker_of(guest) > 0 && stack_.worker_of(guest) != worker; }));
    ASSERT_TRUE(eventually([&] { return stack_.stage_of(guest) == "serving"; }));
    EXPECT_EQ(pcr(frontend, 4), kernel_then) << "nor at a continuation";
    frontend.unload();
  }
  Frontend frontend(stack_, guest);
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 4), kernel_then) << "nor at a reconnect";
}

TEST_F(MeasuredStart, AMarkedBootIsMeasuredBehindItsMarker) {
  make("on");
  {
    unsigned guest = created();
    Frontend frontend(stack_, guest);
    ASSERT_TRUE(frontend.connect());
    ASSERT_EQ(domain({"suspend", std::to_string(guest), image()}).status, 0);
  }
  Frontend frontend(stack_, created());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend, 0), marker());
  EXPECT_EQ(pcr(frontend, 4), kernel_pcr(marker()));
  EXPECT_EQ(pcr(frontend, 5), configuration_pcr(marker()));
  auto pcrs = replayed();
  EXPECT_EQ(pcrs.size(), 8U);
  for (const auto& [index, value] : pcrs) EXPECT_EQ(pcr(frontend, index), value) << index;
}

// A large kernel, so that there is time to do something to whoever hashes it.
class SlowMeasurement : public MeasuredStart {
 protected:
  SlowMeasurement() { std::filesystem::resize_file(kernel(), uint64_t{2} << 30); }
  pid_t begin() {
    guest_ = created();
    frontend_ = std::make_unique<Frontend>(stack_, guest_);
    EXPECT_TRUE(eventually([&] { return measurer() > 0; }));
    return measurer();
  }
  unsigned guest_ = 0;
  std::unique_ptr<Frontend> frontend_;
};

TEST_F(SlowMeasurement, HoldsUpNobodyElse) {
  make("required");
  pid_t hashing = begin();
  ASSERT_EQ(::kill(hashing, SIGSTOP), 0);
  std::string other = fresh_uuid();
  unsigned neighbour = create_domain(other);
  {
    Frontend frontend(stack_, neighbour);
    ASSERT_TRUE(frontend.connect());
    EXPECT_EQ(pcr(frontend, 4), Digest{});
  }
  EXPECT_EQ(stack_.stage_of(guest_), "announced");
  EXPECT_EQ(stack_.worker_of(guest_), 0);
  ::kill(hashing, SIGCONT);
  destroy_domain(neighbour);
}

TEST_F(SlowMeasurement, AKilledProcessIsACause) {
  make("required");
  ::kill(begin(), SIGKILL);
  expect_refused(guest_, "by signal 9");
}

TEST_F(SlowMeasurement, HasItsTime) {
  make("on");
  stack_.end_manager();
  stack_.start_manager("", {"--measure-time", "0.5"});
  ASSERT_EQ(::kill(begin(), SIGSTOP), 0);
  expect_marker(*frontend_, "vtpm: powered on without a measurement");
  EXPECT_NE(stack_.log().find("were not hashed within"), std::string::npos);
}

TEST_F(SlowMeasurement, TheNextManagerMeasures) {
  std::filesystem::resize_file(kernel(), uint64_t{64} << 20);
  make("required");
  pid_t hashing = begin();
  ::kill(hashing, SIGSTOP);
  stack_.kill_manager();
  ::kill(hashing, SIGKILL);
  stack_.start_manager();
  expect_measured(*frontend_);
}

TEST_F(SlowMeasurement, EndsWithItsDomain) {
  make("required");
  pid_t hashing = begin();
  destroy_domain(guest_);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists("/proc/" + std::to_string(hashing)); }));
  EXPECT_EQ(stack_.control({"show", uuid_})["instance"].value("power_cycle", 7U), 0U) << "no power cycle began";
}

}  // namespace
}  // namespace system_test
