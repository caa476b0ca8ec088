// SPDX-License-Identifier: MIT
// Moving: what administrators do to move instances between hosts, on the files that they carry.
#pragma once

#include "backend/vault/peers.h"

namespace vault {

class Moving {
 public:
  // `name`: what other hosts know this one by, for people.
  Moving(Vault& vault, std::string name) : vault_(vault), name_(std::move(name)) {}

  Result<PublicIdentity> identity();

  // The invitation. For `uuid` alone, which then waits for it instead of being made anew.
  Result<base::Bytes> invite(const std::optional<Uuid>& uuid);
  // Those that were not used: of `uuid`, or all.
  Result<size_t> withdraw(const std::optional<Uuid>& uuid);
  // The export. The caller sees to it that nobody serves the instance and that `power` is what it is to start from.
  Result<base::Bytes> export_to(const Uuid& uuid, base::View invitation, const std::string& trusted,
                                const Power& power);
  // The notice of it.
  Result<base::Bytes> abort(const Uuid& uuid);
  // The token. Without a receipt, the one that may have been given before.
  Result<base::Bytes> release(const Uuid& uuid, base::View receipt);

  struct Imported {
    Uuid uuid{};
    PaperKind kind{};
    base::Bytes receipt;    // of an export
    bool had_come = false;  // an export whose token has come before
  };
  // An export, a token, or the notice of an abort.
  Result<Imported> import(base::View paper, const std::string& trusted);

  struct Inherited {
    bool anew = false;  // it had not been said before
    std::string text;   // what was done
  };
  // A copy that has arrived, whose source is lost for good, as an administrator says. Not `confirmed`: the refusal
  // says what would be done.
  Result<Inherited> inherit(const Uuid& uuid, bool confirmed);

 private:
  Result<> not_deleted(const Uuid& uuid);
  Result<> name_other(const Uuid& uuid, const PublicIdentity& other);
  Result<Imported> import_export(const Identity& own, base::View paper, const std::string& trusted);
  Result<Imported> import_token(base::View paper);
  Result<Imported> import_notice(base::View paper);

  Vault& vault_;
  std::string name_;
};

}  // namespace vault
