// SPDX-License-Identifier: MIT
// Handles as fields of In and Out. They stand before the parameters and outside the parameter digest.
#pragma once

#include <type_traits>

#include "engine/state/keys.h"

namespace tpm {

// A key named by the request. The dispatcher finds the key before the action runs.
struct KeyHandle {
  uint32_t value = 0;
  const Key* key = nullptr;

  const Key* operator->() const { return key; }
  const Key& operator*() const { return *key; }

  static wire::Result<KeyHandle> read_from(wire::Reader& r) { return KeyHandle{TRY(r.uint<uint32_t>()), nullptr}; }
  void write_to(wire::Writer& w) const { w.uint(value); }
};

// Any other field outside the digest: a session, a resource to flush, a handle in a response.
template <class T>
struct Clear {
  T value{};

  static wire::Result<Clear> read_from(wire::Reader& r) { return Clear{TRY(r.get<T>())}; }
  void write_to(wire::Writer& w) const { w.put(value); }
};
using AnyHandle = Clear<uint32_t>;

// Which fields they are, and their bytes on the wire.
template <class T>
struct OutsideDigest : std::false_type {
  static constexpr size_t kBytes = 0;
};
template <>
struct OutsideDigest<KeyHandle> : std::true_type {
  static constexpr size_t kBytes = 4;
};
template <class T>
struct OutsideDigest<Clear<T>> : std::true_type {
  static_assert(std::is_unsigned_v<T> || wire::IsByteArray<T>::value);
  static constexpr size_t kBytes = sizeof(T);
};

}  // namespace tpm
