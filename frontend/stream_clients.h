// SPDX-License-Identifier: MIT
// StreamClients: the raw byte stream of commands, one client after the other.
#pragma once

#include "frontend/clients.h"
#include "frontend/stream.h"

namespace frontend {

class StreamClients : public Clients {
 public:
  // "unix:PATH" or "tcp:HOST:PORT". EINVAL for anything else.
  static xen::Result<std::unique_ptr<StreamClients>> listen(const std::string& address);

  int fd() const override { return client_ ? client_.get() : listening_.get(); }
  xen::Result<> serve(Session& session) override;

 private:
  explicit StreamClients(Fd listening) : listening_(std::move(listening)) {}
  bool answer(base::View response) const;
  void hang_up() { client_ = Fd(); }

  Fd listening_, client_;
  Reassembly stream_;
};

}  // namespace frontend
