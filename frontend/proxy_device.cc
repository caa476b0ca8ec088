// SPDX-License-Identifier: MIT
#include "frontend/proxy_device.h"

#include <fcntl.h>
#include <linux/vtpm_proxy.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "lib/base/log.h"

namespace frontend {

namespace {

// What the kernel's driver tells in the form of a command: the locality of those that follow. Programs cannot send it.
constexpr std::array<uint8_t, 10> kSetLocality = {0x00, 0xc1, 0x00, 0x00, 0x00, 0x0b, 0x20, 0x00, 0x10, 0x00};

bool sets_locality(base::View command) {
  return command.size() == kSetLocality.size() + 1 &&
         std::equal(kSetLocality.begin(), kSetLocality.end(), command.begin());
}

}  // namespace

xen::Result<std::unique_ptr<ProxyDevice>> ProxyDevice::make() {
  Fd control(open("/dev/vtpmx", O_RDWR | O_CLOEXEC));
  if (!control) return xen::failed("open /dev/vtpmx (is the module tpm_vtpm_proxy loaded?)");
  vtpm_proxy_new_dev made{};
  if (ioctl(control.get(), VTPM_PROXY_IOC_NEW_DEV, &made) < 0) return xen::failed("make a TPM device");
  Fd fd(static_cast<int>(made.fd));
  if (fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) return xen::failed("make a TPM device");
  return std::unique_ptr<ProxyDevice>(new ProxyDevice(std::move(fd), "/dev/tpm" + std::to_string(made.tpm_num)));
}

xen::Result<> ProxyDevice::serve(Session& session) {
  std::array<uint8_t, xen::kPageBytes> command{};
  ssize_t n = read(fd_.get(), command.data(), command.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  // The kernel has taken the device away, or could not make it.
  if (n <= 0) return n < 0 ? xen::failed("take a command from the TPM device") : xen::SysError{EPIPE, "take a command"};
  base::Bytes response = answer({command.data(), static_cast<size_t>(n)}, session);
  // Whoever asked may have given up meanwhile.
  if (write(fd_.get(), response.data(), response.size()) < 0) {
    base::log(base::Level::Warning, xen::failed("answer through the TPM device").text());
  }
  return {};
}

base::Bytes ProxyDevice::answer(base::View command, Session& session) {
  if (!sets_locality(command)) return session.execute(command, locality_);
  locality_ = command.back();
  return error_response(0);
}

}  // namespace frontend
