// SPDX-License-Identifier: MIT
#include "engine/state/snapshot.h"

#include <algorithm>

namespace tpm {

namespace {

struct Header {
  std::array<uint8_t, 4> magic = {'V', 'T', 'P', 'M'};
  uint16_t format = 1;
  uint8_t kind = 0;
  uint16_t n_sections = 0;
};
constexpr uint8_t kPermanent = 1;
constexpr uint8_t kVolatile = 2;

struct SectionHeader {
  uint16_t id = 0;
  uint16_t version = 0;
  wire::SizedBytes body;
};

template <class S>
void write_body(wire::Writer& w, const S& section) {
  w.put(section);
}

// As much as a TPM_Extend journals: the PCRs, and no growing on its way.
constexpr size_t kUsualJournalBytes = 512;

// Each section of the volatile state is journaled as {version, body}, so that a newer worker can read an older one's.
template <class S>
void write_journaled(wire::Writer& w, uint16_t version, const S& section) {
  w.uint(version);
  write_body(w, section);
}

template <class Each>
Bytes save(uint8_t kind, Each each) {
  Header header{.kind = kind};
  each([&header](uint16_t, uint16_t, const auto&) { header.n_sections++; });
  Bytes bytes;
  wire::Writer w(bytes);
  w.put(header);
  each([&w](uint16_t id, uint16_t version, const auto& section) {
    wire::Writer count;
    write_body(count, *section);
    w.uint(id);
    w.uint(version);
    w.uint(static_cast<uint32_t>(count.written()));
    write_body(w, *section);
  });
  return bytes;
}

using Loaded = base::Result<void, StateError>;

// Each section must be there, once, in this version.
template <class Each>
Loaded load(uint8_t kind, View bytes, Each each) {
  wire::Reader r(bytes);
  auto header = r.get<Header>();
  if (!header.ok() || header.value().magic != Header{}.magic || header.value().kind != kind)
    return StateError::Malformed;
  if (header.value().format != Header{}.format) return StateError::UnknownVersion;
  std::vector<SectionHeader> found;
  for (unsigned i = 0; i < header.value().n_sections; i++) {
    auto section = r.get<SectionHeader>();
    if (!section.ok()) return StateError::Malformed;
    found.push_back(std::move(section).take());
  }
  if (!r.empty()) return StateError::Malformed;
  size_t n_known = 0;
  Loaded result;
  each([&](uint16_t id, uint16_t version, auto& section) {
    using S = std::remove_cvref_t<decltype(*section)>;
    auto at = std::ranges::find(found, id, &SectionHeader::id);
    if (at == found.end()) {
      result = StateError::Malformed;
      return;
    }
    n_known++;
    if (at->version != version) {
      result = StateError::UnknownVersion;
      return;
    }
    auto value = wire::decode<S>(at->body);
    if (value.ok()) {
      section.reset(std::move(value).take());
    } else {
      result = StateError::Malformed;
    }
  });
  if (result.ok() && n_known != found.size()) return StateError::UnknownSection;
  return result;
}

}  // namespace

Bytes save_permanent(const Tpm& tpm) {
  return save(kPermanent, [&tpm](auto f) { each_permanent(tpm, f); });
}
Bytes save_volatile(const Tpm& tpm) {
  return save(kVolatile, [&tpm](auto f) { each_volatile(tpm, f); });
}
base::Result<void, StateError> load_permanent(Tpm& tpm, View bytes) {
  return load(kPermanent, bytes, [&tpm](auto f) { each_permanent(tpm, f); });
}
base::Result<void, StateError> load_volatile(Tpm& tpm, View bytes) {
  return load(kVolatile, bytes, [&tpm](auto f) { each_volatile(tpm, f); });
}

void journal_drafts(Tpm& tpm) {
  struct Place {
    uint16_t id;
    size_t at;
  };
  std::array<Place, 16> places;
  size_t n = 0;
  Bytes bodies;
  bodies.reserve(kUsualJournalBytes);
  wire::Writer w(bodies);
  each_volatile(tpm, [&](uint16_t id, uint16_t version, const auto& section) {
    if (!section.drafted()) return;
    places.at(n++) = {id, w.written()};
    write_journaled(w, version, *section);
  });
  std::array<JournalSection, 16> changed;
  for (size_t i = 0; i < n; i++) {
    size_t end = i + 1 < n ? places[i + 1].at : bodies.size();
    changed[i] = {places[i].id, View(bodies).subspan(places[i].at, end - places[i].at)};
  }
  tpm.platform.journal(std::span(changed).first(n));
}

Bytes volatile_from(std::span<const JournalSection> sections) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.put(Header{.kind = kVolatile, .n_sections = static_cast<uint16_t>(sections.size())});
  for (const JournalSection& section : sections) {
    if (section.body.size() < sizeof(uint16_t)) continue;  // the count will not fit: load refuses it
    w.uint(section.id);
    w.bytes(section.body.first(sizeof(uint16_t)));
    w.put(wire::SizedBytes(section.body.subspan(sizeof(uint16_t))));
  }
  return bytes;
}

}  // namespace tpm
