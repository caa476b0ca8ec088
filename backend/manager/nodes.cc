// SPDX-License-Identifier: MIT
#include "backend/manager/nodes.h"

#include "backend/manager/messages.h"
#include "lib/base/log.h"
#include "xenstore-schema/vtpm.h"

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

// The value of a node, or what is wrong with it.
template <class T>
std::string value_into(const xen::Nodes& nodes, const schema::Node<T>& node, std::optional<T>& to) {
  std::optional<std::string> text;
  std::string wrong = read_into(nodes, node.path, text);
  if (!wrong.empty()) return wrong;
  if (!text) return node.path.text() + " is missing";
  to = schema::value_in(node, *text);
  return to ? "" : node.path.text() + " is " + quoted(*text) + ", not " + schema::meaning_of(node.value);
}

// What is wrong with the ring a frontend offers.
std::string read_ring(const xen::Nodes& nodes, const xen::Path& front, FrontRing& ring) {
  std::optional<std::string> told;
  std::optional<xen::GrantRef> grant;
  std::optional<xen::Port> port;
  const auto feature = schema::frontend::feature_protocol_v2(front);
  std::string wrong = read_into(nodes, feature.path, told);
  // One that knows nothing of version 2 says nothing of it.
  const uint8_t version = told ? 2 : 1;
  if (wrong.empty() && told) wrong = value_into(nodes, feature, told);
  if (wrong.empty()) wrong = value_into(nodes, schema::frontend::ring_ref(front), grant);
  if (wrong.empty()) wrong = value_into(nodes, schema::frontend::event_channel(front), port);
  if (wrong.empty()) ring = {version, *grant, *port};
  return wrong;
}

std::string read_front(const xen::Nodes& nodes, const xen::Path& front, FrontNodes& found) {
  std::optional<std::string> there;
  std::string wrong = read_into(nodes, schema::frontend::state(front).path, there);
  if (!wrong.empty() || !there) return wrong;
  wrong = value_into(nodes, schema::frontend::state(front), found.state);
  if (!wrong.empty()) return wrong;
  if (*found.state != Xenbus::Initialised && *found.state != Xenbus::Connected) return {};
  FrontRing ring;
  wrong = read_ring(nodes, front, ring);
  if (wrong.empty()) found.ring = ring;
  return wrong;
}

}  // namespace

DeviceNodes::DeviceNodes(const xen::Store& store, xen::DomId own, DeviceId id)
    : store_(store),
      id_(id),
      back_(schema::backend::dir(own, id.domain, id.number)),
      error_(schema::error::dir(own, id.domain, id.number)) {}

Seen<BackNodes> DeviceNodes::back() const {
  Seen<BackNodes> seen;
  const xen::Path state_path = schema::backend::state(back_).path;
  const auto front_node = schema::backend::frontend(back_);
  const auto uuid_node = schema::backend::uuid(back_);
  const auto id_node = schema::backend::frontend_id(back_);
  std::optional<std::string> state, front, uuid, online;
  std::optional<xen::DomId> domain;
  BackNodes found;
  seen.wrong = read_into(store_, state_path, state);
  if (seen.wrong.empty() && !state) {
    seen.gone = true;
    return seen;
  }
  if (seen.wrong.empty()) seen.wrong = number_into<uint8_t>(store_, state_path, 0, 8, found.state);
  if (seen.wrong.empty()) seen.wrong = value_into(store_, schema::backend::online(back_), online);
  if (seen.wrong.empty()) seen.wrong = value_into(store_, id_node, domain);
  if (seen.wrong.empty()) seen.wrong = read_into(store_, front_node.path, front);
  if (seen.wrong.empty()) seen.wrong = read_into(store_, uuid_node.path, uuid);
  if (!seen.wrong.empty()) return seen;
  found.online = online == "1";
  auto path = front ? xen::Path::parse(*front) : std::nullopt;
  auto parsed = uuid ? vault::uuid_in(*uuid) : std::nullopt;
  const xen::Path home = schema::home::dir(id_.domain);
  if (domain != id_.domain) {
    seen.wrong = id_node.path.text() + " is not the domain in its path";
  } else if (!path || !path->below(home)) {
    seen.wrong = front_node.path.text() + " is " + quoted(front.value_or("")) + ", not a path below " + home.text();
  } else if (!parsed) {
    seen.wrong = uuid_node.path.text() + " is " + quoted(uuid.value_or("")) + ", not a uuid";
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
  const auto node = schema::backend::state(back_);
  const std::string wanted = schema::text_of(state);
  return store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    std::optional<std::string> now;
    // A node that cannot be read is as good as removed: nothing is written.
    static_cast<void>(read_into(t, node.path, now));
    // Writing what stands there already would only wake us again.
    if (!now || *now == wanted) return {};
    if (state == Xenbus::InitWait) {
      auto told = schema::write(t, schema::backend::feature_protocol_v2(back_), "1");
      if (!told.ok()) return told;
      told = schema::write(t, schema::backend::max_extra_pages(back_), message::kMostExtraPages);
      if (!told.ok()) return told;
    }
    return schema::write(t, node, state);
  });
}

xen::Result<> DeviceNodes::show_info(const std::map<std::string_view, std::string>& changed) const {
  return store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    if (!TRY(t.exists(schema::backend::state(back_).path))) return {};
    for (const auto& [name, value] : changed) TRY(t.write(schema::backend::info::dir(back_) / name, value));
    return {};
  });
}

std::optional<std::string> DeviceNodes::info(std::string_view name) const {
  std::optional<std::string> text;
  static_cast<void>(read_into(store_, schema::backend::info::dir(back_) / name, text));
  return text;
}

std::vector<std::string> DeviceNodes::orders() const {
  auto names = store_.list(schema::backend::control::dir(back_));
  return names.ok() ? names.value() : std::vector<std::string>();
}

std::optional<std::string> DeviceNodes::take_order(const std::string& name) const {
  std::optional<std::string> taken;
  const xen::Path path = schema::backend::control::dir(back_) / name;
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
  auto written = schema::write(store_, schema::error::error(error_), std::to_string(EINVAL) + " " + text);
  if (!written.ok()) base::log(base::Level::Warning, "device " + text_of(id_) + ": " + written.error().text());
}

// With the directories above it that hold nothing else, so that nothing of ours outlives the last device.
void DeviceNodes::clear_error() const {
  auto there = store_.exists(schema::error::error(error_).path);
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
