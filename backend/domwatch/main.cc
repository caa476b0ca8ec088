// SPDX-License-Identifier: MIT
// vtpm-domwatch: in dom0, tells backends in driver domains what only dom0 may ask the hypervisor.
#include <poll.h>
#include <seccomp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "backend/domwatch/watcher.h"
#include "backend/worker/lockdown.h"
#include "lib/base/log.h"
#include "lib/base/version.h"
#include "xenstore-schema/vtpm.h"

namespace backend {
namespace {

constexpr int kLookAgainMs = 50;
constexpr Allowed kAllowed[] = {
#include "backend/domwatch/syscalls.inc"
};

int fail(const std::string& text) {
  base::log(base::Level::Error, text);
  return 1;
}

// Every change is a reason to look at everything: the answer is what stands, not what happened.
xen::Result<> drain(const xen::Store& store) {
  while (TRY(store.next_event())) {
  }
  return {};
}

int watch(uid_t uid, gid_t gid) {
  auto store = xen::Store::open();
  if (!store.ok()) return fail(store.error().text() + ": is xenstored running?");
  auto domains = xen::Domains::open();
  if (!domains.ok()) return fail(domains.error().text() + ": vtpm-domwatch runs in dom0");
  std::vector<xen::Watch> watches;
  std::vector<xen::Path> signs = domains.value().signs();
  signs.push_back(schema::records::dir());
  for (const xen::Path& sign : signs) {
    auto set = store.value().watch(sign, "look");
    if (!set.ok()) return fail(set.error().text());
    watches.push_back(std::move(set).take());
  }
  // The first question for it makes a pipe.
  const int changes = store.value().fd();
  bool real = ::access("/proc/xen/capabilities", F_OK) == 0;
  auto confined = lock_down({uid, gid, real ? Where::Xen : Where::Loopback}, kAllowed);
  if (!confined.ok()) return fail(confined.error().text());
  Watcher watcher(store.value(), domains.value());
  auto looked = watcher.begin();
  base::log(base::Level::Info, "watching");
  while (looked.ok()) {
    pollfd events{changes, POLLIN, 0};
    ::poll(&events, 1, watcher.must_look_again() ? kLookAgainMs : -1);
    looked = drain(store.value());
    if (looked.ok()) looked = watcher.look();
  }
  return fail(looked.error().text());
}

}  // namespace
}  // namespace backend

int main(int argc, char** argv) {
  constexpr uid_t kNobody = 65534;
  uid_t uid = kNobody;
  int log_level = static_cast<int>(base::Level::Info);
  CLI::App app{"Tells vTPM managers in driver domains what only dom0 may ask the hypervisor.", "vtpm-domwatch"};
  app.add_option("--uid", uid, "the user and group it becomes when it has opened what it needs")->capture_default_str();
  app.add_option("--log-level", log_level, "3 errors, 4 warnings, 5 notices, 6 information, 7 everything")
      ->check(CLI::Range(3, 7))
      ->capture_default_str();
  app.set_version_flag("--version", std::string(base::kVersion));
  CLI11_PARSE(app, argc, argv);
  base::log_name("vtpm-domwatch");
  base::log_level(static_cast<base::Level>(log_level));
  return backend::watch(uid, uid);
}
