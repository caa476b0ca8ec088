// SPDX-License-Identifier: MIT
// Every command once, in the state in which it succeeds. The ordinals, gates and tags are typed from Part 3.
#include <map>

#include "tests/engine/counter_client.h"
#include "tests/engine/delegation_client.h"
#include "tests/engine/migration_client.h"
#include "tests/engine/nv_client.h"
#include "tests/engine/transport_client.h"
#include "tests/engine/world.h"

namespace world {

using client::bytes_of;
using client::Command;
using client::kSrk;

namespace {

constexpr Gates kEnabledOnly{.activated = false, .owner = false};
constexpr Gates kActivatedOnly{.enabled = false, .owner = false};
constexpr Gates kOwnerOnly{.enabled = false, .activated = false};
constexpr Gates kBeforeStartup{.startup = false, .enabled = false, .activated = false, .owner = false};
constexpr unsigned kT0 = 1, kT1 = 2, kT2 = 4;

Bytes ek_parms() { return client::KeyParms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone}.encode(); }

// ---- Chapters 3 to 7 ----

Command startup(World&) { return {.ordinal = 0x99, .params = Out().u16(1)}; }
Command save_state(World&) { return {.ordinal = 0x98}; }
Command self_test_full(World&) { return {.ordinal = 0x50}; }
Command continue_self_test(World&) { return {.ordinal = 0x53}; }
Command get_test_result(World&) { return {.ordinal = 0x54}; }
Command set_owner_install(World& w) {
  w.presence();
  return {.ordinal = 0x71, .params = Out().u8(0)};
}
Command owner_set_disable(World& w) { return {.ordinal = 0x6e, .params = Out().u8(1), .proofs = {w.by_owner(true)}}; }
Command physical_enable(World& w) {
  w.presence();
  return {.ordinal = 0x6f};
}
Command physical_disable(World& w) {
  w.presence();
  return {.ordinal = 0x70};
}
Command physical_set_deactivated(World& w) {
  w.presence();
  return {.ordinal = 0x72, .params = Out().u8(1)};
}
Command set_temp_deactivated(World& w) {
  w.presence();
  return {.ordinal = 0x73};
}
Command set_operator_auth(World& w) {
  w.presence();
  return {.ordinal = 0x74, .params = Out().raw(client::secret("operator"))};
}
Command take_ownership(World& w) {
  auto ek = w.tpm.read_pubek();
  World::must(ek.reply, "ReadPubek");
  Out params;
  params.u16(5)
      .sized(client::oaep_tcpa(ek.value.pub(), bytes_of(kOwnerAuth)))
      .sized(client::oaep_tcpa(ek.value.pub(), bytes_of(kSrkAuth)))
      .raw(client::srk_template().encode());
  return {.ordinal = 0x0d, .params = params, .proofs = {w.by_owner(true)}};
}
Command owner_clear(World& w) { return {.ordinal = 0x5b, .proofs = {w.by_owner()}}; }
Command force_clear(World& w) {
  w.presence();
  return {.ordinal = 0x5d};
}
Command disable_owner_clear(World& w) { return {.ordinal = 0x5c, .proofs = {w.by_owner(true)}}; }
Command disable_force_clear(World&) { return {.ordinal = 0x5e}; }
Command physical_presence(World&) { return {.ordinal = 0x4000000a, .params = Out().u16(0x08)}; }
Command reset_establishment_bit(World&) { return {.ordinal = 0x4000000b}; }
Command get_capability(World&) { return {.ordinal = 0x65, .params = Out().u32(5).sized(Out().u32(0x101))}; }
Command set_capability(World& w) {
  return {.ordinal = 0x3f, .params = Out().u32(1).sized(Out().u32(17)).sized({1}), .proofs = {w.by_owner(true)}};
}
Command get_capability_owner(World& w) { return {.ordinal = 0x66, .proofs = {w.by_owner(true)}}; }

// ---- Chapters 8 to 10 ----

Command get_audit_digest(World&) { return {.ordinal = 0x85, .params = Out().u32(0)}; }
Command get_audit_digest_signed(World& w) {
  return {.ordinal = 0x86,
          .handles = Out().u32(w.load(w.keys().identity)),
          .params = Out().u8(1).raw(client::secret("replay")),
          .proofs = {w.by_key(true)}};
}
Command set_ordinal_audit_status(World& w) {
  return {.ordinal = 0x8d, .params = Out().u32(0x46).u8(1), .proofs = {w.by_owner(true)}};
}

Command reset_lock_value(World& w) {
  if (w.tpm.run_oiap({.ordinal = 0x66}, kWrong).ok()) abort();  // so that there is something to reset
  return {.ordinal = 0x40, .proofs = {w.by_owner(true)}};
}

Command seal(World& w) {
  Session* session = w.osap_srk();
  Bytes selection = client::pcr_selection({0, 7, 10});
  Bytes info = client::pcr_info(selection, client::composite(selection, {Digest{}, Digest{}, Digest{}}));
  return {.ordinal = 0x17,
          .handles = Out().u32(kSrk),
          .params = Out().raw(client::hide_even(*session, kDataAuth)).sized(info).sized(bytes_of("seal me")),
          .proofs = {{.session = session}}};
}
Command sealx(World& w) {
  Session* session = w.osap_srk();
  Bytes selection = client::pcr_selection({3});
  Bytes info = client::pcr_info_long(selection, selection, client::composite(selection, {Digest{}}));
  return {.ordinal = 0x3d,
          .handles = Out().u32(kSrk),
          .params = Out().raw(client::hide_even(*session, kDataAuth)).sized(info).sized(bytes_of("seal me")),
          .proofs = {{.session = session}}};
}
Command unseal(World& w) {
  auto blob = w.tpm.seal(kSrk, kSrkAuth, bytes_of("sealed"), kDataAuth);
  World::must(blob.reply, "Seal");
  return {.ordinal = 0x18,
          .handles = Out().u32(kSrk),
          .params = blob.value,
          .proofs = {w.by_srk(true), {.session = w.oiap(), .secret = kDataAuth, .keep = true}}};
}
Command unbind(World& w) {
  Bytes bound = Out().u32(0x01010000).u8(2).raw(bytes_of("bound"));
  return {.ordinal = 0x1e,
          .handles = Out().u32(w.load(w.keys().bind)),
          .params = Out().sized(client::oaep_tcpa(w.keys().bind.pub(), bound)),
          .proofs = {w.by_key(true)}};
}
Command create_wrap_key(World& w) {
  Session* session = w.osap_srk();
  Digest odd = client::fresh_nonce();
  Out params;
  params.raw(client::hide_even(*session, kKeyAuth)).raw(client::hide_odd(*session, odd, kMigrationAuth));
  return {.ordinal = 0x1f,
          .handles = Out().u32(kSrk),
          .params = params.raw(client::signing_key(1024).encode()),
          .proofs = {{.session = session, .nonce_odd = odd}}};
}
Command load_key2(World& w) {
  return {.ordinal = 0x41,
          .handles = Out().u32(kSrk),
          .params = w.keys().sign.encode(),
          .proofs = {w.by_srk(true)},
          .out_handle_bytes = 4};
}
Command get_pub_key(World& w) {
  return {.ordinal = 0x21, .handles = Out().u32(w.load(w.keys().sign)), .proofs = {w.by_key(true)}};
}

// ---- Chapter 11 ----

// Outside any TPM: what keys are moved to, and what approves that they are.
const client::RsaPair& facility() {
  static const client::RsaPair pair = client::make_rsa(2048);
  return pair;
}
Bytes approved(World& w, uint16_t scheme, const client::PubKey& to) {
  auto answer = client::authorize_migration_key(w.tpm, kOwnerAuth, scheme, to);
  World::must(answer.reply, "AuthorizeMigrationKey");
  return answer.value;
}
client::PubKey srk_pub(World& w) { return client::public_part(w.srk()); }
client::Migrating migrating(World& w, const client::PubKey& to) {
  auto answer =
      client::create_migration_blob(w.tpm, kSrk, kSrkAuth, client::kMsMigrate, approved(w, client::kMsMigrate, to),
                                    w.keys().migratable_sign.encrypted, kMigrationAuth);
  World::must(answer.reply, "CreateMigrationBlob");
  return answer.value;
}
Command create_migration_blob(World& w) {
  Bytes key_auth = approved(w, client::kMsMigrate, client::destination(facility()));
  return {.ordinal = 0x28,
          .handles = Out().u32(kSrk),
          .params = Out().u16(client::kMsMigrate).raw(key_auth).sized(w.keys().migratable_sign.encrypted),
          .proofs = {w.by_srk(true), {.session = w.oiap(), .secret = kMigrationAuth, .keep = true}}};
}
Command convert_migration_blob(World& w) {
  client::Migrating from = migrating(w, srk_pub(w));
  return {.ordinal = 0x2a,
          .handles = Out().u32(kSrk),
          .params = Out().sized(from.blob).sized(from.random),
          .proofs = {w.by_srk(true)}};
}
Command authorize_migration_key(World& w) {
  return {.ordinal = 0x2b,
          .params = Out().u16(client::kMsMigrate).raw(client::destination(facility()).encode()),
          .proofs = {w.by_owner(true)}};
}
Command migrate_key(World& w) {
  static std::map<Bytes, Key> authorities;  // by SRK
  Key& authority = authorities[w.srk().modulus];
  if (authority.modulus.empty()) {
    Key key = client::storage_key();
    key.usage = client::kMigrate;
    auto made = w.tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth);
    World::must(made.reply, "CreateWrapKey");
    authority = made.value;
  }
  Bytes blob = migrating(w, client::public_part(authority)).blob;
  return {.ordinal = 0x25,
          .handles = Out().u32(w.load(authority)),
          .params = Out().raw(srk_pub(w).encode()).sized(blob),
          .proofs = {w.by_key(true)}};
}
Command cmk_set_restrictions(World& w) {
  return {.ordinal = 0x1c, .params = Out().u32(0x80000000), .proofs = {w.by_owner(true)}};
}
Command cmk_approve_ma(World& w) {
  return {.ordinal = 0x1d, .params = Out().raw(client::secret("authorities")), .proofs = {w.by_owner(true)}};
}
client::PubKey authority() { return client::verification_key(facility()); }
Bytes msa() { return client::msa_composite({client::digest_of(authority())}); }
Digest approval(World& w) {
  auto answer = client::cmk_approve_ma(w.tpm, kOwnerAuth, client::sha1(msa()));
  World::must(answer.reply, "CMK_ApproveMA");
  return answer.value;
}
Key cmk_template() {
  Key key = client::signing_key();
  key.key12 = true;
  key.flags = client::kMigratable | client::kMigrateAuthority;
  return key;
}
Command cmk_create_key(World& w) {
  Digest ticket = approval(w);
  Session* session = w.osap_srk();
  Out params;
  params.raw(client::hide_even(*session, kKeyAuth)).raw(cmk_template().encode()).raw(ticket).raw(client::sha1(msa()));
  return {.ordinal = 0x13, .handles = Out().u32(kSrk), .params = params, .proofs = {{.session = session}}};
}
Command cmk_create_ticket(World& w) {
  Digest data = client::secret("signed");
  Out params;
  params.raw(authority().encode()).raw(data).sized(client::sign_sha1(facility(), data));
  return {.ordinal = 0x12, .params = params, .proofs = {w.by_owner(true)}};
}
// A certified migratable key, and its way back to the same SRK.
struct CmkJourney {
  Key key;
  Bytes ticket;
  Digest seen{};
  client::CmkBlobRequest request;
};
CmkJourney cmk_journey(World& w) {
  auto made = client::cmk_create_key(w.tpm, kSrk, kSrkAuth, cmk_template(), kKeyAuth, approval(w), client::sha1(msa()));
  World::must(made.reply, "CMK_CreateKey");
  Digest source = client::digest_of(client::public_part(made.value));
  CmkJourney journey{.key = made.value};
  journey.ticket = client::cmk_auth(client::digest_of(authority()), client::digest_of(srk_pub(w)), source);
  Digest digest = client::sha1(journey.ticket);
  auto seen = client::cmk_create_ticket(w.tpm, kOwnerAuth, authority(), digest, client::sign_sha1(facility(), digest));
  World::must(seen.reply, "CMK_CreateTicket");
  journey.seen = seen.value;
  journey.request = {.key_auth = approved(w, client::kMsRestrictApprove, srk_pub(w)),
                     .source = source,
                     .msa_list = msa(),
                     .restrict_ticket = journey.ticket,
                     .sig_ticket = bytes_of(seen.value),
                     .encrypted = made.value.encrypted};
  return journey;
}
Command cmk_create_blob(World& w) {
  client::CmkBlobRequest r = cmk_journey(w).request;
  Out params;
  params.u16(client::kMsRestrictApprove).raw(r.key_auth).raw(r.source).sized(r.msa_list).sized(r.restrict_ticket);
  params.sized(r.sig_ticket).sized(r.encrypted);
  return {.ordinal = 0x1b, .handles = Out().u32(kSrk), .params = params, .proofs = {w.by_srk(true)}};
}
Command cmk_convert_migration(World& w) {
  CmkJourney journey = cmk_journey(w);
  auto blob = client::cmk_create_blob(w.tpm, kSrk, kSrkAuth, journey.request);
  World::must(blob.reply, "CMK_CreateBlob");
  Key there = journey.key;
  there.encrypted = blob.value.blob;
  Out params;
  params.raw(journey.ticket).raw(journey.seen).raw(there.encode()).sized(msa()).sized(blob.value.random);
  return {.ordinal = 0x24, .handles = Out().u32(kSrk), .params = params, .proofs = {w.by_srk(true)}};
}

// ---- Chapter 12 ----

#ifdef WITH_MAINTENANCE
Bytes load_maker() { return Out().raw(Digest{}).raw(client::destination(facility()).encode()); }
Command create_maintenance_archive(World& w) {
  World::must(w.tpm.run(0x2f, load_maker()), "LoadManuMaintPub");
  return {.ordinal = 0x2c, .params = Out().u8(1), .proofs = {w.by_owner(true)}};
}
Command load_maintenance_archive(World& w) {
  Command create = create_maintenance_archive(w);
  client::Reply reply = w.tpm.run(create);
  World::must(reply, "CreateMaintenanceArchive");
  client::In in(reply.params);
  Bytes random = in.sized();
  Key key = Key::decode(in.sized());
  auto inner = client::open_oaep_tcpa(facility(), key.encrypted);
  key.encrypted = client::oaep_tcpa(w.srk().pub(), inner.value());
  Bytes content = Out().sized(key.encode()).sized(random);
  return {.ordinal = 0x2d,
          .params = Out().raw(content).sized(client::sign_sha1(facility(), client::sha1(content))),
          .proofs = {w.by_owner()}};
}
Command kill_maintenance_feature(World& w) { return {.ordinal = 0x2e, .proofs = {w.by_owner(true)}}; }
Command load_manu_maint_pub(World&) { return {.ordinal = 0x2f, .params = load_maker()}; }
Command read_manu_maint_pub(World& w) {
  World::must(w.tpm.run(0x2f, load_maker()), "LoadManuMaintPub");
  return {.ordinal = 0x30, .params = Out().raw(client::fresh_nonce())};
}
#endif

// ---- Chapters 13 and 14 ----

Command sha1_start(World&) { return {.ordinal = 0xa0}; }
Command sha1_update(World& w) {
  World::must(w.tpm.run(0xa0), "SHA1Start");
  return {.ordinal = 0xa1, .params = Out().sized(Bytes(64, 'x'))};
}
Command sha1_complete(World& w) {
  World::must(w.tpm.run(0xa0), "SHA1Start");
  return {.ordinal = 0xa2, .params = Out().sized(bytes_of("abc"))};
}
Command sha1_complete_extend(World& w) {
  World::must(w.tpm.run(0xa0), "SHA1Start");
  return {.ordinal = 0xa3, .params = Out().u32(9).sized(bytes_of("abc"))};
}
Command sign(World& w) {
  return {.ordinal = 0x3c,
          .handles = Out().u32(w.load(w.keys().sign)),
          .params = Out().sized(bytes_of(client::secret("area"))),
          .proofs = {w.by_key(true)}};
}
Command get_random(World&) { return {.ordinal = 0x46, .params = Out().u32(16)}; }
Command stir_random(World&) { return {.ordinal = 0x47, .params = Out().sized(bytes_of("entropy"))}; }
Command certify_key(World& w) {
  uint32_t cert = w.load(w.keys().sign);
  return {.ordinal = 0x32,
          .handles = Out().u32(cert).u32(w.load(w.keys().bind)),
          .params = Out().raw(client::secret("replay")),
          .proofs = {w.by_key(true), w.by_key(true)}};
}
Command certify_key2(World& w) {
  uint32_t key = w.load(w.keys().bind);
  return {.ordinal = 0x33,
          .handles = Out().u32(key).u32(w.load(w.keys().sign)),
          .params = Out().raw(Digest{}).raw(client::secret("replay")),
          .proofs = {w.by_key(true), w.by_key(true)}};
}
Command create_endorsement_key_pair(World&) {
  return {.ordinal = 0x78, .params = Out().raw(client::fresh_nonce()).raw(ek_parms())};
}
Command create_revocable_ek(World&) {
  return {.ordinal = 0x7f,
          .params = Out().raw(client::fresh_nonce()).raw(ek_parms()).u8(0).raw(client::secret("reset"))};
}
Command revoke_trust(World& w) {
  World::must(w.tpm.run(create_revocable_ek(w)), "CreateRevocableEK");
  w.presence();
  return {.ordinal = 0x80, .params = Out().raw(client::secret("reset"))};
}
Command read_pubek(World&) { return {.ordinal = 0x7c, .params = Out().raw(client::fresh_nonce())}; }
Command owner_read_internal_pub(World& w) {
  return {.ordinal = 0x81, .params = Out().u32(kSrk), .proofs = {w.by_owner(true)}};
}

// ---- Chapter 15 ----

Command make_identity(World& w) {
  Session* by_owner = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Out params;
  params.raw(client::hide_even(*by_owner, kKeyAuth)).raw(client::secret("label")).raw(client::identity_key().encode());
  return {.ordinal = 0x79, .params = params, .proofs = {w.by_srk(), {.session = by_owner}}};
}
Command activate_identity(World& w) {
  auto ek = w.tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth);
  World::must(ek, "OwnerReadPubek");
  client::In in(ek.params);
  const Key& key = w.keys().identity;
  Digest digest = client::sha1(client::PubKey{.parms = key.parms, .modulus = key.modulus}.encode());
  Bytes contents = Out().u32(6).u16(4).u16(16).raw(Bytes(16, 'k')).raw(digest);
  return {.ordinal = 0x7a,
          .handles = Out().u32(w.load(key)),
          .params = Out().sized(client::oaep_tcpa(client::PubKey::decode(in).pub(), contents)),
          .proofs = {w.by_key(true), w.by_owner(true)}};
}

// ---- Chapters 16 to 27 ----

Command extend(World&) { return {.ordinal = 0x14, .params = Out().u32(10).raw(client::secret("event"))}; }
Command pcr_read(World&) { return {.ordinal = 0x15, .params = Out().u32(10)}; }
Command quote(World& w) {
  return {.ordinal = 0x16,
          .handles = Out().u32(w.load(w.keys().sign)),
          .params = Out().raw(client::secret("external")).raw(client::pcr_selection({0, 10, 16})),
          .proofs = {w.by_key(true)}};
}
Command quote2(World& w) {
  return {.ordinal = 0x3e,
          .handles = Out().u32(w.load(w.keys().sign)),
          .params = Out().raw(client::secret("external")).raw(client::pcr_selection({0, 10, 16})).u8(1),
          .proofs = {w.by_key(true)}};
}
Command pcr_reset(World&) { return {.ordinal = 0xc8, .params = client::pcr_selection({16, 23})}; }
Command change_auth(World& w) {
  Session* by_parent = w.osap_srk();
  Out params;
  params.u16(4).raw(client::hide_even(*by_parent, kDataAuth)).u16(client::kEtKey).sized(w.keys().sign.encrypted);
  return {.ordinal = 0x0c,
          .handles = Out().u32(kSrk),
          .params = params,
          .proofs = {{.session = by_parent}, {.session = w.oiap(), .secret = kKeyAuth}}};
}
Command change_auth_owner(World& w) {
  Session* by_owner = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  return {.ordinal = 0x10,
          .params = Out().u16(4).raw(client::hide_even(*by_owner, client::secret("new"))).u16(client::kEtSrk),
          .proofs = {{.session = by_owner}}};
}
Command oiap(World&) { return {.ordinal = 0x0a}; }
Command osap(World&) {
  return {.ordinal = 0x0b, .params = Out().u16(client::kEtSrk).u32(kSrk).raw(client::fresh_nonce())};
}
constexpr uint32_t kNvIndex = 0x00011201;
void define_nv(World& w, uint32_t attributes) {
  client::Nv nv(w.tpm);
  client::NvPublic area{.index = kNvIndex, .attributes = attributes, .bytes = 8};
  World::must(nv.define_as_owner(area, kOwnerAuth, kDataAuth), "NV_DefineSpace");
}
Command nv_define_space(World& w) {
  Session* by_owner = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  client::NvPublic area{.index = kNvIndex, .attributes = client::kNvAuthWrite, .bytes = 8};
  return {.ordinal = 0xcc,
          .params = Out().raw(area.encode()).raw(client::hide_even(*by_owner, kDataAuth)),
          .proofs = {{.session = by_owner}}};
}
Command nv_write_value(World& w) {
  define_nv(w, client::kNvOwnerWrite);
  return {.ordinal = 0xcd, .params = Out().u32(kNvIndex).u32(1).sized(bytes_of("bytes")), .proofs = {w.by_owner(true)}};
}
Command nv_write_value_auth(World& w) {
  define_nv(w, client::kNvAuthWrite);
  return {.ordinal = 0xce,
          .params = Out().u32(kNvIndex).u32(1).sized(bytes_of("bytes")),
          .proofs = {{.session = w.oiap(), .secret = kDataAuth, .keep = true}}};
}
Command nv_read_value(World& w) {
  define_nv(w, client::kNvOwnerWrite | client::kNvOwnerRead);
  return {.ordinal = 0xcf, .params = Out().u32(kNvIndex).u32(1).u32(5), .proofs = {w.by_owner(true)}};
}
Command nv_read_value_auth(World& w) {
  define_nv(w, client::kNvAuthWrite | client::kNvAuthRead);
  return {.ordinal = 0xd0,
          .params = Out().u32(kNvIndex).u32(1).u32(5),
          .proofs = {{.session = w.oiap(), .secret = kDataAuth, .keep = true}}};
}

// ---- Delegation ----

// A family of the owner's, enabled.
uint32_t make_family(World& w) {
  auto made = w.tpm.run_oiap(client::manage(0, client::kFamilyCreate, {'f'}), kOwnerAuth);
  World::must(made, "Delegate_Manage");
  client::In in(made.params);
  in.u32();
  uint32_t family = in.u32();
  World::must(w.tpm.run_oiap(client::manage(family, client::kFamilyEnable, {1}), kOwnerAuth), "Delegate_Manage");
  return family;
}
// The command with a proof by a fresh OSAP session of the owner.
Command by_owners_osap(World& w, const std::function<Command(const Session&)>& make) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Command command = make(*session);
  command.proofs = {{.session = session}};
  return command;
}
Command create_owner_delegation(World& w) {
  client::DelegatePublic pub{.per1 = 1U << 9, .family = make_family(w)};
  return by_owners_osap(w, [&](const Session& s) { return client::create_owner_delegation(pub, true, s, kDataAuth); });
}
Bytes owner_blob(World& w) {
  auto made = w.tpm.run(create_owner_delegation(w));
  World::must(made, "Delegate_CreateOwnerDelegation");
  return client::In(made.params).sized();
}
Command create_key_delegation(World& w) {
  client::DelegatePublic pub{.type = client::kKeyBits, .per1 = 1U << 14, .family = make_family(w)};
  uint32_t key = w.load(w.keys().sign);
  Session* session = w.osap_key(key);
  Command command = client::create_key_delegation(key, pub, *session, kDataAuth);
  command.proofs = {{.session = session}};
  return command;
}
Command delegate_manage(World& w) {
  Command command = client::manage(0, client::kFamilyCreate, {'f'});
  command.proofs = {w.by_owner(true)};
  return command;
}
Command load_owner_delegation(World& w) {
  Command command = client::load_owner_delegation(1, owner_blob(w));
  command.proofs = {w.by_owner(true)};
  return command;
}
Command delegate_read_table(World& w) {
  make_family(w);
  return {.ordinal = 0xdb};
}
Command update_verification(World& w) {
  return {.ordinal = 0xd1, .params = Out().sized(owner_blob(w)), .proofs = {w.by_owner(true)}};
}
Command verify_delegation(World& w) { return {.ordinal = 0xd6, .params = Out().sized(owner_blob(w))}; }
Command dsap(World& w) { return client::dsap_command(client::kEtDelOwnerBlob, 0, owner_blob(w)); }
Command set_owner_pointer(World& w) {
  Command load = load_owner_delegation(w);
  World::must(w.tpm.run(load), "Delegate_LoadOwnerDelegation");
  return {.ordinal = 0x75, .params = Out().u16(client::kEtDelRow).u32(1)};
}

// ---- Contexts and transport ----

Command key_control_owner(World& w) {
  const Key& key = w.keys().sign;
  Bytes pub = client::PubKey{.parms = key.parms, .modulus = key.modulus}.encode();
  return {.ordinal = 0x23,
          .handles = Out().u32(w.load(key)),
          .params = Out().raw(pub).u32(1).u8(1),
          .proofs = {w.by_owner(true)}};
}
Command save_context(World& w) {
  return {.ordinal = 0xb8, .handles = Out().u32(w.oiap()->handle), .params = Out().u32(2).raw(Bytes(16, 'l'))};
}
Command load_context(World& w) {
  auto saved = w.tpm.run(save_context(w));
  World::must(saved, "SaveContext");
  return {.ordinal = 0xb9, .handles = Out().u32(0), .params = Out().u8(0).raw(saved.params), .out_handle_bytes = 4};
}
Command save_key_context(World& w) { return {.ordinal = 0xb4, .handles = Out().u32(w.load(w.keys().sign))}; }
Command load_key_context(World& w) {
  auto saved = w.tpm.run(save_key_context(w));
  World::must(saved, "SaveKeyContext");
  return {.ordinal = 0xb5, .params = saved.params, .out_handle_bytes = 4};
}
Command save_auth_context(World& w) { return {.ordinal = 0xb6, .handles = Out().u32(w.oiap()->handle)}; }
Command load_auth_context(World& w) {
  auto saved = w.tpm.run(save_auth_context(w));
  World::must(saved, "SaveAuthContext");
  return {.ordinal = 0xb7, .params = saved.params, .out_handle_bytes = 4};
}
Command establish_transport(World& w) {
  client::TransportSession t{.auth = kDataAuth, .attributes = 7, .algorithm = client::kAlgAes128, .scheme = 4};
  return client::establish_transport(t, kSrk, w.srk().pub(), w.by_srk(true));
}
std::shared_ptr<client::TransportSession> transport(World& w) {
  auto t = std::make_shared<client::TransportSession>(client::TransportSession{
      .session = w.keep({}), .auth = kDataAuth, .attributes = 3, .algorithm = client::kAlgMgf1});
  World::must(client::open_transport(w.tpm, *t, kSrk, w.srk().pub(), kSrkAuth), "EstablishTransport");
  return t;
}
Command execute_transport(World& w) {
  Command inner = get_pub_key(w);
  return client::execute_transport(w.tpm, transport(w), inner,
                                   {.clear_in = 4, .key_hash = client::logged_key(w.keys().sign.pub())});
}
Command release_transport_signed(World& w) {
  uint32_t key = w.load(w.keys().sign);
  Proof by_key = w.by_key(true);
  auto t = transport(w);
  return {.ordinal = 0xe8,
          .handles = Out().u32(key),
          .params = Out().raw(client::secret("replay")),
          .proofs = {by_key, {.session = t->session, .secret = t->auth}}};
}
Command flush_specific(World& w) {
  return {.ordinal = 0xba, .handles = Out().u32(w.load(w.keys().sign)), .params = Out().u32(1)};
}
Command get_ticks(World&) { return {.ordinal = 0xf1}; }
Command tick_stamp_blob(World& w) {
  return {.ordinal = 0xf2,
          .handles = Out().u32(w.load(w.keys().sign)),
          .params = Out().raw(client::secret("replay")).raw(client::secret("stamped")),
          .proofs = {w.by_key(true)}};
}
uint32_t counter(World& w) {
  auto created = client::Counters(w.tpm).create(kOwnerAuth, kDataAuth, "test");
  World::must(created.reply, "CreateCounter");
  return created.value.id;
}
Command create_counter(World& w) {
  Session* by_owner = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  return {.ordinal = 0xdc,
          .params = Out().raw(client::hide_even(*by_owner, kDataAuth)).raw(bytes_of("test")),
          .proofs = {{.session = by_owner}}};
}
Command increment_counter(World& w) {
  return {.ordinal = 0xdd,
          .params = Out().u32(counter(w)),
          .proofs = {{.session = w.oiap(), .secret = kDataAuth, .keep = true}}};
}
Command read_counter(World& w) { return {.ordinal = 0xde, .params = Out().u32(counter(w))}; }
Command release_counter(World& w) {
  return {.ordinal = 0xdf,
          .params = Out().u32(counter(w)),
          .proofs = {{.session = w.oiap(), .secret = kDataAuth, .keep = true}}};
}
Command release_counter_owner(World& w) {
  return {.ordinal = 0xe0, .params = Out().u32(counter(w)), .proofs = {w.by_owner(true)}};
}
Command daa_join(World& w) {
  return {.ordinal = 0x29,
          .handles = Out().u32(0),
          .params = Out().u8(0).sized(Out().u32(1)).sized({}),
          .proofs = {w.by_owner(true)}};
}
Command daa_sign(World& w) {
  return {.ordinal = 0x31,
          .handles = Out().u32(0),
          .params = Out().u8(0).sized(Out().u16(0x2f).raw(Bytes(146, 5))).sized({}),
          .proofs = {w.by_owner(true)}};
}
Bytes change_auth_asym_params() {
  return Out()
      .raw(client::secret("replay"))
      .raw(client::KeyParms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone, .bits = 512}.encode());
}
Command change_auth_asym_start(World& w) {
  return {.ordinal = 0x0e,
          .handles = Out().u32(w.load(w.keys().identity)),
          .params = change_auth_asym_params(),
          .proofs = {w.by_key(true)}};
}
Command change_auth_asym_finish(World& w) {
  client::KeyParms parms{.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone, .bits = 1024};
  client::Reply reply = w.tpm.run_oiap({.ordinal = 0x0e,
                                        .handles = Out().u32(w.load(w.keys().identity)),
                                        .params = Out().raw(client::secret("replay")).raw(parms.encode())},
                                       kKeyAuth);
  World::must(reply, "ChangeAuthAsymStart");
  client::In in(reply.params);
  in.raw(11);
  client::KeyParms::decode(in);
  in.raw(45);
  in.sized();
  uint32_t ephemeral = in.u32();
  Key key = Key::decode(in);
  Digest new_auth = client::secret("new");
  Out params;
  params.u16(client::kEtKey).raw(client::hmac_sha1(kKeyAuth, bytes_of(new_auth)));
  params.sized(client::oaep_tcpa(key.pub(), Out().raw(new_auth).raw(client::secret("n1"))));
  params.sized(w.keys().sign.encrypted);
  return {.ordinal = 0x0f, .handles = Out().u32(kSrk).u32(ephemeral), .params = params, .proofs = {w.by_owner(true)}};
}
Command load_key(World& w) {
  return {.ordinal = 0x20, .handles = Out().u32(kSrk), .params = w.keys().sign.encode(), .proofs = {w.by_srk(true)}};
}
Command evict_key(World& w) { return {.ordinal = 0x22, .handles = Out().u32(w.load(w.keys().sign))}; }
Command terminate_handle(World& w) { return {.ordinal = 0x96, .handles = Out().u32(w.oiap()->handle)}; }
Command reset(World&) { return {.ordinal = 0x5a}; }
Command dir_write_auth(World& w) {
  return {.ordinal = 0x19, .params = Out().u32(0).raw(client::secret("dir")), .proofs = {w.by_owner(true)}};
}
Command dir_read(World&) { return {.ordinal = 0x1a, .params = Out().u32(0)}; }
Command owner_read_pubek(World& w) { return {.ordinal = 0x7d, .proofs = {w.by_owner(true)}}; }
Command disable_pubek_read(World& w) { return {.ordinal = 0x7e, .proofs = {w.by_owner(true)}}; }

}  // namespace

const std::vector<Entry>& catalogue() {
  // clang-format off
  static const std::vector<Entry> entries = {
      {"Startup", 3, 0x99, kBeforeStartup, kT0, Stage::Made, startup},
      {"SaveState", 3, 0x98, kAlways, kT0, Stage::Owned, save_state},
      {"SelfTestFull", 4, 0x50, kAlways, kT0, Stage::Owned, self_test_full},
      {"ContinueSelfTest", 4, 0x53, kAlways, kT0, Stage::Owned, continue_self_test},
      {"GetTestResult", 4, 0x54, kAlways, kT0, Stage::Owned, get_test_result},
      {"SetOwnerInstall", 5, 0x71, kNoOwner, kT0, Stage::Started, set_owner_install},
      {"OwnerSetDisable", 5, 0x6e, kOwnerOnly, kT1, Stage::Owned, owner_set_disable},
      {"PhysicalEnable", 5, 0x6f, kAlways, kT0, Stage::Disabled, physical_enable},
      {"PhysicalDisable", 5, 0x70, kEnabledOnly, kT0, Stage::Owned, physical_disable},
      {"PhysicalSetDeactivated", 5, 0x72, kEnabledOnly, kT0, Stage::Owned, physical_set_deactivated},
      {"SetTempDeactivated", 5, 0x73, kActivatedOnly, kT0 | kT1, Stage::Owned, set_temp_deactivated},
      {"SetOperatorAuth", 5, 0x74, kNoOwner, kT0, Stage::Owned, set_operator_auth},
      {"TakeOwnership", 6, 0x0d, kEnabledOnly, kT1, Stage::Started, take_ownership},
      {"OwnerClear", 6, 0x5b, kAll, kT1, Stage::Owned, owner_clear},
      {"ForceClear", 6, 0x5d, kNoOwner, kT0, Stage::Owned, force_clear},
      {"DisableOwnerClear", 6, 0x5c, kAll, kT1, Stage::Owned, disable_owner_clear},
      {"DisableForceClear", 6, 0x5e, kNoOwner, kT0, Stage::Owned, disable_force_clear},
      {"PhysicalPresence", 6, 0x4000000a, kAlways, kT0, Stage::Owned, physical_presence},
      {"ResetEstablishmentBit", 6, 0x4000000b, kAlways, kT0, Stage::Owned, reset_establishment_bit, 3},
      {"GetCapability", 7, 0x65, kAlways, kT0, Stage::Owned, get_capability},
      {"SetCapability", 7, 0x3f, kAlways, kT0 | kT1, Stage::Owned, set_capability},
      {"GetCapabilityOwner", 7, 0x66, kAll, kT1, Stage::Owned, get_capability_owner},
      {"GetAuditDigest", 8, 0x85, kNoOwner, kT0, Stage::Owned, get_audit_digest},
      {"GetAuditDigestSigned", 8, 0x86, kAll, kT0 | kT1, Stage::Owned, get_audit_digest_signed},
      {"SetOrdinalAuditStatus", 8, 0x8d, kAll, kT1, Stage::Owned, set_ordinal_audit_status},
      {"ResetLockValue", 9, 0x40, kAll, kT1, Stage::Owned, reset_lock_value},
      {"Seal", 10, 0x17, kAll, kT1, Stage::Owned, seal},
      {"Sealx", 10, 0x3d, kAll, kT1, Stage::Owned, sealx},
      {"Unseal", 10, 0x18, kAll, kT1 | kT2, Stage::Owned, unseal},
      {"UnBind", 10, 0x1e, kAll, kT0 | kT1, Stage::Owned, unbind},
      {"CreateWrapKey", 10, 0x1f, kAll, kT1, Stage::Owned, create_wrap_key},
      {"LoadKey2", 10, 0x41, kAll, kT0 | kT1, Stage::Owned, load_key2},
      {"GetPubKey", 10, 0x21, kAll, kT0 | kT1, Stage::Owned, get_pub_key},
      {"CreateMigrationBlob", 11, 0x28, kAll, kT1 | kT2, Stage::Owned, create_migration_blob},
      {"ConvertMigrationBlob", 11, 0x2a, kAll, kT0 | kT1, Stage::Owned, convert_migration_blob},
      {"AuthorizeMigrationKey", 11, 0x2b, kAll, kT1, Stage::Owned, authorize_migration_key},
      {"MigrateKey", 11, 0x25, kAll, kT0 | kT1, Stage::Owned, migrate_key},
      {"CMK_SetRestrictions", 11, 0x1c, kAll, kT1, Stage::Owned, cmk_set_restrictions},
      {"CMK_ApproveMA", 11, 0x1d, kAll, kT1, Stage::Owned, cmk_approve_ma},
      {"CMK_CreateKey", 11, 0x13, kAll, kT1, Stage::Owned, cmk_create_key},
      {"CMK_CreateTicket", 11, 0x12, kAll, kT1, Stage::Owned, cmk_create_ticket},
      {"CMK_CreateBlob", 11, 0x1b, kAll, kT1, Stage::Owned, cmk_create_blob},
      {"CMK_ConvertMigration", 11, 0x24, kAll, kT1, Stage::Owned, cmk_convert_migration},
#ifdef WITH_MAINTENANCE
      {"CreateMaintenanceArchive", 12, 0x2c, kAll, kT1, Stage::Owned, create_maintenance_archive},
      {"LoadMaintenanceArchive", 12, 0x2d, kAll, kT1, Stage::Owned, load_maintenance_archive},
      {"KillMaintenanceFeature", 12, 0x2e, kAll, kT1, Stage::Owned, kill_maintenance_feature},
      {"LoadManuMaintPub", 12, 0x2f, kNoOwner, kT0, Stage::Owned, load_manu_maint_pub},
      {"ReadManuMaintPub", 12, 0x30, kNoOwner, kT0, Stage::Owned, read_manu_maint_pub},
#endif
      {"SHA1Start", 13, 0xa0, kAlways, kT0, Stage::Owned, sha1_start},
      {"SHA1Update", 13, 0xa1, kAlways, kT0, Stage::Owned, sha1_update},
      {"SHA1Complete", 13, 0xa2, kAlways, kT0, Stage::Owned, sha1_complete},
      {"SHA1CompleteExtend", 13, 0xa3, kAlways, kT0, Stage::Owned, sha1_complete_extend},
      {"Sign", 13, 0x3c, kAll, kT0 | kT1, Stage::Owned, sign},
      {"GetRandom", 13, 0x46, kNoOwner, kT0, Stage::Owned, get_random},
      {"StirRandom", 13, 0x47, kNoOwner, kT0, Stage::Owned, stir_random},
      {"CertifyKey", 13, 0x32, kAll, kT0 | kT1 | kT2, Stage::Owned, certify_key},
      {"CertifyKey2", 13, 0x33, kAll, kT0 | kT1 | kT2, Stage::Owned, certify_key2},
      {"CreateEndorsementKeyPair", 14, 0x78, kNoOwner, kT0, Stage::Bare, create_endorsement_key_pair},
      {"CreateRevocableEK", 14, 0x7f, kNoOwner, kT0, Stage::Bare, create_revocable_ek},
      {"RevokeTrust", 14, 0x80, kNoOwner, kT0, Stage::Bare, revoke_trust},
      {"ReadPubek", 14, 0x7c, kNoOwner, kT0, Stage::Started, read_pubek},
      {"OwnerReadInternalPub", 14, 0x81, kAll, kT1, Stage::Owned, owner_read_internal_pub},
      {"MakeIdentity", 15, 0x79, kAll, kT1 | kT2, Stage::Owned, make_identity},
      {"ActivateIdentity", 15, 0x7a, kAll, kT1 | kT2, Stage::Owned, activate_identity},
      {"Extend", 16, 0x14, kAlways, kT0, Stage::Owned, extend},
      {"PCRRead", 16, 0x15, kNoOwner, kT0, Stage::Owned, pcr_read},
      {"Quote", 16, 0x16, kAll, kT0 | kT1, Stage::Owned, quote},
      {"Quote2", 16, 0x3e, kAll, kT0 | kT1, Stage::Owned, quote2},
      {"PCR_Reset", 16, 0xc8, kAlways, kT0, Stage::Owned, pcr_reset},
      {"ChangeAuth", 17, 0x0c, kAll, kT2, Stage::Owned, change_auth},
      {"ChangeAuthOwner", 17, 0x10, kAll, kT1, Stage::Owned, change_auth_owner},
      {"OIAP", 18, 0x0a, kAlways, kT0, Stage::Owned, oiap},
      {"OSAP", 18, 0x0b, kOwnerOnly, kT0, Stage::Owned, osap},
      {"DSAP", 18, 0x11, kOwnerOnly, kT0, Stage::Owned, dsap},
      {"SetOwnerPointer", 18, 0x75, kAll, kT0, Stage::Owned, set_owner_pointer},
      {"Delegate_Manage", 19, 0xd2, kNoOwner, kT0 | kT1, Stage::Owned, delegate_manage},
      {"Delegate_CreateKeyDelegation", 19, 0xd4, kAll, kT1, Stage::Owned, create_key_delegation},
      {"Delegate_CreateOwnerDelegation", 19, 0xd5, kAll, kT1, Stage::Owned, create_owner_delegation},
      {"Delegate_LoadOwnerDelegation", 19, 0xd8, kNoOwner, kT0 | kT1, Stage::Owned, load_owner_delegation},
      {"Delegate_ReadTable", 19, 0xdb, kNoOwner, kT0, Stage::Owned, delegate_read_table},
      {"Delegate_UpdateVerification", 19, 0xd1, kAll, kT1, Stage::Owned, update_verification},
      {"Delegate_VerifyDelegation", 19, 0xd6, kAll, kT0, Stage::Owned, verify_delegation},
      {"NV_DefineSpace", 20, 0xcc, kNoOwner, kT0 | kT1, Stage::Owned, nv_define_space},
      {"NV_WriteValue", 20, 0xcd, kAlways, kT0 | kT1, Stage::Owned, nv_write_value},
      {"NV_WriteValueAuth", 20, 0xce, kAll, kT1, Stage::Owned, nv_write_value_auth},
      {"NV_ReadValue", 20, 0xcf, kAlways, kT0 | kT1, Stage::Owned, nv_read_value},
      {"NV_ReadValueAuth", 20, 0xd0, kAll, kT1, Stage::Owned, nv_read_value_auth},
      {"KeyControlOwner", 21, 0x23, kAll, kT1, Stage::Owned, key_control_owner},
      {"SaveContext", 21, 0xb8, kAll, kT0, Stage::Owned, save_context},
      {"LoadContext", 21, 0xb9, kAll, kT0, Stage::Owned, load_context},
      {"FlushSpecific", 22, 0xba, kAlways, kT0, Stage::Owned, flush_specific},
      {"GetTicks", 23, 0xf1, kNoOwner, kT0, Stage::Owned, get_ticks},
      {"TickStampBlob", 23, 0xf2, kAll, kT0 | kT1, Stage::Owned, tick_stamp_blob},
      {"EstablishTransport", 24, 0xe6, kAll, kT0 | kT1, Stage::Owned, establish_transport},
      {"ExecuteTransport", 24, 0xe7, kAll, kT1, Stage::Owned, execute_transport},
      {"ReleaseTransportSigned", 24, 0xe8, kAll, kT1 | kT2, Stage::Owned, release_transport_signed},
      {"CreateCounter", 25, 0xdc, kAll, kT1, Stage::Owned, create_counter},
      {"IncrementCounter", 25, 0xdd, kAll, kT1, Stage::Owned, increment_counter},
      {"ReadCounter", 25, 0xde, kNoOwner, kT0, Stage::Owned, read_counter},
      {"ReleaseCounter", 25, 0xdf, kNoOwner, kT1, Stage::Owned, release_counter},
      {"ReleaseCounterOwner", 25, 0xe0, kAll, kT1, Stage::Owned, release_counter_owner},
      {"DAA_Join", 26, 0x29, kAll, kT1, Stage::Owned, daa_join},
      {"DAA_Sign", 26, 0x31, kAll, kT1, Stage::Owned, daa_sign},
      {"ChangeAuthAsymStart", 27, 0x0e, kAll, kT0 | kT1, Stage::Owned, change_auth_asym_start},
      {"ChangeAuthAsymFinish", 27, 0x0f, kAll, kT0 | kT1, Stage::Owned, change_auth_asym_finish},
      {"LoadKey", 27, 0x20, kAll, kT0 | kT1, Stage::Owned, load_key},
      {"EvictKey", 27, 0x22, kAll, kT0, Stage::Owned, evict_key},
      {"SaveKeyContext", 27, 0xb4, kNoOwner, kT0, Stage::Owned, save_key_context},
      {"LoadKeyContext", 27, 0xb5, kNoOwner, kT0, Stage::Owned, load_key_context},
      {"SaveAuthContext", 27, 0xb6, kNoOwner, kT0, Stage::Owned, save_auth_context},
      {"LoadAuthContext", 27, 0xb7, kNoOwner, kT0, Stage::Owned, load_auth_context},
      {"Terminate_Handle", 27, 0x96, kAlways, kT0, Stage::Owned, terminate_handle},
      {"Reset", 27, 0x5a, kAlways, kT0, Stage::Owned, reset},
      {"DirWriteAuth", 27, 0x19, kNoOwner, kT1, Stage::Owned, dir_write_auth},
      {"DirRead", 27, 0x1a, kNoOwner, kT0, Stage::Owned, dir_read},
      {"OwnerReadPubek", 27, 0x7d, kAll, kT1, Stage::Owned, owner_read_pubek},
      {"DisablePubekRead", 27, 0x7e, kAll, kT1, Stage::Owned, disable_pubek_read},
  };
  // clang-format on
  return entries;
}

}  // namespace world
