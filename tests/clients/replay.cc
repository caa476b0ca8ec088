// SPDX-License-Identifier: MIT
// What PCRs must hold after a measurement log, computed with OpenSSL alone:
//   replay bios FILE   the firmware's (TCG 1.2, SHA-1): PCRs 0-7
//   replay start FILE  what a vTPM found before its guest (the same layout): the PCRs that occur
//   replay ima FILE    the kernel's (binary_runtime_measurements): PCR 10, and the number of entries
// Fails when an entry is not what its own digest says.
#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

using Digest = std::array<uint8_t, SHA_DIGEST_LENGTH>;
using Bytes = std::vector<uint8_t>;

Digest sha1(const Bytes& bytes) {
  Digest digest;
  SHA1(bytes.data(), bytes.size(), digest.data());
  return digest;
}

void extend(Digest& pcr, const Digest& event) {
  Bytes both(pcr.begin(), pcr.end());
  both.insert(both.end(), event.begin(), event.end());
  pcr = sha1(both);
}

void print(unsigned index, const Digest& pcr) {
  printf("%u ", index);
  for (uint8_t byte : pcr) printf("%02x", byte);
  puts("");
}

[[noreturn]] void wrong(const char* what) {
  fprintf(stderr, "replay: %s\n", what);
  exit(1);
}

// Little-endian numbers and counted bytes.
class Log {
 public:
  explicit Log(const char* path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }
  bool empty() const { return at_ == bytes_.size(); }
  Bytes bytes(size_t n) {
    if (n > bytes_.size() - at_) wrong("the log ends in an entry");
    auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
    at_ += n;
    return {from, from + static_cast<std::ptrdiff_t>(n)};
  }
  uint32_t number() {
    Bytes raw = bytes(4);
    auto byte = [&](size_t i) { return static_cast<uint32_t>(raw[i]) << (8 * i); };
    return byte(0) | byte(1) | byte(2) | byte(3);
  }
  Digest digest() {
    Bytes raw = bytes(SHA_DIGEST_LENGTH);
    Digest value;
    memcpy(value.data(), raw.data(), value.size());
    return value;
  }
  Bytes counted() { return bytes(number()); }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

int bios(Log log) {
  constexpr uint32_t kSeparator = 4;  // its digest is that of its data by definition; other types may measure more
  std::array<Digest, 8> pcrs{};
  std::array<bool, 8> separated{};
  while (!log.empty()) {
    uint32_t index = log.number();
    uint32_t type = log.number();
    Digest digest = log.digest();
    Bytes data = log.counted();
    if (index >= pcrs.size()) wrong("an event of the firmware's outside PCRs 0-7");
    if (type == kSeparator) {
      if (sha1(data) != digest) wrong("a separator with another digest");
      separated.at(index) = true;
    }
    extend(pcrs.at(index), digest);
  }
  for (unsigned i = 0; i < pcrs.size(); i++) {
    if (!separated.at(i)) wrong("a PCR without a separator");
    print(i, pcrs.at(i));
  }
  return 0;
}

// No separators, but texts that their digests are of.
int start(Log log) {
  constexpr uint32_t kAction = 5;
  const std::string kLine = "command line: ";
  std::map<uint32_t, Digest> pcrs;
  while (!log.empty()) {
    uint32_t index = log.number();
    uint32_t type = log.number();
    Digest digest = log.digest();
    Bytes data = log.counted();
    std::string text(data.begin(), data.end());
    bool line = text.starts_with(kLine);
    if (line) data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(kLine.size()));
    if ((line || type == kAction) && sha1(data) != digest) wrong("an event whose digest is not that of its text");
    extend(pcrs[index], digest);
  }
  for (const auto& [index, value] : pcrs) print(index, value);
  return 0;
}

int ima(Log log) {
  constexpr uint32_t kPcr = 10;
  Digest pcr{}, violation;
  violation.fill(0xff);
  size_t n_entries = 0;
  for (; !log.empty(); n_entries++) {
    if (log.number() != kPcr) wrong("an entry of another PCR");
    Digest digest = log.digest();
    log.counted();  // the template's name
    Bytes data = log.counted();
    bool violated = digest == Digest{};
    if (!violated && sha1(data) != digest) wrong("an entry with another digest");
    extend(pcr, violated ? violation : digest);
  }
  print(kPcr, pcr);
  printf("%zu entries\n", n_entries);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string what = argc == 3 ? argv[1] : "";
  if (what == "bios") return bios(Log(argv[2]));
  if (what == "start") return start(Log(argv[2]));
  if (what == "ima") return ima(Log(argv[2]));
  fputs("usage: replay bios|start|ima FILE\n", stderr);
  return 2;
}
