// SPDX-License-Identifier: MIT
// The machine: domains, their sockets, the processes that live in them, and what those ask of the hypervisor.
// In its directory, `loopback` and `xenstored` are dom0's sockets; `domains/D/loopback` and `domains/D/xenstored` are
// domain D's. Which socket a process reaches is who it is.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/loopback/channels.h"
#include "tests/loopback/event_loop.h"
#include "tests/loopback/grants.h"
#include "tests/loopback/protocol.h"
#include "tests/loopback/xenstored.h"

namespace loopback {

class Machine {
 public:
  // The directory exists and is empty.
  static Result<std::unique_ptr<Machine>> boot(const std::string& directory);
  ~Machine();

  void run() { loop_->run(); }
  void stop() { loop_->stop(); }  // from any thread or signal handler

 private:
  struct Member {  // a process that joined
    Fd pidfd;
    pid_t pid;
  };
  struct Domain {
    DomainRecord record{};
    std::string directory;
    Fd hypervisor_listener, store_listener;
    std::list<Member> members;
  };
  struct Process {
    Fd pidfd;
    GrantTables::ProcessId id;
  };
  struct Client {
    Fd socket;
    DomId domain;
    pid_t pid;
    GrantTables::ProcessId process;
    EventChannels::HandleId handle;
    std::optional<DomId> restricted_to;
  };
  struct Answer {
    Reply reply{};
    std::vector<uint32_t> refs;
    std::vector<DomainRecord> domains;
    std::array<int, 2> send_fds = {-1, -1};
    Fd owned;  // closed once it is sent
  };
  using Served = Result<Answer>;

  Machine(std::string directory, std::unique_ptr<EventLoop> loop);

  Result<> listen(Domain& domain);
  Result<> watch_listener(const Fd& listener, DomId domain, bool store);
  void accepted(const Fd& listener, DomId domain, bool store);
  Result<GrantTables::ProcessId> know_process(pid_t pid);
  void process_gone(pid_t pid);
  void serve(Client& client);
  void drop(Client& client);
  Served answer(Client& client, const Request& request, Fd received);

  Served share(Client&, const Request&);
  Served map(Client&, const Request&);
  Served bind(Client&, const Request&, Fd wake);
  Served find_peer(Client&, const Request&);
  Served restrict(Client&, const Request&);
  Served list_domains(const Request&);
  Served create_domain(const Request&);
  Served manage_domain(const Request&);
  Served join(Client&);

  void destroy(Domain& domain);
  void signal_members(Domain& domain, int signal);
  void bury_the_unmapped();

  std::string directory_;
  std::unique_ptr<EventLoop> loop_;
  std::map<DomId, Domain> domains_;
  std::map<pid_t, Process> processes_;
  std::list<Client> clients_;
  EventChannels channels_;
  GrantTables grants_;
  Xenstored store_;
  uint16_t next_domain_ = 1;
  uint64_t next_id_ = 1;
};

}  // namespace loopback
