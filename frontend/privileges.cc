// SPDX-License-Identifier: MIT
#include "frontend/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>

namespace frontend {

xen::Result<> become(const std::string& user) {
  errno = 0;
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) return xen::SysError{errno == 0 ? ENOENT : errno, "find the user of --user"};
  uid_t uid = entry->pw_uid;
  gid_t gid = entry->pw_gid;
  if (initgroups(user.c_str(), gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
    return xen::failed("become the user of --user");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return xen::failed("give up new privileges");
  // Without them a backend that comes back, or a resume, would find this process helpless: better told now.
  for (const char* device : {"/dev/xen/evtchn", "/dev/xen/gntalloc"}) {
    if (access(device, F_OK) == 0 && access(device, R_OK | W_OK) < 0) {
      return xen::failed("use /dev/xen/evtchn and /dev/xen/gntalloc as the user of --user: give them to its group");
    }
  }
  return {};
}

}  // namespace frontend
