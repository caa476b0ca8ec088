// SPDX-License-Identifier: MIT
// What a case does to a TPM, and the line it leaves: name, code, answer. Each case runs in a process of its own, forked
// off the state it starts from, so that none sees what another one did.
#pragma once

#include <functional>
#include <string>

#include "tests/engine/world.h"

namespace differential {

using client::Bytes;
using client::Command;
using client::In;
using client::Out;
using client::Prepared;
using client::Reply;

class Recorder {
 public:
  explicit Recorder(std::string prefix) : prefix_(std::move(prefix)) {}

  // The same, with names that begin with one word more.
  Recorder at(const std::string& word) const { return Recorder(prefix_ + "/" + word); }

  // Runs `steps` in a process of its own. What it records is kept; that it died is recorded.
  void apart(const std::function<void(const Recorder&)>& steps) const;

  // A reply that is made in a process of its own; that it died is what is recorded then.
  void alone(const std::string& name, const std::function<Reply()>& make) const;

  // Steps 0 to n-1 in as few processes: one that says it changed the TPM is the last of its process.
  void series(size_t n, const std::function<bool(const Recorder&, size_t)>& step) const;

  // Each returns the code.
  uint32_t code(const std::string& name, uint32_t code) const;
  // With the answer's parameters, which must be the same on every TPM.
  uint32_t answer(const std::string& name, const Reply& reply) const;
  // Of a frame that was sent as it is: the code, or what is wrong with the response's form.
  uint32_t response(const std::string& name, const Bytes& response) const;

 private:
  static int in_child(const std::function<void()>& steps);  // its status
  void line(const std::string& name, const std::string& result) const;
  std::string prefix_;
};

// Records all flags but three which depend on how a TPM was made, and have a case of their own among the capabilities:
// allowMaintenance, CEKPUsed and nvLocked.
void flags(const Recorder& r, const std::string& name, world::World& w);

std::string name_of_code(uint32_t code);
std::string number(uint32_t value);  // 0x...

// ---- The families of cases ----

struct Ordinal {
  uint32_t value;
  const char* name;
};
// Every ordinal that Part 2, 17 names, the deleted ones too, and some that nobody names.
const std::vector<Ordinal>& ordinals();

void ordinal_cases(const Recorder& r, world::World& w);     // every ordinal, with malformed requests
void capability_cases(const Recorder& r, world::World& w);  // every area and sub-capability
void pcr_cases(const Recorder& r, world::World& w);         // every PCR from every locality
void presence_cases(const Recorder& r, world::World& w);
void startup_cases(const Recorder& r, world::World& w);
void sha1_cases(const Recorder& r, world::World& w);
void limit_cases(const Recorder& r, world::World& w);  // sessions and keys until there is no room
// TPM_SetCapability, by nobody, by presence and, when there is one, by the owner.
void setting_cases(const Recorder& r, world::World& w, bool owned);
void nv_cases(const Recorder& r, world::World& w);
void counter_cases(const Recorder& r, world::World& w);
// A command of the catalogue as it succeeds, and changed in one place.
void catalogue_cases(const Recorder& r, world::World& w, const world::Entry& entry);
// Requests that succeed in their own state, sent in this one.
void elsewhere_cases(const Recorder& r, world::World& w);
// Makes those requests; before elsewhere_cases.
void collect_requests();

}  // namespace differential
