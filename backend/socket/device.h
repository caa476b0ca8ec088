// SPDX-License-Identifier: MIT
// Device: the TPM as a machine sees it: with power or without, at a locality, its state taken out and put in.
#pragma once

#include <memory>

#include "backend/socket/commands.h"
#include "backend/socket/host.h"
#include "engine/engine.h"

namespace socketd {

// The fewest bytes of a command or response that a client may have set.
inline constexpr uint32_t kLeastBufferBytes = 1024;

// What the control channel answers: a return code of the TPM's, its own here by name.
enum class Answer : uint32_t {
  Success = 0,
  BadParameter = 3,
  Fail = 9,
  BadOrdinal = 10,
  KeyNotFound = 13,
  IoError = 31,
  BadLocality = 61,
};

class Device {
 public:
  // The engine is without power, and was made with settings() or loads what it will have with them. `file` may be null.
  Device(Host& host, const StateFile* file, std::unique_ptr<tpm::Engine> engine)
      : host_(host), file_(file), engine_(std::move(engine)) {}

  // How an engine for this device is made.
  static tpm::Settings settings(uint32_t buffer_bytes = kBufferBytes);

  enum class Startup { None, Clear, State, Deactivated };
  // Power, and TPM_Startup on the platform's behalf.
  void power_on(Startup startup);
  // Power; goes on with the volatile state that was kept, if there is one, and forgets it when `once`.
  Answer init(bool once);
  void stop() { on_ = false; }
  bool on() const { return on_; }

  // The response to a command of at most kBufferBytes; TPM_FAIL without power.
  base::Bytes execute(base::View command);
  // Of the commands that follow; 0 to 4.
  Answer set_locality(uint8_t locality);

  Answer hash_start();
  Answer hash_data(base::View data);
  Answer hash_end();

  bool established() const { return engine_->established(); }
  Answer reset_established(uint8_t locality);

  uint32_t buffer_bytes() const { return buffer_bytes_; }
  // The nearest possible size, from the next init() on. Only without power.
  Answer set_buffer_bytes(uint32_t wanted);

  // Without power there is no volatile state to take.
  base::Bytes permanent_blob() const { return pack(Part::Permanent, engine_->save_permanent()); }
  base::Bytes volatile_blob() const { return pack(Part::Volatile, volatile_state()); }
  // The volatile state of this moment is what init() will go on with.
  Answer keep_volatile() { return keep(volatile_state()) ? Answer::Success : Answer::IoError; }
  bool forget_volatile();
  // Only without power.
  Answer set_permanent(base::View blob);
  Answer set_volatile(base::View blob);

 private:
  base::Bytes execute_at(uint8_t locality, base::View command);
  base::Bytes volatile_state() const;
  bool keep(base::View state);
  Or<std::optional<base::Bytes>> kept() const;
  bool go_on_with(base::View state);
  bool reload();

  Host& host_;
  const StateFile* file_;
  std::unique_ptr<tpm::Engine> engine_;
  std::optional<base::Bytes> kept_;  // when there is no file to keep it in
  uint32_t buffer_bytes_ = kBufferBytes;
  uint8_t locality_ = 0;
  bool on_ = false;
};

}  // namespace socketd
