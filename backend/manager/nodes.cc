// SPDX-License-Identifier: MIT
#include "backend/manager/nodes.h"

#include "lib/base/log.h"

namespace backend {

namespace {

// The text of a node; `to` stays empty when there is none. The result is what is wrong, if anything.
std::string read_into(const xen::Nodes& nodes, const xen::Path& path, std::optional<std::string>& to) {
  auto text = nodes.read(path);
  if (text.ok()) {
    to = std::move(text).take();
  } else if (text.error().number != ENOENT) {
    return path.text() + ": " + text.error().text();
  }
  return {};
}

std::string quoted(const std::string& untrusted) { return "'" + std::string(base::Printable(untrusted).view()) + "'"; }

// A decimal number within the bounds, or what is wrong with it.
template <class T>
std::string number_into(const xen::Nodes& nodes, const xen::Path& path, T lowest, T highest, T& to) {
  std::optional<std::string> text;
  std::string wrong = read_into(nodes, path, text);
  if (!wrong.empty()) return wrong;
  if (!text) return path.text() + " is missing";
  auto number = xen::number_in<T>(*text);
  auto bounded = number ? number->within(lowest, highest) : std::nullopt;
  if (!bounded)
    return path.text() + " is " + quoted(*text) + ", not a number from " + std::to_string(lowest) + " to " +
           std::to_string(highest);
  to = *bounded;
  return {};
}

constexpr const char* kFeature = "feature-protocol-v2";

// What is wrong with the ring a frontend offers.
std::string read_ring(const xen::Nodes& nodes, const xen::Path& front, Ring& ring) {
  uint8_t version = 0;
  uint32_t grant = 0, port = 0;
  std::string wrong = number_into<uint8_t>(nodes, front / kFeature, 1, 1, version);
  if (wrong.empty()) wrong = number_into<uint32_t>(nodes, front / "ring-ref", 0, UINT32_MAX, grant);
  if (wrong.empty()) wrong = number_into<uint32_t>(nodes, front / "event-channel", 1, INT32_MAX, port);
  ring = {xen::GrantRef{grant}, xen::Port{port}};
  return wrong;
}

std::string read_front(const xen::Nodes& nodes, const xen::Path& front, FrontNodes& found) {
  std::optional<std::string> there;
  std::string wrong = read_into(nodes, front / "state", there);
  if (!wrong.empty() || !there) return wrong;
  uint8_t state = 0;
  wrong = number_into<uint8_t>(nodes, front / "state", 1, 6, state);
  if (!wrong.empty()) return wrong;
  found.state = static_cast<Xenbus>(state);
  if (*found.state != Xenbus::Initialised && *found.state != Xenbus::Connected) return {};
  Ring ring;
  wrong = read_ring(nodes, front, ring);
  if (wrong.empty()) found.ring = ring;
  return wrong;
}

}  // namespace

DeviceNodes::DeviceNodes(const xen::Store& store, const xen::Path& home, DeviceId id)
    : store_(store),
      id_(id),
      back_(home / "backend/vtpm" / static_cast<unsigned>(id.domain) / id.number),
      error_(home / "error/backend/vtpm" / static_cast<unsigned>(id.domain) / id.number) {}

Seen<BackNodes> DeviceNodes::back() const {
  Seen<BackNodes> seen;
  std::optional<std::string> state, front, uuid;
  BackNodes found;
  seen.wrong = read_into(store_, back_ / "state", state);
  if (seen.wrong.empty() && !state) {
    seen.gone = true;
    return seen;
  }
  uint8_t online = 0;
  uint16_t domain = 0;
  if (seen.wrong.empty()) seen.wrong = number_into<uint8_t>(store_, back_ / "state", 0, 8, found.state);
  if (seen.wrong.empty()) seen.wrong = number_into<uint8_t>(store_, back_ / "online", 0, 1, online);
  if (seen.wrong.empty()) seen.wrong = number_into<uint16_t>(store_, back_ / "frontend-id", 0, UINT16_MAX, domain);
  if (seen.wrong.empty()) seen.wrong = read_into(store_, back_ / "frontend", front);
  if (seen.wrong.empty()) seen.wrong = read_into(store_, back_ / "uuid", uuid);
  if (!seen.wrong.empty()) return seen;
  found.online = online == 1;
  auto path = front ? xen::Path::parse(*front) : std::nullopt;
  auto parsed = uuid ? vault::uuid_in(*uuid) : std::nullopt;
  xen::Path home = xen::Path("/local/domain") / static_cast<unsigned>(id_.domain);
  if (xen::DomId{domain} != id_.domain) {
    seen.wrong = (back_ / "frontend-id").text() + " is not the domain in its path";
  } else if (!path || !path->below(home)) {
    seen.wrong =
        (back_ / "frontend").text() + " is " + quoted(front.value_or("")) + ", not a path below " + home.text();
  } else if (!parsed) {
    seen.wrong = (back_ / "uuid").text() + " is " + quoted(uuid.value_or("")) + ", not a uuid";
  } else {
    found.front = *path;
    found.uuid = *parsed;
    seen.nodes = std::move(found);
  }
  return seen;
}

Seen<FrontNodes> DeviceNodes::front(const xen::Path& front) const {
  Seen<FrontNodes> seen;
  // One view of all nodes, or a frontend that just closes would look like one that offers no ring.
  auto read = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    seen = {};
    FrontNodes found;
    seen.wrong = read_front(t, front, found);
    if (seen.wrong.empty()) seen.nodes = found;
    return {};
  });
  if (!read.ok()) seen = {.wrong = front.text() + ": " + read.error().text()};
  return seen;
}

xen::Result<> DeviceNodes::show(Xenbus state) const {
  const std::string wanted = std::to_string(static_cast<unsigned>(state));
  return store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    std::optional<std::string> now;
    // A node that cannot be read is as good as removed: nothing is written.
    static_cast<void>(read_into(t, back_ / "state", now));
    // Writing what stands there already would only wake us again.
    if (!now || *now == wanted) return {};
    if (state == Xenbus::InitWait) {
      auto told = t.write(back_ / kFeature, "1");
      if (!told.ok()) return told;
    }
    return t.write(back_ / "state", wanted);
  });
}

xen::Result<> DeviceNodes::show_info(const std::map<std::string, std::string>& changed) const {
  return store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    if (!TRY(t.exists(back_ / "state"))) return {};
    for (const auto& [name, value] : changed) TRY(t.write(back_ / "info" / name, value));
    return {};
  });
}

std::optional<std::string> DeviceNodes::info(const std::string& name) const {
  std::optional<std::string> text;
  static_cast<void>(read_into(store_, back_ / "info" / name, text));
  return text;
}

std::vector<std::string> DeviceNodes::orders() const {
  auto names = store_.list(back_ / "control");
  return names.ok() ? names.value() : std::vector<std::string>();
}

std::optional<std::string> DeviceNodes::take_order(const std::string& name) const {
  std::optional<std::string> taken;
  const xen::Path path = back_ / "control" / name;
  auto done = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    taken.reset();
    if (!TRY(t.exists(path))) return {};
    std::optional<std::string> text;
    static_cast<void>(read_into(t, path, text));
    taken = text.value_or("");
    return t.remove(path);
  });
  return done.ok() ? taken : std::nullopt;
}

void DeviceNodes::tell_error(const std::string& text) const {
  auto written = store_.write(error_ / "error", std::to_string(EINVAL) + " " + text);
  if (!written.ok()) base::log(base::Level::Warning, "device " + text_of(id_) + ": " + written.error().text());
}

// With the directories above it that hold nothing else, so that nothing of ours outlives the last device.
void DeviceNodes::clear_error() const {
  auto there = store_.exists(error_ / "error");
  if (!there.ok() || !there.value()) return;
  auto removed = store_.remove(error_);
  xen::Path above = error_;
  for (int levels = 0; removed.ok() && levels < 3; levels++) {
    above = above.parent();
    auto children = store_.list(above);
    if (!children.ok() || !children.value().empty()) break;
    removed = store_.remove(above);
  }
  if (!removed.ok()) base::log(base::Level::Warning, "device " + text_of(id_) + ": " + removed.error().text());
}

}  // namespace backend
