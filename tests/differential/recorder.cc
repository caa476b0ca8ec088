// SPDX-License-Identifier: MIT
#include "tests/differential/recorder.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>

namespace differential {

namespace {

// Answers longer than this are recorded as their hash.
constexpr size_t kShown = 64;

const std::map<uint32_t, const char*>& names() {
  // clang-format off
  static const std::map<uint32_t, const char*> kNames = {
      {0, "Success"},
      {1, "AuthFail"},
      {2, "BadIndex"},
      {3, "BadParameter"},
      {4, "AuditFailure"},
      {5, "ClearDisabled"},
      {6, "Deactivated"},
      {7, "Disabled"},
      {8, "DisabledCmd"},
      {9, "Fail"},
      {10, "BadOrdinal"},
      {11, "InstallDisabled"},
      {12, "InvalidKeyHandle"},
      {13, "KeyNotFound"},
      {14, "InappropriateEnc"},
      {15, "MigrateFail"},
      {16, "InvalidPcrInfo"},
      {17, "NoSpace"},
      {18, "NoSrk"},
      {19, "NotSealedBlob"},
      {20, "OwnerSet"},
      {21, "Resources"},
      {22, "ShortRandom"},
      {23, "Size"},
      {24, "WrongPcrVal"},
      {25, "BadParamSize"},
      {26, "ShaThread"},
      {27, "ShaError"},
      {28, "FailedSelfTest"},
      {29, "Auth2Fail"},
      {30, "BadTag"},
      {31, "IoError"},
      {32, "EncryptError"},
      {33, "DecryptError"},
      {34, "InvalidAuthHandle"},
      {35, "NoEndorsement"},
      {36, "InvalidKeyUsage"},
      {37, "WrongEntityType"},
      {38, "InvalidPostInit"},
      {39, "InappropriateSig"},
      {40, "BadKeyProperty"},
      {41, "BadMigration"},
      {42, "BadScheme"},
      {43, "BadDataSize"},
      {44, "BadMode"},
      {45, "BadPresence"},
      {46, "BadVersion"},
      {47, "NoWrapTransport"},
      {48, "AuditFailUnsuccessful"},
      {49, "AuditFailSuccessful"},
      {50, "NotResetable"},
      {51, "NotLocal"},
      {52, "BadType"},
      {53, "InvalidResource"},
      {54, "NotFips"},
      {55, "InvalidFamily"},
      {56, "NoNvPermission"},
      {57, "RequiresSign"},
      {58, "KeyNotSupported"},
      {59, "AuthConflict"},
      {60, "AreaLocked"},
      {61, "BadLocality"},
      {62, "ReadOnly"},
      {63, "PerNoWrite"},
      {64, "FamilyCount"},
      {65, "WriteLocked"},
      {66, "BadAttributes"},
      {67, "InvalidStructure"},
      {68, "KeyOwnerControl"},
      {69, "BadCounter"},
      {70, "NotFullWrite"},
      {71, "ContextGap"},
      {72, "MaxNvWrites"},
      {73, "NoOperator"},
      {74, "ResourceMissing"},
      {75, "DelegateLock"},
      {76, "DelegateFamily"},
      {77, "DelegateAdmin"},
      {78, "TransportNotExclusive"},
      {79, "OwnerControl"},
      {80, "DaaResources"},
      {81, "DaaInputData0"},
      {82, "DaaInputData1"},
      {83, "DaaIssuerSettings"},
      {84, "DaaTpmSettings"},
      {85, "DaaStage"},
      {86, "DaaIssuerValidity"},
      {87, "DaaWrongW"},
      {88, "BadHandle"},
      {89, "BadDelegate"},
      {90, "BadContext"},
      {91, "TooManyContexts"},
      {92, "MaTicketSignature"},
      {93, "MaDestination"},
      {94, "MaSource"},
      {95, "MaAuthority"},
      {97, "PermanentEk"},
      {98, "BadSignature"},
      {99, "NoContextSpace"},
      {0x800, "Retry"},
      {0x801, "NeedsSelfTest"},
      {0x802, "DoingSelfTest"},
      {0x803, "DefendLockRunning"},
  };
  // clang-format on
  return kNames;
}

std::string shown(const Bytes& bytes) {
  if (bytes.size() <= kShown) return client::hex(bytes);
  return std::to_string(bytes.size()) + ":" + client::hex(client::bytes_of(client::sha1(bytes)));
}

}  // namespace

std::string name_of_code(uint32_t code) {
  auto known = names().find(code);
  return known == names().end() ? "code " + std::to_string(code) : known->second;
}

std::string number(uint32_t value) {
  char text[16];
  snprintf(text, sizeof text, "%#x", value);
  return text;
}

void Recorder::line(const std::string& name, const std::string& result) const {
  printf("%s/%s\t%s\n", prefix_.c_str(), name.c_str(), result.c_str());
}

int Recorder::in_child(const std::function<void()>& steps) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    perror("fork");
    exit(2);
  }
  if (child == 0) {
    steps();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

void Recorder::apart(const std::function<void(const Recorder&)>& steps) const {
  int status = in_child([&] { steps(*this); });
  if (status != 0) line("died", "status " + std::to_string(status));
}

void Recorder::alone(const std::string& name, const std::function<Reply()>& make) const {
  int status = in_child([&] { answer(name, make()); });
  if (status != 0) line(name, "died of signal " + std::to_string(WTERMSIG(status)));
}

void Recorder::series(size_t n, const std::function<bool(const Recorder&, size_t)>& step) const {
  static auto* at =
      static_cast<size_t*>(mmap(nullptr, sizeof(size_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (size_t next = 0; next < n; next = *at + 1) {
    apart([&](const Recorder& r) {
      for (*at = next; *at < n; ++*at) {
        if (step(r, *at)) return;
      }
    });
  }
}

uint32_t Recorder::code(const std::string& name, uint32_t code) const {
  line(name, name_of_code(code));
  return code;
}

uint32_t Recorder::answer(const std::string& name, const Reply& reply) const {
  std::string result = name_of_code(reply.code);
  if (!reply.defect.empty()) result += " defect: " + reply.defect;
  if (reply.ok()) result += " " + shown(reply.params);
  line(name, result);
  return reply.code;
}

uint32_t Recorder::response(const std::string& name, const Bytes& response) const {
  In in(response);
  uint16_t tag = in.u16();
  uint32_t size = in.u32();
  uint32_t code = in.u32();
  std::string result = name_of_code(code);
  bool formed = in.ok() && size == response.size() && tag >= 0xc4 && tag <= 0xc6;
  if (code != 0) formed &= tag == 0xc4 && size == 10;
  if (!formed) result = "malformed " + client::hex(response);
  line(name, result);
  return code;
}

void flags(const Recorder& r, const std::string& name, world::World& w) {
  constexpr size_t kFirstFlag = 6, kAllowMaintenance = 5, kCekpUsed = 9, kNvLocked = 15;
  Reply permanent = w.tpm.run(0x65, Out().u32(4).sized(Out().u32(0x108)));
  for (size_t flag : {kAllowMaintenance, kCekpUsed, kNvLocked}) {
    if (permanent.params.size() > kFirstFlag + flag) permanent.params[kFirstFlag + flag] = 0xee;
  }
  r.answer(name + "/permanent", permanent);
  r.answer(name + "/volatile", w.tpm.run(0x65, Out().u32(4).sized(Out().u32(0x109))));
}

}  // namespace differential
