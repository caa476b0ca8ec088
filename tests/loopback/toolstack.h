// SPDX-License-Identifier: MIT
// What xl and libxl do to a domain with vTPMs: the same XenStore nodes with the same permissions in the same order, the
// same waits, the same order of removal.
#pragma once

#include <string>
#include <vector>

#include "tests/loopback/preload/connection.h"
#include "tests/loopback/store_client.h"

namespace loopback {

struct VtpmConfig {
  DomId backend{0};
  std::string uuid;  // lower case
};

struct DomainConfig {
  std::string uuid;  // of the virtual machine; stays when the domain's number changes
  std::string name;
  bool pvh = false;
  std::vector<VtpmConfig> vtpms = {};
  std::string kernel, ramdisk, command_line;  // empty: not recorded
};

enum class Reason : uint32_t { Poweroff = 0, Reboot = 1, Suspend = 2, Crash = 3 };

std::string random_uuid();
std::string uuid_text(const uint8_t (&bytes)[16]);

// Every operation says on standard error what went wrong, as xl does, and returns whether it succeeded.
class Toolstack {
 public:
  static Result<std::unique_ptr<Toolstack>> open();

  struct Start {
    bool paused = false;    // stay so
    bool restored = false;  // its processor shows a kernel that has run
  };
  std::optional<DomId> create(const DomainConfig& config, Start start);
  bool unpause(DomId domain);
  bool pause(DomId domain);

  // The domain stops by itself, for that reason; then libxl cleans up after it.
  bool shut_down(DomId domain, Reason reason);
  std::optional<DomId> reboot(DomId domain);
  bool destroy(DomId domain);
  // Suspended, then running on, as a checkpoint does; with a file, restore() may be given that.
  bool checkpoint(DomId domain, const std::string& file = "");
  // The two halves of a checkpoint.
  bool halt(DomId domain);
  bool run_on(DomId domain);
  // What a kernel may do before it is saved: its processor shows a new boot.
  bool disguise(DomId domain);
  // Suspended and gone; what restore() needs is in the file.
  bool save(DomId domain, const std::string& file);
  std::optional<DomId> restore(const std::string& file, bool paused);
  // To this same machine: the new domain's device appears while the old one stands suspended.
  std::optional<DomId> migrate(DomId domain);

  bool attach(DomId domain, VtpmConfig vtpm);
  bool detach(DomId domain, unsigned device);

  std::vector<DomainRecord> domains();
  std::string name_of(DomId domain);
  std::vector<unsigned> vtpms_of(DomId domain);
  StoreClient& store() { return store_; }

 private:
  explicit Toolstack(StoreClient store) : store_(std::move(store)) {}

  bool control(Op op, DomId domain, uint32_t argument = 0);
  std::optional<DomainConfig> config_of(DomId domain);
  bool disguised(DomId domain);
  bool write_image(DomId domain, const std::string& file);
  bool record_image(DomId domain, const DomainConfig& config);
  bool write_domain(DomId domain, const DomainConfig& config);
  bool add_device(DomId domain, unsigned device, const VtpmConfig& vtpm);
  bool write_device(DomId domain, unsigned device, const VtpmConfig& vtpm, xs_transaction_t within);
  void quiesce(DomId domain);
  bool remove_device(DomId domain, unsigned device, bool forced);

  Connection hypervisor_;
  StoreClient store_;
};

}  // namespace loopback
