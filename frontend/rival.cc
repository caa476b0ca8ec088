// SPDX-License-Identifier: MIT
#include "frontend/rival.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace frontend {

std::optional<std::string> kernel_driver_of(unsigned device) {
  std::string name = "vtpm-" + std::to_string(device);
  if (access(("/sys/bus/xen/drivers/vtpm/" + name).c_str(), F_OK) != 0) return std::nullopt;
  return "the kernel's driver xen-tpmfront has the device: use /dev/tpm0 as it is, or let it go with `echo " + name +
         " >/sys/bus/xen/drivers/vtpm/unbind` and unload the module";
}

xen::Result<Fd> lock_device(unsigned domain, unsigned device) {
  std::string name = "/run/vtpm-frontend-" + std::to_string(domain) + "-" + std::to_string(device) + ".lock";
  Fd lock(open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return xen::failed("lock the device");
  if (flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
    return xen::SysError{errno == EWOULDBLOCK ? EBUSY : errno, "lock the device: another vtpm-frontend drives it"};
  }
  return lock;
}

}  // namespace frontend
