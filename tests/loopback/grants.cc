// SPDX-License-Identifier: MIT
#include "tests/loopback/grants.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "tests/loopback/protocol.h"

namespace loopback {
namespace {
constexpr uint32_t kFirstRef = 8;   // Xen reserves the ones below
constexpr size_t kMaxRefs = 16384;  // of one domain
}  // namespace

GrantRef GrantTables::free_ref(DomId domain, const std::vector<GrantRef>& taken) const {
  uint32_t ref = kFirstRef;
  if (!taken.empty()) ref = raw(taken.back()) + 1;
  while (grants_.contains({domain, GrantRef(ref)})) ref++;
  return GrantRef(ref);
}

Result<> GrantTables::hold(DomId domain, const EndNotice& at_end) {
  if (at_end.signal) TRY(ports_.hold(domain, *at_end.signal));
  return {};
}

void GrantTables::settle(DomId domain, const EndNotice& at_end, const Region& region, uint32_t first_byte) {
  if (at_end.clear_byte) {
    char zero = 0;
    static_cast<void>(!pwrite(region.memory.get(), &zero, 1, static_cast<off_t>(first_byte) + *at_end.clear_byte));
  }
  if (at_end.signal) ports_.settle(domain, *at_end.signal);
}

Result<GrantTables::Share> GrantTables::share(Holder sharer, DomId with, uint32_t n_pages, bool writable,
                                              EndNotice at_end) {
  TRY(require(n_pages > 0 && n_pages <= kMaxPages, EINVAL));
  TRY(require(!at_end.clear_byte || *at_end.clear_byte < n_pages * kPageSize, EINVAL));
  auto owned =
      std::count_if(grants_.begin(), grants_.end(), [&](auto& grant) { return grant.first.first == sharer.domain; });
  TRY(require(static_cast<size_t>(owned) + n_pages <= kMaxRefs, ENOSPC));
  Fd memory(memfd_create("xen-grant", MFD_CLOEXEC));
  if (!memory.open() || ftruncate(memory.get(), static_cast<off_t>(n_pages * kPageSize)) != 0) return last_error();
  TRY(hold(sharer.domain, at_end));

  auto region = std::make_shared<Region>(Region{sharer, with, writable, std::move(memory), {}, at_end});
  for (uint32_t page = 0; page < n_pages; page++) region->refs.push_back(free_ref(sharer.domain, region->refs));
  for (uint32_t page = 0; page < n_pages; page++) grants_[{sharer.domain, region->refs[page]}] = {region, page};
  return Share{region->refs, region->memory.get()};
}

void GrantTables::end(std::shared_ptr<Region> region, bool notify) {
  for (GrantRef ref : region->refs) grants_.erase({region->sharer.domain, ref});
  if (notify) settle(region->sharer.domain, region->at_end, *region, 0);
}

Result<> GrantTables::unshare(Holder sharer, GrantRef first) {
  auto at = grants_.find({sharer.domain, first});
  TRY(require(at != grants_.end() && at->second.page == 0 && at->second.region->sharer.process == sharer.process,
              EINVAL));
  end(at->second.region, true);
  return {};
}

Result<GrantTables::Mapped> GrantTables::map(Holder mapper, DomId sharer, GrantRef ref, bool writable,
                                             EndNotice at_end) {
  auto at = grants_.find({sharer, ref});
  TRY(require(at != grants_.end(), EINVAL));
  const std::shared_ptr<Region>& region = at->second.region;
  TRY(require(region->with == mapper.domain && (region->writable || !writable), EINVAL));
  TRY(require(!at_end.clear_byte || (writable && *at_end.clear_byte < kPageSize), EINVAL));

  std::string self = "/proc/self/fd/" + std::to_string(region->memory.get());
  Fd memory(open(self.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (!memory.open()) return last_error();
  TRY(hold(mapper.domain, at_end));
  uint32_t id = next_mapping_++;
  uint32_t page = at->second.page;
  mappings_[id] = {mapper, region, page, at_end};
  return Mapped{id, std::move(memory), static_cast<uint32_t>(page * kPageSize)};
}

Result<> GrantTables::unmap(Holder mapper, uint32_t id) {
  auto at = mappings_.find(id);
  TRY(require(at != mappings_.end() && at->second.mapper.process == mapper.process, EINVAL));
  Mapping mapping = std::move(at->second);
  mappings_.erase(at);
  settle(mapping.mapper.domain, mapping.at_end, *mapping.region, static_cast<uint32_t>(mapping.page * kPageSize));
  return {};
}

void GrantTables::process_gone(ProcessId process) {
  std::vector<uint32_t> mapped;
  for (const auto& [id, mapping] : mappings_) {
    if (mapping.mapper.process == process) mapped.push_back(id);
  }
  for (uint32_t id : mapped) static_cast<void>(unmap({kDom0, process}, id).ok());
  std::set<std::shared_ptr<Region>> shared;
  for (const auto& [key, grant] : grants_) {
    if (grant.region->sharer.process == process) shared.insert(grant.region);
  }
  for (const auto& region : shared) end(region, true);
}

void GrantTables::domain_gone(DomId domain) {
  std::set<std::shared_ptr<Region>> shared;
  for (const auto& [key, grant] : grants_) {
    if (key.first == domain) shared.insert(grant.region);
  }
  for (const auto& region : shared) end(region, false);  // no kernel is left that could clear or signal anything
  std::erase_if(mappings_, [domain](const auto& mapping) { return mapping.second.mapper.domain == domain; });
}

bool GrantTables::mapped_by_others(DomId domain) const {
  return std::any_of(mappings_.begin(), mappings_.end(), [domain](const auto& mapping) {
    return mapping.second.region->sharer.domain == domain && mapping.second.mapper.domain != domain;
  });
}

}  // namespace loopback
