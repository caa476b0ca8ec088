// SPDX-License-Identifier: MIT
// Length-prefixed fields: SizedBytes (32-bit length, raw bytes), Sized<T> (32-bit length of one structure) and
// Counted<T> (32-bit number of elements).
#pragma once

#include <vector>

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace wire {

class SizedBytes {
 public:
  SizedBytes() = default;
  explicit SizedBytes(base::Bytes value) : value_(std::move(value)) {}
  explicit SizedBytes(base::View value) : value_(base::copy_of(value)) {}

  static Result<SizedBytes> read_from(Reader& r) {
    uint32_t n = TRY(r.uint<uint32_t>());
    return SizedBytes(TRY(r.owned(n)));
  }
  void write_to(Writer& w) const {
    w.uint(static_cast<uint32_t>(value_.size()));
    w.bytes(value_);
  }

  size_t size() const { return value_.size(); }
  bool empty() const { return value_.empty(); }
  base::View view() const { return value_; }
  base::Bytes& bytes() { return value_; }
  const base::Bytes& bytes() const { return value_; }
  operator base::View() const { return value_; }  // NOLINT: it is one

  // The one structure these bytes hold; `otherwise` when they hold something else or more.
  template <class T, class E>
  base::Result<T, E> as(E otherwise) const {
    auto value = decode<T>(value_);
    if (!value.ok()) return otherwise;
    return std::move(value).take();
  }

  bool operator==(const SizedBytes&) const = default;

 private:
  base::Bytes value_;
};

template <class T>
struct Sized {
  T value{};

  static Result<Sized> read_from(Reader& r) {
    uint32_t n = TRY(r.uint<uint32_t>());
    size_t end = r.position() + n;
    if (n > r.left()) return Malformed{};
    Sized sized{TRY(r.get<T>())};
    if (r.position() != end) return Malformed{};
    return sized;
  }
  void write_to(Writer& w) const {
    Writer count;
    count.put(value);
    w.uint(static_cast<uint32_t>(count.written()));
    w.put(value);
  }
};

template <class T>
struct Counted {
  std::vector<T> items;

  static Result<Counted> read_from(Reader& r) {
    uint32_t n = TRY(r.uint<uint32_t>());
    if (n > r.left()) return Malformed{};  // every element takes a byte at least: bounds what is allocated
    Counted counted;
    for (uint32_t i = 0; i < n; i++) counted.items.push_back(TRY(r.get<T>()));
    return counted;
  }
  void write_to(Writer& w) const {
    w.uint(static_cast<uint32_t>(items.size()));
    for (const T& item : items) w.put(item);
  }
};

}  // namespace wire
