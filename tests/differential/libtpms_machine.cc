// SPDX-License-Identifier: MIT
// The machine that is libtpms, in process: what the engine is compared with.
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_nvfilename.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "tests/engine/machine.h"

namespace machine {

namespace {

// libtpms keeps its state in globals, so this does too.
struct Host {
  std::map<std::string, Bytes> nvram;
  uint8_t locality = 0;
  size_t commits = 0;
  bool broken = false;
};
Host& host() {
  static Host host;
  return host;
}

void must(TPM_RESULT result, const char* what) {
  if (result == TPM_SUCCESS) return;
  fprintf(stderr, "libtpms: %s failed: %u\n", what, result);
  abort();
}

TPM_RESULT nvram_init() { return TPM_SUCCESS; }
TPM_RESULT load(unsigned char** data, uint32_t* length, uint32_t, const char* name) {
  auto found = host().nvram.find(name);
  if (found == host().nvram.end()) return TPM_RETRY;
  *length = static_cast<uint32_t>(found->second.size());
  *data = static_cast<unsigned char*>(malloc(found->second.size()));
  memcpy(*data, found->second.data(), found->second.size());
  return TPM_SUCCESS;
}
TPM_RESULT store(const unsigned char* data, uint32_t length, uint32_t, const char* name) {
  if (host().broken) return TPM_FAIL;
  host().nvram[name] = Bytes(data, data + length);
  if (strcmp(name, TPM_PERMANENT_ALL_NAME) == 0) host().commits++;
  return TPM_SUCCESS;
}
TPM_RESULT remove(uint32_t, const char* name, TPM_BOOL must_exist) {
  if (host().nvram.erase(name) == 0 && must_exist) return TPM_FAIL;
  return TPM_SUCCESS;
}
TPM_RESULT io_init() { return TPM_SUCCESS; }
TPM_RESULT get_locality(TPM_MODIFIER_INDICATOR* modifier, uint32_t) {
  *modifier = host().locality;
  return TPM_SUCCESS;
}
TPM_RESULT get_presence(TPM_BOOL* present, uint32_t) {
  *present = FALSE;
  return TPM_SUCCESS;
}

void start() {
  libtpms_callbacks callbacks{.sizeOfStruct = sizeof(libtpms_callbacks),
                              .tpm_nvram_init = nvram_init,
                              .tpm_nvram_loaddata = load,
                              .tpm_nvram_storedata = store,
                              .tpm_nvram_deletename = remove,
                              .tpm_io_init = io_init,
                              .tpm_io_getlocality = get_locality,
                              .tpm_io_getphysicalpresence = get_presence};
  must(TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_1_2), "choose");
  must(TPMLIB_RegisterCallbacks(&callbacks), "callbacks");
  must(TPMLIB_MainInit(), "init");
}

class Libtpms;
Libtpms* g_running = nullptr;  // libtpms runs one TPM at a time

class Libtpms : public Machine {
 public:
  Libtpms() { run(); }
  explicit Libtpms(const Snapshot& snapshot) : parked_(snapshot) { run(); }
  ~Libtpms() override {
    if (g_running != this) return;
    TPMLIB_Terminate();
    g_running = nullptr;
  }

  Bytes execute(const Bytes& command, uint8_t locality) override {
    run();
    host().locality = locality;
    Bytes writable = command;
    unsigned char* response = nullptr;
    uint32_t size = 0;
    uint32_t room = 0;
    TPMLIB_Process(&response, &size, &room, writable.data(), static_cast<uint32_t>(writable.size()));
    Bytes bytes(response, response + size);
    free(response);
    return bytes;
  }

  void power_cycle() override {
    run();
    TPMLIB_Terminate();
    host().nvram.erase(TPM_VOLATILESTATE_NAME);
    start();
  }

  // It reads the wall clock, which is nobody's to move.
  void let_time_pass(uint64_t) override {}

  Snapshot snapshot() override {
    run();
    return {state(TPMLIB_STATE_PERMANENT), state(TPMLIB_STATE_VOLATILE)};
  }
  size_t commits() override {
    run();
    return host().commits;
  }
  void break_disk(bool broken) override {
    run();
    host().broken = broken;
  }

 private:
  void run() {
    if (g_running == this) return;
    if (g_running != nullptr) g_running->park();
    host() = {.nvram = saved_};
    if (!parked_.permanent.empty()) host().nvram[TPM_PERMANENT_ALL_NAME] = parked_.permanent;
    if (!parked_.volatile_state.empty()) host().nvram[TPM_VOLATILESTATE_NAME] = parked_.volatile_state;
    start();
    g_running = this;
  }
  void park() {
    parked_ = snapshot();
    saved_ = host().nvram;
    TPMLIB_Terminate();
    g_running = nullptr;
  }
  static Bytes state(TPMLIB_StateType type) {
    unsigned char* data = nullptr;
    uint32_t length = 0;
    must(TPMLIB_GetState(type, &data, &length), "get state");
    Bytes bytes(data, data + length);
    free(data);
    return bytes;
  }

  Snapshot parked_;
  std::map<std::string, Bytes> saved_;
};

}  // namespace

const char* name() { return "libtpms"; }

std::unique_ptr<Machine> make(bool with_endorsement_key) {
  auto made = std::make_unique<Libtpms>();
  // libtpms ships a bare TPM, disabled and deactivated; a maker makes the key and enables and activates it.
  client::Tpm tpm([&](const Bytes& command, uint8_t locality) { return made->execute(command, locality); });
  tpm.startup();
  tpm.presence(0x20);
  tpm.presence(0x08);
  tpm.run(0x6f);
  tpm.run(0x72, client::Out().u8(0));
  if (with_endorsement_key) {
    client::KeyParms parms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone};
    tpm.run(0x78, client::Out().raw(client::fresh_nonce()).raw(parms.encode()));
    // And locks the NV storage: until then nobody is asked for a proof (Part 3, 20.1, action 1).
    client::Bytes anybody = client::Out().u16(3).raw(client::Bytes(3)).u8(0x1f).raw(client::Digest{});
    client::Out lock;
    lock.u16(0x18).u32(0xffffffff).raw(anybody).raw(anybody).u16(0x17).u32(0).raw(client::Bytes(3)).u32(0);
    tpm.run(0xcc, lock.raw(client::Digest{}));
  }
  made->power_cycle();
  return made;
}

std::unique_ptr<Machine> make(const Snapshot& snapshot) { return std::make_unique<Libtpms>(snapshot); }

}  // namespace machine
