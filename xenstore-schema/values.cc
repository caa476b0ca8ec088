// SPDX-License-Identifier: MIT
#include "xenstore-schema/values.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "lib/xen/proofs.h"

namespace schema {

namespace {

constexpr uint16_t kHighestDomain = 0x7fef;  // reserved numbers begin above

// As the toolstacks print it: no zero in front.
template <std::unsigned_integral T>
std::optional<T> decimal(std::string_view text, T lowest, T highest) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  auto number = xen::number_in<T>(text);
  return number ? number->within(lowest, highest) : std::nullopt;
}

// The same of a type of its own, an enumeration.
template <class T, std::unsigned_integral U>
std::optional<T> numbered(std::string_view text, U lowest, U highest) {
  auto number = decimal<U>(text, lowest, highest);
  return number ? std::optional(static_cast<T>(*number)) : std::nullopt;
}

template <class T>
bool has(std::string_view text) {
  return value_of<T>(text).has_value();
}

struct Type {
  std::string_view name, meaning;
  bool (*holds)(std::string_view text);
};
constexpr std::array kTypes = {Type{"STRING", "a text", has<std::string>},
                               Type{"INTEGER", "a number", has<uint64_t>},
                               Type{"DOMID", "a domain's number", has<xen::DomId>},
                               Type{"GNTREF", "a grant's number", has<xen::GrantRef>},
                               Type{"EVTCHN", "an event channel's number", has<xen::Port>},
                               Type{"UUID", "a uuid", has<Uuid>},
                               Type{"PATH", "a path", has<xen::Path>},
                               Type{"XENBUS", "a state from 1 to 6", has<Xenbus>},
                               Type{"PROOF", "three words of vtpm-domwatch", has<xen::Proof>}};

const Type* type_of(std::string_view value) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& t) { return t.name == value; });
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace

bool is_value(std::string_view text, std::string_view value) {
  if (const Type* type = type_of(value)) return type->holds(text);
  while (!value.empty()) {
    size_t end = std::min(value.find('|'), value.size());
    std::string_view word = value.substr(1, end - 2);
    if (word == text || word.find('$') != std::string_view::npos) return true;
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return false;
}

std::string meaning_of(std::string_view value) {
  if (const Type* type = type_of(value)) return std::string(type->meaning);
  std::string words(value);
  for (size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 4) words.replace(at, 1, " or ");
  return words;
}

template <>
std::optional<std::string> value_of(std::string_view text) {
  return std::string(text);
}
template <>
std::optional<uint64_t> value_of(std::string_view text) {
  return decimal<uint64_t>(text, 0, UINT64_MAX);
}
template <>
std::optional<unsigned> value_of(std::string_view text) {
  return decimal<unsigned>(text, 0, UINT16_MAX);
}
template <>
std::optional<xen::DomId> value_of(std::string_view text) {
  return numbered<xen::DomId, uint16_t>(text, 0, kHighestDomain);
}
template <>
std::optional<xen::GrantRef> value_of(std::string_view text) {
  return numbered<xen::GrantRef, uint32_t>(text, 0, UINT32_MAX);
}
template <>
std::optional<xen::Port> value_of(std::string_view text) {
  return numbered<xen::Port, uint32_t>(text, 1, INT32_MAX);
}
template <>
std::optional<xen::Path> value_of(std::string_view text) {
  return xen::Path::parse(text);
}
template <>
std::optional<xen::Proof> value_of(std::string_view text) {
  return xen::proof_in(text);
}
template <>
std::optional<Uuid> value_of(std::string_view text) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  auto fits = [](char c, char shape) {
    bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return shape == '-' ? c == '-' : hex;
  };
  if (text.size() != kShape.size() || !std::equal(text.begin(), text.end(), kShape.begin(), fits)) return std::nullopt;
  return Uuid{std::string(text)};
}
template <>
std::optional<Xenbus> value_of(std::string_view text) {
  return numbered<Xenbus, uint8_t>(text, 1, 6);
}

}  // namespace schema
