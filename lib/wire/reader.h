// SPDX-License-Identifier: MIT
// Reader: a cursor over foreign or private bytes. Every byte is loaded once, big-endian, and can be given to a digest
// in the same pass, so that what is authorised is what was decoded.
#pragma once

#include <array>
#include <concepts>
#include <type_traits>

#include "lib/base/bytes.h"
#include "lib/base/foreign_bytes.h"
#include "lib/base/result.h"
#include "lib/base/secret.h"
#include "lib/wire/fields.h"

namespace wire {

// The bytes do not hold what was asked for: too short, or a length beyond their end, or (illegal) a value that the type
// does not have.
struct Malformed {
  bool illegal = false;
};
template <class T = void>
using Result = base::Result<T, Malformed>;

// Something that takes bytes as they pass by: a digest.
class Sink {
 public:
  virtual void update(base::View bytes) = 0;

 protected:
  ~Sink() = default;
};

class Reader;
template <class T>
concept SelfReading = requires(Reader& r) {
  { T::read_from(r) };
};

template <class T>
struct IsByteArray : std::false_type {};
template <size_t N>
struct IsByteArray<std::array<uint8_t, N>> : std::true_type {};
template <class T>
struct IsArray : std::false_type {};
template <class T, size_t N>
struct IsArray<std::array<T, N>> : std::true_type {};
template <class T>
struct IsByteMatrix : std::false_type {};
template <size_t N, size_t M>
struct IsByteMatrix<std::array<std::array<uint8_t, N>, M>> : std::true_type {};
template <class T>
struct IsSecret : std::false_type {};
template <size_t N>
struct IsSecret<base::Secret<N>> : std::true_type {};

class Reader {
 public:
  explicit Reader(base::ForeignBytes bytes) : bytes_(bytes) {}
  explicit Reader(base::View own) : bytes_(base::ForeignBytes::read_only(own)) {}

  size_t left() const { return bytes_.size() - at_; }
  bool empty() const { return left() == 0; }
  size_t position() const { return at_; }

  // From now on every byte loaded also goes to `sink`, which must outlive this reader or be taken away with nullptr.
  void hash_into(Sink* sink) { sink_ = sink; }

  Result<> bytes(std::span<uint8_t> to) {
    if (to.size() > left() || !bytes_.load_bytes(at_, to)) return Malformed{};
    at_ += to.size();
    if (sink_ != nullptr) sink_->update(to);
    return {};
  }

  template <std::unsigned_integral U>
  Result<U> uint() {
    std::array<uint8_t, sizeof(U)> raw{};
    TRY(bytes(raw));
    U value = 0;
    for (uint8_t byte : raw) value = static_cast<U>((static_cast<uint64_t>(value) << 8) | byte);
    return value;
  }

  // The next n bytes as an owned string; n is checked against what is left before anything is allocated.
  Result<base::Bytes> owned(size_t n) {
    if (n > left()) return Malformed{};
    base::Bytes value(n);
    TRY(bytes(value));
    return value;
  }

  // Leaves n bytes unread for ever.
  Result<> skip(size_t n) {
    if (n > left()) return Malformed{};
    at_ += n;
    return {};
  }

  template <class T>
  Result<T> get();

 private:
  base::ForeignBytes bytes_;
  size_t at_ = 0;
  Sink* sink_ = nullptr;
};

template <class T>
Result<> read_fields(Reader& r, T& to);

template <class T>
Result<> read_into(Reader& r, T& to) {
  if constexpr (SelfReading<T>) {
    to = TRY(T::read_from(r));
  } else if constexpr (std::is_same_v<T, bool>) {
    uint8_t byte = TRY(r.uint<uint8_t>());
    if (byte > 1) return Malformed{.illegal = true};
    to = byte == 1;
  } else if constexpr (std::is_enum_v<T>) {
    to = static_cast<T>(TRY(r.uint<std::underlying_type_t<T>>()));
  } else if constexpr (std::unsigned_integral<T>) {
    to = TRY(r.uint<T>());
  } else if constexpr (IsByteArray<T>::value) {
    TRY(r.bytes(to));
  } else if constexpr (IsSecret<T>::value) {
    TRY(r.bytes(to.fill()));
  } else if constexpr (IsArray<T>::value) {
    for (auto& element : to) TRY(read_into(r, element));
  } else {
    TRY(read_fields(r, to));
  }
  return {};
}

template <class T>
Result<> read_fields(Reader& r, T& to) {
  static_assert(Aggregate<T>, "a wire type is a leaf with read_from, or a plain struct");
  return std::apply(
      [&r](auto&... field) -> Result<> {
        Result<> done;
        // Stops at the first field that cannot be read.
        static_cast<void>(((done = read_into(r, field), done.ok()) && ...));
        return done;
      },
      fields_of(to));
}

template <class T>
Result<T> Reader::get() {
  T value{};
  TRY(read_into(*this, value));
  return value;
}

}  // namespace wire
