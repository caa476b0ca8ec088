// SPDX-License-Identifier: MIT
#include "engine/state/pcrs.h"

#include <algorithm>

#include "engine/crypto/hash.h"

namespace tpm {

namespace {

constexpr PcrAttributes kStatic{};
constexpr uint8_t from(std::initializer_list<unsigned> localities) {
  uint8_t map = 0;
  for (unsigned l : localities) map = static_cast<uint8_t>(map | 1u << l);
  return map;
}

// PC Client TIS 1.2, table of PCR attributes.
constexpr std::array<PcrAttributes, kPcrCount> kAttributes = {{
    kStatic, kStatic, kStatic, kStatic, kStatic, kStatic, kStatic, kStatic,
    kStatic, kStatic, kStatic, kStatic, kStatic, kStatic, kStatic, kStatic,
    {true, kAllLocalities, kAllLocalities},    // 16: debug
    {true, from({4}), from({4, 3, 2})},        // 17
    {true, from({4}), from({4, 3, 2})},        // 18
    {true, from({4}), from({3, 2})},           // 19
    {true, from({4, 2}), from({3, 2, 1})},     // 20
    {true, from({2}), from({2})},              // 21
    {true, from({2}), from({2})},              // 22
    {true, kAllLocalities, kAllLocalities},    // 23: applications
}};

bool dynamic(size_t index) { return index >= 17 && index <= 22; }

}  // namespace

const PcrAttributes& pcr_attributes(size_t index) { return kAttributes.at(index); }

Pcrs Pcrs::at_startup() {
  Pcrs pcrs;
  for (size_t i = 0; i < kPcrCount; i++) pcrs.values[i] = pcrs.reset_value(i);
  return pcrs;
}

void Pcrs::extend(size_t index, const Digest& event) {
  Digest& value = values.at(index);
  std::array<uint8_t, 2 * std::tuple_size_v<Digest>> both;
  std::ranges::copy(event, std::ranges::copy(value, both.begin()).out);
  value = crypto::sha1(both);
}

Digest Pcrs::reset_value(size_t index) const {
  Digest value{};
  if (dynamic(index) && !dynamic_launch_seen) value.fill(0xff);
  return value;
}

PcrComposite Pcrs::composite(const PcrSelection& selection) const {
  PcrComposite composite{.select = selection};
  for (size_t i = 0; i < kPcrCount; i++) {
    if (selection.selects(i)) base::append(composite.values.bytes(), values[i]);
  }
  return composite;
}

Digest Pcrs::composite_hash(const PcrSelection& selection) const {
  if (selection.empty()) return {};
  return crypto::sha1_of(composite(selection));
}

}  // namespace tpm
