// SPDX-License-Identifier: MIT
#include <libtpms/tpm_library.h>

#include <cstdlib>

#include "tests/bench/subject.h"
#include "tests/engine/machine.h"

namespace bench {

namespace {

// libtpms runs one TPM a process: the machine starts it, and commands go to it without the machine's copies.
class LibtpmsSubject : public Subject {
 public:
  LibtpmsSubject() : machine_(machine::make()) {
    client::Tpm tpm(
        [this](const client::Bytes& command, uint8_t locality) { return machine_->execute(command, locality); });
    if (!tpm.startup().ok()) abort();
  }
  ~LibtpmsSubject() override { free(response_); }
  const char* name() const override { return "libtpms"; }
  void execute(client::Bytes& command) override {
    if (TPMLIB_Process(&response_, &size_, &room_, command.data(), static_cast<uint32_t>(command.size())) != 0) abort();
  }
  client::Bytes response() const override { return {response_, response_ + size_}; }

 private:
  std::unique_ptr<machine::Machine> machine_;
  unsigned char* response_ = nullptr;  // libtpms makes it, and makes it larger
  uint32_t size_ = 0;
  uint32_t room_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_libtpms() { return std::make_unique<LibtpmsSubject>(); }

}  // namespace bench
