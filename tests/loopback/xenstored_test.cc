// SPDX-License-Identifier: MIT
// XenStore's wire protocol, byte by byte: what the daemon answers, and in which order.
#include <deque>

#include "tests/loopback/machine_fixture.h"
#include "xen/io/xs_wire.h"

namespace loopback {
namespace {

using std::string_literals::operator""s;

struct Message {
  uint32_t type;
  std::string payload;
  bool operator==(const Message&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Message& message) {
  return out << message.type << ":" << testing::PrintToString(message.payload);
}

class Client {
 public:
  explicit Client(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address;
    EXPECT_EQ(unix_address(path.c_str(), address), 0);
    EXPECT_EQ(connect(socket_.get(), generic(address), sizeof(address)), 0);
  }
  void send(uint32_t type, const std::string& payload, uint32_t transaction = 0, size_t at_once = SIZE_MAX) {
    xsd_sockmsg header{
        .type = type, .req_id = ++id_, .tx_id = transaction, .len = static_cast<uint32_t>(payload.size())};
    std::string bytes(sizeof(header), '\0');
    memcpy(bytes.data(), &header, sizeof(header));
    bytes += payload;
    for (size_t at = 0; at < bytes.size(); at += at_once) {
      std::string part = bytes.substr(at, at_once);
      ASSERT_EQ(::send(socket_.get(), part.data(), part.size(), MSG_NOSIGNAL), static_cast<ssize_t>(part.size()));
      if (at_once >= bytes.size()) break;
    }
  }
  // The next message; type 0 and no payload when the daemon has hung up or says nothing for two seconds.
  Message receive() {
    xsd_sockmsg header;
    if (!fill(&header, sizeof(header))) return {0, ""};
    std::string payload(header.len, '\0');
    if (header.len > 0 && !fill(payload.data(), payload.size())) return {0, ""};
    if (header.type != XS_WATCH_EVENT) {
      EXPECT_EQ(header.req_id, id_);
    }
    return {header.type, payload};
  }
  // Sends, and returns the answer; events that come before it are kept for events().
  Message ask(uint32_t type, const std::string& payload, uint32_t transaction = 0) {
    send(type, payload, transaction);
    for (;;) {
      Message message = receive();
      if (message.type != XS_WATCH_EVENT) return message;
      events_.push_back(message.payload);
    }
  }
  std::string event() {
    if (events_.empty()) {
      Message message = receive();
      return message.type == XS_WATCH_EVENT ? message.payload : "(no event)";
    }
    std::string event = events_.front();
    events_.pop_front();
    return event;
  }
  // Everything the daemon has to say has been said once it answers this.
  bool no_more_events() { return ask(XS_GET_DOMAIN_PATH, "0"s + '\0').type == XS_GET_DOMAIN_PATH && events_.empty(); }
  uint32_t begin() {
    return static_cast<uint32_t>(strtoul(ask(XS_TRANSACTION_START, "\0"s).payload.c_str(), nullptr, 10));
  }

 private:
  bool fill(void* to, size_t n) {
    for (size_t at = 0; at < n;) {
      pollfd state{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (poll(&state, 1, 2000) != 1) return false;
      ssize_t got = recv(socket_.get(), static_cast<char*>(to) + at, n - at, 0);
      if (got <= 0) return false;
      at += static_cast<size_t>(got);
    }
    return true;
  }

  Fd socket_;
  uint32_t id_ = 0;
  std::deque<std::string> events_;
};

const Message kNothing{0, ""};
Message ok(uint32_t type) { return {type, "OK\0"s}; }
Message error(const std::string& name) { return {XS_ERROR, name + '\0'}; }
template <class... Parts>
std::string z(const Parts&... parts) {
  return ((parts + "\0"s) + ...);
}

class XenstoredTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    dom0 = std::make_unique<Client>(directory_ + "/xenstored");
  }
  // A domain with a home of its own, introduced, and a connection of it.
  std::unique_ptr<Client> guest() {
    DomId id = new_domain();
    number = std::to_string(raw(id));
    home = "/local/domain/" + number;
    EXPECT_EQ(dom0->ask(XS_MKDIR, z(home)), ok(XS_MKDIR));
    EXPECT_EQ(dom0->ask(XS_SET_PERMS, z(home, "n" + number)), ok(XS_SET_PERMS));
    EXPECT_EQ(dom0->ask(XS_INTRODUCE, z(number, "1"s, "1"s)), ok(XS_INTRODUCE));
    return connect();
  }
  std::unique_ptr<Client> connect() {
    return std::make_unique<Client>(directory_ + "/domains/" + number + "/xenstored");
  }

  std::unique_ptr<Client> dom0;
  std::string number, home;
};

TEST_F(XenstoredTest, ReadsWhatWasWritten) {
  EXPECT_EQ(dom0->ask(XS_WRITE, "/a/b\0bin\0ary"s), ok(XS_WRITE));
  EXPECT_EQ(dom0->ask(XS_READ, z("/a/b"s)), (Message{XS_READ, "bin\0ary"s}));
  EXPECT_EQ(dom0->ask(XS_READ, z("/a"s)), (Message{XS_READ, ""}));
  EXPECT_EQ(dom0->ask(XS_DIRECTORY, z("/a"s)), (Message{XS_DIRECTORY, z("b"s)}));
  EXPECT_EQ(dom0->ask(XS_RM, z("/a"s)), ok(XS_RM));
  EXPECT_EQ(dom0->ask(XS_READ, z("/a/b"s)), error("ENOENT"));
}

TEST_F(XenstoredTest, ServesRequestsThatComeInPieces) {
  dom0->send(XS_WRITE, z("/a"s) + "v", 0, 1);
  EXPECT_EQ(dom0->receive(), ok(XS_WRITE));
}

TEST_F(XenstoredTest, RefusesMalformedRequests) {
  EXPECT_EQ(dom0->ask(XS_READ, "/a"s), error("EINVAL")) << "no terminator";
  EXPECT_EQ(dom0->ask(XS_READ, z("/a"s, "x"s)), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_READ, ""), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_WRITE, "/a"s), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_SET_PERMS, z("/tool"s)), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_SET_PERMS, z("/tool"s, "q0"s)), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_SET_PERMS, z("/tool"s, "n"s)), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_END, z("X"s), dom0->begin()), error("EINVAL"));
  EXPECT_EQ(dom0->ask(XS_WATCH_EVENT, ""), error("ENOSYS"));
  EXPECT_EQ(dom0->ask(4711, ""), error("ENOSYS"));
}

TEST_F(XenstoredTest, HangsUpOnAnOverlongRequest) {
  dom0->send(XS_WRITE, std::string(4097, 'x'));
  EXPECT_EQ(dom0->receive(), kNothing);
}

TEST_F(XenstoredTest, ListsDirectoriesOfAnySizeInParts) {
  std::string all;
  for (int i = 0; i < 1200; i++) {
    std::string name = "child-" + std::to_string(i);
    ASSERT_EQ(dom0->ask(XS_WRITE, z("/many/" + name)), ok(XS_WRITE));
    all += z(name);
  }
  EXPECT_EQ(dom0->ask(XS_DIRECTORY, z("/many"s)), error("E2BIG"));
  std::string listed, generation;
  for (bool done = false; !done;) {
    Message part = dom0->ask(XS_DIRECTORY_PART, z("/many"s, std::to_string(listed.size())));
    ASSERT_EQ(part.type, static_cast<uint32_t>(XS_DIRECTORY_PART));
    ASSERT_LE(part.payload.size(), 4096u);
    size_t names = part.payload.find('\0') + 1;
    if (generation.empty()) generation = part.payload.substr(0, names);
    EXPECT_EQ(part.payload.substr(0, names), generation);
    done = part.payload.ends_with("\0\0"s);
    listed += part.payload.substr(names, part.payload.size() - names - (done ? 1 : 0));
  }
  EXPECT_EQ(listed, all);
}

// ---- watches ----

TEST_F(XenstoredTest, WatchFiresOnceAtItsRegistrationAfterTheAnswer) {
  dom0->send(XS_WATCH, z("/none/yet"s, "token"s));
  EXPECT_EQ(dom0->receive(), ok(XS_WATCH));
  EXPECT_EQ(dom0->receive(), (Message{XS_WATCH_EVENT, z("/none/yet"s, "token"s)}));
  EXPECT_TRUE(dom0->no_more_events());
}

TEST_F(XenstoredTest, WatchSeesItsNodeAndWhatIsBelow) {
  dom0->ask(XS_WATCH, z("/a/b"s, "t"s));
  dom0->event();
  dom0->ask(XS_WRITE, z("/a/b/c/d"s) + "v");
  EXPECT_EQ(dom0->event(), z("/a/b/c/d"s, "t"s));
  dom0->ask(XS_WRITE, z("/a/bb"s) + "v");
  dom0->ask(XS_WRITE, z("/a"s) + "v");
  EXPECT_TRUE(dom0->no_more_events());
  dom0->ask(XS_RM, z("/a"s));
  EXPECT_EQ(dom0->event(), z("/a/b"s, "t"s)) << "the removal of an ancestor shows as its own";
  EXPECT_TRUE(dom0->no_more_events());
}

TEST_F(XenstoredTest, WatchIsSilentUntilATransactionCommits) {
  dom0->ask(XS_WATCH, z("/a"s, "t"s));
  dom0->event();
  uint32_t t = dom0->begin();
  dom0->ask(XS_WRITE, z("/a/1"s), t);
  dom0->ask(XS_WRITE, z("/a/2"s), t);
  EXPECT_TRUE(dom0->no_more_events());
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_END, z("T"s), t), ok(XS_TRANSACTION_END));
  EXPECT_EQ(dom0->event(), z("/a/1"s, "t"s));
  EXPECT_EQ(dom0->event(), z("/a/2"s, "t"s));
  EXPECT_TRUE(dom0->no_more_events());
}

TEST_F(XenstoredTest, WatchesAreNamedByPathAndToken) {
  EXPECT_EQ(dom0->ask(XS_WATCH, z("/a"s, "t"s)), ok(XS_WATCH));
  EXPECT_EQ(dom0->ask(XS_WATCH, z("/a"s, "t"s)), error("EEXIST"));
  EXPECT_EQ(dom0->ask(XS_WATCH, z("/a"s, "u"s)), ok(XS_WATCH));
  EXPECT_EQ(dom0->ask(XS_UNWATCH, z("/a"s, "x"s)), error("ENOENT"));
  EXPECT_EQ(dom0->ask(XS_UNWATCH, z("/a"s, "t"s)), ok(XS_UNWATCH));
  EXPECT_EQ(dom0->ask(XS_RESET_WATCHES, "\0"s), ok(XS_RESET_WATCHES));
  EXPECT_EQ(dom0->ask(XS_UNWATCH, z("/a"s, "u"s)), error("ENOENT"));
}

TEST_F(XenstoredTest, RelativeWatchTellsRelativePaths) {
  auto client = guest();
  EXPECT_EQ(client->ask(XS_WATCH, z("data"s, "t"s)), ok(XS_WATCH));
  EXPECT_EQ(client->event(), z("data"s, "t"s));
  EXPECT_EQ(client->ask(XS_WRITE, z("data/x"s) + "v"), ok(XS_WRITE));
  EXPECT_EQ(client->event(), z("data/x"s, "t"s));
  EXPECT_EQ(dom0->ask(XS_READ, z(home + "/data/x")), (Message{XS_READ, "v"}));
}

TEST_F(XenstoredTest, GuestIsNotToldOfWhatItMayNotRead) {
  auto client = guest();
  ASSERT_EQ(client->ask(XS_WATCH, z("/"s, "t"s)), ok(XS_WATCH));
  client->event();
  dom0->ask(XS_WRITE, z("/secret"s));
  dom0->ask(XS_WRITE, z(home + "/open"));
  EXPECT_EQ(client->event(), z(home + "/open", "t"s));
  EXPECT_TRUE(client->no_more_events());
}

// ---- transactions ----

TEST_F(XenstoredTest, TransactionsOfTwoConnectionsConflict) {
  Client other(directory_ + "/xenstored");
  dom0->ask(XS_WRITE, z("/a"s));
  uint32_t t = dom0->begin();
  EXPECT_EQ(dom0->ask(XS_READ, z("/a"s), t).type, static_cast<uint32_t>(XS_READ));
  EXPECT_EQ(other.ask(XS_WRITE, z("/b"s)), ok(XS_WRITE));
  EXPECT_EQ(other.ask(XS_WRITE, z("/a"s) + "theirs"), ok(XS_WRITE));
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_END, z("T"s), t), error("EAGAIN"));
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_END, z("T"s), t), error("ENOENT")) << "it has ended all the same";
}

TEST_F(XenstoredTest, TransactionsAreTheConnectionsOwn) {
  Client other(directory_ + "/xenstored");
  uint32_t t = dom0->begin();
  EXPECT_EQ(other.ask(XS_READ, z("/tool"s), t + 100), error("ENOENT"));
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_START, "\0"s, t), error("EBUSY"));
  EXPECT_EQ(dom0->ask(XS_TRANSACTION_END, z("F"s), t), ok(XS_TRANSACTION_END));
}

// ---- domains ----

TEST_F(XenstoredTest, GuestMayNotDoWhatIsDom0s) {
  auto client = guest();
  EXPECT_EQ(client->ask(XS_INTRODUCE, z(number, "1"s, "1"s)), error("EACCES"));
  EXPECT_EQ(client->ask(XS_RELEASE, z(number)), error("EACCES"));
  EXPECT_EQ(client->ask(XS_IS_DOMAIN_INTRODUCED, z(number)), error("EACCES"));
  EXPECT_EQ(client->ask(XS_WRITE, z("/tool/x"s)), error("EACCES"));
  EXPECT_EQ(client->ask(XS_DIRECTORY, z("/"s)), error("EACCES"));
  EXPECT_EQ(client->ask(XS_GET_DOMAIN_PATH, z(number)), (Message{XS_GET_DOMAIN_PATH, z(home)}));
}

TEST_F(XenstoredTest, QuotasHoldForADomainsConnectionsTogether) {
  auto first = guest();
  auto second = connect();
  for (int i = 0; i < 64; i++) {
    ASSERT_EQ(first->ask(XS_WATCH, z("a"s, std::to_string(i))), ok(XS_WATCH));
    ASSERT_EQ(second->ask(XS_WATCH, z("a"s, std::to_string(i))), ok(XS_WATCH));
  }
  EXPECT_EQ(first->ask(XS_WATCH, z("a"s, "more"s)), error("ENOSPC"));
  for (int i = 0; i < 5; i++) {
    first->begin();
    second->begin();
  }
  EXPECT_EQ(second->ask(XS_TRANSACTION_START, "\0"s), error("ENOSPC"));
  second.reset();
  for (int i = 0; i < 200 && first->ask(XS_TRANSACTION_START, "\0"s) == error("ENOSPC"); i++) usleep(5000);
  EXPECT_EQ(first->ask(XS_WATCH, z("a"s, "more"s)), ok(XS_WATCH)) << "a closed connection's count no more";
}

TEST_F(XenstoredTest, SpecialWatchesFireForIntroductionShutdownAndEnd) {
  Client watcher(directory_ + "/xenstored");
  watcher.ask(XS_WATCH, z("@introduceDomain"s, "in"s));
  watcher.ask(XS_WATCH, z("@releaseDomain"s, "out"s));
  watcher.event();
  watcher.event();
  auto client = guest();
  EXPECT_EQ(watcher.event(), z("@introduceDomain"s, "in"s));
  DomId id{static_cast<uint16_t>(std::stoi(number))};
  ASSERT_EQ(control(Op::ShutDownDomain, id, 2), 0);
  EXPECT_EQ(watcher.event(), z("@releaseDomain"s, "out"s));
  ASSERT_EQ(control(Op::ResumeDomain, id), 0);
  ASSERT_EQ(dom0->ask(XS_RESUME, z(number)), ok(XS_RESUME));
  ASSERT_EQ(control(Op::ShutDownDomain, id, 0), 0);
  EXPECT_EQ(watcher.event(), z("@releaseDomain"s, "out"s));
  ASSERT_EQ(control(Op::DestroyDomain, id), 0);
  EXPECT_EQ(watcher.event(), z("@releaseDomain"s, "out"s));
  EXPECT_TRUE(watcher.no_more_events());
  EXPECT_EQ(client->receive(), kNothing) << "its connection ends with it";
  EXPECT_EQ(dom0->ask(XS_READ, z(home)), error("ENOENT")) << "and so do its nodes";
  EXPECT_EQ(dom0->ask(XS_IS_DOMAIN_INTRODUCED, z(number)), (Message{XS_IS_DOMAIN_INTRODUCED, z("F"s)}));
}

TEST_F(XenstoredTest, GuestSeesSpecialWatchesOnlyWhenItMayReadThem) {
  auto client = guest();
  client->ask(XS_WATCH, z("@releaseDomain"s, "t"s));
  client->event();
  std::string first = number;
  auto victim = guest();
  EXPECT_EQ(dom0->ask(XS_RELEASE, z(number)), ok(XS_RELEASE));
  EXPECT_TRUE(client->no_more_events());
  ASSERT_EQ(dom0->ask(XS_SET_PERMS, z("@releaseDomain"s, "n0"s, "r" + first)), ok(XS_SET_PERMS));
  victim = guest();
  EXPECT_EQ(dom0->ask(XS_RELEASE, z(number)), ok(XS_RELEASE));
  EXPECT_EQ(client->event(), z("@releaseDomain"s, "t"s));
}

TEST_F(XenstoredTest, DomainNobodyIntroducedHasNoXenstore) {
  number = std::to_string(raw(new_domain()));
  auto client = connect();
  EXPECT_EQ(client->receive(), kNothing);
}

}  // namespace
}  // namespace loopback
