// SPDX-License-Identifier: MIT
// Engine: one TPM 1.2. Bytes in, bytes out.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "engine/platform.h"
#include "lib/base/bytes.h"
#include "lib/base/foreign_bytes.h"
#include "lib/base/result.h"

namespace tpm {

struct Tpm;

// Why a state could not be taken up.
enum class StateError { Malformed, UnknownVersion, UnknownSection };

// What a fresh TPM is when it leaves the maker.
struct Factory {
  bool endorsement_key = true;  // made at once, and nvLocked set, as a maker ships it
  bool enabled = true;
  bool activated = true;
  unsigned key_bits = 2048;  // of the endorsement key
  // Asked once for the certificate of the endorsement key with this modulus, which is kept in NV; empty: there is none.
  std::function<base::Bytes(base::View modulus)> certify;
};

// What the administrator decides for an instance; may differ between starts.
struct Settings {
  // Whether software may assert physical presence by TSC_PhysicalPresence.
  bool physical_presence_command = true;
  // Largest command and response in bytes; TPM_CAP_PROP_INPUT_BUFFER reports it.
  uint32_t buffer_bytes = 4088;
};

// The specification a TPM follows, and who made it.
struct Make {
  uint16_t level;
  uint8_t errata;
  std::array<uint8_t, 4> vendor;
  uint8_t major;  // of the firmware
  uint8_t minor;
};

class Engine {
 public:
  // The platform must outlive the engine.
  // A new TPM, its permanent state committed before this returns; null when the commit fails or was cancelled.
  static std::unique_ptr<Engine> manufacture(Platform& platform, const Settings& settings, const Factory& factory);
  // A TPM from the permanent state that commit() was given. It is without power until power_on() or resume().
  static base::Result<std::unique_ptr<Engine>, StateError> load(Platform& platform, const Settings& settings,
                                                                base::View permanent);
  ~Engine();

  // TPM_Init: volatile state is lost, the next command must be TPM_Startup.
  void power_on();
  // TPM_Startup(ST_CLEAR) or (ST_DEACTIVATED) by the platform itself, as firmware would send it. False: self-test
  // failed.
  bool startup(bool deactivated = false);
  // Goes on with a volatile state that save_volatile() made, or that was put together from journal() sections.
  base::Result<void, StateError> resume(base::View volatile_state);
  // The TPM answers TPM_FAILEDSELFTEST until the next power_on(): its volatile state was lost while the guest ran on.
  void fail();

  // TPM_HASH_START, TPM_HASH_DATA and TPM_HASH_END, by which a platform's processor at locality 4 measures what a
  // dynamic launch starts (PC Client TIS 1.2, 11.3). Start zeroes PCRs 17-22 and sets tpmEstablished; end extends PCR
  // 17 with the SHA-1 of the data. False when it was not the time for it, or when it could not be made durable: the TPM
  // is in failure mode then.
  bool hash_start();
  bool hash_data(base::View data);
  bool hash_end();

  // Executes one command of at most settings.buffer_bytes; each byte of it is loaded at most once. The response is
  // written to `response`, which may be the same memory, and never read back; its length is returned. `response` must
  // have room for settings.buffer_bytes. Always answers, whatever the command holds.
  size_t execute(uint8_t locality, base::ForeignBytes command, base::ForeignBytes response);

  // The permanent state as commit() would be given it now.
  base::Bytes save_permanent() const;
  // The volatile state: PCRs, sessions, loaded keys, everything that a loss of power would lose.
  base::Bytes save_volatile() const;
  // A volatile state as save_volatile() makes it, from the newest body of each section that journal() was given.
  static base::Bytes volatile_from(std::span<const JournalSection> sections);

  // The modulus of the endorsement key, whose exponent is 65537; empty when there is none.
  base::Bytes endorsement_modulus() const;
  // Whether there is an area of TPM_NV_INDEX_EKCert, whatever is in it.
  bool has_endorsement_certificate() const;
  // Gives a TPM that has an endorsement key another one, with secrets of DAA of its own, and the certificate in the place
  // of the old one's: who knew the old key does not know this TPM. What else is in it stays. True only when it is
  // durable; otherwise nothing has changed.
  bool renew_endorsement_key(const Factory& factory);
  // Makes that area, as a maker does. True only when it is durable; false when there is one already, or no room.
  bool store_endorsement_certificate(base::View certificate);

  // The permanent flag tpmEstablished, which the platform shows as a bit of its own.
  bool established() const;
  // What TPM_CAP_VERSION_VAL says of every TPM of this engine.
  static Make make();

  // Whether the last command changed permanent state, for statistics.
  uint64_t commits() const;

 private:
  explicit Engine(std::unique_ptr<Tpm> tpm);
  std::unique_ptr<Tpm> tpm_;
};

}  // namespace tpm
