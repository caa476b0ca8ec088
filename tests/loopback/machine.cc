// SPDX-License-Identifier: MIT
#include "tests/loopback/machine.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tests/loopback/processes.h"
#include "tests/loopback/sockets.h"

namespace loopback {
namespace {

constexpr uint8_t kReasonDestroyed = 255;  // what Xen shows for a domain that never shut down
constexpr uint16_t kLastDomain = 0x7fef;

EndNotice notice_in(const Request& request) {
  EndNotice notice;
  if (request.notify_offset != kNoOffset) notice.clear_byte = request.notify_offset;
  if (request.notify_port != kNoPort) notice.signal = Port(request.notify_port);
  return notice;
}

Result<Fd> listen_on(const std::string& path, int type, mode_t mode) {
  sockaddr_un address;
  if (unix_address(path.c_str(), address) != 0) return last_error();
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open() || bind(socket.get(), generic(address), sizeof(address)) != 0) return last_error();
  if (chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), 64) != 0) return last_error();
  return socket;
}

}  // namespace

Machine::Machine(std::string directory, std::unique_ptr<EventLoop> loop)
    : directory_(std::move(directory)),
      loop_(std::move(loop)),
      grants_({.hold = [this](DomId domain, Port port) { return channels_.hold(domain, port); },
               .settle = [this](DomId domain, Port port) { channels_.settle(domain, port); }}),
      store_(*loop_, [this](DomId domain) { return domains_.contains(domain); }) {}

Machine::~Machine() {
  for (auto& [id, domain] : domains_) signal_members(domain, SIGKILL);
  while (!clients_.empty()) drop(clients_.front());
}

Result<std::unique_ptr<Machine>> Machine::boot(const std::string& directory) {
  std::unique_ptr<Machine> machine(new Machine(directory, TRY(EventLoop::make())));
  if (mkdir((directory + "/domains").c_str(), 0755) != 0) return last_error();
  Domain& dom0 = machine->domains_[kDom0];
  dom0.directory = directory;
  TRY(machine->listen(dom0));
  TRY(machine->store_.store().write({.domain = kDom0}, home_of(kDom0) + "/domid", "0"));
  TRY(machine->store_.store().write({.domain = kDom0}, home_of(kDom0) + "/name", "Domain-0"));
  return machine;
}

// ---- sockets and processes ----

Result<> Machine::listen(Domain& domain) {
  DomId id{static_cast<uint16_t>(domain.record.domain)};
  mode_t mode = id == kDom0 ? 0600 : 0666;  // a guest's processes may run under any user
  domain.hypervisor_listener = TRY(listen_on(domain.directory + "/loopback", SOCK_SEQPACKET, mode));
  domain.store_listener = TRY(listen_on(domain.directory + "/xenstored", SOCK_STREAM, mode));
  TRY(watch_listener(domain.hypervisor_listener, id, false));
  return watch_listener(domain.store_listener, id, true);
}

Result<> Machine::watch_listener(const Fd& listener, DomId domain, bool store) {
  return loop_->watch(listener.get(), EPOLLIN,
                      [this, &listener, domain, store](uint32_t) { accepted(listener, domain, store); });
}

void Machine::accepted(const Fd& listener, DomId domain, bool store) {
  Fd socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.open()) return;
  if (store) return store_.accept(std::move(socket), domain);
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  Result<GrantTables::ProcessId> process = know_process(peer.pid);
  if (!process.ok()) return;
  Client& client = clients_.emplace_back();
  client.socket = std::move(socket);
  client.domain = domain;
  client.pid = peer.pid;
  client.process = process.value();
  client.handle = next_id_++;
  Result<> watched = loop_->watch(client.socket.get(), EPOLLIN, [this, &client](uint32_t) { serve(client); });
  if (!watched.ok()) drop(client);
}

// Mappings and shared pages last as long as the process, whatever becomes of its handles: so the machine watches it.
Result<GrantTables::ProcessId> Machine::know_process(pid_t pid) {
  auto at = processes_.find(pid);
  if (at != processes_.end() && ended(at->second.pidfd)) {
    process_gone(pid);  // the number has been given to somebody new
    at = processes_.end();
  }
  if (at != processes_.end()) return at->second.id;
  Fd pidfd = open_process(pid);
  if (!pidfd.open()) return last_error();
  TRY(loop_->watch(pidfd.get(), EPOLLIN, [this, pid](uint32_t) { process_gone(pid); }));
  uint64_t id = next_id_++;
  processes_[pid] = {std::move(pidfd), id};
  return id;
}

void Machine::process_gone(pid_t pid) {
  auto at = processes_.find(pid);
  if (at == processes_.end()) return;
  loop_->drop(at->second.pidfd.get());
  grants_.process_gone(at->second.id);
  processes_.erase(at);
  bury_the_unmapped();
}

void Machine::drop(Client& client) {
  loop_->drop(client.socket.get());
  channels_.handle_gone(client.handle);
  clients_.remove_if([&client](const Client& other) { return &other == &client; });
}

void Machine::serve(Client& client) {
  Request request;
  int fds[2];
  ssize_t n = receive_message(client.socket.get(), &request, sizeof(request), fds, MSG_DONTWAIT);
  Fd received(fds[0]);
  Fd surplus(fds[1]);
  if (n < 0 && errno == EAGAIN) return;
  if (n != sizeof(request)) return drop(client);

  Served served = answer(client, request, std::move(received));
  Answer answer;
  if (served.ok()) {
    answer = std::move(served).take();
  } else {
    answer.reply.error = served.error().value;
  }
  answer.reply.n = static_cast<uint32_t>(std::max(answer.refs.size(), answer.domains.size()));
  std::vector<char> bytes(sizeof(Reply) + answer.refs.size() * sizeof(uint32_t) +
                          answer.domains.size() * sizeof(DomainRecord));
  memcpy(bytes.data(), &answer.reply, sizeof(Reply));
  if (!answer.refs.empty())
    memcpy(bytes.data() + sizeof(Reply), answer.refs.data(), answer.refs.size() * sizeof(uint32_t));
  if (!answer.domains.empty()) {
    memcpy(bytes.data() + sizeof(Reply), answer.domains.data(), answer.domains.size() * sizeof(DomainRecord));
  }
  if (send_message(client.socket.get(), bytes.data(), bytes.size(), answer.send_fds[0], answer.send_fds[1]) < 0)
    drop(client);
}

// ---- requests ----

Machine::Served Machine::answer(Client& client, const Request& request, Fd received) {
  GrantTables::Holder holder{client.domain, client.process};
  switch (request.op) {
    case Op::Share:
      return share(client, request);
    case Op::Unshare:
      TRY(grants_.unshare(holder, GrantRef(request.a)));
      return Answer{};
    case Op::Map:
      return map(client, request);
    case Op::Unmap:
      TRY(grants_.unmap(holder, request.a));
      bury_the_unmapped();
      return Answer{};
    case Op::BindUnbound:
    case Op::BindInterdomain:
      return bind(client, request, std::move(received));
    case Op::FindPeer:
      return find_peer(client, request);
    case Op::Unbind:
      TRY(channels_.unbind(client.handle, client.domain, Port(request.a)));
      return Answer{};
    case Op::Restrict:
      return restrict(client, request);
    case Op::Join:
      return join(client);
    default:
      break;
  }
  TRY(require(client.domain == kDom0, EPERM));
  switch (request.op) {
    case Op::ListDomains:
      return list_domains(request);
    case Op::CreateDomain:
      return create_domain(request);
    default:
      return manage_domain(request);
  }
}

Machine::Served Machine::share(Client& client, const Request& request) {
  DomId with{static_cast<uint16_t>(request.domain)};
  GrantTables::Share shared =
      TRY(grants_.share({client.domain, client.process}, with, request.a, request.writable != 0, notice_in(request)));
  Answer answer;
  for (GrantRef ref : shared.refs) answer.refs.push_back(raw(ref));
  answer.send_fds[0] = shared.memory;
  return answer;
}

Machine::Served Machine::map(Client& client, const Request& request) {
  DomId sharer{static_cast<uint16_t>(request.domain)};
  TRY(require(request.domain <= UINT16_MAX, EINVAL));
  GrantTables::Mapped mapped = TRY(grants_.map({client.domain, client.process}, sharer, GrantRef(request.a),
                                               request.writable != 0, notice_in(request)));
  Answer answer;
  answer.reply.a = mapped.id;
  answer.reply.b = mapped.offset;
  answer.send_fds[0] = mapped.memory.get();
  answer.owned = std::move(mapped.memory);
  return answer;
}

Machine::Served Machine::bind(Client& client, const Request& request, Fd wake) {
  DomId remote{static_cast<uint16_t>(request.domain)};
  TRY(require(!client.restricted_to || *client.restricted_to == remote, EACCES));
  bool unbound = request.op == Op::BindUnbound;
  TRY(require(unbound || domains_.contains(remote), ESRCH));
  EventChannels::Bound bound =
      unbound ? TRY(channels_.bind_unbound(client.handle, client.domain, remote, std::move(wake)))
              : TRY(channels_.bind_interdomain(client.handle, client.domain, remote, Port(request.a), std::move(wake)));
  Answer answer;
  answer.reply.a = raw(bound.port);
  answer.reply.b = bound.side;
  answer.send_fds = {bound.page, bound.peer_wake};
  return answer;
}

Machine::Served Machine::find_peer(Client& client, const Request& request) {
  Answer answer;
  answer.send_fds[0] = TRY(channels_.find(client.handle, client.domain, Port(request.a))).peer_wake;
  return answer;
}

Machine::Served Machine::restrict(Client& client, const Request& request) {
  TRY(require(!client.restricted_to, EACCES));
  client.restricted_to = DomId(static_cast<uint16_t>(request.domain));
  return Answer{};
}

// ---- domains ----

Machine::Served Machine::list_domains(const Request& request) {
  Answer answer;
  for (const auto& [id, domain] : domains_) {
    if (raw(id) < request.a) continue;
    if (answer.domains.size() >= kListed) break;
    DomainRecord record = domain.record;
    auto living =
        std::count_if(domain.members.begin(), domain.members.end(), [](const Member& m) { return !ended(m.pidfd); });
    record.members = static_cast<uint8_t>(std::min<std::ptrdiff_t>(living, UINT8_MAX));
    answer.domains.push_back(record);
  }
  return answer;
}

Machine::Served Machine::create_domain(const Request& request) {
  TRY(require(next_domain_ < kLastDomain, ENOSPC));
  DomId id{next_domain_++};
  Domain& domain = domains_[id];
  domain.record.domain = raw(id);
  domain.record.pvh = request.a != 0;
  domain.record.kernel_set_up = request.b != 0;
  domain.record.paused = 1;
  memcpy(domain.record.uuid, request.uuid, sizeof(request.uuid));
  domain.directory = directory_ + "/domains/" + std::to_string(raw(id));
  Result<> made = mkdir(domain.directory.c_str(), 0755) == 0 ? listen(domain) : Result<>(last_error());
  if (!made.ok()) {
    destroy(domain);
    return made.error();
  }
  Answer answer;
  answer.reply.a = raw(id);
  return answer;
}

Machine::Served Machine::manage_domain(const Request& request) {
  DomId id{static_cast<uint16_t>(request.domain)};
  auto at = domains_.find(id);
  TRY(require(at != domains_.end() && id != kDom0 && request.domain <= UINT16_MAX, ESRCH));
  Domain& domain = at->second;
  TRY(require(!domain.record.dying, ESRCH));
  switch (request.op) {
    case Op::PauseDomain:
      domain.record.paused = 1;
      signal_members(domain, SIGSTOP);
      break;
    case Op::UnpauseDomain:
      domain.record.paused = 0;
      if (!domain.record.has_run) domain.record.kernel_set_up = 1;
      domain.record.has_run = 1;
      if (!domain.record.shut_down) signal_members(domain, SIGCONT);
      break;
    case Op::ShutDownDomain:
      domain.record.shut_down = 1;
      domain.record.shutdown_reason = static_cast<uint8_t>(request.a);
      signal_members(domain, SIGSTOP);  // its processors have stopped
      store_.domain_shut_down(id);
      break;
    case Op::ResumeDomain:
      domain.record.shut_down = 0;
      if (!domain.record.paused) signal_members(domain, SIGCONT);
      break;
    case Op::DisguiseDomain:
      domain.record.kernel_set_up = 0;
      break;
    case Op::EndMembers:
      signal_members(domain, SIGTERM);
      break;
    case Op::DestroyDomain:
      destroy(domain);
      break;
    default:
      return Errno{ENOSYS};
  }
  return Answer{};
}

void Machine::destroy(Domain& domain) {
  DomId id{static_cast<uint16_t>(domain.record.domain)};
  signal_members(domain, SIGKILL);
  domain.record.dying = 1;
  if (!domain.record.shut_down) domain.record.shutdown_reason = kReasonDestroyed;
  if (domain.hypervisor_listener.open()) loop_->drop(domain.hypervisor_listener.get());
  if (domain.store_listener.open()) loop_->drop(domain.store_listener.get());
  domain.hypervisor_listener.reset();
  domain.store_listener.reset();
  std::error_code ignored;
  std::filesystem::remove_all(domain.directory, ignored);
  for (Client& client : clients_) {
    if (client.domain == id) shutdown(client.socket.get(), SHUT_RDWR);  // served no more; its handle's end closes it
  }
  channels_.domain_gone(id);
  grants_.domain_gone(id);
  store_.domain_gone(id);
  bury_the_unmapped();
}

// A dead domain is gone for good when nobody has its pages mapped any more.
void Machine::bury_the_unmapped() {
  std::erase_if(domains_, [this](const auto& entry) {
    return entry.second.record.dying && !grants_.mapped_by_others(entry.first);
  });
}

Machine::Served Machine::join(Client& client) {
  auto at = domains_.find(client.domain);
  TRY(require(at != domains_.end() && client.domain != kDom0, EINVAL));
  Domain& domain = at->second;
  TRY(require(!domain.record.paused && !domain.record.shut_down, EBUSY));
  Fd pidfd = open_process(client.pid);
  if (!pidfd.open()) return last_error();
  domain.members.push_back({std::move(pidfd), client.pid});
  return Answer{};
}

void Machine::signal_members(Domain& domain, int signal) {
  for (const Member& member : domain.members) {
    if (!ended(member.pidfd)) signal_family(member.pid, signal);
  }
}

}  // namespace loopback
