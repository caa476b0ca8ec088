// SPDX-License-Identifier: MIT
#include "tests/engine/engine_machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace machine {

namespace {

Bytes bytes_of(base::View view) { return {view.begin(), view.end()}; }

void must(bool it_works, const char* what) {
  if (it_works) return;
  fprintf(stderr, "engine: %s failed\n", what);
  abort();
}

}  // namespace

void MemoryPlatform::entropy(std::span<uint8_t> out) {
  static std::atomic<uint64_t> drawn = 0;
  for (size_t i = 0; i < out.size(); i += 20) {
    client::Digest block = client::sha1(client::Out().raw(client::bytes_of("entropy")).u64(++drawn));
    std::copy_n(block.begin(), std::min<size_t>(block.size(), out.size() - i),
                out.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

uint64_t MemoryPlatform::now_us() { return clock_us += tick_us; }

bool MemoryPlatform::commit(base::View permanent) {
  if (broken) return false;
  committed = bytes_of(permanent);
  commits++;
  return true;
}

void MemoryPlatform::journal(std::span<const tpm::JournalSection> changed) {
  for (const tpm::JournalSection& section : changed) sections[section.id] = base::copy_of(section.body);
}

base::Bytes MemoryPlatform::journalled() const {
  std::vector<tpm::JournalSection> all;
  for (const auto& [id, body] : sections) all.push_back({id, body});
  return tpm::Engine::volatile_from(all);
}

EngineMachine::EngineMachine(bool with_endorsement_key, tpm::Settings settings) : settings_(settings) {
  engine_ = tpm::Engine::manufacture(platform_, settings_, {.endorsement_key = with_endorsement_key});
  must(engine_ != nullptr, "manufacture");
  engine_->power_on();
}

EngineMachine::EngineMachine(const Snapshot& snapshot, tpm::Settings settings) : settings_(settings) {
  auto loaded = tpm::Engine::load(platform_, settings_, snapshot.permanent);
  must(loaded.ok(), "load");
  engine_ = std::move(loaded).take();
  must(engine_->resume(snapshot.volatile_state).ok(), "resume");
  platform_.committed = snapshot.permanent;
}

Bytes EngineMachine::execute(const Bytes& command, uint8_t locality) {
  Bytes response(settings_.buffer_bytes);
  size_t n = engine_->execute(locality, base::ForeignBytes::read_only(command), base::ForeignBytes(response));
  must(n <= response.size(), "length of a response");
  response.resize(n);
  return response;
}

Snapshot EngineMachine::snapshot() { return {bytes_of(engine_->save_permanent()), bytes_of(engine_->save_volatile())}; }

}  // namespace machine
