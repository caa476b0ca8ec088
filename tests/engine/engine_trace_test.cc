// SPDX-License-Identifier: MIT
// What a trace shows of every command of the catalogue: each field has its name, and no secret is shown.
#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "backend/trace/fields.h"
#include "backend/trace/names.h"
#include "tests/engine/tpm_test.h"

namespace world {

using trace::Half;

namespace {

// Where the secrets are, from Part 3: N bytes that are not, * a 32-bit length and such bytes, p TPM_PCR_SELECTION;
// sN, s* secrets of both kinds, h* with a 16-bit length, s. all that follows up to the sessions.
struct Secrets {
  uint32_t ordinal;
  const char* request;
  const char* response;
};
// TPM_KEY is "11 8 * * * s*": version, usage, flags; parameters; PCRs; public; private.
const std::vector<Secrets> kSecrets = {
    {0x0c, "4 2 s20 2 s*", "s*"},
    {0x0d, "2 s* s*", "11 8 * * * s*"},
    {0x0e, "", ""},
    {0x0f, "4 4 2 s20 s* s*", "s* s20 s20"},
    {0x10, "2 s20", ""},
    {0x11, "26 s*", ""},
    {0x12, "8 * * 20 s*", "s20"},
    {0x13, "4 s20 11 8 * * * s* s20", "11 8 * * * s*"},
    {0x17, "4 s20 * s*", "4 * s*"},
    {0x18, "4 4 * s*", "s*"},
    {0x19, "4 s20", ""},
    {0x1a, "", "s20"},
    {0x1b, "4 2 8 * * 2 s20 20 s* s* s* s*", "s* s*"},
    {0x1d, "", "s20"},
    {0x1e, "4 s*", "s*"},
    {0x1f, "4 s20 s20 11 8 * * * s*", "11 8 * * * s*"},
    {0x20, "4 11 8 * * * s*", ""},
    {0x24, "4 60 s20 11 8 * * * s* s* s*", "s*"},
    {0x25, "4 8 * * s*", "s*"},
    {0x28, "4 2 8 * * 2 s20 s*", "s* s*"},
    {0x29, "5 s* s*", "s*"},
    {0x2a, "4 s* s*", "s*"},
    {0x2b, "", "8 * * 2 s20"},
    {0x2c, "", "s* s*"},
    {0x2d, "s* s* s*", ""},
    {0x31, "5 s* s*", "s*"},
    {0x3c, "4 s*", "s*"},
    {0x3d, "4 s20 * s*", "4 * s*"},
    {0x41, "4 11 8 * * * s*", ""},
    {0x46, "", "s*"},
    {0x47, "s*", ""},
    {0x74, "s20", ""},
    {0x79, "s20 20 11 8 * * * s*", "11 8 * * * s*"},
    {0x7a, "4 s*", "6 h*"},
    {0x7f, "20 8 * 1 s20", "8 * * 20 s20"},
    {0x80, "s20", ""},
    {0xa1, "s*", ""},
    {0xa2, "s*", "s20"},
    {0xa3, "4 s*", "s20"},
    {0xb4, "", "s*"},
    {0xb5, "s*", ""},
    {0xb6, "", "s*"},
    {0xb7, "s*", ""},
    {0xb8, "", "4 30 s20 s* s*"},
    {0xb9, "4 1 4 30 s20 s* s*", ""},
    {0xcc, "6 p 21 p 21 13 s20", ""},
    {0xcd, "8 s*", ""},
    {0xce, "8 s*", ""},
    {0xcf, "", "s*"},
    {0xd0, "", "s*"},
    {0xd1, "s*", "s*"},
    {0xd4, "4 3 p 21 22 s20", "s*"},
    {0xd5, "1 3 p 21 22 s20", "s*"},
    {0xd6, "s*", ""},
    {0xd8, "4 s*", ""},
    {0xdc, "s20", ""},
    {0xe6, "4 12 s*", ""},
    {0xe7, "4 10 s.", "16 10 s."},
};

constexpr std::array<uint8_t, 8> kMarker = {0xde, 0xad, 0x5e, 0xc4, 0xe7, 0xbe, 0xef, 0x99};
constexpr size_t kHead = 10;

size_t sessions_in(const Bytes& frame) { return (frame[1] - 0xc1U) % 3; }

void mark(Bytes& frame, size_t at, size_t n_bytes) {
  ASSERT_LE(at + n_bytes, frame.size());
  for (size_t i = 0; i < n_bytes; i++) frame[at + i] = kMarker[i % kMarker.size()];
}

size_t length_at(const Bytes& frame, size_t at, size_t n_bytes) {
  size_t value = 0;
  for (size_t i = 0; i < n_bytes; i++) value = value << 8 | frame.at(at + i);
  return value;
}

// Puts the marker wherever a secret is; false: there is none of four bytes.
bool mark_secrets(Bytes& frame, const char* where, size_t session_bytes) {
  bool marked = false;
  size_t at = kHead, end = frame.size() - sessions_in(frame) * session_bytes;
  std::istringstream tokens(where);
  for (std::string token; tokens >> token;) {
    bool secret = token[0] == 's' || token[0] == 'h';
    std::string size = secret ? token.substr(1) : token;
    size_t n_bytes = 0;
    if (size == "*" || size == "p") {
      size_t width = token == "h*" || size == "p" ? 2 : 4;
      n_bytes = length_at(frame, at, width);
      at += width;
    } else {
      n_bytes = size == "." ? end - at : std::stoul(size);
    }
    if (secret) mark(frame, at, n_bytes);
    marked = marked || (secret && n_bytes >= 4);
    at += n_bytes;
  }
  EXPECT_LE(at, end);
  for (; end < frame.size(); end += session_bytes) mark(frame, end + session_bytes - 20, 20);
  return marked || sessions_in(frame) > 0;
}

// Any four bytes of it.
bool shows(const Bytes& frame, base::View secret) {
  for (size_t i = 0; i + 4 <= secret.size(); i++) {
    base::View part = secret.subspan(i, 4);
    if (std::search(frame.begin(), frame.end(), part.begin(), part.end()) != frame.end()) return true;
  }
  return false;
}

base::Bytes copy(const Bytes& frame) { return {frame.begin(), frame.end()}; }

Bytes hidden(const Bytes& frame, Half half, uint32_t ordinal) {
  base::Bytes masked = copy(frame);
  trace::hide(masked, half, ordinal);
  return {masked.begin(), masked.end()};
}

// Its fields are the whole frame, one after another.
void expect_complete(const Bytes& frame, Half half, uint32_t ordinal) {
  trace::Decoded decoded = trace::decode(frame, half, ordinal);
  EXPECT_TRUE(decoded.understood);
  size_t at = 0;
  for (const trace::Field& field : decoded.fields) {
    EXPECT_EQ(field.at, at) << field.name;
    EXPECT_FALSE(field.name.empty());
    at += field.n_bytes;
  }
  EXPECT_EQ(at, frame.size());
}

}  // namespace

class TraceOf : public testing::TestWithParam<Entry> {
 protected:
  TraceOf() : w(GetParam().stage) {
    client::Command made = GetParam().make(w);
    w.tpm.locality = GetParam().locality;
    command = w.tpm.prepare(made).frame;
    response = w.tpm.send(command);
    for (const Secrets& one : kSecrets) {
      if (one.ordinal == GetParam().ordinal) secrets = one;
    }
  }
  uint32_t ordinal() const { return GetParam().ordinal; }
  World w;
  Bytes command, response;
  Secrets secrets{0, "", ""};
};

TEST_P(TraceOf, NamesEveryFieldOfCommandAndResponse) {
  ASSERT_EQ(length_at(response, 6, 4), 0U);
  expect_complete(command, Half::Command, 0);
  expect_complete(response, Half::Response, ordinal());
  std::string name = trace::name_of_ordinal(ordinal());
  EXPECT_EQ(name.substr(name.find('_') + 1), GetParam().name);
}

TEST_P(TraceOf, ShowsNoSecret) {
  bool in_command = mark_secrets(command, secrets.request, 45);
  bool in_response = mark_secrets(response, secrets.response, 41);
  EXPECT_EQ(shows(command, kMarker), in_command);
  EXPECT_EQ(shows(response, kMarker), in_response);
  EXPECT_FALSE(shows(hidden(command, Half::Command, 0), kMarker));
  EXPECT_FALSE(shows(hidden(response, Half::Response, ordinal()), kMarker));
}

TEST_P(TraceOf, ShowsNothingButTheHeadOfWhatIsCutOrReadAsAnother) {
  mark_secrets(command, secrets.request, 45);
  for (size_t n = kHead; n < command.size(); n++) {
    Bytes cut(command.begin(), command.begin() + static_cast<std::ptrdiff_t>(n));
    Bytes size = Out().u32(static_cast<uint32_t>(n));
    std::copy(size.begin(), size.end(), cut.begin() + 2);
    Bytes masked = hidden(cut, Half::Command, 0);
    EXPECT_TRUE(std::all_of(masked.begin() + kHead, masked.end(), [](uint8_t byte) { return byte == 'X'; })) << n;
  }
  for (uint8_t sessions = 0; sessions < 3; sessions++) {
    Bytes other = command;
    other[1] = static_cast<uint8_t>(0xc1 + sessions);
    EXPECT_FALSE(shows(hidden(other, Half::Command, 0), kMarker)) << unsigned{sessions};
  }
  Bytes unknown = response;
  EXPECT_FALSE(shows(hidden(unknown, Half::Response, 0x99999999), kMarker));
}

TEST_P(TraceOf, DecodesTheSameOfWhatIsHiddenAlready) {
  Bytes masked = hidden(command, Half::Command, 0);
  trace::Decoded before = trace::decode(command, Half::Command), after = trace::decode(masked, Half::Command);
  ASSERT_EQ(before.fields.size(), after.fields.size());
  for (size_t i = 0; i < before.fields.size(); i++) {
    EXPECT_EQ(trace::text_of(command, before.fields[i]), trace::text_of(masked, after.fields[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(, TraceOf, testing::ValuesIn(catalogue()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(TraceLayouts, AreOfKnownTypesAlone) {
  std::map<uint32_t, bool> known;
  for (const Entry& entry : catalogue()) known[entry.ordinal] = true;
  for (const trace::Layout& layout : trace::layouts()) {
    // The maintenance commands are in the catalogue of a build that has them.
    bool maintenance = layout.ordinal >= 0x2c && layout.ordinal <= 0x30;
    EXPECT_TRUE(known[layout.ordinal] || maintenance) << layout.name << " is in no catalogue";
  }
}

TEST(TraceFields, ReadsWhatOnePersonWouldWrite) {
  Bytes extend = Out().u16(0xc1).u32(34).u32(0x14).u32(10).raw(Bytes(20, 0xab));
  trace::Decoded decoded = trace::decode(extend, Half::Command);
  ASSERT_EQ(decoded.fields.size(), 5U);
  EXPECT_EQ(trace::text_of(extend, decoded.fields[0]), "TPM_TAG_RQU_COMMAND");
  EXPECT_EQ(trace::text_of(extend, decoded.fields[2]), "TPM_Extend");
  EXPECT_EQ(decoded.fields[3].name, "pcrNum");
  EXPECT_EQ(trace::text_of(extend, decoded.fields[3]), "10");
  EXPECT_EQ(trace::text_of(extend, decoded.fields[4]), std::string("abababababababababababababababababababab"));
  Bytes refusal = Out().u16(0xc4).u32(10).u32(0x803);
  EXPECT_EQ(trace::name_of_code(*trace::decode(refusal, Half::Response, 0x14).code), "TPM_DEFEND_LOCK_RUNNING");
}

TEST(TraceFields, TakesBytesOfAnyLength) {
  for (size_t n = 0; n < 24; n++) {
    base::Bytes frame(n, 0xff);
    trace::hide(frame, Half::Command);
    for (size_t i = n < kHead ? 0 : kHead; i < n; i++) EXPECT_EQ(frame[i], 'X') << n;
  }
}

}  // namespace world
