// SPDX-License-Identifier: MIT
#include "tests/fuzz/script.h"

#include <map>

#include "tests/fuzz/law.h"

namespace fuzz {

namespace {

using client::Digest;
using client::In;
using client::Out;
using world::Stage;

constexpr Stage kStages[] = {Stage::Owned, Stage::Started,  Stage::Made,
                             Stage::Bare,  Stage::Disabled, Stage::Deactivated};

// ---- Sections of a snapshot: Documentation/state-format.md ----

using Sections = std::map<uint16_t, Bytes>;

void add_sections(const Bytes& snapshot, Sections& to) {
  In in(snapshot);
  in.raw(7);
  for (uint16_t left = in.u16(); left > 0; left--) {
    uint16_t id = in.u16();
    in.u16();
    to[id] = in.sized();
  }
  law(in.done(), "a snapshot is its sections");
}

// What a command that fails may still change: sessions, ticks and self-test, a running hash or DAA session, a state
// saved for the next start-up, the audit, and the lockout.
constexpr uint16_t kMayChange[] = {0x004, 0x008, 0x009, 0x102, 0x104, 0x106, 0x108, 0x10b};

// The handle of the exclusive transport session: after three flags of section 0x102.
uint32_t exclusive_in(const Sections& sections) {
  In in(sections.at(0x102));
  in.raw(3);
  return in.u32();
}

void unchanged(const Bytes& frame, const Sections& before, const Sections& after) {
  // A command from outside, whatever comes of it, ends the exclusive transport session (Part 3, 24.1); and one that
  // fails ends the sessions of its trailers, which are transport sessions in these two.
  In request(frame);
  request.raw(6);
  uint32_t ordinal = request.u32();
  constexpr uint32_t kExecuteTransport = 0xe7, kReleaseTransportSigned = 0xe8;
  bool may_end_transport = (exclusive_in(before) != 0 && exclusive_in(after) == 0) || ordinal == kExecuteTransport ||
                           ordinal == kReleaseTransportSigned;
  for (const auto& [id, body] : before) {
    if (std::ranges::find(kMayChange, id) != std::end(kMayChange)) continue;
    if (id == 0x107 && may_end_transport) continue;
    auto now = after.find(id);
    law(now != after.end() && now->second == body, "a command that fails changes nothing but the lockout");
  }
}

Sections sections_of(machine::EngineMachine& engine) {
  machine::Snapshot snapshot = engine.snapshot();
  Sections all;
  add_sections(snapshot.permanent, all);
  add_sections(snapshot.volatile_state, all);
  return all;
}

}  // namespace

const std::vector<uint32_t>& ordinals() {
  static const std::vector<uint32_t> all = [] {
    std::vector<uint32_t> list;
    for (const world::Entry& entry : world::catalogue()) list.push_back(entry.ordinal);
    return list;
  }();
  return all;
}

void Script::run(std::span<const uint8_t> bytes) {
  Input input(bytes);
  Stage stage = input.choice(kStages);
  uint8_t locality = input.u8();
  // A catalogue step starts from its own state.
  if (bytes.size() > 6 && bytes[2] == 'C') {
    Input ahead(bytes.subspan(3));
    uint32_t ordinal = ahead.u32();
    for (const world::Entry& entry : world::catalogue()) {
      if (entry.ordinal != ordinal) continue;
      stage = entry.stage;
      locality = entry.locality;
    }
  }
  Script script(stage);
  script.world_.tpm.locality = locality % 6;
  for (size_t n = 0; n < kMostSteps && !input.empty(); n++) script.step(input, n == 0);
}

void Script::step(Input& input, bool first) {
  switch (input.u8()) {
    case 'F':
      return frame(input);
    case 'C':
      return first ? catalogue(input) : static_cast<void>(input.u32());
    case 'G':
      return grammar(input);
    case 'T':
      return tamper(input);
    case 'P':
      sessions_.clear();
      return engine().power_cycle();
    case 'D':
      return engine().break_disk(true);
    case 'd':
      return engine().break_disk(false);
    case 'S':
      return reload();
    default:
      return;
  }
}

Bytes Script::exchange(const Bytes& frame) {
  Sections before = sections_of(engine());
  Bytes response = world_.tpm.send(frame);
  In in(response);
  uint16_t tag = in.u16();
  uint32_t size = in.u32();
  uint32_t code = in.u32();
  law(in.ok() && size == response.size() && size <= 4088, "a response has the size it says");
  if (code != 0) {
    law(tag == 0xc4 && size == 10, "a failure is a header");
    unchanged(frame, before, sections_of(engine()));
  } else {
    law(frame.size() >= 10 && tag == frame[1] + 3U && frame[0] == 0,
        "a success answers as many sessions as it was asked with");
    law(size >= 10U + 41U * (tag - 0xc4U), "a success has its trailers");
  }
  return response;
}

uint32_t Script::send(const Prepared& prepared, bool must_fail) {
  Bytes response = exchange(prepared.frame);
  client::Reply reply = world_.tpm.finish(prepared, response);
  if (reply.code != 0) return reply.code;
  law(!must_fail, "no success without a proof of every session");
  // A command may answer under a secret that it has changed; whether it does is the chapters' to test.
  const uint32_t ordinal = prepared.command.ordinal;
  bool new_secret = ordinal == 0x0c || ordinal == 0x10 || ordinal == 0x0d;
  law(reply.defect.empty() || new_secret, "a success proves itself");
  In in(reply.handles);
  if (ordinal == 0x41) keys_.push_back(in.u32());
  In params(reply.params);
  if (ordinal == 0x20) keys_.push_back(params.u32());
  return 0;
}

void Script::frame(Input& input) { exchange(input.bytes(input.u16())); }

void Script::catalogue(Input& input) {
  uint32_t ordinal = input.u32();
  for (const world::Entry& entry : world::catalogue()) {
    if (entry.ordinal != ordinal) continue;
    uint8_t locality = world_.tpm.locality;
    Command command = entry.make(world_);
    world_.tpm.locality = locality;
    bool edited = false;
    for (uint8_t n = input.u8(); n > 0; n--) {
      size_t at = input.u16();
      uint8_t value = input.u8();
      edited = true;
      if (at < command.handles.size()) {
        command.handles[at] = value;
      } else if (!command.params.empty()) {
        command.params[(at - command.handles.size()) % command.params.size()] = value;
      }
    }
    last_ = world_.tpm.prepare(command);
    wrong_proof_ = false;
    uint32_t code = send(last_, false);
    law(edited || code == 0 || locality != entry.locality, "the catalogue's request succeeds");
    return;
  }
}

uint32_t Script::handle(Input& input) {
  uint8_t kind = input.u8();
  if (kind < 0x60) return client::kSrk;
  if (kind < 0xb0 && !keys_.empty()) return keys_[kind % keys_.size()];
  if (kind < 0xd0 && !sessions_.empty()) return sessions_[kind % sessions_.size()].handle;
  constexpr uint32_t kSpecial[] = {0,          client::kOwner, client::kEk, 0x40000002, 0x40000003,
                                   0x40000004, 0x40000005,     0x40000007,  1,          0xffffffff};
  if (kind < 0xf0) return kSpecial[kind % std::size(kSpecial)];
  return input.u32();
}

client::Proof Script::proof(Input& input) {
  uint8_t kind = input.u8();
  const Digest kSecrets[] = {world::kOwnerAuth, world::kSrkAuth, world::kKeyAuth, world::kDataAuth, world::kWrong};
  const Digest& secret = kSecrets[kind % 5];
  wrong_proof_ |= kind % 5 == 4;
  if (kind < 0x80 || sessions_.empty()) {
    auto opened = kind % 3 == 0   ? world_.tpm.osap(client::kEtSrk, client::kSrk, secret)
                  : kind % 3 == 1 ? world_.tpm.osap(client::kEtOwner, client::kOwner, secret)
                                  : world_.tpm.oiap();
    sessions_.push_back(opened.value);
  }
  return {.session = &sessions_[sessions_.size() - 1 - (kind >= 0x80 ? kind % sessions_.size() : 0)],
          .secret = secret,
          .keep = (kind & 0x40) != 0};
}

void Script::grammar(Input& input) {
  Command command{.ordinal = input.choice(ordinals())};
  uint8_t shape = input.u8();
  wrong_proof_ = false;
  sessions_.reserve(2 * kMostSteps + 2);  // proofs point into it
  for (unsigned n = shape & 3; n > 0; n--) {
    Bytes one = Out().u32(handle(input));
    command.handles.insert(command.handles.end(), one.begin(), one.end());
  }
  if (shape & 0x04) {  // a blob that this TPM has made
    const world::Keys& keys = world_.keys();
    const client::Key* blobs[] = {&keys.sign, &keys.bind,     &keys.legacy,         &keys.storage,
                                  &keys.open, &keys.identity, &keys.migratable_sign};
    command.params = input.choice(blobs)->encode();
  }
  for (unsigned n = shape >> 3 & 7; n > 0; n--) {
    Bytes piece = input.bytes(input.u8());
    if (shape & 0x40) piece = Out().sized(piece);
    command.params.insert(command.params.end(), piece.begin(), piece.end());
  }
  unsigned n_proofs = input.u8() % 3;
  for (unsigned n = 0; n < n_proofs; n++) command.proofs.push_back(proof(input));
  if (command.ordinal == 0x41) command.out_handle_bytes = 4;
  last_ = world_.tpm.prepare(command);
  send(last_, wrong_proof_);
}

void Script::tamper(Input& input) {
  if (last_.command.proofs.empty()) return;
  size_t n = last_.command.proofs.size();
  Prepared again = world_.tpm.prepare(last_.command);
  // Not in the handles, which no proof covers, nor in the header but for the ordinal.
  size_t from = 10 + last_.command.handles.size();
  size_t at = from + input.u16() % (again.frame.size() - from);
  size_t trailers = again.frame.size() - 45 * n;
  again.frame[at] = static_cast<uint8_t>(again.frame[at] ^ 1U << (input.u8() & 7));
  // Another session's handle may be a session that proves the same secret only by its nonce: that fails too. A flag of
  // continueAuthSession is a byte: 0 and not 0 are what is proven.
  bool flag = at >= trailers && (at - trailers) % 45 == 24;
  if (!flag) send(again, true);
}

void Script::reload() {
  machine::Snapshot snapshot = world_.machine().snapshot();
  world_.restore({snapshot, {}});
  Sections before, after;
  add_sections(snapshot.permanent, before);
  machine::Snapshot now = world_.machine().snapshot();
  add_sections(now.permanent, after);
  law(before == after, "what was saved is what is loaded");
  add_sections(snapshot.volatile_state, before);
  add_sections(now.volatile_state, after);
  before.erase(0x102);  // ticks go on
  after.erase(0x102);
  law(before == after, "what was saved is what is loaded");
}

}  // namespace fuzz
