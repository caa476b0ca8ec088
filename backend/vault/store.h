// SPDX-License-Identifier: MIT
// StoreThread: the only user of the database. It takes what has gathered, does it in one transaction with a savepoint
// each, and answers when the transaction is durable.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "backend/vault/database.h"
#include "backend/vault/durable.h"
#include "backend/vault/vault.h"

namespace vault {

struct Job {
  // Inside a transaction. A refusal undoes this job only. May be called again when the transaction had to be undone.
  std::function<Sql<Result<>>(Database&)> apply;
  // After an I/O error, on a database opened anew: whether it had become durable.
  std::function<Sql<bool>(const Database&)> holds;
  // Called by completed(), or never when the owner waits for the job.
  std::function<void(Result<>)> done;
  // Not in a transaction with others: for what SQLite does outside of one.
  bool alone = false;
};

class StoreThread {
 public:
  // `reopen` makes a new connection to the same database.
  StoreThread(Database database, std::function<Sql<Database>()> reopen);
  // What was given before is done first.
  ~StoreThread();

  void post(Job job);
  // Waits for the outcome. When the database cannot be reached it is a refusal, whatever has become of the job.
  Result<> wait_for(Job job);

  // Readable when completed() has something to do.
  int fd() const { return ready_.get(); }
  void completed();

 private:
  struct Wait;
  struct Entry {
    Job job;
    std::shared_ptr<Wait> wait;  // whoever stands waiting
    std::optional<Result<>> outcome;
  };
  using Batch = std::vector<Entry>;

  void run();
  void work(Batch& batch);
  bool ready_database();
  Sql<> attempt(std::span<Entry> batch);
  Sql<> attempt_one(Entry& entry);
  void one_by_one(Batch& batch);
  void settle_unknown(Batch& batch, const SqlError& error);
  Sql<> settle_by_reading();
  void answer(Batch& batch);

  std::function<Sql<Database>()> reopen_;
  std::optional<Database> database_;
  Batch unsettled_;  // applied when an I/O error came, and not yet read back
  std::string last_error_;

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Entry> queue_;
  std::vector<std::pair<std::function<void(Result<>)>, Result<>>> done_;
  bool ending_ = false;
  Fd ready_;
  std::thread thread_;
};

}  // namespace vault
