// SPDX-License-Identifier: MIT
#include "backend/vault/store.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace vault {

namespace {

using base::Level;
constexpr std::chrono::seconds kBetweenReopenings{1};
constexpr size_t kMostTogether = 256;

Refusal broken(const std::string& text) { return {Refusal::Kind::Broken, text}; }

std::string said(const SqlError& error) {
  return error.full() ? "the disk of the state directory is full: " + error.text : error.text;
}

}  // namespace

struct StoreThread::Wait {
  std::mutex mutex;
  std::condition_variable over;
  std::optional<Result<>> outcome;
};

StoreThread::StoreThread(Database database, std::function<Sql<Database>()> reopen)
    : reopen_(std::move(reopen)), ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  VERIFY(ready_);
  database_.emplace(std::move(database));
  thread_ = std::thread([this] { run(); });
}

StoreThread::~StoreThread() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  thread_.join();
}

void StoreThread::post(Job job) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back({std::move(job), nullptr, {}});
  }
  more_.notify_one();
}

Result<> StoreThread::wait_for(Job job) {
  auto wait = std::make_shared<Wait>();
  {
    std::lock_guard lock(mutex_);
    queue_.push_back({std::move(job), wait, {}});
  }
  more_.notify_one();
  std::unique_lock lock(wait->mutex);
  wait->over.wait(lock, [&] { return wait->outcome.has_value(); });
  return *wait->outcome;
}

void StoreThread::completed() {
  uint64_t count = 0;
  VERIFY(::read(ready_.get(), &count, sizeof(count)) == sizeof(count) || errno == EAGAIN);
  decltype(done_) now;
  {
    std::lock_guard lock(mutex_);
    now.swap(done_);
  }
  for (auto& [done, outcome] : now) done(std::move(outcome));
}

void StoreThread::run() {
  while (true) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      auto awake = [this] { return !queue_.empty() || ending_; };
      if (unsettled_.empty()) {
        more_.wait(lock, awake);
      } else {
        more_.wait_for(lock, kBetweenReopenings, awake);
      }
      if (queue_.empty() && ending_) return;
      while (!queue_.empty() && batch.size() < kMostTogether) {
        bool alone = queue_.front().job.alone;
        if (alone && !batch.empty()) break;
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
        if (alone) break;
      }
    }
    work(batch);
  }
}

void StoreThread::work(Batch& batch) {
  if (!ready_database()) {
    // Nothing of these has been tried: that is certain, unlike the outcome of those that wait in unsettled_.
    for (Entry& entry : batch) entry.outcome = broken("the database cannot be used: " + last_error_);
    return answer(batch);
  }
  if (batch.empty()) return;
  Sql<> done = attempt(batch);
  if (done.ok()) return answer(batch);
  if (done.error().full()) return one_by_one(batch);
  settle_unknown(batch, done.error());
}

// A transaction that is too large for what is left may hold small ones that are not.
void StoreThread::one_by_one(Batch& batch) {
  for (size_t i = 0; i < batch.size(); i++) {
    batch[i].outcome.reset();
    Sql<> done = attempt(std::span(batch).subspan(i, 1));
    if (done.ok()) continue;
    if (!done.error().full()) {
      Batch rest(std::make_move_iterator(batch.begin() + static_cast<ptrdiff_t>(i)),
                 std::make_move_iterator(batch.end()));
      batch.resize(i);
      answer(batch);
      return settle_unknown(rest, done.error());
    }
    batch[i].outcome = broken(said(done.error()));
  }
  answer(batch);
}

// Errors that spoil the whole transaction are returned; those of one entry become its outcome.
Sql<> StoreThread::attempt(std::span<Entry> batch) {
  if (batch.size() == 1 && batch[0].job.alone) {
    batch[0].outcome = TRY(batch[0].job.apply(*database_));
    return {};
  }
  auto whole = [&]() -> Sql<> {
    TRY(database_->run("BEGIN IMMEDIATE"));
    for (Entry& entry : batch) TRY(attempt_one(entry));
    return database_->run("COMMIT");
  }();
  if (!whole.ok() && !database_->between_transactions()) static_cast<void>(database_->run("ROLLBACK"));
  return whole;
}

Sql<> StoreThread::attempt_one(Entry& entry) {
  TRY(database_->run("SAVEPOINT job"));
  auto outcome = entry.job.apply(*database_);
  if (outcome.ok()) {
    entry.outcome = outcome.value();
  } else if (outcome.error().damaged()) {
    entry.outcome = Refusal{Refusal::Kind::Quarantined, "the database is damaged: " + outcome.error().text};
  } else if (outcome.error().constraint()) {
    entry.outcome = broken(outcome.error().text);
  } else {
    return outcome.error();
  }
  if (!entry.outcome->ok()) TRY(database_->run("ROLLBACK TO job"));
  return database_->run("RELEASE job");
}

void StoreThread::settle_unknown(Batch& batch, const SqlError& error) {
  last_error_ = said(error);
  base::log(Level::Error, "the database failed: " + last_error_ + "; it is opened anew and read back");
  database_.reset();
  for (Entry& entry : batch) {
    entry.outcome.reset();
    unsettled_.push_back(std::move(entry));
  }
  static_cast<void>(ready_database());
}

// Opens it if need be. What an I/O error left open is answered first, by what is really there.
bool StoreThread::ready_database() {
  if (!database_) {
    auto opened = reopen_();
    if (opened.ok()) {
      database_.emplace(std::move(opened).take());
    } else {
      last_error_ = said(opened.error());
    }
  }
  if (database_) {
    auto settled = settle_by_reading();
    if (settled.ok()) return true;
    last_error_ = said(settled.error());
  }
  database_.reset();
  // Who stands waiting is told that it is not known; who can wait longer is answered when it is.
  Batch waiting;
  std::erase_if(unsettled_, [&](Entry& entry) {
    if (!entry.wait) return false;
    entry.outcome = broken("the database failed, and what became of this is not known: " + last_error_);
    waiting.push_back(std::move(entry));
    return true;
  });
  answer(waiting);
  return false;
}

// What is read may only be in the system's memory, when it was a sync that failed: the checkpoint writes it again.
Sql<> StoreThread::settle_by_reading() {
  if (!unsettled_.empty()) TRY(database_->run("PRAGMA wal_checkpoint(TRUNCATE)"));
  for (Entry& entry : unsettled_) {
    bool stored = entry.job.holds && TRY(entry.job.holds(*database_));
    entry.outcome = stored ? Result<>() : Result<>(broken("not stored: " + last_error_));
  }
  Batch settled;
  settled.swap(unsettled_);
  answer(settled);
  return {};
}

void StoreThread::answer(Batch& batch) {
  bool wake = false;
  for (Entry& entry : batch) {
    if (entry.wait) {
      std::lock_guard lock(entry.wait->mutex);
      entry.wait->outcome = *entry.outcome;
      entry.wait->over.notify_one();
    } else if (entry.job.done) {
      std::lock_guard lock(mutex_);
      done_.emplace_back(std::move(entry.job.done), *entry.outcome);
      wake = true;
    }
  }
  uint64_t one = 1;
  if (wake) VERIFY(::write(ready_.get(), &one, sizeof(one)) == sizeof(one));
}

}  // namespace vault
