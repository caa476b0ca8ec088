// SPDX-License-Identifier: MIT
// World: a TPM brought to a known stage, with a client that knows its secrets. Each stage is reached once a process and
// then restored from a snapshot, so that every test starts from the same state and none waits for keys.
#pragma once

#include <deque>

#include "tests/engine/machine.h"

namespace world {

using client::Bytes;
using client::Digest;
using client::Key;
using client::Out;
using client::Proof;
using client::Session;
using client::Tpm;

// Return codes of Part 2, chapter 16, typed from there.
namespace rc {
inline constexpr uint32_t Ok = 0, AuthFail = 1, BadIndex = 2, BadParameter = 3, ClearDisabled = 5, Deactivated = 6,
                          Disabled = 7, DisabledCmd = 8, Fail = 9, BadOrdinal = 10, InstallDisabled = 11,
                          InvalidKeyHandle = 12, KeyNotFound = 13, InappropriateEnc = 14, MigrateFail = 15,
                          InvalidPcrInfo = 16, NoSpace = 17, NoSrk = 18, NotSealedBlob = 19, OwnerSet = 20,
                          Resources = 21, Size = 23, WrongPcrVal = 24, BadParamSize = 25, ShaThread = 26, ShaError = 27,
                          FailedSelfTest = 28, Auth2Fail = 29, BadTag = 30, DecryptError = 33, InvalidAuthHandle = 34,
                          NoEndorsement = 35, InvalidKeyUsage = 36, WrongEntityType = 37, InvalidPostInit = 38,
                          InappropriateSig = 39, BadKeyProperty = 40, BadMigration = 41, BadScheme = 42,
                          BadDataSize = 43, BadMode = 44, BadPresence = 45, BadVersion = 46, NotResettable = 50,
                          NotLocal = 51, InvalidResource = 53, NotFips = 54, AuthConflict = 59, AreaLocked = 60,
                          BadLocality = 61, PerNoWrite = 63, InvalidStructure = 67, BadCounter = 69, NotFullWrite = 70,
                          MaxNvWrites = 72, NoOperator = 73, DaaResources = 80, DaaInputData0 = 81, DaaInputData1 = 82,
                          DaaIssuerSettings = 83, DaaTpmSettings = 84, DaaStage = 85, DaaIssuerValidity = 86,
                          DaaWrongW = 87, BadHandle = 88, MaTicketSignature = 92, MaDestination = 93, MaSource = 94,
                          MaAuthority = 95, PermanentEk = 97, BadSignature = 98, DefendLockRunning = 0x803;
}  // namespace rc

enum class Stage {
  Bare,         // no endorsement key, started
  Made,         // as a maker ships it, before TPM_Startup
  Started,      // after TPM_Startup(ST_CLEAR)
  Owned,        // has an owner and an SRK
  Disabled,     // owned, TPM_OwnerSetDisable
  Deactivated,  // owned, TPM_SetTempDeactivated
};

inline const Digest kOwnerAuth = client::secret("owner");
inline const Digest kSrkAuth = client::secret("srk");
inline const Digest kKeyAuth = client::secret("key");
inline const Digest kDataAuth = client::secret("data");
inline const Digest kMigrationAuth = client::secret("migration");
inline const Digest kWrong = client::secret("wrong");

// Keys under the SRK, all with kKeyAuth, made once a process. Not loaded.
struct Keys {
  Key sign;                // TPM_SS_RSASSAPKCS1v15_SHA1
  Key sign_der;            // TPM_SS_RSASSAPKCS1v15_DER
  Key sign_info;           // TPM_SS_RSASSAPKCS1v15_INFO
  Key bind;                // OAEP
  Key bind_pkcs;           // PKCS#1 v1.5
  Key legacy;              // OAEP and SHA-1
  Key storage;             // not migratable
  Key open;                // signing, TPM_AUTH_NEVER
  Key no_read_auth;        // signing, TPM_NO_READ_PUBKEY_AUTH
  Key migratable_storage;  // made outside, kMigrationAuth
  Key migratable_sign;     // made outside, kMigrationAuth
  Key identity;
};

class World {
 public:
  explicit World(Stage stage = Stage::Owned);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  machine::Machine& machine() { return *machine_; }
  Tpm tpm;
  const Keys& keys() const;
  Key srk() const;

  // What this world is now; restore() goes back to it, sessions of the client included.
  struct Point {
    machine::Snapshot snapshot;
    std::deque<Session> sessions;
  };
  Point point();
  void restore(const Point& point);

  // Each fails loudly (aborts) when the TPM refuses: the tests that use them are about something else.
  Session* oiap();
  Session* osap(uint16_t type, uint32_t value, const Digest& secret);
  Session* osap_srk() { return osap(client::kEtSrk, client::kSrk, kSrkAuth); }
  Session* osap_key(uint32_t handle) { return osap(client::kEtKeyHandle, handle, kKeyAuth); }
  uint32_t load(const Key& key);
  Proof by_owner(bool keep = false) { return {.session = oiap(), .secret = kOwnerAuth, .keep = keep}; }
  Proof by_srk(bool keep = false) { return {.session = oiap(), .secret = kSrkAuth, .keep = keep}; }
  Proof by_key(bool keep = false) { return {.session = oiap(), .secret = kKeyAuth, .keep = keep}; }
  void presence() { must(tpm.presence(0x08), "presence"); }
  void no_presence() { must(tpm.presence(0x10), "no presence"); }

  // Everything that can be seen of the TPM's state by asking it: flags, PCRs, keys, owner. Sessions are left out.
  Bytes fingerprint();

  static void must(const client::Reply& reply, const char* what);

 private:
  void start(Stage stage);
  void make_keys();
  std::unique_ptr<machine::Machine> machine_;
  std::deque<Session> sessions_;
};

// ---- The catalogue: every command once, in the state in which it succeeds ----

// Gates of the clause, in the order in which they are tried.
struct Gates {
  bool startup = true;
  bool enabled = true;
  bool activated = true;
  bool owner = true;
};
inline constexpr Gates kAll{}, kNoOwner{.owner = false}, kAlways{.enabled = false, .activated = false, .owner = false};

struct Entry {
  const char* name;
  unsigned chapter;
  uint32_t ordinal;
  Gates gates;
  unsigned tags;  // bit n: a request with n trailers is allowed
  Stage stage;
  std::function<client::Command(World&)> make;
  uint8_t locality = 0;
};
const std::vector<Entry>& catalogue();

}  // namespace world
