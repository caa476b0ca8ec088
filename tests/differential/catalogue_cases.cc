// SPDX-License-Identifier: MIT
// Requests that succeed, and what becomes of them when one thing is changed: cut, lengthened, another tag, a parameter
// or a handle changed under a valid proof, another session, another state of the TPM.
#include <algorithm>

#include "tests/differential/recorder.h"

namespace differential {

namespace {

using client::Digest;
using client::Proof;
using client::Session;
using world::Entry;
using world::World;

// Bytes of large parameters beyond this are ciphers, whose single bits say nothing new.
constexpr size_t kFirstBytes = 48;
constexpr size_t kLastBytes = 24;
constexpr size_t kBetween = 6;
// Before this stand nonces and secrets, in commands that make keys.
constexpr size_t kKeyAt = 40;

Bytes with_size(Bytes frame) {
  Bytes size = Out().u32(static_cast<uint32_t>(frame.size()));
  std::copy(size.begin(), size.end(), frame.begin() + 2);
  return frame;
}

struct Offset {
  size_t at;
  std::string name;
};
// Every offset of a short sequence; both ends of a long one and some between. Names do not depend on the length: what a
// TPM made (a context, a wrapped key) has another one on the other side.
std::vector<Offset> offsets(size_t n) {
  std::vector<Offset> all;
  for (size_t i = 0; i < std::min(n, kFirstBytes); i++) all.push_back({i, std::to_string(i)});
  if (n > kFirstBytes + kLastBytes) {
    size_t between = n - kFirstBytes - kLastBytes;
    for (size_t i = 1; i <= std::min(kBetween, between); i++) {
      all.push_back({kFirstBytes - 1 + between * i / std::min(kBetween, between), "between-" + std::to_string(i)});
    }
  }
  for (size_t i = std::max(kFirstBytes, n - std::min(n, kLastBytes)); i < n; i++) {
    all.push_back({i, "end-" + std::to_string(n - i)});
  }
  return all;
}

// Whether the sessions of a request are still there.
void sessions_after(const Recorder& r, const std::string& name, World& w, const Command& command) {
  for (size_t i = 0; i < command.proofs.size(); i++) {
    Reply reply = w.tpm.run({.ordinal = 0x96, .handles = Out().u32(command.proofs[i].session->handle)});
    r.code(name + "/session" + std::to_string(i + 1), reply.code);
  }
}

void run(const Recorder& r, const std::string& name, World& w, const Command& command) {
  r.apart([&](const Recorder& one) {
    Prepared prepared = w.tpm.prepare(command);
    one.response(name, w.tpm.send(prepared.frame));
    sessions_after(one, name, w, command);
  });
}

void send(const Recorder& r, const std::string& name, World& w, const Command& command, const Bytes& frame) {
  r.apart([&](const Recorder& one) {
    one.response(name, w.tpm.send(frame));
    sessions_after(one, name, w, command);
  });
}

void framing_cases(const Recorder& r, World& w, const Prepared& golden) {
  // A request that is too short changes nothing, so that all of them can run in one process.
  r.at("cut").apart([&](const Recorder& cut) {
    for (const Offset& offset : offsets(golden.frame.size())) {
      if (offset.at < 10) continue;
      Bytes frame(golden.frame.begin(), golden.frame.begin() + static_cast<std::ptrdiff_t>(offset.at));
      cut.response(offset.name, w.tpm.send(with_size(frame)));
    }
    sessions_after(cut, "after", w, golden.command);
  });
  Bytes longer = golden.frame;
  longer.push_back(0);
  send(r, "longer", w, golden.command, with_size(longer));
  for (uint8_t tag : std::initializer_list<uint8_t>{0xc1, 0xc2, 0xc3, 0xc4}) {
    Bytes frame = golden.frame;
    frame[1] = tag;
    send(r, "tag-" + number(tag), w, golden.command, frame);
  }
}

// Whether the command makes a key: with most of its bytes changed it still does, which takes long and says nothing.
bool makes_key(uint32_t ordinal) {
  constexpr uint32_t kMakers[] = {0x0d, 0x13, 0x1f, 0x78, 0x79, 0x7f};
  return std::find(std::begin(kMakers), std::end(kMakers), ordinal) != std::end(kMakers);
}

// Where an RSA key's length stands: libtpms takes any, and would be making a key of some million bits for hours.
size_t key_length_at(const Bytes& params) {
  for (uint8_t high : std::initializer_list<uint8_t>{4, 8}) {
    const uint8_t pattern[] = {0, 0, high, 0, 0, 0, 0, 2};
    auto found = std::search(params.begin(), params.end(), std::begin(pattern), std::end(pattern));
    if (found != params.end()) return static_cast<size_t>(found - params.begin());
  }
  return params.size();
}

void parameter_cases(const Recorder& recorder, World& w, const Command& golden) {
  Recorder r = recorder.at("byte");
  size_t key_length = makes_key(golden.ordinal) ? key_length_at(golden.params) : golden.params.size();
  for (const Offset& offset : offsets(golden.params.size())) {
    size_t i = offset.at;
    if (i >= key_length && i < key_length + 4) continue;
    for (auto [change, value] : {std::pair{"zero", 0}, {"ff", 0xff}, {"flip", golden.params[i] ^ 1}}) {
      std::string name = change;
      if (makes_key(golden.ordinal) && (i < kKeyAt || name != "ff")) continue;
      Command command = golden;
      // A random byte may have the value by chance; a case must not be there on one side only.
      command.params[i] = static_cast<uint8_t>(golden.params[i] == value ? value ^ 0x10 : value);
      run(r, offset.name + "-" + name, w, command);
    }
  }
  Command empty = golden;
  empty.params.clear();
  run(recorder, "no-parameters", w, empty);
  empty.proofs.clear();
  run(recorder, "nothing", w, empty);
}

void handle_cases(const Recorder& recorder, World& w, const Command& golden) {
  Recorder r = recorder.at("handle");
  for (size_t at = 0; at + 4 <= golden.handles.size(); at += 4) {
    for (uint32_t value : {0U, 1U, 0x02000000U, 0x40000000U, 0x40000001U, 0x40000002U, 0x40000003U, 0x40000004U,
                           0x40000005U, 0x40000006U, 0x40000007U, 0x5a5a5a5aU, 0xffffffffU}) {
      Command command = golden;
      Bytes bytes = Out().u32(value);
      std::copy(bytes.begin(), bytes.end(), command.handles.begin() + static_cast<std::ptrdiff_t>(at));
      run(r, std::to_string(at) + "-" + number(value), w, command);
    }
  }
}

void session_cases(const Recorder& recorder, World& w, const Command& golden, bool owned) {
  for (size_t i = 0; i < golden.proofs.size(); i++) {
    Recorder r = recorder.at("proof" + std::to_string(i + 1));
    auto with = [&](const std::string& name, const std::function<Proof()>& proof) {
      r.apart([&](const Recorder& one) {
        Command command = golden;
        command.proofs[i] = proof();
        Prepared prepared = w.tpm.prepare(command);
        one.response(name, w.tpm.send(prepared.frame));
        sessions_after(one, name, w, command);
      });
    };
    with("wrong-secret", [&] { return Proof{.session = w.oiap(), .secret = world::kWrong}; });
    if (!owned) continue;
    with("oiap-owner", [&] { return w.by_owner(); });
    with("oiap-srk", [&] { return w.by_srk(); });
    with("oiap-key", [&] { return w.by_key(); });
    with("osap-owner", [&] { return Proof{.session = w.osap(client::kEtOwner, client::kOwner, world::kOwnerAuth)}; });
    with("osap-srk", [&] { return Proof{.session = w.osap_srk()}; });
    with("osap-key", [&] { return Proof{.session = w.osap_key(w.load(w.keys().legacy))}; });
    with("ended", [&] {
      Proof proof = w.by_owner();
      w.tpm.run({.ordinal = 0x96, .handles = Out().u32(proof.session->handle)});
      return proof;
    });
    with("none", [&] {
      Proof proof = w.by_owner();
      proof.session->handle = 0;
      return proof;
    });
    with("keep", [&] {
      Proof proof = golden.proofs[i];
      proof.keep = !proof.keep;
      return proof;
    });
  }
  if (golden.proofs.size() == 2) {
    Command swapped = golden;
    std::swap(swapped.proofs[0], swapped.proofs[1]);
    run(recorder, "swapped", w, swapped);
    Command same = golden;
    same.proofs[1] = same.proofs[0];
    run(recorder, "same-session", w, same);
  }
  for (size_t n = 0; n < golden.proofs.size(); n++) {
    Command fewer = golden;
    fewer.proofs.resize(n);
    run(recorder, "proofs-" + std::to_string(n), w, fewer);
  }
}

struct Request {
  std::string name;
  Bytes frame;
  uint8_t locality;
};
std::vector<Request>& requests() {
  static std::vector<Request> all;
  return all;
}

}  // namespace

void catalogue_cases(const Recorder& recorder, World& w, const Entry& entry) {
  Recorder r = recorder.at(entry.name);
  r.apart([&](const Recorder& one) {
    Command golden = entry.make(w);
    w.tpm.locality = entry.locality;
    run(one, "succeeds", w, golden);
    for (uint8_t locality = 0; locality < 5; locality++) {
      w.tpm.locality = locality;
      run(one, "locality-" + std::to_string(locality), w, golden);
    }
    w.tpm.locality = entry.locality;
    framing_cases(one, w, w.tpm.prepare(golden));
    parameter_cases(one, w, golden);
    handle_cases(one, w, golden);
    session_cases(one, w, golden, entry.stage == world::Stage::Owned);
  });
}

void collect_requests() {
  for (const Entry& entry : world::catalogue()) {
    if (entry.stage == world::Stage::Made || entry.stage == world::Stage::Bare) continue;
    World w(entry.stage);
    Command golden = entry.make(w);
    requests().push_back({entry.name, w.tpm.prepare(golden).frame, entry.locality});
  }
}

void elsewhere_cases(const Recorder& recorder, World& w) {
  recorder.series(requests().size(), [&](const Recorder& r, size_t i) {
    const Request& request = requests()[i];
    w.tpm.locality = request.locality;
    return r.response(request.name, w.tpm.send(request.frame)) == 0;
  });
}

}  // namespace differential
