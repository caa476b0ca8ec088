// SPDX-License-Identifier: MIT
#include "tests/engine/golden.h"

#include <fstream>
#include <iterator>

#include "tests/engine/counter_client.h"
#include "tests/engine/delegation_client.h"
#include "tests/engine/nv_client.h"
#include "tests/engine/transport_client.h"

namespace golden {

namespace {

using client::Out;
using client::Reply;
using world::kKeyAuth;
using world::kOwnerAuth;
using world::kSrkAuth;
using world::World;

void permanent_state(World& w, State& state) {
  Bytes content = client::bytes_of("golden area's data");
  client::Nv nv(w.tpm);
  World::must(nv.define_as_owner({.index = kArea,
                                  .attributes = client::kNvAuthRead | client::kNvAuthWrite,
                                  .bytes = static_cast<uint32_t>(content.size())},
                                 kOwnerAuth, kAreaAuth),
              "NV_DefineSpace");
  World::must(nv.write_auth(kArea, 0, content, kAreaAuth), "NV_WriteValueAuth");
  state.answers["area"] = content;

  client::Counters counters(w.tpm);
  uint32_t id = counters.create(kOwnerAuth, kCounterAuth, "gold").value.id;
  for (int i = 0; i < 3; i++) World::must(counters.increment(id, kCounterAuth).reply, "IncrementCounter");
  state.answers["counter"] = Out().u32(id).u32(counters.read(id).value.count);

  Reply made = w.tpm.run_oiap(client::manage(0, client::kFamilyCreate, {'g'}), kOwnerAuth);
  World::must(made, "Delegate_Manage");
  state.answers["families"] = w.tpm.run(0xdb).params;

  Bytes restrictions = Out().u32(2).sized(Out().u32(23)).sized(Out().u32(kRestrictions));
  World::must(w.tpm.run_oiap({.ordinal = 0x3f, .params = restrictions}, kOwnerAuth), "SetCapability");
  auto srk = w.tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(client::kSrk)}, kOwnerAuth);
  World::must(srk, "OwnerReadInternalPub");
  state.answers["srk"] = client::bytes_of(client::sha1(srk.params));
  Bytes secret = client::bytes_of("golden secret");
  auto sealed = w.tpm.seal(client::kSrk, kSrkAuth, secret, world::kDataAuth);
  World::must(sealed.reply, "Seal");
  state.answers["sealed"] = sealed.value;
}

void volatile_state(World& w, State& state) {
  auto extended = w.tpm.extend(kPcr, client::secret("golden event"));
  World::must(extended.reply, "Extend");
  state.answers["pcr"] = client::bytes_of(extended.value);
  uint32_t key = w.load(w.keys().sign);
  state.answers["key"] = Out().u32(key);
  state.answers["modulus"] = w.keys().sign.modulus;
  client::Session* session = w.oiap();
  state.answers["session"] = Out().u32(session->handle).raw(session->nonce_even);

  client::Session* saved = w.oiap();
  Reply context =
      w.tpm.run({.ordinal = 0xb8, .handles = Out().u32(saved->handle), .params = Out().u32(2).raw(Bytes(16, 'g'))});
  World::must(context, "SaveContext");
  state.answers["context"] = context.params;

  client::Session carrier;
  client::TransportSession transport{.session = &carrier, .auth = kTransportAuth, .algorithm = client::kAlgMgf1};
  World::must(client::open_transport(w.tpm, transport, client::kSrk, w.srk().pub(), kSrkAuth), "EstablishTransport");
  state.answers["transport"] = Out().u32(carrier.handle).raw(carrier.nonce_even);

  w.presence();
  World::must(w.tpm.run(0x3f, Out().u32(4).sized(Out().u32(6)).sized(Out().u32(1))), "SetCapability");
  w.no_presence();
}

Bytes bytes_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

State make() {
  World w;
  State state;
  permanent_state(w, state);
  volatile_state(w, state);
  state.snapshot = w.machine().snapshot();
  return state;
}

void write(const std::filesystem::path& directory, const State& state) {
  std::filesystem::create_directories(directory);
  write_file(directory / "permanent", state.snapshot.permanent);
  write_file(directory / "volatile", state.snapshot.volatile_state);
  std::ofstream answers(directory / "answers");
  for (const auto& [name, bytes] : state.answers) answers << name << ' ' << client::hex(bytes) << '\n';
}

State read(const std::filesystem::path& directory) {
  State state{.snapshot = {.permanent = bytes_of_file(directory / "permanent"),
                           .volatile_state = bytes_of_file(directory / "volatile")},
              .answers = {}};
  std::ifstream answers(directory / "answers");
  for (std::string name, text; answers >> name >> text;) state.answers[name] = from_hex(text);
  return state;
}

}  // namespace golden
