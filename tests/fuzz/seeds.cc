// SPDX-License-Identifier: MIT
// fuzz_seeds DIR: writes the seeds of the corpus, from what the catalogue does. `make fuzz-seeds` minimises them.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/engine/world.h"

namespace {

using client::Bytes;
using client::Out;
using world::Entry;
using world::Stage;
using world::World;

std::filesystem::path g_root;

void write(const std::string& target, const std::string& name, const Bytes& bytes) {
  std::filesystem::create_directories(g_root / target);
  std::ofstream out(g_root / target / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

uint8_t stage_choice(Stage stage) {
  constexpr Stage kOrder[] = {Stage::Owned, Stage::Started,  Stage::Made,
                              Stage::Bare,  Stage::Disabled, Stage::Deactivated};
  return static_cast<uint8_t>(std::ranges::find(kOrder, stage) - kOrder);
}

void of_entry(const Entry& entry) {
  World w(entry.stage);
  Bytes frame = w.tpm.prepare(entry.make(w)).frame;
  std::string name = entry.name;
  write("command", name,
        Out().u8(stage_choice(entry.stage)).u8(entry.locality).u8('C').u32(entry.ordinal).u8(0).u8('T').u16(5).u8(1));
  write(
      "command", name + "-edited",
      Out().u8(stage_choice(entry.stage)).u8(entry.locality).u8('C').u32(entry.ordinal).u8(1).u16(9).u8(0xff).u8('S'));
  uint32_t size = static_cast<uint32_t>(frame.size());
  if (size < 1000) {
    write("command", name + "-frame",
          Out().u8(stage_choice(entry.stage)).u8(entry.locality).u8('F').u16(size).raw(frame));
  }
  if (entry.stage == Stage::Owned && size < 400) {
    write("page", name,
          Out().u8(0x1f).u8(size).u8(size >> 8).u16(0).u8(1).u8(entry.locality).u16(0).u16(size).raw(frame));
    write("page", name + "-on-two",
          Out().u8(0x3f).u8(size).u8(size >> 8).u16(0).u8(1).u8(entry.locality).u16(1).u16(size).raw(frame));
    write(
        "legacy", name,
        Out().u8(0).u8(0).u8(0x10).raw(Bytes(6, 0)).u8(7).raw(Bytes(5, 0)).u8(size).u8(size >> 8).u16(size).raw(frame));
  }
}

void snapshots() {
  for (Stage stage : {Stage::Bare, Stage::Made, Stage::Started}) {
    World w(stage);
    machine::Snapshot now = w.machine().snapshot();
    write("snapshot", "stage-" + std::to_string(static_cast<int>(stage)),
          Out().u16(static_cast<uint32_t>(now.permanent.size())).raw(now.permanent).raw(now.volatile_state));
  }
  World w(Stage::Owned);
  w.load(w.keys().sign);
  w.osap_srk();
  w.tpm.run(0xa0);
  machine::Snapshot now = w.machine().snapshot();
  write("snapshot", "busy",
        Out().u16(static_cast<uint32_t>(now.permanent.size())).raw(now.permanent).raw(now.volatile_state));
}

void structures() {
  World w(Stage::Owned);
  const client::Key& key = w.keys().sign;
  write("structures", "key", Out().u8(2).raw(key.encode()));
  write("structures", "pubkey", Out().u8(3).raw(client::PubKey{.parms = key.parms, .modulus = key.modulus}.encode()));
  write("structures", "parms", Out().u8(0).raw(key.parms.encode()));
  write("structures", "selection", Out().u8(18).raw(client::pcr_selection({0, 7})));
  write("structures", "info", Out().u8(20).raw(client::pcr_info(client::pcr_selection({0}), {})));
  write("structures", "info-long",
        Out().u8(21).raw(client::pcr_info_long(client::pcr_selection({0}), client::pcr_selection({1}), {})));
  auto sealed = w.tpm.seal(client::kSrk, world::kSrkAuth, client::bytes_of("sealed"), world::kDataAuth);
  write("structures", "stored", Out().u8(23).raw(sealed.value));
  for (uint32_t type = 0; type < 89; type++) {
    write("structures", "zeros-" + std::to_string(type), Out().u8(type).raw(Bytes(64 + type, 0)));
  }
}

void control() {
  const char* kUuid = "\"uuid\":\"01000000-0000-0000-0000-000000000000\"";
  for (const char* command : {"list", "show", "delete", "power-cycle", "quarantine", "stats", "doctor", "unknown"}) {
    std::string line = std::string("{\"command\":\"") + command + "\"," + kUuid + "}";
    write("control", command, client::bytes_of(line));
  }
  write("control", "lift", client::bytes_of(std::string("{\"command\":\"quarantine\",\"lift\":true,") + kUuid + "}"));
  write("control", "reason", client::bytes_of(std::string("{\"command\":\"quarantine\",\"reason\":7,") + kUuid + "}"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  g_root = argv[1];
  for (const Entry& entry : world::catalogue()) of_entry(entry);
  snapshots();
  structures();
  control();
  return 0;
}
