// SPDX-License-Identifier: MIT
// StreamClients: the raw byte stream of commands, one client after the other.
#pragma once

#include "frontend/clients.h"
#include "frontend/stream.h"

namespace frontend {

class StreamClients : public Clients {
 public:
  // "unix:PATH" or "tcp:HOST:PORT", for commands of at most so many bytes. EINVAL for anything else.
  static xen::Result<std::unique_ptr<StreamClients>> listen(const std::string& address, size_t most);

  int fd() const override { return client_ ? client_.get() : listening_.get(); }
  xen::Result<> serve(Session& session) override;

 private:
  StreamClients(Fd listening, size_t most) : listening_(std::move(listening)), most_(most), stream_(most) {}
  bool answer(base::View response) const;
  void hang_up() { client_ = Fd(); }

  Fd listening_, client_;
  size_t most_;
  Reassembly stream_;
};

}  // namespace frontend
