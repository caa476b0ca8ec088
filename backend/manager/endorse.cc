// SPDX-License-Identifier: MIT
// Manager: what workers say of their TPMs' endorsement keys, kept for administrators, and certified.
#include "backend/identity/endorsement.h"
#include "backend/manager/manager.h"

namespace backend {

namespace {

identity::Endorsement record_of(const message::Endorsement& told, base::Bytes certificate) {
  identity::Endorsement record{.present = told.present, .modulus = told.modulus};
  record.certificate = wire::SizedBytes(std::move(certificate));
  return record;
}

std::string text_of(const identity::Endorsement& record) {
  if (!record.present) return "has no endorsement key";
  return record.certificate.empty() ? "has an endorsement key without a certificate of this host"
                                    : "its endorsement key is certified";
}

message::Certificate answer_with(const identity::Endorsement& record) { return {.certificate = record.certificate}; }

}  // namespace

// Only a key can be certified; nobody who means well says anything else.
bool sound(const message::Endorsement& told) {
  return told.present ? identity::sound(told.modulus) : !told.wants_certificate && told.modulus == message::Modulus{};
}

// Once, and before it is ready: after that a guest may have taken the worker over. One of an earlier manager may be
// asking that manager's question again.
bool Manager::on_endorsement(Device& device, const message::Endorsement& told) {
  if (!device.worker->may_endorse || !sound(told)) return false;
  device.worker->may_endorse = false;
  const vault::Uuid& uuid = device.back->uuid;
  auto kept = endorsement(uuid);
  bool same =
      kept.ok() && kept.value() && kept.value()->present == told.present && kept.value()->modulus == told.modulus;
  if (!same && !may_change(uuid, kept)) {
    event(
        Level::Error, "endorsement-changed", device,
        "its TPM has another endorsement key than it was made with, which is not certified: somebody has tampered with "
        "its state");
    if (told.wants_certificate) tell(device, "go on", device.worker->process.channel.send(message::Certificate{}));
    return true;
  }
  if (!told.wants_certificate) {
    if (!same) static_cast<void>(keep(uuid, record_of(told, {})));
    return true;
  }
  certifier_.certify(told, [this, id = device.id, serial = device.worker->serial, told](base::Bytes certificate) {
    Worker* waiting = worker(id, serial);
    if (waiting == nullptr) return;
    Device& of = *this->device(id);
    identity::Endorsement record = record_of(told, std::move(certificate));
    // What is in the TPM and what is told of it must not differ.
    if (!keep(of.back->uuid, record)) record.certificate = {};
    tell(of, "keep its certificate", waiting->process.channel.send(answer_with(record)));
  });
  return true;
}

// A guest can revoke only a key that it has made itself: a TPM that was made with one has it for ever.
bool Manager::may_change(const vault::Uuid& uuid, const vault::Result<std::optional<identity::Endorsement>>& kept) {
  if (!kept.ok()) return false;
  if (!kept.value()) return true;
  auto entry = vault_.entry(uuid);
  return entry.ok() && (entry.value().epoch == 0 || !entry.value().settings.endorsement_key);
}

bool Manager::on_maker_endorsement(uint64_t serial, const message::Endorsement& told) {
  Maker& maker = makers_.at(serial);
  if (maker.endorsed || !sound(told)) return false;
  maker.endorsed = true;
  if (maker.clone && !told.present) {
    maker.endorsement = wire::encode(record_of(told, {}));
    return true;
  }
  if (!told.wants_certificate) return false;
  certifier_.certify(told, [this, serial, told](base::Bytes certificate) {
    auto at = makers_.find(serial);
    if (at == makers_.end()) return;
    identity::Endorsement record = record_of(told, std::move(certificate));
    at->second.endorsement = wire::encode(record);
    if (at->second.lease && !keep(at->second.uuid, record)) record.certificate = {};
    auto sent = at->second.process.channel.send(answer_with(record));
    if (!sent.ok()) at->second.process.kill();
  });
  return true;
}

vault::Deed endorsed(const identity::Endorsement& record) {
  return vault::deed(vault::Happened::Endorsed, text_of(record));
}

bool Manager::keep(const vault::Uuid& uuid, const identity::Endorsement& record) {
  auto before = endorsement(uuid);
  std::vector<vault::Deed> deeds;
  if (!before.ok() || before.value() != record) deeds.push_back(endorsed(record));
  auto kept = vault_.put_items(uuid, {{vault::Item::Endorsement, wire::encode(record)}}, deeds);
  if (!kept.ok()) {
    event(Level::Error, "not-certified", uuid, "what is told of its endorsement key is not kept: " + kept.error().text);
  } else if (record.certificate.empty()) {
    event(record.present ? Level::Notice : Level::Info, "endorsement", uuid, text_of(record));
  } else {
    event(Level::Info, "certified", uuid, text_of(record));
  }
  return kept.ok();
}

vault::Result<std::optional<identity::Endorsement>> Manager::endorsement(const vault::Uuid& uuid) {
  return identity::Endorsement::from_kept(TRY(vault_.item(uuid, vault::Item::Endorsement)));
}

}  // namespace backend
