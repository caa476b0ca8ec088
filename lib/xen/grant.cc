// SPDX-License-Identifier: MIT
#include "lib/xen/grant.h"

#include <sys/mman.h>

namespace xen {

Result<Gnttab> Gnttab::open() {
  Device device(xengnttab_open(nullptr, 0));
  if (device == nullptr) return failed("open grant device");
  return Gnttab(std::move(device));
}

Result<GrantMapping> GrantMapping::map(Gnttab gnttab, DomId domain, std::span<const GrantRef> refs) {
  std::vector<uint32_t> numbers;
  for (GrantRef ref : refs) numbers.push_back(static_cast<uint32_t>(ref));
  void* at = xengnttab_map_domain_grant_refs(gnttab.device_.get(), static_cast<uint32_t>(numbers.size()),
                                             static_cast<uint32_t>(domain), numbers.data(), PROT_READ | PROT_WRITE);
  if (at == nullptr) return failed("map grant");
  return GrantMapping(std::move(gnttab), {static_cast<uint8_t*>(at), kPageBytes * numbers.size()});
}

GrantMapping::~GrantMapping() {
  if (memory_.empty()) return;
  if (gnttab_.device_ != nullptr) {
    static_cast<void>(
        xengnttab_unmap(gnttab_.device_.get(), memory_.data(), static_cast<uint32_t>(memory_.size() / kPageBytes)));
  } else {
    static_cast<void>(munmap(memory_.data(), memory_.size()));
  }
}

Result<GrantCopy> GrantCopy::open(DomId domain) {
  Device device(xengnttab_open(nullptr, 0));
  if (device == nullptr) return failed("open grant device");
  return GrantCopy(std::move(device), domain);
}

Result<bool> GrantCopy::from(GrantRef ref, uint16_t offset, std::span<uint8_t> to) const {
  xengnttab_grant_copy_segment_t segment{};
  segment.source.foreign = {static_cast<uint32_t>(ref), offset, static_cast<uint16_t>(domain_)};
  segment.dest.virt = to.data();
  segment.len = static_cast<uint16_t>(to.size());
  segment.flags = GNTCOPY_source_gref;
  return copy(segment);
}

Result<bool> GrantCopy::to(GrantRef ref, uint16_t offset, std::span<uint8_t> from) const {
  xengnttab_grant_copy_segment_t segment{};
  segment.source.virt = from.data();
  segment.dest.foreign = {static_cast<uint32_t>(ref), offset, static_cast<uint16_t>(domain_)};
  segment.len = static_cast<uint16_t>(from.size());
  segment.flags = GNTCOPY_dest_gref;
  return copy(segment);
}

Result<bool> GrantCopy::copy(xengnttab_grant_copy_segment_t segment) const {
  if (xengnttab_grant_copy(device_.get(), 1, &segment) != 0) return failed("copy a granted page");
  return segment.status == GNTST_okay;
}

Result<GrantShare> GrantShare::share(DomId with, size_t zeroed_on_death) {
  Device device(xengntshr_open(nullptr, 0));
  if (device == nullptr) return failed("open grant sharing device");
  uint32_t ref = 0;
  constexpr auto kNoPort = static_cast<evtchn_port_t>(-1);
  void* at = xengntshr_share_page_notify(device.get(), static_cast<uint32_t>(with), &ref, 1,
                                         static_cast<uint32_t>(zeroed_on_death), kNoPort);
  if (at == nullptr) return failed("share page");
  return GrantShare(std::move(device), {static_cast<uint8_t*>(at), kPageBytes}, GrantRef{ref});
}

Result<GrantShare> GrantShare::share(DomId with) {
  Device device(xengntshr_open(nullptr, 0));
  if (device == nullptr) return failed("open grant sharing device");
  uint32_t ref = 0;
  void* at = xengntshr_share_pages(device.get(), static_cast<uint32_t>(with), 1, &ref, 1);
  if (at == nullptr) return failed("share page");
  return GrantShare(std::move(device), {static_cast<uint8_t*>(at), kPageBytes}, GrantRef{ref});
}

GrantShare::~GrantShare() {
  if (!memory_.empty()) static_cast<void>(xengntshr_unshare(device_.get(), memory_.data(), 1));
}

Result<GrantArea> GrantArea::share(DomId with, size_t n_pages) {
  Device device(xengntshr_open(nullptr, 0));
  if (device == nullptr) return failed("open grant sharing device");
  std::vector<uint32_t> numbers(n_pages);
  void* at =
      xengntshr_share_pages(device.get(), static_cast<uint32_t>(with), static_cast<int>(n_pages), numbers.data(), 1);
  if (at == nullptr) return failed("share pages");
  std::vector<GrantRef> refs;
  for (uint32_t number : numbers) refs.push_back(GrantRef{number});
  return GrantArea(std::move(device), {static_cast<uint8_t*>(at), kPageBytes * n_pages}, std::move(refs));
}

GrantArea::~GrantArea() {
  if (memory_.empty()) return;
  auto n_pages = static_cast<uint32_t>(memory_.size() / kPageBytes);
  static_cast<void>(xengntshr_unshare(device_.get(), memory_.data(), n_pages));
}

}  // namespace xen
