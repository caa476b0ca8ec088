// SPDX-License-Identifier: MIT
#include "backend/worker/lockdown.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "lib/base/log.h"

namespace backend {

namespace {

using xen::failed;
using xen::Result;

constexpr Allowed kAllowed[] = {
#include "backend/worker/syscalls.inc"
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

Result<> limit(decltype(RLIMIT_CORE) what, rlim_t most) {
  const rlimit limits{most, most};
  if (setrlimit(what, &limits) < 0) return failed("limit resources");
  return {};
}

// An empty root that cannot be written: a file system of our own, mounted where only we see it.
Result<> leave_file_system() {
  constexpr const char* kAnyDirectory = "/dev";
  if (unshare(CLONE_NEWNS) < 0) return failed("leave the mount namespace");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return failed("make mounts private");
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (mount("none", kAnyDirectory, "tmpfs", kFlags, "size=4k,nr_inodes=2,mode=0") < 0)
    return failed("mount an empty root");
  if (chdir(kAnyDirectory) < 0 || chroot(".") < 0 || chdir("/") < 0) return failed("change root");
  return {};
}

Result<> drop_bounding_set() {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return failed("drop a capability for good");
  }
  return {};
}

Result<> change_ids(uid_t uid, gid_t gid) {
  if (setgroups(0, nullptr) < 0) return failed("drop groups");
  if (setresgid(gid, gid, gid) < 0) return failed("change group");
  if (setresuid(uid, uid, uid) < 0) return failed("change user");
  return {};
}

Result<> drop_capabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return failed("drop ambient capabilities");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (syscall(SYS_capset, &header, none.data()) < 0) return failed("drop capabilities");
  return {};
}

Result<> drop_privileges(const Confinement& confinement) {
  if (geteuid() != 0) {
    base::log(base::Level::Notice, "not root: keeps its user and its root directory");
    return drop_capabilities();
  }
  auto left = leave_file_system();
  // Containers may lack the right; the allow-list holds no call that takes a path.
  if (!left.ok()) base::log(base::Level::Notice, "keeps its root directory: " + left.error().text());
  TRY(drop_bounding_set());
  TRY(change_ids(confinement.uid, confinement.gid));
  return drop_capabilities();
}

Result<> limit_resources() {
  constexpr rlim_t kDescriptors = 64;
  TRY(limit(RLIMIT_CORE, 0));  // memory holds the instance's secrets
  TRY(limit(RLIMIT_NPROC, 0));
  TRY(limit(RLIMIT_NOFILE, kDescriptors));
  TRY(limit(RLIMIT_MSGQUEUE, 0));
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return failed("refuse to be dumped");
  return {};
}

bool applies(const Allowed& call, Where host) {
  return call.where == Where::Any || call.where == host || (call.where == Where::San && kSanitized);
}

// libseccomp returns the negative errno instead of setting it.
Result<> check(int result, const char* what) {
  if (result < 0) return xen::SysError{-result, what};
  return {};
}

Result<> allow(scmp_filter_ctx filter, const Allowed& call) {
  const scmp_arg_cmp condition{call.argument, SCMP_CMP_MASKED_EQ, call.mask, call.value};
  return check(seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call.number, call.conditional ? 1 : 0, &condition),
               "allow a system call");
}

Result<> filter_system_calls(Where host, std::span<const Allowed> calls) {
  struct Release {
    void operator()(void* filter) const { seccomp_release(filter); }
  };
  std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (filter == nullptr) return failed("make a system call filter");
  for (const Allowed& call : calls) {
    if (applies(call, host)) TRY(allow(filter.get(), call));
  }
  // A search tree instead of a list: the calls of the hot path are not all in front.
  TRY(check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "order the system call filter"));
  TRY(check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1), "filter the system calls of every thread"));
  return check(seccomp_load(filter.get()), "load the system call filter");
}

}  // namespace

Result<> lock_down(const Confinement& confinement) { return lock_down(confinement, kAllowed); }

Result<> lock_down(const Confinement& confinement, std::span<const Allowed> calls) {
  TRY(drop_privileges(confinement));
  TRY(limit_resources());
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return failed("renounce new privileges");
  return filter_system_calls(confinement.host, calls);
}

Result<Where> host_of(int device) {
  struct stat status {};
  if (fstat(device, &status) < 0) return failed("look at a device of Xen");
  return S_ISCHR(status.st_mode) ? Where::Xen : Where::Loopback;
}

}  // namespace backend
