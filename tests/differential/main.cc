// SPDX-License-Identifier: MIT
// Runs every case against the TPM it is linked with, and prints a line for each: name, tab, what came. compare.awk puts
// two such lists side by side. Arguments: the beginning of the names to run, and a seed of what is random.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/differential/chance.h"
#include "tests/differential/recorder.h"

namespace {

using namespace differential;  // NOLINT: this program is its cases
using world::Stage;
using world::World;

std::string g_wanted;

bool wanted(const std::string& name) {
  size_t n = std::min(name.size(), g_wanted.size());
  return name.compare(0, n, g_wanted, 0, n) == 0;
}

using Family = void (*)(const Recorder&, World&);

// The families in each state; states are made once, cases run in processes of their own.
void in_state(const char* state, World& w, std::initializer_list<std::pair<const char*, Family>> families) {
  for (auto [name, family] : families) {
    if (wanted(std::string(name) + "/" + state)) family(Recorder(name).at(state), w);
  }
}

void in_every_state() {
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Made);
    in_state("before-startup", w,
             {{"ordinal", ordinal_cases}, {"capability", capability_cases}, {"elsewhere", elsewhere_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Made);
    w.tpm.startup(2);
    in_state("failed", w,
             {{"ordinal", ordinal_cases}, {"capability", capability_cases}, {"elsewhere", elsewhere_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Started);
    in_state("unowned", w,
             {{"ordinal", ordinal_cases},
              {"capability", capability_cases},
              {"elsewhere", elsewhere_cases},
              {"pcr", pcr_cases},
              {"startup", startup_cases},
              {"setting", [](const Recorder& r, World& here) { setting_cases(r, here, false); }},
              {"nv", nv_cases},
              {"presence", presence_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Bare);
    in_state("bare", w, {{"ordinal", ordinal_cases}, {"nv", nv_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Disabled);
    in_state("disabled", w,
             {{"ordinal", ordinal_cases},
              {"elsewhere", elsewhere_cases},
              {"pcr", pcr_cases},
              {"setting", [](const Recorder& r, World& here) { setting_cases(r, here, true); }},
              {"sha1", sha1_cases},
              {"nv", nv_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Deactivated);
    in_state("deactivated", w,
             {{"ordinal", ordinal_cases},
              {"elsewhere", elsewhere_cases},
              {"pcr", pcr_cases},
              {"setting", [](const Recorder& r, World& here) { setting_cases(r, here, true); }},
              {"startup", startup_cases}});
  });
  Recorder("state").apart([](const Recorder&) {
    World w(Stage::Owned);
    in_state("owned", w,
             {{"ordinal", ordinal_cases},
              {"capability", capability_cases},
              {"pcr", pcr_cases},
              {"startup", startup_cases},
              {"setting", [](const Recorder& r, World& here) { setting_cases(r, here, true); }},
              {"sha1", sha1_cases},
              {"limit", limit_cases},
              {"nv", nv_cases},
              {"counter", counter_cases}});
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) g_wanted = argv[1];
  fix_chance(argc > 2 ? static_cast<unsigned>(atoi(argv[2])) : 1);
  setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
  // The keys of the catalogue, and the states, are made before anything is forked off.
  for (Stage stage : {Stage::Owned, Stage::Disabled, Stage::Deactivated, Stage::Bare}) World w(stage);
  if (wanted("elsewhere/")) collect_requests();
  in_every_state();
  for (Stage stage : {Stage::Made, Stage::Bare, Stage::Started, Stage::Owned, Stage::Disabled, Stage::Deactivated}) {
    Recorder("catalogue").apart([&](const Recorder& r) {
      World w(stage);
      for (const world::Entry& entry : world::catalogue()) {
        if (entry.stage == stage && wanted(std::string("catalogue/") + entry.name)) catalogue_cases(r, w, entry);
      }
    });
  }
  fflush(stdout);
  return 0;
}
