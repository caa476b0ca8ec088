// SPDX-License-Identifier: MIT
// vtpm-ringtest: tests either half of the protocol between a guest's TPM driver and its backend. It takes the place of
// the other half. Documentation/ring-testing.md.
#include <signal.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "tests/ringtest/back.h"
#include "tests/ringtest/front.h"
#include "tests/ringtest/runner.h"

namespace {

using namespace ringtest;

struct Options {
  std::string role, format = "tap", replay, protocol = "v2";
  std::vector<std::string> names;
  bool list = false, markdown = false;
  unsigned device = 0, patience_ms = 10'000, silence_ms = 300, race_ms = 1'500;
  Plan plan;
  Frontend frontend;
};

constexpr int kFailed = 1, kMisused = 2, kNoDevice = 3;

const char* word_of(Kind kind) { return kind == Kind::Rule ? "rule" : kind == Kind::Hostile ? "hostile" : "timing"; }

template <class C>
void list(const std::vector<C>& cases, const char* role, bool markdown) {
  if (markdown) {
    std::cout << "\n## The kit as " << role << "\n\n| case | kind | rule | source |\n|---|---|---|---|\n";
    for (const C& one : cases) {
      std::cout << "| `" << one.name << "` | " << word_of(one.kind) << " | " << one.rule << " | " << one.source
                << " |\n";
    }
    return;
  }
  for (const C& one : cases) {
    std::cout << role << '\t' << one.name << '\t' << word_of(one.kind) << '\t' << one.rule << '\n';
  }
}

// Those that were named, else those of the protocol's version, in the order of the table. Nothing when a name matches
// none.
template <class C>
std::optional<std::vector<C>> chosen(const std::vector<C>& all, const Options& options) {
  const auto& names = options.names;
  std::vector<C> some;
  for (const C& one : all) {
    bool of_version = matches("v1/*", one.name) ? options.protocol == "v1" : options.protocol == "v2";
    if (names.empty() && of_version) some.push_back(one);
    if (std::ranges::any_of(names, [&](const std::string& name) { return matches(name, one.name); }))
      some.push_back(one);
  }
  return some.empty() ? std::nullopt : std::optional(some);
}

template <class H, class C>
int run(Outcome<std::unique_ptr<H>> opened, const std::vector<C>& all, const Options& options) {
  auto cases = chosen(all, options);
  if (!cases) {
    std::cerr << "vtpm-ringtest: no such case as " << options.role << "; see --list\n";
    return kMisused;
  }
  if (!opened.ok()) {
    std::cerr << "vtpm-ringtest: " << opened.error().text << '\n';
    return kNoDevice;
  }
  auto report = options.format == "junit" ? junit_report("vtpm-ringtest." + options.role) : tap_report();
  size_t failures = Runner<H, C>(*opened.value(), options.plan, *report).run(*cases);
  return failures == 0 ? 0 : kFailed;
}

int run(Options& options) {
  if (!options.replay.empty()) {
    options.plan.replayed = ringtest::read(options.replay);
    if (!options.plan.replayed) {
      std::cerr << "vtpm-ringtest: " << options.replay << " is no trace\n";
      return kMisused;
    }
    options.role = options.plan.replayed->role;
    options.names = {options.plan.replayed->name};
    options.plan.seed = options.plan.replayed->seed;
  }
  options.plan.role = options.role;
  if (!options.plan.traces.empty()) mkdir(options.plan.traces.c_str(), 0755);
  Patience patience{milliseconds(options.patience_ms), milliseconds(options.silence_ms), milliseconds(options.race_ms)};
  if (options.role == "frontend") return run(Front::open(options.device, patience), all_front_cases(), options);
  return run(Back::open(options.frontend, patience), all_back_cases(), options);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Tests one half of a vTPM device by taking the place of the other."};
  app.add_option("role", options.role, "what the kit is: frontend (in a guest) or backend (in dom0)")
      ->check(CLI::IsMember({"frontend", "backend"}));
  app.add_flag("--list", options.list, "print the cases: role, name, kind, rule");
  app.add_flag("--markdown", options.markdown, "with --list: as the tables of Documentation/ring-cases.md");
  app.add_option("--case", options.names, "run these only; * stands for anything");
  app.add_option("--protocol", options.protocol, "without --case: those of version v1 of the ring, or v2")
      ->check(CLI::IsMember({"v1", "v2"}));
  app.add_option("--repeat", options.plan.repeat, "run everything so many times")->check(CLI::Range(1, 1'000'000));
  app.add_option("--seed", options.plan.seed, "of whatever is left to chance");
  app.add_option("--format", options.format, "of the report")->check(CLI::IsMember({"tap", "junit"}));
  app.add_option("--traces", options.plan.traces, "a directory for the traces of cases that fail");
  app.add_option("--replay", options.replay, "run the case of that trace again, and compare what was done");
  app.add_option("--patience", options.patience_ms, "milliseconds until what must come counts as missing");
  app.add_option("--silence", options.silence_ms, "milliseconds until what must not come counts as not coming");
  app.add_option("--race", options.race_ms, "milliseconds for which what depends on chance is tried");
  app.add_option("--device", options.device, "as frontend: which of the guest's vTPMs");
  app.add_option("--domain", options.frontend.domain, "as backend: the guest; else the first that waits for a backend");
  app.add_option("--create", options.frontend.create, "as backend: makes the guest and its device");
  app.add_option("--start", options.frontend.start, "as backend: starts the frontend; $DOMID, $SOCKET");
  app.add_option("--stop", options.frontend.stop, "as backend: ends it; by default a signal to what --start started");
  app.add_option("--send", options.frontend.send,
                 "as backend: sends $1, in hex, through the frontend, and prints the answer; by default over $SOCKET");
  app.add_option("--cancels", options.frontend.cancels_after_s,
                 "as backend: the frontend cancels a command after so many seconds");
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  if (options.list) {
    if (options.markdown) {
      std::cout << "# The cases of vtpm-ringtest\n\nPrinted by `vtpm-ringtest --list --markdown`; how to use them: "
                   "[ring-testing.md](ring-testing.md).\n";
    }
    if (options.role != "backend") list(all_front_cases(), "frontend", options.markdown);
    if (options.role != "frontend") list(all_back_cases(), "backend", options.markdown);
    return 0;
  }
  if (options.role.empty() && options.replay.empty()) {
    std::cerr << "vtpm-ringtest: frontend or backend? see --help\n";
    return kMisused;
  }
  return run(options);
}
