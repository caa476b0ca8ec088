// SPDX-License-Identifier: MIT
#include "backend/convert/libtpms.h"

#include "engine/crypto/hash.h"

namespace convert::libtpms {

namespace {

using tpm::StructureTag;

constexpr uint16_t kFormat = 1;
enum class FlagsVersion : uint16_t { Rev94 = 1, Rev103 = 2 };
constexpr unsigned kFlags94 = 19, kFlags103 = 20;
constexpr uint16_t kOwnerKeysFormat = 1;
enum class AreasVersion : uint16_t { Full = 1, Short = 2 };
// An area has as many at least: bounds what is allocated.
constexpr size_t kLeastAreaBytes = 47;

Reason damaged(const std::string& where) { return {"the state is damaged: its " + where + " are not well-formed"}; }

template <class T>
Result<T> get(wire::Reader& r, const char* what) {
  auto value = r.get<T>();
  if (!value.ok()) return damaged(what);
  return std::move(value).take();
}

bool well_tagged(const Tables& t) {
  bool good = t.context_key.tag == StructureTag::Key && t.delegate_key.tag == StructureTag::Key &&
              t.daa_blob_key.tag == StructureTag::Key && t.audit.value.tag == StructureTag::CounterValue;
  for (const Counter& counter : t.counters) good = good && counter.value.tag == StructureTag::CounterValue;
  for (const Row& row : t.rows) {
    good = good && row.tag == StructureTag::DelegateTableRow && row.pub.tag == StructureTag::DelegatePublic &&
           row.pub.permissions.tag == StructureTag::Delegations;
  }
  return good;
}

// A selection of no PCRs has no digest in the later form.
wire::Result<tpm::PcrInfoShort> read_pcrs(wire::Reader& r, AreasVersion version) {
  tpm::PcrInfoShort info;
  info.selection = TRY(r.get<tpm::PcrSelection>());
  info.locality_at_release = TRY(r.uint<uint8_t>());
  if (version == AreasVersion::Full || !info.selection.empty()) TRY(r.bytes(info.digest_at_release));
  return info;
}

wire::Result<Area> read_area(wire::Reader& r, AreasVersion version) {
  Area area;
  if (TRY(r.get<StructureTag>()) != StructureTag::NvDataSensitive) return wire::Malformed{};
  area.pub.tag = TRY(r.get<StructureTag>());
  area.pub.index = TRY(r.uint<uint32_t>());
  area.pub.read_pcrs = TRY(read_pcrs(r, version));
  area.pub.write_pcrs = TRY(read_pcrs(r, version));
  area.pub.permission = TRY(r.get<tpm::NvAttributes>());
  area.pub.read_stclear = TRY(r.get<bool>());
  area.pub.write_stclear = TRY(r.get<bool>());
  area.pub.write_define = TRY(r.get<bool>());
  area.pub.data_bytes = TRY(r.uint<uint32_t>());
  area.auth = TRY(r.get<tpm::Secret>());
  bool good = area.pub.tag == StructureTag::NvDataPublic && area.pub.permission.tag == StructureTag::NvAttributes;
  if (!good) return wire::Malformed{};
  if (!is_gpio(area.pub.index)) area.data = TRY(r.owned(area.pub.data_bytes));
  return area;
}

Result<uint32_t> read_flags(wire::Reader& r) {
  auto version = TRY(get<FlagsVersion>(r, "permanent flags"));
  auto bits = TRY(get<uint32_t>(r, "permanent flags"));
  unsigned n = version == FlagsVersion::Rev94 ? kFlags94 : version == FlagsVersion::Rev103 ? kFlags103 : 0;
  if (n == 0) return Reason{"the state is of a newer libtpms than this program knows"};
  if (bits >> n != 0) return damaged("permanent flags");
  return bits;
}

Result<std::vector<OwnerKey>> read_owner_keys(wire::Reader& r) {
  constexpr const char* kWhat = "keys under owner control";
  auto version = TRY(get<uint16_t>(r, kWhat));
  auto n = TRY(get<uint16_t>(r, kWhat));
  if (version != kOwnerKeysFormat || n > kOwnerKeys) return damaged(kWhat);
  std::vector<OwnerKey> keys;
  for (unsigned i = 0; i < n; i++) keys.push_back(TRY(get<OwnerKey>(r, kWhat)));
  return keys;
}

Result<std::vector<Area>> read_areas(wire::Reader& r) {
  constexpr const char* kWhat = "NV areas";
  auto version = TRY(get<AreasVersion>(r, kWhat));
  auto n = TRY(get<uint32_t>(r, kWhat));
  if (version != AreasVersion::Full && version != AreasVersion::Short) return damaged(kWhat);
  if (n > r.left() / kLeastAreaBytes) return damaged(kWhat);
  std::vector<Area> areas;
  for (uint32_t i = 0; i < n; i++) {
    auto area = read_area(r, version);
    if (!area.ok()) return damaged(kWhat);
    areas.push_back(std::move(area).take());
  }
  return areas;
}

}  // namespace

Result<State> read(base::View bytes) {
  constexpr size_t kDigest = sizeof(tpm::Digest);
  if (bytes.size() < kDigest) return Reason{"the state is too short to be one of a TPM 1.2"};
  base::View body = bytes.first(bytes.size() - kDigest);
  wire::Reader r(body);
  State state;
  state.secrets = TRY(get<Secrets>(r, "secrets"));
  if (state.secrets.format != kFormat || state.secrets.tag != StructureTag::PermanentData) {
    return Reason{"this is not the permanent state of a TPM 1.2 of libtpms"};
  }
  if (!base::equal_constant_time(tpm::crypto::sha1(body), bytes.last(kDigest))) {
    return Reason{"the state is damaged: its digest is not right"};
  }
  if (TRY(get<bool>(r, "keys"))) state.maintenance_key = TRY(get<tpm::PubKey>(r, "keys"));
  state.endorsement = TRY(get<EndorsementKey>(r, "keys"));
  state.storage_root = TRY(get<tpm::KeyBlob>(r, "keys"));
  state.tables = TRY(get<Tables>(r, "tables"));
  if (!well_tagged(state.tables)) return damaged("tables");
  state.flags = TRY(read_flags(r));
  state.owner_keys = TRY(read_owner_keys(r));
  state.areas = TRY(read_areas(r));
  if (!r.empty()) return Reason{"the state is damaged: there is more of it than it says"};
  return state;
}

}  // namespace convert::libtpms
