// SPDX-License-Identifier: MIT
#include "tests/loopback/environment.h"

#include <cstdlib>
#include <filesystem>

namespace loopback {
namespace {

// A sanitizer's runtime must come first in a process; its builds link the library instead.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPreload = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kPreload = false;
#else
constexpr bool kPreload = true;
#endif
#else
constexpr bool kPreload = true;
#endif

std::string library_beside_this_program() {
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::filesystem::path library = self.parent_path().parent_path() / "lib" / "libxen-loopback.so";
  return kPreload && std::filesystem::exists(library, error) ? library.string() : "";
}

// What is already preloaded stays; ours is there once.
std::string preload_list() {
  const char* set = getenv("LD_PRELOAD");
  std::string list = set == nullptr ? "" : set;
  std::string library = library_beside_this_program();
  if (library.empty() || list.find(library) != std::string::npos) return list;
  return list.empty() ? library : library + ":" + list;
}

}  // namespace

Environment environment_of(const std::string& directory, DomId domain) {
  std::string sockets = directory;
  if (domain != kDom0) sockets += "/domains/" + std::to_string(raw(domain));
  Environment environment = {{"XEN_LOOPBACK_DIR", directory},
                             {"XEN_LOOPBACK_DOMID", std::to_string(raw(domain))},
                             {"XEN_LOOPBACK_SOCKET", sockets + "/loopback"},
                             {"XENSTORED_PATH", sockets + "/xenstored"}};
  std::string preload = preload_list();
  if (!preload.empty()) environment["LD_PRELOAD"] = preload;
  return environment;
}

void enter(const Environment& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace loopback
