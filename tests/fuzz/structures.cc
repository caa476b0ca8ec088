// SPDX-License-Identifier: MIT
// Every wire structure: bytes that decode are the bytes that it encodes to.
#include <array>

#include "backend/identity/endorsement.h"
#include "backend/manager/messages.h"
#include "engine/spec/context_structures.h"
#include "engine/spec/identity_structures.h"
#include "engine/spec/migration_structures.h"
#include "engine/spec/other_structures.h"
#include "engine/spec/storage_structures.h"
#include "engine/spec/transport_structures.h"
#include "engine/state/tpm.h"
#include "tests/fuzz/law.h"

namespace {

template <class T>
void round_trip(base::View bytes) {
  auto value = wire::decode<T>(bytes);
  if (!value.ok()) return;
  base::Bytes again = wire::encode(value.value());
  fuzz::law(std::ranges::equal(again, bytes), "put after get is the identity");
  auto twice = wire::decode<T>(again);
  fuzz::law(twice.ok() && wire::encode(twice.value()) == again, "get after put is the identity");
}

using Target = void (*)(base::View);
template <class... T>
constexpr std::array<Target, sizeof...(T)> all() {
  return {round_trip<T>...};
}

// Append only: the first byte of an input of the corpus chooses by position.
constexpr auto kTargets =
    all<tpm::KeyParms, tpm::RsaKeyParms, tpm::KeyBlob, tpm::PubKey, tpm::StoreAsymKey, tpm::SymmetricKey, tpm::EkBlob,
        tpm::EkBlobActivate, tpm::AsymCaContents, tpm::IdentityContents, tpm::SignInfo, tpm::QuoteInfo, tpm::QuoteInfo2,
        tpm::CertifyInfo, tpm::CertifyInfo2, tpm::CmkMigAuth, tpm::CurrentTicks, tpm::CapVersionInfo, tpm::PcrSelection,
        tpm::PcrComposite, tpm::PcrInfo, tpm::PcrInfoLong, tpm::PcrInfoShort, tpm::StoredData, tpm::SealedData,
        tpm::PermanentFlags, tpm::Ownership, tpm::Endorsement, tpm::SavedState, tpm::StClear, tpm::StAny, tpm::Pcrs,
        tpm::Sessions, tpm::KeySlots, tpm::Sha1Thread, tpm::Key, message::Start, message::Committed, message::Adopt,
        message::Hello, message::Failed, message::Commit, message::Snapshot, message::Statistics, tpm::ContextBlob,
        tpm::ContextSensitive, tpm::TransportPublic, tpm::TransportAuth, tpm::TransportLogIn, tpm::TransportLogOut,
        tpm::Delegations, tpm::DelegatePublic, tpm::FamilyTableEntry, tpm::DelegateSensitive, tpm::DelegateOwnerBlob,
        tpm::DelegateKeyBlob, tpm::MigrationKeyAuth, tpm::MigrateAsymKey, tpm::MsaComposite, tpm::CmkAuth,
        tpm::CmkSigTicket, tpm::CmkMaApproval, tpm::DaaIssuer, tpm::DaaTpm, tpm::DaaContext, tpm::DaaJoinData,
        tpm::DaaBlob, tpm::DaaSensitive, tpm::NvAttributes, tpm::NvDataPublic, tpm::CounterValue, tpm::AuditEventIn,
        tpm::AuditEventOut, tpm::DaInfo, tpm::DaInfoLimited, tpm::Nv, tpm::Counters, tpm::Delegation, tpm::AuditStatus,
        tpm::Lockout, tpm::KeyTransfer, tpm::DaaSecrets, tpm::OwnerKeys, tpm::Transports, tpm::DaaSessions,
        tpm::Contexts, tpm::AuditDigest, tpm::NvLocks, tpm::ActiveCounter, message::Certificate, message::Endorsement,
        identity::Endorsement>();

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kTargets[data[0] % kTargets.size()]({data + 1, size - 1});
  return 0;
}
