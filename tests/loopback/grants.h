// SPDX-License-Identifier: MIT
// The grant tables of all domains: which pages are shared with whom, and who has mapped them. A page is a memfd's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "tests/loopback/types.h"

namespace loopback {

// What happens to a page when its sharer or mapper lets go of it, however that comes about.
struct EndNotice {
  std::optional<uint32_t> clear_byte;
  std::optional<Port> signal;
};

class GrantTables {
 public:
  using ProcessId = uint64_t;
  struct Holder {
    DomId domain;
    ProcessId process;
  };
  // A port kept for a notice must outlive its handle: `hold` keeps it, `settle` signals and lets it go.
  struct Ports {
    std::function<Result<>(DomId, Port)> hold;
    std::function<void(DomId, Port)> settle;
  };
  struct Share {
    std::vector<GrantRef> refs;
    int memory;
  };
  struct Mapped {
    uint32_t id;
    Fd memory;  // opened for reading only when the grant says so
    uint32_t offset;
  };

  explicit GrantTables(Ports ports) : ports_(std::move(ports)) {}

  Result<Share> share(Holder sharer, DomId with, uint32_t n_pages, bool writable, EndNotice at_end);
  Result<> unshare(Holder sharer, GrantRef first);
  Result<Mapped> map(Holder mapper, DomId sharer, GrantRef ref, bool writable, EndNotice at_end);
  Result<> unmap(Holder mapper, uint32_t id);

  void process_gone(ProcessId process);
  void domain_gone(DomId domain);
  // A dead domain stays until nobody has its pages mapped.
  bool mapped_by_others(DomId domain) const;

 private:
  struct Region {
    Holder sharer;
    DomId with;
    bool writable;
    Fd memory;
    std::vector<GrantRef> refs;
    EndNotice at_end;
  };
  struct Grant {
    std::shared_ptr<Region> region;
    uint32_t page;
  };
  struct Mapping {
    Holder mapper;
    std::shared_ptr<Region> region;
    uint32_t page;
    EndNotice at_end;
  };
  using Key = std::pair<DomId, GrantRef>;

  GrantRef free_ref(DomId domain, const std::vector<GrantRef>& taken) const;
  Result<> hold(DomId domain, const EndNotice& at_end);
  void settle(DomId domain, const EndNotice& at_end, const Region& region, uint32_t first_byte);
  void end(std::shared_ptr<Region> region, bool notify);

  Ports ports_;
  std::map<Key, Grant> grants_;
  std::map<uint32_t, Mapping> mappings_;
  uint32_t next_mapping_ = 1;
};

}  // namespace loopback
