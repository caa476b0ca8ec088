// SPDX-License-Identifier: MIT
// A hostile frontend for SECONDS: rewrites the shared page without end, notifies without waiting, and offers a new ring
// whenever the backend has had enough. The stock driver must be unbound from the device.
//
//   ring_flood SECONDS
//
// Prints how many rings the backend joined and how often it was notified.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
}

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kBackendDomain = 0;
constexpr size_t kPageBytes = 4096, kRubbishBytes = 256, kStateAt = 4;
constexpr uint8_t kSubmit = 1;
const std::string kDevice = "device/vtpm/0/";

void require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::exit(1);
}

class Frontend {
 public:
  Frontend() : store_(xs_open(0)), shares_(xengntshr_open(nullptr, 0)), events_(xenevtchn_open(nullptr, 0)) {
    require(store_ && shares_ && events_, "open Xen's devices");
    backend_ = read(kDevice + "backend");
  }

  std::string backend_state() { return read(backend_ + "/state"); }

  void offer() {
    uint32_t ref = 0;
    page_ = static_cast<volatile uint8_t*>(xengntshr_share_page_notify(shares_, kBackendDomain, &ref, 1, kStateAt, -1));
    require(page_ != nullptr, "share a page");
    port_ = xenevtchn_bind_unbound_port(events_, kBackendDomain);
    require(port_ >= 0, "make an event channel");
    write("ring-ref", std::to_string(ref));
    write("event-channel", std::to_string(port_));
    write("feature-protocol-v2", "1");
    write("state", "3");
  }

  void withdraw() {
    write("state", "6");
    xenevtchn_unbind(events_, static_cast<evtchn_port_t>(port_));
    xengntshr_unshare(shares_, const_cast<uint8_t*>(page_), 1);
  }

  void annoy(std::mt19937& random) {
    for (size_t i = 0; i < kRubbishBytes; ++i) page_[i] = static_cast<uint8_t>(random());
    // Most states mean nothing; often enough it is a request, of a length that is often possible.
    if (random() % 4 != 0) page_[kStateAt] = kSubmit;
    if (random() % 2 != 0) {
      for (size_t i = 1; i < kStateAt; ++i) page_[i] = 0;
    }
    require(xenevtchn_notify(events_, static_cast<evtchn_port_t>(port_)) == 0, "notify");
  }

 private:
  std::string read(const std::string& path) {
    unsigned size = 0;
    char* text = static_cast<char*>(xs_read(store_, XBT_NULL, path.c_str(), &size));
    std::string copy(text ? text : "", text ? size : 0);
    std::free(text);
    return copy;
  }
  void write(const char* node, const std::string& text) {
    require(xs_write(store_, XBT_NULL, (kDevice + node).c_str(), text.data(), static_cast<unsigned>(text.size())),
            node);
  }

  xs_handle* store_;
  xengntshr_handle* shares_;
  xenevtchn_handle* events_;
  std::string backend_;
  volatile uint8_t* page_ = nullptr;
  int port_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ring_flood SECONDS\n");
    return 2;
  }
  Clock::time_point end = Clock::now() + std::chrono::seconds(std::atoi(argv[1]));
  constexpr unsigned kBetweenLooks = 200;
  std::mt19937 random(1);
  unsigned rings = 0, notifications = 0;
  Frontend frontend;
  while (Clock::now() < end) {
    frontend.offer();
    Clock::time_point give_up = std::min(end, Clock::now() + std::chrono::seconds(5));
    while (Clock::now() < give_up && frontend.backend_state() != "4") {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (frontend.backend_state() == "4") ++rings;
    while (Clock::now() < end && frontend.backend_state() == "4") {
      for (unsigned i = 0; i < kBetweenLooks; ++i, ++notifications) frontend.annoy(random);
    }
    frontend.withdraw();
  }
  std::printf("rings %u\nnotifications %u\n", rings, notifications);
  return rings > 0 ? 0 : 1;
}
