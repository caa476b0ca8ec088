// SPDX-License-Identifier: MIT
// Pages shared between domains: GrantMapping is somebody else's page in our memory, GrantShare one of ours in theirs,
// GrantCopy moves bytes without mapping anything.
#pragma once

extern "C" {
#include <xengnttab.h>
}

#include <span>
#include <vector>

#include "lib/base/foreign_bytes.h"
#include "lib/xen/handle.h"

namespace xen {

inline constexpr size_t kPageBytes = 4096;

// The grant device, consuming side.
class Gnttab {
 public:
  static Result<Gnttab> open();

 private:
  friend class GrantMapping;
  using Device = Handle<xengnttab_handle, xengnttab_close>;
  explicit Gnttab(Device device) : device_(std::move(device)) {}

  Device device_;
};

// Pages of another domain, one behind the other, mapped for reading and writing until this dies.
class GrantMapping {
 public:
  // Takes the device along: the kernel keeps a mapping made through it until both are gone.
  static Result<GrantMapping> map(Gnttab gnttab, DomId domain, std::span<const GrantRef> refs);
  static Result<GrantMapping> map(Gnttab gnttab, DomId domain, GrantRef ref) {
    return map(std::move(gnttab), domain, std::span(&ref, 1));
  }
  GrantMapping(GrantMapping&& from) noexcept
      : gnttab_(std::move(from.gnttab_)), memory_(std::exchange(from.memory_, {})) {}
  GrantMapping& operator=(GrantMapping&&) = delete;
  ~GrantMapping();

  base::ForeignBytes bytes() const { return base::ForeignBytes(memory_); }
  // After this nothing more can be mapped through the device; the mapping stands.
  void close_device() { gnttab_.device_.reset(); }

 private:
  GrantMapping(Gnttab gnttab, std::span<uint8_t> memory) : gnttab_(std::move(gnttab)), memory_(memory) {}

  Gnttab gnttab_;
  std::span<uint8_t> memory_;
};

// Copies to and from pages that one domain has granted to this one.
class GrantCopy {
 public:
  static Result<GrantCopy> open(DomId domain);
  // False: the domain has not granted that, or not all of it.
  Result<bool> from(GrantRef ref, uint16_t offset, std::span<uint8_t> to) const;
  Result<bool> to(GrantRef ref, uint16_t offset, std::span<uint8_t> from) const;
  int fd() const { return xengnttab_fd(device_.get()); }

 private:
  using Device = Handle<xengnttab_handle, xengnttab_close>;
  GrantCopy(Device device, DomId domain) : device_(std::move(device)), domain_(domain) {}
  Result<bool> copy(xengnttab_grant_copy_segment_t segment) const;

  Device device_;
  DomId domain_;
};

// One page of ours that another domain may map and write.
class GrantShare {
 public:
  // When this process dies without saying so, the kernel zeroes the byte at `zeroed_on_death`.
  static Result<GrantShare> share(DomId with, size_t zeroed_on_death);
  // The same without anything being zeroed.
  static Result<GrantShare> share(DomId with);
  GrantShare(GrantShare&& from) noexcept
      : device_(std::move(from.device_)), memory_(std::exchange(from.memory_, {})), ref_(from.ref_) {}
  GrantShare& operator=(GrantShare&&) = delete;
  ~GrantShare();

  base::ForeignBytes bytes() const { return base::ForeignBytes(memory_); }
  GrantRef ref() const { return ref_; }

 private:
  using Device = Handle<xengntshr_handle, xengntshr_close>;
  GrantShare(Device device, std::span<uint8_t> memory, GrantRef ref)
      : device_(std::move(device)), memory_(memory), ref_(ref) {}

  Device device_;
  std::span<uint8_t> memory_;
  GrantRef ref_;
};

// Pages of ours, one behind the other, that another domain may map and write.
class GrantArea {
 public:
  static Result<GrantArea> share(DomId with, size_t n_pages);
  GrantArea(GrantArea&& from) noexcept
      : device_(std::move(from.device_)), memory_(std::exchange(from.memory_, {})), refs_(std::move(from.refs_)) {}
  GrantArea& operator=(GrantArea&&) = delete;
  ~GrantArea();

  base::ForeignBytes bytes() const { return base::ForeignBytes(memory_); }
  const std::vector<GrantRef>& refs() const { return refs_; }

 private:
  using Device = Handle<xengntshr_handle, xengntshr_close>;
  GrantArea(Device device, std::span<uint8_t> memory, std::vector<GrantRef> refs)
      : device_(std::move(device)), memory_(memory), refs_(std::move(refs)) {}

  Device device_;
  std::span<uint8_t> memory_;
  std::vector<GrantRef> refs_;
};

}  // namespace xen
