// SPDX-License-Identifier: MIT
// What is extended before a guest can extend anything, and the log of it, in the format of the TCG's specification for
// conventional BIOS (TCG_PCClientPCREventStruct): little-endian, one SHA-1 digest an event.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"

namespace measure {

using Digest = std::array<uint8_t, 20>;

enum class EventType : uint32_t {
  Action = 0x05,            // the digest is that of the event's text
  Ipl = 0x0d,               // what is booted
  IplPartitionData = 0x0e,  // what it is given
};

struct Event {
  uint32_t pcr = 0;
  EventType type = EventType::Action;
  Digest digest{};
  std::string text;
  bool operator==(const Event&) const = default;
};

inline constexpr uint32_t kKernelPcr = 4, kConfigurationPcr = 5;

// In PCRs 0-7 when a suspended state stands and the domain looks like a new boot.
inline constexpr std::string_view kMarkedBoot = "vtpm: powered on while a suspended state of this TPM stood";
// In PCRs 4 and 5 in the place of a measurement.
inline constexpr std::string_view kNotMeasured = "vtpm: powered on without a measurement";
inline constexpr std::string_view kAttachedLate = "vtpm: attached to a domain that was running already";

Digest sha1(base::View bytes);
// An event that says nothing but its text.
Event action(uint32_t pcr, std::string_view text);

base::Bytes encode(const std::vector<Event>& events);
// Nothing for bytes that are no log, or one that ends in an event.
std::optional<std::vector<Event>> decode(base::View log);
// What the PCRs of the events hold after them, of zero before.
std::map<uint32_t, Digest> replay(const std::vector<Event>& events);

}  // namespace measure
