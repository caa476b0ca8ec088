// SPDX-License-Identifier: MIT
// Back: the kit as a backend, in dom0, with a TPM of its own behind it. It starts and ends the frontend under test.
#pragma once

#include <future>
#include <map>

#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"
#include "tests/engine/machine.h"
#include "tests/ringtest/half.h"

namespace ringtest {

// How the frontend under test is come by. Commands of the shell, which find DOMID and SOCKET in their environment.
struct Frontend {
  unsigned domain = 0;
  std::string create, start, stop, send;
  unsigned cancels_after_s = 0;
};

class Shell;

class Back : public Half {
 public:
  static Outcome<std::unique_ptr<Back>> open(const Frontend& frontend, Patience patience);
  ~Back() override;

  Outcome<> bring_to(Start start);

  // ---- The frontend under test ----
  Outcome<> start_frontend();
  // Asks it to end and does the backend's part, closing included.
  Outcome<> stop_frontend();
  // Only asks.
  void ask_to_stop();
  // It ended by a signal, or with an error.
  std::optional<std::string> died() const;
  bool ended() const;
  bool has_client() const;
  const Frontend& frontend() const { return frontend_; }

  // ---- The handshake ----
  std::string front_state() const { return node(front_ / "state").value_or(""); }
  std::optional<std::string> front_node(const std::string& name) const { return node(front_ / name); }
  // As the toolstack has it at first, so that what is seen later is new.
  Outcome<> forget_front_state() { return write(front_ / "state", kInitialising); }
  // Starts the frontend; the names of the nodes that it writes until it has shown Initialised and a little longer, in
  // their order.
  Outcome<std::vector<std::string>> writes_until_offer();
  Outcome<> show(const char* state);
  Outcome<> set(const std::string& name, const std::string& value) { return write(back_ / name, value); }
  Outcome<> unset(const std::string& name) { return remove(back_ / name); }
  Outcome<std::string> await_front(std::initializer_list<const char*> states) {
    return await_node(front_ / "state", states, patience.answer);
  }
  Outcome<std::string> await_front_for(std::initializer_list<const char*> states, milliseconds most) {
    return await_node(front_ / "state", states, most);
  }
  // Maps the page that the frontend offers and binds its port. Shows nothing.
  Outcome<> join();
  // Until it offers a ring; join(); Connected; until it is connected, too.
  Outcome<> accept();
  // The same of a ring that was joined.
  Outcome<> accept_joined();
  // IDLE, notification, unmap, unbind.
  void leave();
  // Without the first two.
  void drop();
  bool joined() const { return mapping_.has_value(); }
  xen::GrantRef ref() const { return ref_; }
  // Version 1: the page of a packet, mapped until the next one is.
  std::optional<Page> packet_page(uint32_t ref);
  void drop_packet() { packet_.reset(); }
  // Whether the grant can still be mapped.
  bool can_map(xen::GrantRef ref) const;

  // ---- The page ----
  Page page() const { return Page(mapping_->bytes()); }
  void notify(unsigned times = 1);
  // The same, not worth a line in the trace.
  void ring() const { static_cast<void>(channel_->notify()); }
  void drain() const;
  bool bell(milliseconds most);
  // Answers what the frontend asks by itself, for as long as it asks.
  void serve(milliseconds most);
  // From now on nothing is answered, until the device is begun anew.
  void hold() { held_ = true; }
  Bytes execute(const Bytes& command) { return tpm_->execute(command, 0); }
  // What the TPM says to the command on the page.
  Bytes answer_of(const Header& header);
  // Packet, length, state; and the notification.
  void finish(const Bytes& response);
  void finish_as(const Header& header, const Bytes& packet);

  // Has the frontend send the command, when there is a way to tell it.
  void ask(const Bytes& command);
  // Until a request is on the page: the one asked for, or, without a client, any. Others are answered.
  Outcome<Header> await_request();
  // What the client was answered; empty: an error. Serves meanwhile.
  // A frontend that closes meanwhile is followed; the page may still be needed.
  Outcome<Bytes> client_answer(bool unmap = true);
  // After something that a frontend may take for the end of the ring: works(), on this ring or on the next.
  Outcome<> recovers();
  // Whether version 1 is what this device speaks since it was begun.
  bool legacy() const { return legacy_; }
  // Announces the device anew and asks the frontend for something, which may be lost, until it has offered another ring
  // and is connected.
  Outcome<> come_back();
  // ask(), await_request(), and the TPM's answer reaches the client.
  Outcome<> works();

  std::string page_dump() const override { return mapping_ ? dump_of(page().all()) : ""; }

 protected:
  std::vector<xen::Path> directories() const override { return {front_, back_}; }
  void meanwhile() override;

 private:
  Back(xen::Store store, Patience most, Frontend frontend, xen::DomId domain, xen::Path front, xen::Path back);
  Outcome<> begin_anew(bool legacy = false);
  void serve_legacy();
  // Our half of what a frontend that closes waits for.
  Outcome<> follow_closing(bool unmap = true);
  std::map<std::string, std::string> environment() const;

  Frontend frontend_;
  xen::DomId domain_;
  xen::Path front_, back_;
  std::string socket_;
  std::unique_ptr<Shell> running_, stopping_;
  std::unique_ptr<machine::Machine> tpm_;
  std::optional<xen::GrantMapping> mapping_;
  std::optional<xen::EventChannel> channel_;
  xen::GrantRef ref_{};
  Bytes asked_;
  std::future<Bytes> answered_;
  std::optional<xen::GrantMapping> packet_;
  bool serving_ = false, held_ = false, legacy_ = false;
};

}  // namespace ringtest
