// SPDX-License-Identifier: MIT
#include "backend/socket/state_file.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace socketd {

namespace {

constexpr std::string_view kMagic = "vtpm-socketd 1\n";
constexpr size_t kDigestBytes = 32;
constexpr size_t kHeaderBytes = kMagic.size() + kDigestBytes;

std::array<uint8_t, kDigestBytes> sha256(base::View bytes) {
  std::array<uint8_t, kDigestBytes> digest{};
  unsigned n = 0;
  VERIFY(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &n, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string unusable(const std::string& path, const std::string& why) {
  return "the state " + path + " cannot be used: " + why +
         ". It is left as it is. Restore it from a backup; or, to begin with a new TPM without the keys of this one, "
         "move the file away or give another --state";
}

}  // namespace

Or<StateFile> StateFile::open(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return "--state " + path + " does not name a file";
  auto directory = vault::Directory::open(folder, false);
  if (!directory.ok()) return "--state: " + folder + ": " + directory.error().text() + "; make the directory first";
  auto lock = directory.value().lock(name + ".lock");
  if (!lock.ok()) return "--state: " + path + ".lock: " + lock.error().text();
  if (!lock.value()) return "the state " + path + " is in use by another vtpm-socketd; end that one first";
  return StateFile(path, name, std::move(directory).take(), std::move(*std::move(lock).take()));
}

Or<std::optional<base::Bytes>> StateFile::read() const {
  auto content = directory_.read(name_);
  if (!content.ok()) return unusable(path_, content.error().text());
  if (!content.value()) return std::optional<base::Bytes>();
  base::View bytes = *content.value();
  if (bytes.size() < kHeaderBytes || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return unusable(path_, "it is not a state of vtpm-socketd, or it has been cut short");
  }
  base::View permanent = bytes.subspan(kHeaderBytes);
  if (!std::ranges::equal(sha256(permanent), bytes.subspan(kMagic.size(), kDigestBytes))) {
    return unusable(path_, "it is damaged");
  }
  return std::optional(base::copy_of(permanent));
}

bool StateFile::write(base::View permanent) const {
  base::Bytes content(kMagic.begin(), kMagic.end());
  base::append(content, sha256(permanent));
  base::append(content, permanent);
  auto written = directory_.write(name_, content);
  if (!written.ok()) base::log(base::Level::Error, path_ + ": " + written.error().text() + "; the command fails");
  return written.ok();
}

}  // namespace socketd
