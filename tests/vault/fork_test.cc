// SPDX-License-Identifier: MIT
// Every way a move between hosts can go, enumerated: what administrators do, messages that are lost, doubled, late or
// carried to the wrong host, and a crash between any two writes. The rules and the order of the writes are the real
// ones. At most one copy may ever run, it is the newest, and from everywhere there is a way to exactly one. A host may
// be lost for good: then the same holds for what is left, when nobody says that it is lost before it is.
#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <unordered_map>

#include "backend/vault/passage.h"

namespace vault {

namespace {

constexpr Uuid kGuest = {7};

struct Paper {
  enum class Kind : uint8_t { Invitation, Export, Receipt, Token, Notice };
  Kind kind{};
  Transfer transfer;     // of an invitation: nonce and destination only
  uint64_t version = 0;  // of the exported state
};

// One host, as it lies on disk.
struct Host : Holdings {
  HostKey key{};
  Ledger durable;
  bool known = false;               // by the register
  std::optional<uint64_t> version;  // of the state in the database
  bool lost = false;                // for good: it does nothing any more
  unsigned writes_left = 0;         // until the power fails

  const Ledger& ledger() const override { return durable; }
  bool write() { return writes_left > 0 && writes_left-- > 0; }
  static Refusal dark() { return {Refusal::Kind::Broken, "no power"}; }
  Result<> set_ledger(const Ledger& next) override {
    if (!write()) return dark();
    durable = next;
    known = known || !next.passages.empty();
    return {};
  }
  Result<> drop_state(const Uuid&) override {
    if (!write()) return dark();
    version.reset();
    return {};
  }
  Result<> store(uint64_t what) {
    if (!write()) return dark();
    version = what;
    return {};
  }
  // What opening the vault does about a state that is left over.
  void open() {
    const Passage* passage = durable.find(kGuest);
    if (passage != nullptr && !stored(passage->custody)) version.reset();
    known = known || version;
  }
  bool runs() const {
    const Passage* passage = durable.find(kGuest);
    return !lost && version && known && (passage == nullptr || runnable(passage->custody));
  }
  // A copy that waits for its token, stored as a whole.
  bool waits() const {
    const Passage* passage = durable.find(kGuest);
    return !lost && passage != nullptr && passage->custody == Custody::Arrived && version == passage->transfer.epoch;
  }
};

// Rules that are wrong on purpose: the search has to find what comes of each.
enum class Wrong {
  Nothing,
  TokenBeforeTombstone,
  AbortAfterToken,
  ReceiptOfAnyTransfer,
  StateBeforeLedger,
  TokenOfAnyTransfer,
  SourceNotLost,
  NeverInherited
};

struct Bounds {
  size_t hosts = 2, invitations = 2, transfers = 2;
  uint64_t versions = 2;
  bool lossy = true;
  size_t losses = 0;  // of hosts
};

struct World {
  std::vector<Host> hosts;
  std::vector<Paper> papers;
  size_t invitations = 0, transfers = 0;
  uint64_t newest = 1;

  std::string text() const {
    base::Bytes bytes;
    wire::Writer w(bytes);
    for (const Host& host : hosts) {
      w.put(static_cast<uint32_t>(host.durable.passages.size()));
      for (const auto& [uuid, passage] : host.durable.passages) w.put(passage);
      w.put(static_cast<uint32_t>(host.durable.invitations.size()));
      for (const Invitation& invitation : host.durable.invitations) w.put(invitation);
      w.put(host.known);
      w.put(host.version.value_or(0));
      w.put(host.lost);
    }
    std::set<std::string> sorted;  // their order means nothing
    for (const Paper& paper : papers) {
      base::Bytes one = wire::encode(paper);
      sorted.insert(std::string(one.begin(), one.end()));
    }
    for (const std::string& one : sorted) w.bytes(base::Bytes(one.begin(), one.end()));
    w.put(static_cast<uint64_t>(invitations));
    w.put(static_cast<uint64_t>(transfers));
    w.put(newest);
    return {bytes.begin(), bytes.end()};
  }
  size_t running() const {
    size_t n = 0;
    for (const Host& host : hosts) n += host.runs() ? 1 : 0;
    return n;
  }
  void send(const Paper& paper) {
    base::Bytes bytes = wire::encode(paper);
    for (const Paper& other : papers) {
      if (wire::encode(other) == bytes) return;
    }
    papers.push_back(paper);
  }
};

class Search {
 public:
  Search(const Bounds& bounds, Wrong wrong) : bounds_(bounds), wrong_(wrong) {}

  // What is wrong with a world that can come about; empty: nothing, in all of them.
  std::string run() {
    World start;
    start.hosts.resize(bounds_.hosts);
    for (size_t i = 0; i < bounds_.hosts; i++) start.hosts[i].key[0] = static_cast<uint8_t>(i + 1);
    start.hosts[0].known = true;
    start.hosts[0].version = 1;
    reach(start);
    while (!open_.empty() && wrong_found_.empty()) {
      size_t at = open_.front();
      World world = std::move(worlds_[at]);
      open_.pop_front();
      from_ = at;
      expand(world);
    }
    return wrong_found_.empty() ? stuck() : wrong_found_;
  }
  size_t size() const { return goal_.size(); }
  size_t steps() const { return steps_; }

 private:
  void reach(World world) {
    steps_++;
    auto [at, fresh] = index_.emplace(world.text(), goal_.size());
    if (from_ != SIZE_MAX) back_[at->second].push_back(from_);
    if (!fresh) return;
    size_t running = world.running();
    if (running > 1) wrong_found_ = "two copies run";
    for (const Host& host : world.hosts) {
      if (host.runs() && host.version != world.newest) wrong_found_ = "an old copy runs";
    }
    goal_.push_back(running == 1 || nothing_left(world));
    worlds_.emplace(at->second, std::move(world));
    open_.push_back(at->second);
  }

  // What was not yet, or not as a whole, on another host has gone with its own.
  static bool nothing_left(const World& world) {
    auto left = [](const Host& host) { return host.runs() || host.waits(); };
    return lost(world) > 0 && std::none_of(world.hosts.begin(), world.hosts.end(), left);
  }
  static size_t lost(const World& world) {
    return static_cast<size_t>(
        std::count_if(world.hosts.begin(), world.hosts.end(), [](const Host& host) { return host.lost; }));
  }

  // With the power failing before the first write, between any two, and not at all. What is said is said at the end.
  template <class Act>
  void at_host(const World& world, size_t i, const Act& act) {
    for (unsigned writes = 0; writes < 8; writes++) {
      World next = world;
      Host& host = next.hosts[i];
      host.writes_left = writes;
      Result<> done = act(next, host);
      bool failed = !done.ok() && done.error().kind == Refusal::Kind::Broken;
      host.writes_left = 0;
      host.open();
      reach(std::move(next));
      if (!failed) return;
    }
  }

  void expand(const World& world) {
    for (size_t i = 0; i < world.hosts.size(); i++) {
      if (world.hosts[i].lost) continue;
      if (lost(world) < bounds_.losses) {
        World next = world;
        next.hosts[i].lost = true;
        reach(std::move(next));
      }
      if (lost(world) > 0 ? wrong_ != Wrong::NeverInherited : wrong_ == Wrong::SourceNotLost) {
        at_host(world, i, [&](World& next, Host& host) { return inherit_at(next, host); });
      }
      invite_at(world, i);
      at_host(world, i, [&](World& next, Host& host) { return abort(next, host); });
      at_host(world, i, [&](World& next, Host& host) { return release_again(next, host); });
      if (world.hosts[i].runs() && world.newest < bounds_.versions) {
        World next = world;
        next.hosts[i].version = ++next.newest;
        reach(std::move(next));
      }
      for (const Paper& paper : world.papers) {
        at_host(world, i, [&](World& next, Host& host) { return take(next, host, paper); });
      }
    }
    for (size_t lost = 0; bounds_.lossy && lost < world.papers.size(); lost++) {
      World next = world;
      next.papers.erase(next.papers.begin() + static_cast<ptrdiff_t>(lost));
      reach(std::move(next));
    }
  }

  void invite_at(const World& world, size_t i) {
    if (world.invitations == bounds_.invitations) return;
    at_host(world, i, [&](World& next, Host& host) -> Result<> {
      Paper paper{.kind = Paper::Kind::Invitation};
      paper.transfer.invitation[0] = static_cast<uint8_t>(++next.invitations);
      paper.transfer.destination = host.key;
      Ledger ledger = host.durable;
      TRY(invite(ledger, {paper.transfer.invitation, kGuest, 0}, host.known));
      TRY(host.set_ledger(ledger));
      next.send(paper);
      return {};
    });
  }

  Result<> abort(World& next, Host& host) const {
    Ledger ledger = host.durable;
    if (wrong_ == Wrong::AbortAfterToken && ledger.find(kGuest) != nullptr &&
        ledger.find(kGuest)->custody == Custody::Gone) {
      ledger.passages[kGuest].custody = Custody::Stayed;
      TRY(host.set_ledger(ledger));
      return host.store(ledger.passages[kGuest].transfer.epoch);
    }
    Transfer transfer = TRY(stay(ledger, kGuest));
    TRY(host.set_ledger(ledger));
    next.send({Paper::Kind::Notice, transfer, 0});
    return {};
  }

  // What its host had done since is lost with it.
  static Result<> inherit_at(World& next, Host& host) {
    if (!host.waits()) return {};
    Ledger ledger = host.durable;
    TRY(vault::inherit(ledger, kGuest, host.known));
    TRY(host.set_ledger(ledger));
    next.newest = *host.version;
    return {};
  }

  // The token again, without any paper.
  static Result<> release_again(World& next, Host& host) {
    const Passage* passage = host.durable.find(kGuest);
    if (passage != nullptr && passage->custody == Custody::Gone) next.send({Paper::Kind::Token, passage->transfer, 0});
    return {};
  }

  Result<> take(World& next, Host& host, const Paper& paper) const {
    switch (paper.kind) {
      case Paper::Kind::Invitation:
        return export_to(next, host, paper);
      case Paper::Kind::Export: {
        if (wrong_ == Wrong::StateBeforeLedger) TRY(host.store(paper.version));
        auto store = [&] { return host.store(paper.version); };
        TRY(receive(host, paper.transfer, host.key, host.known, 0, store));
        next.send({Paper::Kind::Receipt, paper.transfer, 0});
        return {};
      }
      case Paper::Kind::Receipt:
        return release(next, host, paper.transfer);
      case Paper::Kind::Token: {
        if (paper.transfer.destination != host.key) return {};
        Ledger ledger = host.durable;
        TRY(come(ledger, as_given(host, paper.transfer, wrong_ == Wrong::TokenOfAnyTransfer)));
        return host.set_ledger(ledger);
      }
      case Paper::Kind::Notice:
        return throw_away(host, paper.transfer);
    }
    return {};
  }

  Result<> export_to(World& next, Host& host, const Paper& invitation) const {
    const Passage* before = host.durable.find(kGuest);
    bool locked = before != nullptr && before->custody == Custody::Leaving;
    if (!host.version || (!locked && next.transfers == bounds_.transfers)) return {};
    Nonce id{static_cast<uint8_t>(next.transfers + 1)};
    Ledger ledger = host.durable;
    Transfer transfer = TRY(depart(
        ledger, {kGuest, *host.version, invitation.transfer.invitation, host.key, invitation.transfer.destination}, id,
        0));
    if (transfer.id == id) next.transfers++;
    TRY(host.set_ledger(ledger));
    next.send({Paper::Kind::Export, transfer, *host.version});
    return {};
  }

  Result<> release(World& next, Host& host, const Transfer& receipt) const {
    if (receipt.source != host.key) return {};
    Transfer given = as_given(host, receipt, wrong_ == Wrong::ReceiptOfAnyTransfer);
    if (wrong_ == Wrong::TokenBeforeTombstone) {
      Ledger ledger = host.durable;
      TRY(leave(ledger, given));
      next.send({Paper::Kind::Token, receipt, 0});
    }
    TRY(give_up(host, given));
    next.send({Paper::Kind::Token, receipt, 0});
    return {};
  }

  // What a paper is taken for where nobody looks which transfer it is of.
  static Transfer as_given(const Host& host, const Transfer& transfer, bool blind) {
    const Passage* passage = host.durable.find(kGuest);
    return blind && passage != nullptr ? passage->transfer : transfer;
  }

  // From where there is no way to exactly one that runs.
  std::string stuck() {
    std::vector<bool> good = goal_;
    std::deque<size_t> queue;
    for (size_t i = 0; i < good.size(); i++) {
      if (good[i]) queue.push_back(i);
    }
    while (!queue.empty()) {
      size_t at = queue.front();
      queue.pop_front();
      for (size_t before : back_[at]) {
        if (good[before]) continue;
        good[before] = true;
        queue.push_back(before);
      }
    }
    size_t bad = static_cast<size_t>(std::count(good.begin(), good.end(), false));
    return bad == 0 ? "" : "no copy will run any more, in " + std::to_string(bad) + " worlds";
  }

  Bounds bounds_;
  Wrong wrong_;
  std::unordered_map<std::string, size_t> index_;
  std::unordered_map<size_t, World> worlds_;
  std::unordered_map<size_t, std::vector<size_t>> back_;
  std::vector<bool> goal_;
  std::deque<size_t> open_;
  size_t from_ = SIZE_MAX;
  size_t steps_ = 0;
  std::string wrong_found_;
};

std::string found(const Bounds& bounds, Wrong wrong) {
  Search search(bounds, wrong);
  std::string what = search.run();
  std::printf("%zu worlds, %zu steps: %s\n", search.size(), search.steps(), what.empty() ? "sound" : what.c_str());
  return what;
}

TEST(Fork, NeverTwoCopiesAndInTheEndOne) {
  EXPECT_EQ(found({.hosts = 2, .invitations = 2, .transfers = 2, .versions = 2}, Wrong::Nothing), "");
}

TEST(Fork, NeitherOnTheWayThereAndBack) {
  EXPECT_EQ(found({.hosts = 2, .invitations = 2, .transfers = 3, .versions = 1}, Wrong::Nothing), "");
}

TEST(Fork, NorWithThreeHosts) {
  EXPECT_EQ(found({.hosts = 3, .invitations = 2, .transfers = 2, .versions = 1}, Wrong::Nothing), "");
}

TEST(Fork, NorWhenAHostIsLost) {
  EXPECT_EQ(found({.hosts = 2, .invitations = 2, .transfers = 2, .versions = 2, .losses = 1}, Wrong::Nothing), "");
}

TEST(Fork, TheSearchFindsRulesThatAreWrong) {
  const Bounds bounds{.hosts = 2, .invitations = 2, .transfers = 2, .versions = 2};
  EXPECT_EQ(found(bounds, Wrong::TokenBeforeTombstone), "two copies run");
  EXPECT_NE(found(bounds, Wrong::AbortAfterToken), "");
  EXPECT_NE(found(bounds, Wrong::ReceiptOfAnyTransfer), "");
  EXPECT_NE(found(bounds, Wrong::StateBeforeLedger), "");
  // There, back, and there again.
  const Bounds longer{.hosts = 2, .invitations = 3, .transfers = 3, .versions = 1, .lossy = false};
  EXPECT_NE(found(longer, Wrong::TokenOfAnyTransfer), "");
  EXPECT_EQ(found(bounds, Wrong::SourceNotLost), "two copies run");
  const Bounds lossy{.hosts = 2, .invitations = 1, .transfers = 1, .versions = 1, .losses = 1};
  EXPECT_EQ(found(lossy, Wrong::NeverInherited).find("no copy will run any more"), 0U);
}

}  // namespace

}  // namespace vault
