// SPDX-License-Identifier: MIT
// Writer: appends big-endian fields in place, or only counts and digests them when it has no area. Overflow is sticky
// and told once, by finish().
#pragma once

#include <type_traits>

#include "lib/base/bytes.h"
#include "lib/base/foreign_bytes.h"
#include "lib/wire/fields.h"
#include "lib/wire/reader.h"

namespace wire {

class Writer;
template <class T>
concept SelfWriting = requires(const T& t, Writer& w) { t.write_to(w); };

class Writer {
 public:
  // Counts and digests, stores nothing, never overflows.
  Writer() : limit_(SIZE_MAX) {}
  // Writes into the area; nothing written is ever read back.
  explicit Writer(base::ForeignBytes area) : area_(area), limit_(area.size()) {}
  // Appends to `to`, which must outlive the writer.
  explicit Writer(base::Bytes& to) : limit_(SIZE_MAX), grown_(&to) {}

  void hash_into(Sink* sink) { sink_ = sink; }
  size_t written() const { return at_; }

  void bytes(base::View from) {
    if (overflowed_ || from.size() > limit_ - at_) {
      overflowed_ = true;
      return;
    }
    if (grown_ != nullptr) {
      base::append(*grown_, from);
    } else if (limit_ != SIZE_MAX && !area_.store_bytes(at_, from)) {
      overflowed_ = true;
      return;
    }
    at_ += from.size();
    if (sink_ != nullptr) sink_->update(from);
  }

  template <std::unsigned_integral U>
  void uint(U value) {
    std::array<uint8_t, sizeof(U)> raw{};
    for (size_t i = 0; i < raw.size(); i++) {
      raw[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * (raw.size() - 1 - i)));
    }
    bytes(raw);
  }

  template <class T>
  void put(const T& value);

  // The number of bytes written.
  Result<size_t> finish() const {
    if (overflowed_) return Malformed{};
    return at_;
  }

 private:
  base::ForeignBytes area_;
  size_t limit_;
  base::Bytes* grown_ = nullptr;
  size_t at_ = 0;
  bool overflowed_ = false;
  Sink* sink_ = nullptr;
};

template <class T>
void Writer::put(const T& value) {
  if constexpr (SelfWriting<T>) {
    value.write_to(*this);
  } else if constexpr (std::is_same_v<T, bool>) {
    uint<uint8_t>(value ? 1 : 0);
  } else if constexpr (std::is_enum_v<T>) {
    uint(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::unsigned_integral<T>) {
    uint(value);
  } else if constexpr (IsByteArray<T>::value) {
    bytes(value);
  } else if constexpr (IsSecret<T>::value) {
    bytes(value.reveal());
  } else if constexpr (IsByteMatrix<T>::value) {
    bytes({value.front().data(), sizeof(T)});  // its rows lie one behind the other
  } else if constexpr (IsArray<T>::value) {
    for (const auto& element : value) put(element);
  } else {
    static_assert(Aggregate<T>, "a wire type is a leaf with write_to, or a plain struct");
    std::apply([this](const auto&... field) { (this->put(field), ...); }, fields_of(value));
  }
}

// The bytes of any wire value.
template <class T>
base::Bytes encode(const T& value) {
  Writer count;
  count.put(value);
  base::Bytes bytes;
  bytes.reserve(count.written());
  Writer w(bytes);
  w.put(value);
  return bytes;
}

// The value that `bytes` hold, and nothing else.
template <class T>
Result<T> decode(base::View bytes) {
  Reader r(bytes);
  T value = TRY(r.get<T>());
  if (!r.empty()) return Malformed{};
  return value;
}

}  // namespace wire
