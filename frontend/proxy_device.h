// SPDX-License-Identifier: MIT
// ProxyDevice: /dev/tpmN, made through /dev/vtpmx (Linux, Documentation/security/tpm/tpm_vtpm_proxy.rst). It goes when
// this does.
#pragma once

#include "frontend/clients.h"
#include "frontend/stream.h"

namespace frontend {

class ProxyDevice : public Clients {
 public:
  // ENOENT: the module tpm_vtpm_proxy is not there. The kernel asks the TPM before the device appears: serve() soon.
  static xen::Result<std::unique_ptr<ProxyDevice>> make();

  const std::string& name() const { return name_; }
  int fd() const override { return fd_.get(); }
  xen::Result<> serve(Session& session) override;

 private:
  ProxyDevice(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  base::Bytes answer(base::View command, Session& session);

  Fd fd_;
  std::string name_;
  uint8_t locality_ = 0;
};

}  // namespace frontend
