// SPDX-License-Identifier: MIT
// What the tools of a TSS cannot send: raw bytes to a TPM's socket, split and joined as one likes. Each use prints what
// came back, for a script to judge.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tests/clients/daa.h"
#include "tests/clients/migrate.h"
#include "tests/clients/owned.h"
#include "tests/engine/stream_transport.h"

namespace {

using clients::count;
using clients::count_on;
using clients::daa;
using clients::deactivate_as_operator;
using clients::delegated;
using clients::migrate;

using client::Bytes;
using client::Out;
using client::Stream;
using client::Tpm;

constexpr uint32_t kGetRandom = 0x46, kPcrRead = 0x15;
constexpr uint16_t kRequest = 0xc1;

Bytes pcr_read(uint32_t pcr) { return Out().u16(kRequest).u32(14).u32(kPcrRead).u32(pcr); }

uint32_t code_of(const Bytes& response) {
  client::In in(response);
  in.u16();
  in.u32();
  return in.u32();
}

// "code 25, closed": an answer, and whether the connection outlived it.
void print_answer(Stream& stream, const Bytes& response) {
  if (response.empty()) {
    puts("nothing");
    return;
  }
  bool open = stream.write(pcr_read(0)) && stream.read_response(2000).size() == 30;
  printf("code %u, %s\n", code_of(response), open ? "open" : "closed");
}

int number(const char* text) { return static_cast<int>(strtol(text, nullptr, 0)); }

// Each byte of a command in a packet of its own.
int split(Stream& stream, char**) {
  for (uint8_t byte : pcr_read(0)) {
    if (!stream.write({byte})) return 1;
    usleep(1000);
  }
  print_answer(stream, stream.read_response());
  return 0;
}

// Three commands in one piece, the last one without its end, which follows after the answers.
int join(Stream& stream, char**) {
  Bytes random = Out().u16(kRequest).u32(14).u32(kGetRandom).u32(7);
  Bytes all;
  for (const Bytes& command : {random, pcr_read(1), pcr_read(2)}) all.insert(all.end(), command.begin(), command.end());
  Bytes end(all.end() - 3, all.end());
  all.resize(all.size() - 3);
  if (!stream.write(all)) return 1;
  size_t first = stream.read_response().size();
  size_t second = stream.read_response().size();
  if (!stream.write(end)) return 1;
  printf("%zu %zu %zu\n", first, second, stream.read_response().size());
  return 0;
}

// A command that claims `size` bytes, and is as long, up to what any client would send.
int size(Stream& stream, char** args) {
  auto claimed = static_cast<uint32_t>(strtoul(args[0], nullptr, 0));
  Bytes command = Out().u16(kRequest).u32(claimed).u32(kGetRandom);
  if (claimed > 10) command.resize(std::min<size_t>(claimed, 5000));
  if (!stream.write(command)) return 1;
  print_answer(stream, stream.read_response());
  return 0;
}

int extend(Stream& stream, char** args) {
  client::Digest digest = client::sha1(client::bytes_of(args[1]));
  return Tpm(stream.transport()).extend(static_cast<uint32_t>(number(args[0])), digest).ok() ? 0 : 1;
}

int pcr(Stream& stream, char** args) {
  auto value = Tpm(stream.transport()).pcr_read(static_cast<uint32_t>(number(args[0])));
  if (!value.ok()) return 1;
  puts(client::hex(client::bytes_of(value.value)).c_str());
  return 0;
}

int presence(Stream& stream, char** args) {
  return Tpm(stream.transport()).presence(static_cast<uint16_t>(number(args[0]))).ok() ? 0 : 1;
}

// TPM_Startup or TPM_SaveState, and what it answers.
int startup(Stream& stream, char** args) {
  printf("code %u\n", Tpm(stream.transport()).startup(static_cast<uint16_t>(number(args[0]))).code);
  return 0;
}
int save_state(Stream& stream, char**) {
  constexpr uint32_t kSaveState = 0x98;
  return Tpm(stream.transport()).run(kSaveState).ok() ? 0 : 1;
}

// TPM_PCR_Reset.
int reset(Stream& stream, char** args) {
  constexpr uint32_t kPcrReset = 0xc8, kSelectionBytes = 3;
  auto pcr = static_cast<unsigned>(number(args[0]));
  Bytes selection(kSelectionBytes);
  selection.at(pcr / 8) = static_cast<uint8_t>(1U << pcr % 8);
  return Tpm(stream.transport()).run(kPcrReset, Out().u16(kSelectionBytes).raw(selection)).ok() ? 0 : 1;
}

// The size of the buffer, as the TPM itself tells it.
int buffer(Stream& stream, char**) {
  constexpr uint32_t kGetCapability = 0x65, kProperty = 5, kInputBuffer = 0x124;
  auto reply = Tpm(stream.transport()).run(kGetCapability, Out().u32(kProperty).u32(4).u32(kInputBuffer));
  if (!reply.ok()) return 1;
  client::In in(reply.params);
  in.u32();
  printf("%u\n", in.u32());
  return 0;
}

// TPM_CreateEndorsementKeyPair, and what it answers.
int make_ek(Stream& stream, char**) {
  constexpr uint32_t kCreateEndorsementKeyPair = 0x78, kRsa = 1;
  constexpr uint16_t kOaep = 3, kNoSignature = 1;
  Out out;
  out.raw(Bytes(20)).u32(kRsa).u16(kOaep).u16(kNoSignature).u32(12).u32(2048).u32(2).u32(0);
  printf("code %u\n", Tpm(stream.transport()).run(kCreateEndorsementKeyPair, out).code);
  return 0;
}

// A TCP port that is free at this moment.
int free_port() {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  if (bind(fd, generic, length) != 0 || getsockname(fd, generic, &length) != 0) return 1;
  printf("%u\n", ntohs(address.sin_port));
  close(fd);
  return 0;
}

struct Use {
  int n_args;
  int (*run)(Stream&, char**);
};
const std::map<std::string, Use> kUses = {{"split", {0, split}},     {"join", {0, join}},
                                          {"size", {1, size}},       {"extend", {2, extend}},
                                          {"pcr", {1, pcr}},         {"presence", {1, presence}},
                                          {"startup", {1, startup}}, {"save-state", {0, save_state}},
                                          {"reset", {1, reset}},     {"buffer", {0, buffer}},
                                          {"make-ek", {0, make_ek}}, {"count", {1, count}},
                                          {"count-on", {1, count_on}},
                                          {"daa", {0, daa}},         {"delegated", {1, delegated}},
                                          {"migrate", {1, migrate}}, {"operator", {1, deactivate_as_operator}}};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "free-port") return free_port();
  auto use = argc < 3 ? kUses.end() : kUses.find(argv[2]);
  if (use == kUses.end() || argc != 3 + use->second.n_args) {
    fputs(
        "usage: raw_client free-port\n       raw_client ADDRESS split|join|size N|extend PCR TEXT|pcr PCR|reset PCR|"
        "presence FLAGS|startup TYPE|save-state|buffer|make-ek|count N|count-on ID|daa|delegated BLOB|migrate ADDRESS|operator "
        "FILLER\n",
        stderr);
    return 2;
  }
  Stream stream(argv[1]);
  if (!stream.connected()) return 2;
  return use->second.run(stream, argv + 3);
}
