// SPDX-License-Identifier: MIT
// Part 3, 19: delegation commands.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/delegate_blob.h"

namespace tpm {

namespace {

Result<const FamilyTableEntry*> family_of(const Call& call, uint32_t id) {
  const FamilyTableEntry* family = call.tpm.delegation->family(id);
  TRY(require(family != nullptr, Rc::BadIndex));
  return family;
}

// A delegate acts within its own family.
Result<> check_own_family(Call& call, uint32_t family_id) {
  const auto& delegation = call.auth(0).delegation();
  return require(!delegation || delegation->family_id == family_id, Rc::DelegateFamily);
}

// Without an owner anybody may change the tables, until the family is locked or the memory is worn enough.
Result<> check_without_owner(const Tpm& tpm, const FamilyTableEntry* family) {
  TRY(require(family == nullptr || !family->has(kFamilyAdminLock), Rc::DelegateLock));
  return require(tpm.nv->may_write_without_owner(), Rc::MaxNvWrites);
}

// Whatever was lent before must be shown again after the tables have changed.
void end_delegated_use(Tpm& tpm) {
  tpm.sessions.edit().end_delegated();
  if (tpm.stclear->owner_reference != kOwnerHandle) tpm.stclear.edit().owner_reference = kOwnerHandle;
}

// ---- 19.1 TPM_Delegate_Manage ----
struct DelegateManage {
  struct In {
    uint32_t family_id = 0;
    FamilyOperation op{};
    wire::SizedBytes op_data;
  };
  struct Out {
    wire::SizedBytes ret_data;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    bool creates = in.op == FamilyOperation::Create;
    const FamilyTableEntry* family = creates ? nullptr : TRY(family_of(call, in.family_id));  // 1
    if (call.has_auth(0)) {                                                                   // 2
      TRY(call.authorize(0, Entity::owner(tpm)));                                             // 2.a
      if (!creates) TRY(check_own_family(call, in.family_id));                                // 2.b
    } else {                                                                                  // 3
      TRY(require(!tpm.owned(), Rc::AuthFail));                                               // 3.a
      TRY(check_without_owner(tpm, family));                                                  // 3.b-c
    }
    bool value = TRY(operand(tpm, in));  // 5.a-b, 7.a, 8.a, 10

    if (!call.has_auth(0)) tpm.nv.edit().writes_without_owner++;  // 3.c.iv
    end_delegated_use(tpm);                                       // 4, 6
    Delegation& tables = tpm.delegation.edit();
    switch (in.op) {
      case FamilyOperation::Create:
        return Out{wire::SizedBytes(wire::encode(create(tables, in.op_data.view()[0])))};
      case FamilyOperation::Admin:
        tables.family(in.family_id)->set(kFamilyAdminLock, value);  // 7.b-d
        return Out{};
      case FamilyOperation::Enable:
        tables.family(in.family_id)->set(kFamilyEnabled, value);  // 8.b-d
        return Out{};
      default:
        std::erase_if(tables.families.items, [&](const FamilyTableEntry& e) { return e.id == in.family_id; });  // 9
        return Out{};
    }
  }

 private:
  // The flag that Admin and Enable set.
  static Result<bool> operand(const Tpm& tpm, const In& in) {
    switch (in.op) {
      case FamilyOperation::Create:
        TRY(require(tpm.delegation->families.items.size() < Delegation::kFamilies, Rc::Resources));  // 5.a
        TRY(require(in.op_data.size() == 1, Rc::BadParamSize));                                      // 5.b
        return false;
      case FamilyOperation::Admin:
      case FamilyOperation::Enable: {
        TRY(require(in.op_data.size() == 1, Rc::BadParamSize));
        uint8_t flag = in.op_data.view()[0];
        TRY(require(flag <= 1, Rc::BadParameter));
        return flag == 1;
      }
      case FamilyOperation::Invalidate:
        return false;
      default:
        return Rc::BadParameter;  // 10
    }
  }

  // The new family's id.
  static uint32_t create(Delegation& tables, uint8_t label) {
    uint32_t id = ++tables.last_family_id;                        // 5.d
    tables.families.items.push_back({.label = label, .id = id});  // 5.c, 5.e-h
    return id;                                                    // 5.i-k
  }
};

// What both commands that make a delegation ask of it (19.2 and 19.3, actions 2-4).
Result<> check_new(Call& call, const DelegatePublic& pub, DelegateType type) {
  const FamilyTableEntry* family = TRY(family_of(call, pub.family_id));  // 2
  if (const auto& own = call.auth(0).delegation()) {                     // 3
    TRY(check_own_family(call, pub.family_id));                          // 3.a
    TRY(require(family->has(kFamilyEnabled), Rc::DisabledCmd));          // 3.b
    bool wider =
        (pub.permissions.per1 & ~own->permissions.per1) != 0 || (pub.permissions.per2 & ~own->permissions.per2) != 0;
    TRY(require(!wider, Rc::AuthFail));  // 3.c
  }
  TRY(check_form(pub));
  TRY(require(pub.permissions.type == type, Rc::BadParameter));  // 4
  return require(pub.permissions.only_defined(), Rc::BadParameter);
}

// ---- 19.2 TPM_Delegate_CreateKeyDelegation ----
struct CreateKeyDelegation {
  struct In {
    KeyHandle key;
    DelegatePublic pub;
    EncAuth auth;
  };
  struct Out {
    wire::SizedBytes blob;
  };
  static Result<Out> run(Call& call, const In& in) {                                           // 1, 5: the session
    TRY(check_new(call, in.pub, DelegateType::KeyBits));                                       // 2-4
    Secret auth = TRY(call.auth(0).open_even(in.auth));                                        // 6
    DelegateKeyBlob blob{.pub = in.pub};                                                       // 10.a, 10.c, 10.e
    blob.pub_key_digest = crypto::sha1_of(in.key->blob.pub_key);                               // 7, 10.b
    blob.pub.verification_count = TRY(family_of(call, in.pub.family_id))->verification_count;  // 10.d
    close_delegation(call.tpm, auth, blob);                                                    // 8-9, 10.f-h, 11-12
    call.auth(0).close();                                                                      // 13
    return Out{wire::SizedBytes(wire::encode(blob))};                                          // 14
  }
};

// ---- 19.3 TPM_Delegate_CreateOwnerDelegation ----
struct CreateOwnerDelegation {
  struct In {
    bool increment = false;
    DelegatePublic pub;
    EncAuth auth;
  };
  struct Out {
    wire::SizedBytes blob;
  };
  static Result<Out> run(Call& call, const In& in) {  // 1, 5: the session
    Tpm& tpm = call.tpm;
    TRY(check_new(call, in.pub, DelegateType::OwnerBits));  // 2-4
    Secret auth = TRY(call.auth(0).open_even(in.auth));     // 7
    if (in.increment) {                                     // 6
      tpm.delegation.edit().family(in.pub.family_id)->verification_count++;
      end_delegated_use(tpm);
    }
    DelegateOwnerBlob blob{.pub = in.pub};                                                       // 10.a-b, 10.e
    blob.pub.verification_count = tpm.delegation->family(in.pub.family_id)->verification_count;  // 10.f
    close_delegation(tpm, auth, blob);                                                           // 8-9, 10.c-d, 11-13
    call.auth(0).close();                                                                        // 14
    return Out{wire::SizedBytes(wire::encode(blob))};                                            // 15
  }
};

// ---- 19.4 TPM_Delegate_LoadOwnerDelegation ----
struct LoadOwnerDelegation {
  struct In {
    uint32_t index = 0;
    wire::SizedBytes blob;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    auto blob = TRY(in.blob.as<DelegateOwnerBlob>(Rc::InvalidStructure));  // 1
    TRY(require(blob.tag == StructureTag::DelegateOwnerBlob, Rc::InvalidStructure));
    TRY(check_form(blob.pub));
    const FamilyTableEntry* family = TRY(family_of(call, blob.pub.family_id));  // 2-3
    if (tpm.owned()) {                                                          // 4
      TRY(require(call.has_auth(0), Rc::AuthFail));
      TRY(call.authorize(0, Entity::owner(tpm)));       // 4.a
      TRY(check_own_family(call, blob.pub.family_id));  // 4.b
    } else {                                            // 5
      TRY(require(!call.has_auth(0), Rc::AuthFail));
      TRY(check_without_owner(tpm, family));  // 5.a-b
    }
    TRY(require(family->has(kFamilyEnabled), Rc::DisabledCmd));        // 6
    Secret auth = TRY(tpm.owned() ? opened(tpm, blob) : plain(blob));  // 7-9
    TRY(require(in.index < Delegation::kRows, Rc::BadIndex));          // 10

    if (!tpm.owned()) tpm.nv.edit().writes_without_owner++;                                 // 5.b.iv
    end_delegated_use(tpm);                                                                 // 11, 12.c-d
    tpm.delegation.edit().rows[in.index] = {.valid = true, .pub = blob.pub, .auth = auth};  // 12.a-b
    return Out{};                                                                           // 13
  }

 private:
  static Result<Secret> opened(const Tpm& tpm, const DelegateOwnerBlob& blob) {
    TRY(require(intact(tpm.ownership->tpm_proof, blob), Rc::AuthFail));  // 7
    std::optional<Secret> auth = open_delegation(tpm, blob);             // 8
    TRY(require(auth.has_value(), Rc::InvalidStructure));                // 9
    return *auth;
  }
  // Before there is an owner nothing of a blob is encrypted.
  static Result<Secret> plain(const DelegateOwnerBlob& blob) {
    auto sensitive = TRY(blob.sensitive.as<DelegateSensitive>(Rc::InvalidStructure));      // 8
    TRY(require(sensitive.tag == StructureTag::DelegateSensitive, Rc::InvalidStructure));  // 9
    return sensitive.auth;
  }
};

// ---- 19.5 TPM_Delegate_ReadTable ----
struct ReadTable {
  using In = Nothing;
  struct Out {
    wire::SizedBytes families;
    wire::SizedBytes delegates;
  };
  static Result<Out> run(Call& call, const In&) {
    const Delegation& tables = *call.tpm.delegation;
    Out out;
    wire::Writer families(out.families.bytes());
    for (const FamilyTableEntry& family : tables.families.items) families.put(family);  // 1-2
    wire::Writer delegates(out.delegates.bytes());
    for (uint32_t index = 0; index < tables.rows.size(); index++) {  // 3-4
      if (!tables.rows[index].valid) continue;
      delegates.uint(index);                  // 4.a
      delegates.put(tables.rows[index].pub);  // 4.b
    }
    return out;  // 5
  }
};

// ---- 19.6 TPM_Delegate_UpdateVerification ----
struct UpdateVerification {
  struct In {
    wire::SizedBytes input;  // the index of a row, or a blob
  };
  struct Out {
    wire::SizedBytes output;
  };
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    if (in.input.size() == sizeof(uint32_t))
      return update_row(call, TRY(in.input.as<uint32_t>(Rc::BadParameter)));  // 2
    wire::Reader reader(in.input.view());
    auto tag = TRY(reader.get<StructureTag>());
    if (tag == StructureTag::DelegateOwnerBlob) return update_blob<DelegateOwnerBlob>(call, in.input);
    if (tag == StructureTag::DelegateKeyBlob) return update_blob<DelegateKeyBlob>(call, in.input);
    return Rc::BadParameter;
  }

 private:
  static Result<Out> update_row(Call& call, uint32_t index) {
    const DelegateRow* row = call.tpm.delegation->row(index);  // 2.a
    TRY(require(row != nullptr, Rc::BadIndex));
    uint32_t count = TRY(current_count(call, row->pub.family_id));          // 4-7
    call.tpm.delegation.edit().rows[index].pub.verification_count = count;  // 8
    return Out{};
  }

  template <class Blob>
  static Result<Out> update_blob(Call& call, const wire::SizedBytes& input) {
    const Secret& proof = call.tpm.ownership->tpm_proof;
    Blob blob = TRY(input.as<Blob>(Rc::InvalidStructure));
    TRY(require(intact(proof, blob), Rc::AuthFail));                             // 3
    blob.pub.verification_count = TRY(current_count(call, blob.pub.family_id));  // 4-8
    blob.integrity = integrity_of(proof, blob);                                  // 9
    return Out{wire::SizedBytes(wire::encode(blob))};                            // 10
  }

  static Result<uint32_t> current_count(Call& call, uint32_t family_id) {
    const FamilyTableEntry* family = TRY(family_of(call, family_id));                          // 4-5
    TRY(check_own_family(call, family_id));                                                    // 6
    TRY(require(!call.auth(0).delegation() || family->has(kFamilyEnabled), Rc::DisabledCmd));  // 7
    return family->verification_count;
  }
};

// ---- 19.7 TPM_Delegate_VerifyDelegation ----
struct VerifyDelegation {
  struct In {
    wire::SizedBytes delegation;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    wire::Reader reader(in.delegation.view());
    auto tag = TRY(reader.get<StructureTag>());
    if (tag == StructureTag::DelegateOwnerBlob) return verify<DelegateOwnerBlob>(call.tpm, in.delegation);  // 1
    if (tag == StructureTag::DelegateKeyBlob) return verify<DelegateKeyBlob>(call.tpm, in.delegation);      // 2
    return Rc::BadParameter;                                                                                // 3
  }

 private:
  template <class Blob>
  static Result<Out> verify(const Tpm& tpm, const wire::SizedBytes& bytes) {
    Blob blob = TRY(bytes.as<Blob>(Rc::InvalidStructure));
    TRY(check_current(*tpm.delegation, blob.pub));                           // 4-7
    TRY(require(intact(tpm.ownership->tpm_proof, blob), Rc::AuthFail));      // 8
    TRY(require(open_delegation(tpm, blob).has_value(), Rc::BadParameter));  // 9-10
    return Out{};                                                            // 11
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::UpdateVerification,
              row<UpdateVerification>(ordinal::Delegate_UpdateVerification, "TPM_Delegate_UpdateVerification",
                                      Needs::Operational, owner())),
    delegable(OwnerPermission::DelegateManage, row<DelegateManage>(ordinal::Delegate_Manage, "TPM_Delegate_Manage",
                                                                   Needs::Unowned, optional(deferred()))),
    delegable(KeyPermission::CreateKeyDelegation,
              row<CreateKeyDelegation>(
                  ordinal::Delegate_CreateKeyDelegation, "TPM_Delegate_CreateKeyDelegation", Needs::Operational,
                  refusing(Rc::InvalidAuthHandle, key<&CreateKeyDelegation::In::key>(Protocol::Osap)))),
    delegable(OwnerPermission::CreateOwnerDelegation,
              row<CreateOwnerDelegation>(ordinal::Delegate_CreateOwnerDelegation, "TPM_Delegate_CreateOwnerDelegation",
                                         Needs::Operational, refusing(Rc::InvalidAuthHandle, owner(Protocol::Osap)))),
    row<VerifyDelegation>(ordinal::Delegate_VerifyDelegation, "TPM_Delegate_VerifyDelegation", Needs::Operational),
    delegable(OwnerPermission::LoadOwnerDelegation,
              row<LoadOwnerDelegation>(ordinal::Delegate_LoadOwnerDelegation, "TPM_Delegate_LoadOwnerDelegation",
                                       Needs::Unowned, optional(deferred()))),
    row<ReadTable>(ordinal::Delegate_ReadTable, "TPM_Delegate_ReadTable", Needs::Unowned),
};

}  // namespace

Chapter chapter_19() { return kRows; }

}  // namespace tpm
