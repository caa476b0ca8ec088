// SPDX-License-Identifier: MIT
// libxengnttab on the loopback: granted pages are memfds. Once mapped, access to a page is plain shared memory; a
// mapping outlives its handle, and ends with xengnttab_unmap, or with the process.
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

extern "C" {
#include <xengnttab.h>
}

#include "tests/loopback/preload/connection.h"

namespace {

using loopback::kPageSize;
using loopback::Op;
using loopback::Reply;
using loopback::Request;

struct Region {
  uint32_t n_pages = 0;
  std::vector<uint32_t> ids;  // of the mappings, or the first reference of a share
};

}  // namespace

struct xengntdev_handle {
  loopback::Connection machine;
  std::mutex lock;
  std::map<void*, Region> regions;
};

namespace {

xengntdev_handle* open_handle() {
  auto* handle = new (std::nothrow) xengntdev_handle;
  if (handle == nullptr || handle->machine.open()) return handle;
  delete handle;
  return nullptr;
}

void* reserve(uint32_t n_pages) {
  void* at = mmap(nullptr, n_pages * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

void* page_at(void* start, uint32_t page) { return static_cast<char*>(start) + page * kPageSize; }

int unmap_id(xengntdev_handle* handle, uint32_t id) {
  Request request = loopback::request(Op::Unmap);
  request.a = id;
  return handle->machine.call(request);
}

// Maps one granted page over the reserved address. The mapping's id, or 0 with errno.
uint32_t map_page(xengntdev_handle* handle, Request request, int prot, void* at) {
  Reply reply;
  int fds[2];
  if (handle->machine.call(request, -1, reply, fds) != 0) return 0;
  void* mapped = mmap(at, kPageSize, prot, MAP_SHARED | MAP_FIXED, fds[0], reply.b);
  int failure = errno;
  close(fds[0]);
  if (mapped != MAP_FAILED) return reply.a;
  unmap_id(handle, reply.a);
  errno = failure;
  return 0;
}

void* map_pages(xengntdev_handle* handle, uint32_t count, const uint32_t* domids, size_t stride, const uint32_t* refs,
                int prot, uint32_t notify_offset, evtchn_port_t notify_port) {
  if (count == 0) {
    errno = EINVAL;
    return nullptr;
  }
  void* start = reserve(count);
  if (start == nullptr) return nullptr;
  Region region{.n_pages = count, .ids = {}};
  for (uint32_t page = 0; page < count; page++) {
    Request request = loopback::request(Op::Map);
    request.domain = domids[page * stride];
    request.a = refs[page];
    request.writable = (prot & PROT_WRITE) != 0;
    // The notice belongs to the region; the page that holds the byte carries it.
    bool carries = notify_offset / kPageSize == page || (notify_offset >= count * kPageSize && page == 0);
    if (carries && notify_offset < count * kPageSize) request.notify_offset = notify_offset % kPageSize;
    if (carries) request.notify_port = notify_port;
    uint32_t id = map_page(handle, request, prot, page_at(start, page));
    if (id == 0) {
      int failure = errno;
      for (uint32_t mapped : region.ids) unmap_id(handle, mapped);
      munmap(start, count * kPageSize);
      errno = failure;
      return nullptr;
    }
    region.ids.push_back(id);
  }
  std::lock_guard lock(handle->lock);
  handle->regions[start] = std::move(region);
  return start;
}

// Forgets the region that starts there; -1 with EINVAL when there is none of that size.
int forget(xengntdev_handle* handle, void* start, uint32_t count, Region& region) {
  std::lock_guard lock(handle->lock);
  auto at = handle->regions.find(start);
  if (at == handle->regions.end() || at->second.n_pages != count) {
    errno = EINVAL;
    return -1;
  }
  region = std::move(at->second);
  handle->regions.erase(at);
  return munmap(start, count * kPageSize);
}

void* share(xengntdev_handle* handle, uint32_t domid, uint32_t count, uint32_t* refs, int writable,
            uint32_t notify_offset, evtchn_port_t notify_port) {
  Request request = loopback::request(Op::Share);
  request.domain = domid;
  request.a = count;
  request.writable = writable != 0;
  if (notify_offset < count * kPageSize) request.notify_offset = notify_offset;
  request.notify_port = notify_port;
  Reply reply;
  int fds[2];
  if (handle->machine.call(request, -1, reply, fds, refs, count * sizeof(uint32_t)) != 0) return nullptr;
  void* start = mmap(nullptr, count * kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
  close(fds[0]);
  if (start == MAP_FAILED) return nullptr;
  std::lock_guard lock(handle->lock);
  handle->regions[start] = {.n_pages = count, .ids = {refs[0]}};
  return start;
}

// One segment of a copy: both of its ends are made addressable, whatever they are.
class CopyEnd {
 public:
  CopyEnd(xengntdev_handle* handle, const xengnttab_grant_copy_segment::xengnttab_copy_ptr& end, bool foreign, int prot)
      : handle_(handle) {
    if (!foreign) {
      at_ = static_cast<char*>(end.virt);
      return;
    }
    uint32_t domid = end.foreign.domid;
    page_ = map_pages(handle, 1, &domid, 0, &end.foreign.ref, prot, loopback::kNoOffset, loopback::kNoPort);
    if (page_ != nullptr) at_ = static_cast<char*>(page_) + end.foreign.offset;
  }
  ~CopyEnd() {
    if (page_ != nullptr) xengnttab_unmap(handle_, page_, 1);
  }
  CopyEnd(const CopyEnd&) = delete;
  CopyEnd& operator=(const CopyEnd&) = delete;
  char* at() const { return at_; }

 private:
  xengntdev_handle* handle_;
  void* page_ = nullptr;
  char* at_ = nullptr;
};

int16_t copy_segment(xengntdev_handle* handle, const xengnttab_grant_copy_segment_t& segment) {
  bool from_foreign = (segment.flags & GNTCOPY_source_gref) != 0;
  bool to_foreign = (segment.flags & GNTCOPY_dest_gref) != 0;
  bool fits = (!from_foreign || segment.source.foreign.offset + segment.len <= static_cast<int>(kPageSize)) &&
              (!to_foreign || segment.dest.foreign.offset + segment.len <= static_cast<int>(kPageSize));
  if (!fits) return GNTST_bad_copy_arg;
  CopyEnd source(handle, segment.source, from_foreign, PROT_READ);
  CopyEnd dest(handle, segment.dest, to_foreign, PROT_READ | PROT_WRITE);
  if (source.at() == nullptr || dest.at() == nullptr) return GNTST_bad_gntref;
  memmove(dest.at(), source.at(), segment.len);
  return GNTST_okay;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

xengnttab_handle* xengnttab_open(struct xentoollog_logger*, unsigned) { return open_handle(); }
xengntshr_handle* xengntshr_open(struct xentoollog_logger*, unsigned) { return open_handle(); }

int xengnttab_close(xengnttab_handle* handle) {
  delete handle;
  return 0;
}
int xengntshr_close(xengntshr_handle* handle) { return xengnttab_close(handle); }

int xengnttab_fd(xengnttab_handle* handle) { return handle->machine.fd(); }
int xengntshr_fd(xengntshr_handle* handle) { return handle->machine.fd(); }

int xengnttab_set_max_grants(xengnttab_handle*, uint32_t) { return 0; }

void* xengnttab_map_grant_ref(xengnttab_handle* handle, uint32_t domid, uint32_t ref, int prot) {
  return map_pages(handle, 1, &domid, 0, &ref, prot, loopback::kNoOffset, loopback::kNoPort);
}
void* xengnttab_map_grant_refs(xengnttab_handle* handle, uint32_t count, uint32_t* domids, uint32_t* refs, int prot) {
  return map_pages(handle, count, domids, 1, refs, prot, loopback::kNoOffset, loopback::kNoPort);
}
void* xengnttab_map_domain_grant_refs(xengnttab_handle* handle, uint32_t count, uint32_t domid, uint32_t* refs,
                                      int prot) {
  return map_pages(handle, count, &domid, 0, refs, prot, loopback::kNoOffset, loopback::kNoPort);
}
void* xengnttab_map_grant_ref_notify(xengnttab_handle* handle, uint32_t domid, uint32_t ref, int prot,
                                     uint32_t notify_offset, evtchn_port_t notify_port) {
  return map_pages(handle, 1, &domid, 0, &ref, prot, notify_offset, notify_port);
}

int xengnttab_unmap(xengnttab_handle* handle, void* start, uint32_t count) {
  Region region;
  if (forget(handle, start, count, region) != 0) return -1;
  for (uint32_t id : region.ids) unmap_id(handle, id);
  return 0;
}

int xengnttab_grant_copy(xengnttab_handle* handle, uint32_t count, xengnttab_grant_copy_segment_t* segments) {
  for (uint32_t i = 0; i < count; i++) segments[i].status = copy_segment(handle, segments[i]);
  return 0;
}

void* xengntshr_share_pages(xengntshr_handle* handle, uint32_t domid, int count, uint32_t* refs, int writable) {
  if (count <= 0) {
    errno = EINVAL;
    return nullptr;
  }
  return share(handle, domid, static_cast<uint32_t>(count), refs, writable, loopback::kNoOffset, loopback::kNoPort);
}

void* xengntshr_share_page_notify(xengntshr_handle* handle, uint32_t domid, uint32_t* ref, int writable,
                                  uint32_t notify_offset, evtchn_port_t notify_port) {
  return share(handle, domid, 1, ref, writable, notify_offset, notify_port);
}

int xengntshr_unshare(xengntshr_handle* handle, void* start, uint32_t count) {
  Region region;
  if (forget(handle, start, count, region) != 0) return -1;
  Request request = loopback::request(Op::Unshare);
  request.a = region.ids.front();
  return handle->machine.call(request);
}

}  // extern "C"
#pragma GCC visibility pop
