// SPDX-License-Identifier: MIT
// Front: the kit as a frontend, in the guest. It does one small thing at a time, in order or out of it.
#pragma once

#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"
#include "tests/ringtest/half.h"

namespace ringtest {

class Front : public Half {
 public:
  static Outcome<std::unique_ptr<Front>> open(unsigned device, Patience patience);
  ~Front() override { static_cast<void>(close()); }

  // What each case begins with.
  Outcome<> bring_to(Start start);

  // ---- The handshake ----
  // A page and a port that only the backend can join, with so many extra pages on its list. Writes nothing to XenStore.
  Outcome<> make_ring(size_t n_extra_pages = 0);
  std::string ref() const { return std::to_string(static_cast<uint32_t>(share_->ref())); }
  std::string port() const { return std::to_string(static_cast<uint32_t>(channel_->port())); }
  // The three nodes, then state 3.
  Outcome<> offer();
  // make_ring(), offer(), until both halves are Connected.
  Outcome<> connect(size_t n_extra_pages = 0);
  // The same by version 1, offered in that state.
  Outcome<> connect_legacy(const char* state = kInitialised, bool then_connected = true);
  // Two nodes, then the state.
  Outcome<> offer_legacy(const char* state);
  xen::DomId backend() const { return backend_; }
  // Writes a node of our own directory.
  Outcome<> set(const std::string& name, const std::string& value) { return write(front_ / name, value); }
  Outcome<> unset(const std::string& name) { return remove(front_ / name); }
  Outcome<> set_state(const char* state) { return set("state", state); }
  std::string backend_state() const { return node(back_ / "state").value_or(""); }
  std::optional<std::string> backend_node(const std::string& name) const { return node(back_ / name); }
  Outcome<std::string> await_backend(std::initializer_list<const char*> states) {
    return await_node(back_ / "state", states, patience.answer);
  }
  // The backend is never in that state for as long as silence lasts.
  Outcome<> backend_stays_out_of(const char* state);
  // 5, 6, and the page is ours again.
  Outcome<> close();
  // close(), then 1, until the backend waits for a new ring.
  Outcome<> start_anew();
  void drop_page() { share_.reset(); }
  void drop_extra_pages() { extra_.reset(); }
  uint32_t extra_ref(size_t i) const { return static_cast<uint32_t>(extra_->refs()[i]); }
  void drop_port() { channel_.reset(); }
  bool has_ring() const { return share_.has_value(); }

  // ---- The page ----
  Page page() const { return Page(share_->bytes()); }
  void put(const Header& header, const Bytes& packet);
  void notify(unsigned times = 1);
  // Takes bells that rang before.
  void drain() const;
  // Whether the backend rings within that time.
  bool bell(milliseconds most);
  // An ordinary request over all pages, and its notification.
  void submit(const Bytes& command, uint8_t locality = 0);
  // The header once the request in flight is over: FINISH or IDLE, and the bell has rung.
  Outcome<Header> await_end();
  // await_end(), FINISH wanted, a well-formed response.
  Outcome<Bytes> response();
  // submit(), then response().
  Outcome<Bytes> run(const Bytes& command, uint8_t locality = 0);
  // Until the page is in that state.
  Outcome<> await_state(uint8_t state);
  // Nothing on the page changes, and no bell rings, for as long as silence lasts.
  Outcome<> silence();
  // The PCR that extend() would change.
  Outcome<Bytes> pcr();
  // Connected, no error told, and a command is answered.
  Outcome<> works();

  std::string page_dump() const override { return share_ ? dump_of(page().all()) : ""; }

 protected:
  std::vector<xen::Path> directories() const override { return {front_, back_}; }

 private:
  Front(xen::Store store, Patience most, xen::Path front, xen::Path back, xen::DomId backend)
      : Half(std::move(store), most), front_(std::move(front)), back_(std::move(back)), backend_(backend) {}
  Outcome<> remove_strange_nodes();

  xen::Path front_, back_;
  xen::DomId backend_;
  size_t n_extra_pages() const { return extra_ ? extra_->refs().size() : 0; }

  bool legacy_ = false;
  std::optional<xen::GrantShare> share_;
  std::optional<xen::GrantArea> extra_;
  std::optional<xen::EventChannel> channel_;
};

}  // namespace ringtest
