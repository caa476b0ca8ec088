// SPDX-License-Identifier: MIT
// States that nobody wrote: each is refused, or becomes one that the engine takes up.
#include <openssl/sha.h>

#include "backend/convert/container.h"
#include "tests/convert/imported.h"
#include "tests/engine/tpm_test.h"

using imported::Bytes;

namespace {

// With a right digest, or everything would be refused for that.
Bytes with_digest(Bytes state) {
  if (state.size() < SHA_DIGEST_LENGTH) return state;
  size_t body = state.size() - SHA_DIGEST_LENGTH;
  SHA1(state.data(), body, state.data() + body);
  return state;
}

bool refused_or_sound(const Bytes& state) {
  auto converted = imported::convert_state(state);
  if (!converted.ok()) return !converted.error().text.empty();
  machine::MemoryPlatform platform;
  return tpm::Engine::load(platform, {}, converted.value().permanent).ok();
}

class HostileTest : public testing::Test {
 protected:
  static const Bytes& state() {
    static const Bytes kState = world::World().machine().snapshot().permanent;
    return kState;
  }
};

TEST_F(HostileTest, EveryByteChanged) {
  for (size_t at = 0; at < state().size() - SHA_DIGEST_LENGTH; at++) {
    for (unsigned flip : {0x01u, 0xffu}) {
      Bytes changed = state();
      changed[at] = static_cast<uint8_t>(changed[at] ^ flip);
      EXPECT_FALSE(imported::convert_state(changed).ok()) << "its digest is not right, byte " << at;
      EXPECT_TRUE(refused_or_sound(with_digest(changed))) << "byte " << at;
    }
  }
}

TEST_F(HostileTest, EveryLength) {
  for (size_t n = 0; n < state().size(); n++) {
    Bytes cut(state().begin(), state().begin() + static_cast<ptrdiff_t>(n));
    EXPECT_FALSE(imported::convert_state(cut).ok()) << n;
    EXPECT_FALSE(imported::convert_state(with_digest(cut)).ok()) << n;
  }
  Bytes longer = state();
  longer.push_back(0);
  EXPECT_FALSE(imported::convert_state(with_digest(longer)).ok());
}

TEST_F(HostileTest, EveryByteOfAFilesHeader) {
  Bytes file = {2, 1, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
  file.insert(file.end(), state().begin(), state().end());
  auto put = [&](size_t at, size_t value) {
    for (size_t i = 0; i < 4; i++) file[at + i] = static_cast<uint8_t>(value >> (24 - 8 * i));
  };
  put(6, file.size());
  put(12, state().size());
  auto opened = convert::open_container(file, {});
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(std::ranges::equal(opened.value(), state()));
  for (size_t at = 0; at < 16; at++) {
    Bytes changed = file;
    changed[at] ^= 0x40;
    auto other = convert::open_container(changed, {});
    EXPECT_TRUE(!other.ok() || !std::ranges::equal(other.value(), state()) || at == 4 || at == 1 || at == 5) << at;
  }
}

}  // namespace
