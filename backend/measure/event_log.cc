// SPDX-License-Identifier: MIT
#include "backend/measure/event_log.h"

#include <openssl/evp.h>

#include <algorithm>

#include "lib/base/verify.h"

namespace measure {

namespace {

constexpr size_t kNumberBytes = 4;

void put_number(base::Bytes& to, uint32_t number) {
  for (size_t i = 0; i < kNumberBytes; i++) to.push_back(static_cast<uint8_t>(number >> (8 * i)));
}

class Cursor {
 public:
  explicit Cursor(base::View bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  std::optional<base::View> take(size_t n) {
    if (n > left_.size()) return std::nullopt;
    base::View taken = left_.first(n);
    left_ = left_.subspan(n);
    return taken;
  }
  std::optional<uint32_t> number() {
    auto raw = take(kNumberBytes);
    if (!raw) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < kNumberBytes; i++) value |= static_cast<uint32_t>((*raw)[i]) << (8 * i);
    return value;
  }

 private:
  base::View left_;
};

std::optional<Event> next(Cursor& from) {
  auto pcr = from.number();
  auto type = from.number();
  auto digest = from.take(sizeof(Digest));
  auto n = from.number();
  auto text = n ? from.take(*n) : std::nullopt;
  if (!pcr || !type || !digest || !text) return std::nullopt;
  Event event{*pcr, static_cast<EventType>(*type), {}, std::string(text->begin(), text->end())};
  std::copy(digest->begin(), digest->end(), event.digest.begin());
  return event;
}

}  // namespace

Digest sha1(base::View bytes) {
  Digest digest{};
  VERIFY(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return digest;
}

Event action(uint32_t pcr, std::string_view text) {
  base::Bytes bytes(text.begin(), text.end());
  return {pcr, EventType::Action, sha1(bytes), std::string(text)};
}

base::Bytes encode(const std::vector<Event>& events) {
  base::Bytes log;
  for (const Event& event : events) {
    put_number(log, event.pcr);
    put_number(log, static_cast<uint32_t>(event.type));
    base::append(log, event.digest);
    put_number(log, static_cast<uint32_t>(event.text.size()));
    log.insert(log.end(), event.text.begin(), event.text.end());
  }
  return log;
}

std::optional<std::vector<Event>> decode(base::View log) {
  std::vector<Event> events;
  Cursor left(log);
  while (!left.empty()) {
    auto event = next(left);
    if (!event) return std::nullopt;
    events.push_back(std::move(*event));
  }
  return events;
}

std::map<uint32_t, Digest> replay(const std::vector<Event>& events) {
  std::map<uint32_t, Digest> pcrs;
  for (const Event& event : events) {
    Digest& pcr = pcrs[event.pcr];
    base::Bytes both(pcr.begin(), pcr.end());
    base::append(both, event.digest);
    pcr = sha1(both);
  }
  return pcrs;
}

}  // namespace measure
