// SPDX-License-Identifier: MIT
#include "backend/trace/fields.h"

#include <algorithm>
#include <charconv>

namespace trace {

namespace {

constexpr size_t kMostShownNumber = 4;

uint32_t number_in(base::View bytes) {
  uint32_t value = 0;
  for (uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

// The part of a text up to the mark; both are taken off.
std::string_view take(std::string_view& text, char mark) {
  size_t end = std::min(text.find(mark), text.size());
  std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// "bytes20" and "bytes": 20.
std::optional<size_t> size_after(std::string_view type, std::string_view word) {
  size_t n_bytes = 0;
  if (!type.starts_with(word)) return std::nullopt;
  const char* end = type.data() + type.size();
  auto [at, error] = std::from_chars(type.data() + word.size(), end, n_bytes);
  if (error != std::errc{} || at != end) return std::nullopt;
  return n_bytes;
}

struct Fixed {
  std::string_view type;
  size_t n_bytes;
  Look look;
};
constexpr std::array kFixed = {
    Fixed{"u8", 1, Look::Number},       Fixed{"u16", 2, Look::Number},    Fixed{"u32", 4, Look::Number},
    Fixed{"u64", 8, Look::Number},      Fixed{"handle", 4, Look::Handle}, Fixed{"flag", 1, Look::Flag},
    Fixed{"ordinal", 4, Look::Ordinal}, Fixed{"code", 4, Look::Code},     Fixed{"tag", 2, Look::Tag},
};

// Goes over a part of a frame; every function is false when the bytes do not follow the layout.
class Walk {
 public:
  Walk(base::View frame, size_t begin, size_t end, std::vector<Field>& fields)
      : frame_(frame), at_(begin), end_(end), fields_(fields) {}

  bool all(std::string_view layout, const std::string& prefix) {
    while (!layout.empty()) {
      std::string_view type = take(layout, ' ');
      std::string_view name = take(type, ':');
      if (!one(prefix + std::string(name), type)) return false;
    }
    return true;
  }
  bool ended() const { return at_ == end_; }

 private:
  bool one(const std::string& name, std::string_view type) {
    const auto* fixed = std::ranges::find(kFixed, type, &Fixed::type);
    if (fixed != kFixed.end()) return put(name, fixed->n_bytes, fixed->look);
    if (auto n_bytes = size_after(type, "bytes")) return put(name, *n_bytes, Look::Bytes);
    if (auto n_bytes = size_after(type, "hidden")) return put(name, *n_bytes, Look::Hidden);
    if (type == "selection") return selection(name);
    if (type == "hidden-short") return sized(name, 2, [&](size_t n) { return put(name, n, Look::Hidden); });
    if (type == "hidden") return sized(name, 4, [&](size_t n) { return put(name, n, Look::Hidden); });
    if (type == "sized") return sized(name, 4, [&](size_t n) { return put(name, n, Look::Bytes); });
    if (type == "number") {
      return sized(name, 4, [&](size_t n) { return put(name, n, n <= kMostShownNumber ? Look::Bytes : Look::Hidden); });
    }
    if (type == "command" || type == "response") {
      return sized(name, 4, [&](size_t n) { return wrapped(name, n, type == "command"); });
    }
    if (type.starts_with('[')) {
      return sized(name, 4, [&](size_t n) { return within(name, n, type.substr(1, type.size() - 2)); });
    }
    return structured(name, type);
  }

  bool put(const std::string& name, size_t n_bytes, Look look) {
    if (n_bytes > end_ - at_) return false;
    if (n_bytes > 0) fields_.push_back({name, at_, n_bytes, look});
    at_ += n_bytes;
    return true;
  }

  bool selection(const std::string& name) {
    if (end_ - at_ < 2) return false;
    return put(name, 2 + number_in(frame_.subspan(at_, 2)), Look::Selection);
  }

  template <class F>
  bool sized(const std::string& name, size_t n_length, F content) {
    if (end_ - at_ < n_length) return false;
    size_t n_bytes = number_in(frame_.subspan(at_, n_length));
    put(name + "Size", n_length, Look::Number);
    return n_bytes <= end_ - at_ && content(n_bytes);
  }

  bool structured(const std::string& name, std::string_view alternatives) {
    std::string_view first = take(alternatives, '/');
    const Structure* of = structure(first);
    bool tagged = end_ - at_ >= 2 && of != nullptr && number_in(frame_.subspan(at_, 2)) == of->tag;
    if (!alternatives.empty() && !tagged) of = structure(alternatives);
    return of != nullptr && all(of->fields, name + ".");
  }

  // One structure and no more, or nobody knows what it is.
  bool within(const std::string& name, size_t n_bytes, std::string_view type) {
    if (n_bytes == 0) return true;
    std::vector<Field> inner;
    Walk walk(frame_, at_, at_ + n_bytes, inner);
    if (!walk.structured(name, type) || !walk.ended()) return put(name, n_bytes, Look::Hidden);
    fields_.insert(fields_.end(), inner.begin(), inner.end());
    at_ += n_bytes;
    return true;
  }

  bool wrapped(const std::string& name, size_t n_bytes, bool command) {
    bool has_head = n_bytes >= kHeadBytes && number_in(frame_.subspan(at_ + 2, 4)) == n_bytes;
    uint32_t tag = has_head ? number_in(frame_.subspan(at_, 2)) : 0;
    if (tag >= (command ? 0xc1 : 0xc4) && tag <= (command ? 0xc3 : 0xc6)) {
      all(command ? "tag:tag paramSize:u32 ordinal:ordinal" : "tag:tag paramSize:u32 returnCode:code", name + ".");
      n_bytes -= kHeadBytes;
    }
    return put(name, n_bytes, Look::Hidden);
  }

  base::View frame_;
  size_t at_, end_;
  std::vector<Field>& fields_;
};

struct Sessions {
  size_t count;
  size_t n_bytes;
  std::string_view layout;
};
std::optional<Sessions> sessions_in(base::View frame, Half half) {
  uint32_t tag = number_in(frame.first(2)), first = half == Half::Command ? 0xc1 : 0xc4;
  if (tag < first || tag > first + 2) return std::nullopt;
  bool command = half == Half::Command;
  return Sessions{tag - first, command ? kRequestSessionBytes : kResponseSessionBytes,
                  command ? kRequestSession : kResponseSession};
}

// Everything after the head, or nothing of it.
bool body(base::View frame, Half half, const Decoded& head, std::vector<Field>& fields) {
  const Layout* layout = layout_of(head.ordinal);
  auto sessions = sessions_in(frame, half);
  if (layout == nullptr || !sessions || number_in(frame.subspan(2, 4)) != frame.size()) return false;
  if (frame.size() - kHeadBytes < sessions->count * sessions->n_bytes) return false;
  size_t trailer = frame.size() - sessions->count * sessions->n_bytes;
  bool failed = head.code.value_or(0) != 0;
  Walk parameters(frame, kHeadBytes, trailer, fields);
  if (failed ? sessions->count > 0 : !parameters.all(half == Half::Command ? layout->request : layout->response, "")) {
    return false;
  }
  if (!parameters.ended()) return false;
  Walk proofs(frame, trailer, frame.size(), fields);
  for (size_t i = 1; i <= sessions->count; i++) proofs.all(sessions->layout, "auth" + std::to_string(i) + ".");
  return proofs.ended();
}

}  // namespace

Decoded decode(base::View frame, Half half, uint32_t ordinal) {
  Decoded decoded{.ordinal = ordinal};
  if (frame.size() < kHeadBytes) {
    if (!frame.empty()) decoded.fields.push_back({"", 0, frame.size(), Look::Hidden});
    return decoded;
  }
  uint32_t last = number_in(frame.subspan(6, 4));
  if (half == Half::Command) decoded.ordinal = last;
  if (half == Half::Response) decoded.code = last;
  Walk head(frame, 0, kHeadBytes, decoded.fields);
  head.all(half == Half::Command ? "tag:tag paramSize:u32 ordinal:ordinal" : "tag:tag paramSize:u32 returnCode:code",
           "");
  std::vector<Field> fields;
  decoded.understood = body(frame, half, decoded, fields);
  if (decoded.understood) {
    decoded.fields.insert(decoded.fields.end(), fields.begin(), fields.end());
  } else if (frame.size() > kHeadBytes) {
    decoded.fields.push_back({"", kHeadBytes, frame.size() - kHeadBytes, Look::Hidden});
  }
  return decoded;
}

void hide(base::Bytes& frame, Half half, uint32_t ordinal) {
  for (const Field& field : decode(frame, half, ordinal).fields) {
    if (field.look != Look::Hidden) continue;
    std::fill_n(frame.begin() + static_cast<std::ptrdiff_t>(field.at), field.n_bytes, kHiddenByte);
  }
}

}  // namespace trace
