// SPDX-License-Identifier: MIT
// vtpm-measure: hashes what one domain was started from, for the manager, which must not wait for a disk. It is as root
// until its files are open, reads them as nobody, and ends.
#include <openssl/evp.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <chrono>

#include "backend/manager/messages.h"
#include "backend/measure/file_digest.h"
#include "backend/worker/lockdown.h"
#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace measure {
namespace {

using backend::Where;
using Clock = std::chrono::steady_clock;

constexpr uid_t kNobody = 65534;
constexpr std::chrono::seconds kReportAfter{2};
constexpr backend::Allowed kAllowed[] = {
#include "backend/measure/syscalls.inc"
};

wire::SizedBytes bytes_of(const std::string& text) { return wire::SizedBytes(base::Bytes(text.begin(), text.end())); }
std::string text_of(const wire::SizedBytes& bytes) { return {bytes.view().begin(), bytes.view().end()}; }

template <class M>
void tell(const M& message) {
  base::Bytes datagram = message::encode(message);
  // A manager that has gone wants to know nothing.
  static_cast<void>(::send(message::kManagerFd, datagram.data(), datagram.size(), MSG_NOSIGNAL));
}

Result<message::Measure> question() {
  base::Bytes datagram(message::kMaxMessage);
  ssize_t n = ::recv(message::kManagerFd, datagram.data(), datagram.size(), 0);
  auto decoded = message::decode<message::Measure>(base::View(datagram).first(n > 0 ? static_cast<size_t>(n) : 0));
  if (!decoded.ok()) return Reason{"not asked anything that makes sense"};
  return std::move(decoded).take();
}

Result<Image> image_for(const message::Measure& asked) {
  if (asked.configuration.empty())
    return Image{text_of(asked.kernel), text_of(asked.ramdisk), text_of(asked.command_line)};
  std::string configuration = TRY(content_of(text_of(asked.configuration)));
  return image_in(configuration);
}

Result<Digest> digest_of(const RegularFile& file) {
  auto told = Clock::now();
  return file.digest([&](uint64_t done, uint64_t size) {
    if (Clock::now() - told < kReportAfter) return;
    told = Clock::now();
    tell(message::Measuring{bytes_of(file.path()), done, size});
  });
}

Result<message::Measured> measured() {
  message::Measure asked = TRY(question());
  Image image = TRY(image_for(asked));
  RegularFile kernel = TRY(RegularFile::open(image.kernel));
  std::optional<RegularFile> ramdisk;
  if (!image.ramdisk.empty()) ramdisk = TRY(RegularFile::open(image.ramdisk));
  auto confined = backend::lock_down({kNobody, kNobody, Where::Any}, kAllowed);
  if (!confined.ok()) return Reason{"the process that hashes could not be confined: " + confined.error().text()};
  message::Measured result;
  result.kernel = bytes_of(image.kernel);
  result.kernel_digest = TRY(digest_of(kernel));
  result.command_line = bytes_of(image.command_line);
  result.ramdisk = bytes_of(image.ramdisk);
  result.ramdisk_digest = ramdisk ? TRY(digest_of(*ramdisk)) : sha1({});
  return result;
}

}  // namespace
}  // namespace measure

int main() {
  base::log_name("vtpm-measure");
  base::log_level(base::Level::Warning);
  // Everything that OpenSSL wants from the file system, while there is one.
  static_cast<void>(measure::sha1({}));
  auto result = measure::measured();
  if (result.ok()) {
    measure::tell(result.value());
    return 0;
  }
  measure::tell(message::NotMeasured{measure::bytes_of(result.error().text)});
  return 1;
}
