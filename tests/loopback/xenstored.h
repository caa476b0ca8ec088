// SPDX-License-Identifier: MIT
// XenStore's wire protocol: connections, requests, watches. What a request may do is store.h's to say.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/loopback/event_loop.h"
#include "tests/loopback/store.h"
#include "xen/io/xs_wire.h"

namespace loopback {

class Xenstored {
 public:
  Xenstored(EventLoop& loop, Store::DomainExists domain_exists);
  ~Xenstored();

  // Serves a connected stream socket; the domain is the one whose listening socket accepted it.
  void accept(Fd socket, DomId domain);

  // The machine's events: a domain has shut down (fires @releaseDomain once), or is no more.
  void domain_shut_down(DomId domain);
  void domain_gone(DomId domain);

  Store& store() { return store_; }

 private:
  struct Watch {
    std::string path;
    std::string token;
    size_t skip;  // what an event's path loses in front, because the watch was set by a relative one
  };
  struct Connection {
    Fd socket;
    DomId domain;
    std::string in, out;
    std::list<Watch> watches;
    std::map<uint32_t, std::unique_ptr<Transaction>> transactions;
    uint32_t next_transaction = 1;
    bool broken = false;
  };
  struct Request {
    Connection& from;
    uint32_t type;
    uint32_t id;
    uint32_t transaction;
    std::string payload;
    Store::Caller caller;
  };
  using Answer = Result<std::string>;
  using Serve = Answer (Xenstored::*)(Request&);
  struct Operation {
    Serve serve = nullptr;
    bool privileged = false;
    bool ignores_transaction = false;
  };
  static Operation operation(uint32_t type);

  void ready(Connection& connection, uint32_t events);
  bool receive(Connection& connection);
  bool serve_complete(Connection& connection);
  void serve(Request request);
  Answer answer(Request& request);
  static void reply(Connection& to, uint32_t type, uint32_t id, uint32_t transaction, std::string_view payload);
  void flush(Connection& connection);
  void drop(Connection& connection);
  void flush_all();  // and drops the broken ones
  void forget(DomId domain);
  static Result<std::string> only_path(const Request& request, bool special_allowed);

  Answer directory(Request&);
  Answer directory_part(Request&);
  Answer read(Request&);
  Answer write(Request&);
  Answer make(Request&);
  Answer remove(Request&);
  Answer get_permissions(Request&);
  Answer set_permissions(Request&);
  Answer watch(Request&);
  Answer unwatch(Request&);
  Answer reset_watches(Request&);
  Answer start(Request&);
  Answer end(Request&);
  Answer introduce(Request&);
  Answer release(Request&);
  Answer resume(Request&);
  Answer domain_path(Request&);
  Answer introduced(Request&);

  void spread(const StoreEvent& event);
  void fire_special(const std::string& path);
  static void send_event(Connection& to, const Watch& watch, const std::string& path);
  size_t watches_of(DomId domain) const;
  size_t transactions_of(DomId domain) const;

  EventLoop& loop_;
  Store::DomainExists domain_exists_;
  Store store_;
  std::list<Connection> connections_;
  struct Introduced {
    bool shut_down = false;
  };
  std::map<DomId, Introduced> introduced_;
};

}  // namespace loopback
