// SPDX-License-Identifier: MIT
#include "backend/control/swtpm_import.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "backend/control/ask.h"
#include "backend/control/failure.h"
#include "backend/convert/file_key.h"
#include "backend/convert/question.h"
#include "backend/vault/vault.h"

namespace backend {

using convert::Reason;
using nlohmann::json;

namespace {

constexpr const char* kState = "tpm-00.permall";

Reason trouble(const std::string& path) { return {path + ": " + strerror(errno)}; }

convert::Result<base::Bytes> content_of(const std::string& path, size_t most) {
  vault::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (!fd || ::fstat(fd.get(), &about) != 0) return trouble(path);
  if (!S_ISREG(about.st_mode)) return Reason{path + ": is not a file"};
  base::Bytes bytes(most + 1);
  size_t n = 0;
  for (ssize_t more = 1; more > 0 && n < bytes.size(); n += static_cast<size_t>(more)) {
    more = ::read(fd.get(), bytes.data() + n, bytes.size() - n);
    if (more < 0) return trouble(path);
  }
  if (n > most) return Reason{path + ": is too large"};
  bytes.resize(n);
  return bytes;
}

// Of swtpm; an older one has none. Held until the manager has answered.
convert::Result<vault::Fd> lock(const std::string& directory) {
  std::string path = directory + "/.lock";
  vault::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return fd;
  if (!fd) return trouble(path);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &whole) == 0) return fd;
  return Reason{directory + ": swtpm is running: shut its guest down first"};
}

bool there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// As swtpm itself does it, a backup counts when there is nothing else.
convert::Result<std::string> state_file(const std::string& directory) {
  std::string path = directory + "/" + kState;
  for (const std::string& candidate : {path, path + ".bak"}) {
    if (there(candidate)) return candidate;
  }
  if (there(directory + "/tpm2-00.permall")) {
    return Reason{directory + ": this is a TPM 2.0; only a TPM 1.2 can be taken over"};
  }
  return Reason{path + ": " + strerror(ENOENT) + "; swtpm's --tpmstate dir= is wanted (libvirt's ends in tpm1.2)"};
}

convert::Result<convert::FileKey> key_of(const SwtpmImport& import) {
  if (!import.key_file.empty()) {
    base::Bytes content = TRY(content_of(import.key_file, convert::kLargestKeyFile));
    return convert::key_in(content, import.key_format == "binary");
  }
  if (import.password_file.empty()) return convert::FileKey{};
  base::Bytes content = TRY(content_of(import.password_file, convert::kLargestPassword));
  return convert::key_from_password(content, import.kdf == "sha512");
}

convert::Result<vault::Fd> question_of(const SwtpmImport& import) {
  std::string path = TRY(state_file(import.directory));
  convert::FileKey key = TRY(key_of(import));
  convert::Question question;
  question.key = wire::SizedBytes(key.bytes.reveal());
  question.key_of_password = key.of_password;
  question.saved_state = there(import.directory + "/tpm-00.savestate");
  question.volatile_state = there(import.directory + "/tpm-00.volatilestate");
  question.file = wire::SizedBytes(TRY(content_of(path, convert::kLargestState)));
  base::Bytes bytes = wire::encode(question);
  vault::Fd fd(::memfd_create("vtpm-question", MFD_CLOEXEC));
  bool written = fd && ::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (!written) return trouble("memory for the state");
  return fd;
}

std::string new_uuid() {
  vault::Uuid uuid{};
  if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) return {};
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // version 4
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return vault::text_of(uuid);
}

}  // namespace

json import_from_swtpm(const SwtpmImport& import) {
  auto locked = lock(import.directory);
  if (!locked.ok()) return failure(locked.error().text);
  auto question = question_of(import);
  if (!question.ok()) return failure(question.error().text);
  json request = {{"command", "import"}, {"swtpm", true}, {"yes", import.yes}, {"label", import.label}};
  request["uuid"] = import.uuid.empty() ? new_uuid() : import.uuid;
  return Control(import.runtime + "/control.sock").ask(request, question.value().get());
}

void print_swtpm(const json& answer) {
  auto list = [&](const char* title, const char* of) {
    std::printf("%s\n", title);
    for (const json& text : answer[of]) std::printf("  %s\n", text.get<std::string>().c_str());
  };
  bool stored = answer["stored"];
  list(stored ? "carried over:" : "would be carried over:", "carried");
  list("not carried over:", "left");
  if (!stored) {
    std::printf("nothing has been done yet: say it again with --yes\n");
    return;
  }
  std::printf("instance %s\n", answer["uuid"].get<std::string>().c_str());
  std::printf("do not start swtpm with the old state any more: the TPM would be there twice\n");
}

}  // namespace backend
