// SPDX-License-Identifier: MIT
// What nodes of XenStore hold, by the types of vtpm.schema: text to value and back.
#pragma once

#include "lib/xen/store.h"

// Declared only: its header brings the hypervisor's own.
namespace xen {
struct Proof;
}

namespace schema {

// XenbusState, as far as it is spoken here.
enum class Xenbus : uint8_t { Initialising = 1, InitWait = 2, Initialised = 3, Connected = 4, Closing = 5, Closed = 6 };

// Of its text form; whose bytes it has is the vault's matter.
struct Uuid {
  std::string text;
};

// A node and what the schema says of its value: `"0"|"1"`, GNTREF.
template <class T>
struct Node {
  xen::Path path;
  std::string_view value;
};

// Whether the text is a value of that kind. Words with variables of the path in them are the caller's to fill in.
bool is_value(std::string_view text, std::string_view value);
// "a grant's number", `"0" or "1"`.
std::string meaning_of(std::string_view value);

template <class T>
std::optional<T> value_of(std::string_view text);
template <>
std::optional<std::string> value_of(std::string_view text);
template <>
std::optional<uint64_t> value_of(std::string_view text);
template <>
std::optional<unsigned> value_of(std::string_view text);
template <>
std::optional<xen::DomId> value_of(std::string_view text);
template <>
std::optional<xen::GrantRef> value_of(std::string_view text);
template <>
std::optional<xen::Port> value_of(std::string_view text);
template <>
std::optional<xen::Path> value_of(std::string_view text);
template <>
std::optional<xen::Proof> value_of(std::string_view text);
template <>
std::optional<Uuid> value_of(std::string_view text);
template <>
std::optional<Xenbus> value_of(std::string_view text);

inline std::string text_of(const std::string& value) { return value; }
inline std::string text_of(const xen::Path& value) { return value.text(); }
inline std::string text_of(const Uuid& value) { return value.text; }
template <class T>
requires std::is_enum_v<T> || std::is_integral_v<T> std::string text_of(T value) {
  return std::to_string(static_cast<uint64_t>(value));
}

// The value of a node in a text that was read from it; nothing when it is none.
template <class T>
std::optional<T> value_in(const Node<T>& node, std::string_view text) {
  return is_value(text, node.value) ? value_of<T>(text) : std::nullopt;
}
// ENOENT when there is no such node; EBADMSG when it holds something else.
template <class T>
xen::Result<T> read(const xen::Nodes& nodes, const Node<T>& node) {
  auto value = value_in(node, TRY(nodes.read(node.path)));
  if (!value) return xen::SysError{EBADMSG, "read a node of a device"};
  return *std::move(value);
}
template <class T>
xen::Result<> write(const xen::Nodes& nodes, const Node<T>& node, const std::type_identity_t<T>& value) {
  return nodes.write(node.path, text_of(value));
}

// A line of vtpm.schema, word for word.
struct Row {
  std::string_view path, value;
  std::string_view as, by, readers, perms;
  bool must = false;
  std::string_view must_in;  // states; empty: always
  bool others = false;
};

}  // namespace schema
