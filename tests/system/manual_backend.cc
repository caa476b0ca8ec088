// SPDX-License-Identifier: MIT
#include "tests/system/manual_backend.h"

namespace system_test {

ManualBackend::ManualBackend() {
  // The toolstack waits for state 2.
  std::string before = run({"xenstore-list", "/local/domain/0/backend/vtpm"}).output;
  std::thread toolstack([this] { domain_ = create_domain(fresh_uuid()); });
  eventually([&] {
    std::stringstream all(run({"xenstore-list", "/local/domain/0/backend/vtpm"}).output);
    for (std::string name; all >> name;) {
      unsigned domain = static_cast<unsigned>(std::stoul(name));
      if (node(back_path(domain) + "/state") != "1") continue;
      set_node(back_path(domain) + "/feature-protocol-v2", "1");
      set_node(back_path(domain) + "/state", "2");
      return true;
    }
    return false;
  });
  toolstack.join();
}

ManualBackend::~ManualBackend() {
  leave();
  show("6");
  std::thread toolstack([this] { destroy_domain(domain_); });
  // Waits for state 6 after it has written 5.
  eventually([this] {
    auto state = node(back_path(domain_) + "/state");
    if (state && state != "6") show("6");
    return !state;
  });
  toolstack.join();
}

bool ManualBackend::join() {
  std::optional<std::string> ref, port;
  bool offered = eventually([&] {
    ref = node(front_path(domain_) + "/ring-ref");
    port = node(front_path(domain_) + "/event-channel");
    return node(front_path(domain_) + "/state") == "3" && ref && port;
  });
  if (!offered) return false;
  xen::DomId guest{static_cast<uint16_t>(domain_)};
  auto gnttab = xen::Gnttab::open();
  auto mapping =
      xen::GrantMapping::map(std::move(gnttab).take(), guest, xen::GrantRef{static_cast<uint32_t>(std::stoul(*ref))});
  auto channel = xen::EventChannel::bind(guest, xen::Port{static_cast<uint32_t>(std::stoul(*port))});
  if (!mapping.ok() || !channel.ok()) return false;
  mapping_.emplace(std::move(mapping).take());
  channel_.emplace(std::move(channel).take());
  show("4");
  return eventually([&] { return node(front_path(domain_) + "/state") == "4"; });
}

void ManualBackend::leave() {
  mapping_.reset();
  channel_.reset();
}

std::optional<client::Bytes> ManualBackend::take(int timeout_ms) const {
  if (!eventually([&] { return state() == 1; }, timeout_ms)) return std::nullopt;
  client::Bytes command(std::min<uint32_t>(page().load<uint32_t>(0).value_or(0), 4088));
  static_cast<void>(page().load_bytes(8, command));
  return command;
}

void ManualBackend::answer(const client::Bytes& response) const {
  static_cast<void>(page().store_bytes(8, response));
  set_length(static_cast<uint32_t>(response.size()));
  set_state(2);
  notify();
}

bool ManualBackend::serve(const client::Bytes& response) const {
  if (!take()) return false;
  answer(response);
  return true;
}

}  // namespace system_test
