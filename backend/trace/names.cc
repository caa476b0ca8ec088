// SPDX-License-Identifier: MIT
#include "backend/trace/names.h"

#include <algorithm>

namespace trace {

namespace {

struct Named {
  uint32_t value;
  const char* name;
};

constexpr std::array kCodes = {
    Named{0, "TPM_SUCCESS"},
    Named{1, "TPM_AUTHFAIL"},
    Named{2, "TPM_BADINDEX"},
    Named{3, "TPM_BAD_PARAMETER"},
    Named{4, "TPM_AUDITFAILURE"},
    Named{5, "TPM_CLEAR_DISABLED"},
    Named{6, "TPM_DEACTIVATED"},
    Named{7, "TPM_DISABLED"},
    Named{8, "TPM_DISABLED_CMD"},
    Named{9, "TPM_FAIL"},
    Named{10, "TPM_BAD_ORDINAL"},
    Named{11, "TPM_INSTALL_DISABLED"},
    Named{12, "TPM_INVALID_KEYHANDLE"},
    Named{13, "TPM_KEYNOTFOUND"},
    Named{14, "TPM_INAPPROPRIATE_ENC"},
    Named{15, "TPM_MIGRATEFAIL"},
    Named{16, "TPM_INVALID_PCR_INFO"},
    Named{17, "TPM_NOSPACE"},
    Named{18, "TPM_NOSRK"},
    Named{19, "TPM_NOTSEALED_BLOB"},
    Named{20, "TPM_OWNER_SET"},
    Named{21, "TPM_RESOURCES"},
    Named{22, "TPM_SHORTRANDOM"},
    Named{23, "TPM_SIZE"},
    Named{24, "TPM_WRONGPCRVAL"},
    Named{25, "TPM_BAD_PARAM_SIZE"},
    Named{26, "TPM_SHA_THREAD"},
    Named{27, "TPM_SHA_ERROR"},
    Named{28, "TPM_FAILEDSELFTEST"},
    Named{29, "TPM_AUTH2FAIL"},
    Named{30, "TPM_BADTAG"},
    Named{31, "TPM_IOERROR"},
    Named{32, "TPM_ENCRYPT_ERROR"},
    Named{33, "TPM_DECRYPT_ERROR"},
    Named{34, "TPM_INVALID_AUTHHANDLE"},
    Named{35, "TPM_NO_ENDORSEMENT"},
    Named{36, "TPM_INVALID_KEYUSAGE"},
    Named{37, "TPM_WRONG_ENTITYTYPE"},
    Named{38, "TPM_INVALID_POSTINIT"},
    Named{39, "TPM_INAPPROPRIATE_SIG"},
    Named{40, "TPM_BAD_KEY_PROPERTY"},
    Named{41, "TPM_BAD_MIGRATION"},
    Named{42, "TPM_BAD_SCHEME"},
    Named{43, "TPM_BAD_DATASIZE"},
    Named{44, "TPM_BAD_MODE"},
    Named{45, "TPM_BAD_PRESENCE"},
    Named{46, "TPM_BAD_VERSION"},
    Named{47, "TPM_NO_WRAP_TRANSPORT"},
    Named{48, "TPM_AUDITFAIL_UNSUCCESSFUL"},
    Named{49, "TPM_AUDITFAIL_SUCCESSFUL"},
    Named{50, "TPM_NOTRESETABLE"},
    Named{51, "TPM_NOTLOCAL"},
    Named{52, "TPM_BAD_TYPE"},
    Named{53, "TPM_INVALID_RESOURCE"},
    Named{54, "TPM_NOTFIPS"},
    Named{55, "TPM_INVALID_FAMILY"},
    Named{56, "TPM_NO_NV_PERMISSION"},
    Named{57, "TPM_REQUIRES_SIGN"},
    Named{58, "TPM_KEY_NOTSUPPORTED"},
    Named{59, "TPM_AUTH_CONFLICT"},
    Named{60, "TPM_AREA_LOCKED"},
    Named{61, "TPM_BAD_LOCALITY"},
    Named{62, "TPM_READ_ONLY"},
    Named{63, "TPM_PER_NOWRITE"},
    Named{64, "TPM_FAMILYCOUNT"},
    Named{65, "TPM_WRITE_LOCKED"},
    Named{66, "TPM_BAD_ATTRIBUTES"},
    Named{67, "TPM_INVALID_STRUCTURE"},
    Named{68, "TPM_KEY_OWNER_CONTROL"},
    Named{69, "TPM_BAD_COUNTER"},
    Named{70, "TPM_NOT_FULLWRITE"},
    Named{71, "TPM_CONTEXT_GAP"},
    Named{72, "TPM_MAXNVWRITES"},
    Named{73, "TPM_NOOPERATOR"},
    Named{74, "TPM_RESOURCEMISSING"},
    Named{75, "TPM_DELEGATE_LOCK"},
    Named{76, "TPM_DELEGATE_FAMILY"},
    Named{77, "TPM_DELEGATE_ADMIN"},
    Named{78, "TPM_TRANSPORT_NOTEXCLUSIVE"},
    Named{79, "TPM_OWNER_CONTROL"},
    Named{80, "TPM_DAA_RESOURCES"},
    Named{81, "TPM_DAA_INPUT_DATA0"},
    Named{82, "TPM_DAA_INPUT_DATA1"},
    Named{83, "TPM_DAA_ISSUER_SETTINGS"},
    Named{84, "TPM_DAA_TPM_SETTINGS"},
    Named{85, "TPM_DAA_STAGE"},
    Named{86, "TPM_DAA_ISSUER_VALIDITY"},
    Named{87, "TPM_DAA_WRONG_W"},
    Named{88, "TPM_BAD_HANDLE"},
    Named{89, "TPM_BAD_DELEGATE"},
    Named{90, "TPM_BADCONTEXT"},
    Named{91, "TPM_TOOMANYCONTEXTS"},
    Named{92, "TPM_MA_TICKET_SIGNATURE"},
    Named{93, "TPM_MA_DESTINATION"},
    Named{94, "TPM_MA_SOURCE"},
    Named{95, "TPM_MA_AUTHORITY"},
    Named{97, "TPM_PERMANENTEK"},
    Named{98, "TPM_BAD_SIGNATURE"},
    Named{99, "TPM_NOCONTEXTSPACE"},
    Named{0x800, "TPM_RETRY"},
    Named{0x801, "TPM_NEEDS_SELFTEST"},
    Named{0x802, "TPM_DOING_SELFTEST"},
    Named{0x803, "TPM_DEFEND_LOCK_RUNNING"},
};
static_assert(std::ranges::is_sorted(kCodes, {}, &Named::value));

constexpr std::array kTags = {Named{0xc1, "TPM_TAG_RQU_COMMAND"},       Named{0xc2, "TPM_TAG_RQU_AUTH1_COMMAND"},
                              Named{0xc3, "TPM_TAG_RQU_AUTH2_COMMAND"}, Named{0xc4, "TPM_TAG_RSP_COMMAND"},
                              Named{0xc5, "TPM_TAG_RSP_AUTH1_COMMAND"}, Named{0xc6, "TPM_TAG_RSP_AUTH2_COMMAND"}};

constexpr std::array kHandles = {Named{0x40000000, "TPM_KH_SRK"},      Named{0x40000001, "TPM_KH_OWNER"},
                                 Named{0x40000002, "TPM_KH_REVOKE"},   Named{0x40000003, "TPM_KH_TRANSPORT"},
                                 Named{0x40000004, "TPM_KH_OPERATOR"}, Named{0x40000005, "TPM_KH_ADMIN"},
                                 Named{0x40000006, "TPM_KH_EK"}};

const char* find(std::span<const Named> names, uint64_t value) {
  const auto at = std::ranges::find_if(names, [value](const Named& one) { return one.value == value; });
  return at == names.end() ? nullptr : at->name;
}

std::string hex_number(base::View bytes) { return "0x" + base::hex(bytes); }

std::string hex_number(uint32_t value) {
  std::array<uint8_t, 4> bytes{};
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
  return hex_number(bytes);
}

std::string named(std::span<const Named> names, base::View bytes, uint64_t value) {
  const char* name = find(names, value);
  return name != nullptr ? name : hex_number(bytes);
}

// The numbers of the PCRs that are selected: "0,1,10".
std::string selected(base::View selection) {
  std::string text;
  for (size_t pcr = 0; pcr < 8 * (selection.size() - 2); pcr++) {
    if ((selection[2 + pcr / 8] >> (pcr % 8) & 1) == 0) continue;
    text += (text.empty() ? "" : ",") + std::to_string(pcr);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string name_of_ordinal(uint32_t ordinal) {
  const Layout* layout = layout_of(ordinal);
  return layout != nullptr ? std::string(layout->name) : hex_number(ordinal);
}

std::string name_of_code(uint32_t code) {
  const char* name = find(kCodes, code);
  return name != nullptr ? name : hex_number(code);
}

std::string text_of(base::View frame, const Field& field) {
  base::View bytes = frame.subspan(field.at, field.n_bytes);
  uint64_t value = 0;
  for (uint8_t byte : bytes.first(std::min(bytes.size(), sizeof(value)))) value = value << 8 | byte;
  switch (field.look) {
    case Look::Number:
      return std::to_string(value);
    case Look::Handle:
      return named(kHandles, bytes, value);
    case Look::Flag:
      return value == 0 ? "FALSE" : value == 1 ? "TRUE" : hex_number(bytes);
    case Look::Ordinal:
      return name_of_ordinal(static_cast<uint32_t>(value));
    case Look::Code:
      return name_of_code(static_cast<uint32_t>(value));
    case Look::Tag:
      return named(kTags, bytes, value);
    case Look::Bytes:
      return base::hex(bytes);
    case Look::Selection:
      return selected(bytes);
    case Look::Hidden:
      break;
  }
  return "[" + std::to_string(bytes.size()) + (bytes.size() == 1 ? " byte]" : " bytes]");
}

}  // namespace trace
