// SPDX-License-Identifier: MIT
// Record: what a row's record envelope holds, an instance's or a spare's.
#pragma once

#include "backend/vault/register.h"
#include "backend/vault/rows.h"

namespace vault {

struct Record {
  InstanceKey key;
  uint64_t created = 0;
  Settings settings;
  Power power;
};

// Its envelope's number counts the changes of the record.
inline base::Bytes sealed_record(const MasterKey& master, const Uuid& uuid, uint64_t change, const Instance& instance,
                                 Purpose purpose = Purpose::Record) {
  Record record{instance.key, instance.created, instance.settings, instance.power};
  return seal(master, uuid, purpose, change, wire::encode(record));
}
inline uint64_t change_of(const Row& row) { return claimed_epoch(row.record).value_or(0); }

// Whether the row is as it was to become.
inline Sql<bool> has_record(const Database& database, const Uuid& uuid, const base::Bytes& record,
                            Table table = Table::Instances) {
  auto row = TRY(read_row(database, uuid, table));
  return row && row->record == record;
}

}  // namespace vault
