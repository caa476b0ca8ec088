// SPDX-License-Identifier: MIT
// The TPM of a machine, by the machine's own driver: guest_client IN OUT begin|sign|end FILE. IN and OUT are open
// descriptors of the machine's shell: a line for it, and what it prints.
//   begin   takes ownership, loads a key, signs in a session that stays open; keeps all that in FILE
//   sign    goes on with that session where `begin` left it, and prints what comes of it
//   end     ends the session and unloads the key
#include <openssl/evp.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/engine/tpm_client.h"

namespace {

using client::Bytes;
using client::Digest;
using client::kWellKnown;
using client::Tpm;

constexpr uint32_t kSign = 0x3c, kKeyType = 1, kSessionType = 2;
const Digest kKeyAuth = client::secret("a machine's key");

std::string base64_of(const Bytes& bytes) {
  Bytes text(bytes.size() / 3 * 4 + 5);
  int size = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
  return {text.begin(), text.begin() + size};
}

Bytes from_base64(const std::string& text) {
  Bytes encoded(text.begin(), text.end()), bytes(text.size());
  int size = EVP_DecodeBlock(bytes.data(), encoded.data(), static_cast<int>(encoded.size()));
  size_t padding = text.size() - text.find_last_not_of('=') - 1;
  bytes.resize(size < 0 ? 0 : static_cast<size_t>(size) - padding);
  return bytes;
}

// The machine's shell, which does what it is told line by line.
class Shell {
 public:
  Shell(int in, int out) : in_(in), out_(out) {}

  // What it prints before END, without the ends of lines.
  std::string ask(const std::string& command) const {
    std::string line = command + "; echo END\n", said;
    if (write(in_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return {};
    for (std::string next = read_line(); next != "END"; next = read_line()) {
      if (next.empty()) return {};
      said += next;
    }
    return said;
  }

 private:
  std::string read_line() const {
    constexpr int kPatienceMs = 60'000;
    std::string line;
    for (char byte = 0; byte != '\n';) {
      pollfd wait{.fd = out_, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, kPatienceMs) != 1 || read(out_, &byte, 1) != 1) return {};
      if (byte != '\n' && byte != '\r') line += byte;
    }
    return line;
  }

  int in_;
  int out_;
};

// A command goes to the driver in one piece, from a file system that IMA does not measure.
client::Transport through(const Shell& shell) {
  return [&shell](const Bytes& command, uint8_t) {
    return from_base64(shell.ask("echo " + base64_of(command) +
                                 " | base64 -d >/dev/command; exec 7<>/dev/tpm0; dd bs=4096 if=/dev/command >&7 "
                                 "2>/dev/null; dd bs=4096 count=1 <&7 2>/dev/null | base64; exec 7>&-"));
  };
}

struct Kept {
  client::Session session;
  uint32_t key = 0;
  Bytes modulus;
};

void keep(const char* path, const Kept& kept) {
  Bytes bytes = client::Out().u32(kept.session.handle).raw(kept.session.nonce_even).u32(kept.key).sized(kept.modulus);
  std::ofstream file(path, std::ios::binary);
  for (uint8_t byte : bytes) file.put(static_cast<char>(byte));
}

Kept kept_in(const char* path) {
  std::ifstream file(path, std::ios::binary);
  client::In in(Bytes{std::istreambuf_iterator<char>(file), {}});
  Kept kept;
  kept.session.handle = in.u32();
  kept.session.nonce_even = in.digest();
  kept.session.alive = true;
  kept.key = in.u32();
  kept.modulus = in.sized();
  return kept;
}

int sign(Tpm& tpm, Kept& kept) {
  Digest digest = client::sha1(client::bytes_of("a machine"));
  client::Command command{.ordinal = kSign,
                          .handles = client::Out().u32(kept.key),
                          .params = client::Out().sized(client::bytes_of(digest)),
                          .proofs = {{.session = &kept.session, .secret = kKeyAuth, .keep = true}}};
  client::Reply reply = tpm.run(command);
  if (!reply.ok()) {
    printf("code %u%s\n", reply.code, reply.defect.c_str());
    return 0;
  }
  client::In in(reply.params);
  puts(client::verify_sha1({.modulus = kept.modulus}, digest, in.sized()) ? "signs" : "signs wrongly");
  return 0;
}

int begin(Tpm& tpm, const char* path) {
  auto ek = tpm.read_pubek();
  if (!ek.ok() || !tpm.take_ownership(ek.value, kWellKnown, kWellKnown).ok()) return 1;
  auto key = tpm.create_wrap_key(client::kSrk, kWellKnown, client::signing_key(2048), kKeyAuth);
  if (!key.ok()) return 1;
  auto loaded = tpm.load_key2(client::kSrk, kWellKnown, key.value.encode());
  auto session = tpm.oiap();
  if (!loaded.ok() || !session.ok()) return 1;
  Kept kept{session.value, loaded.value.handle, key.value.modulus};
  int status = sign(tpm, kept);
  keep(path, kept);
  return status;
}

int end(Tpm& tpm, const Kept& kept) {
  bool ended = tpm.flush(kept.session.handle, kSessionType).ok() && tpm.flush(kept.key, kKeyType).ok();
  puts(ended ? "ended" : "not ended");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fputs("usage: guest_client IN OUT begin|sign|end FILE\n", stderr);
    return 2;
  }
  Shell shell(atoi(argv[1]), atoi(argv[2]));
  Tpm tpm(through(shell));
  std::string what = argv[3];
  if (what == "begin") return begin(tpm, argv[4]);
  Kept kept = kept_in(argv[4]);
  return what == "sign" ? sign(tpm, kept) : end(tpm, kept);
}
