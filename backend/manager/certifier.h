// SPDX-License-Identifier: MIT
// Certifier: the authority of this host for endorsement keys: the administrator's, or one that is made at the first
// start, in a thread of its own.
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "backend/identity/authority.h"
#include "backend/manager/loop.h"
#include "backend/manager/messages.h"
#include "backend/vault/vault.h"

namespace backend {

class Certifier {
 public:
  static constexpr const char* kFileName = "ca.crt";

  struct Options {
    std::string state_directory;             // where the certificate is written for administrators
    std::string certificate_file, key_file;  // of the administrator's authority; both empty: one of our own
  };
  // Both must outlive it.
  Certifier(Loop& loop, vault::Vault& vault, Options options);
  ~Certifier();

  // Fails when the administrator's authority cannot be used. Any other trouble is trouble()'s.
  identity::Result<> begin();

  // Calls `done` with the certificate in DER: before it returns, or when there is an authority. Empty: there is none to
  // be had. It must bear being called when whoever asked has gone.
  using Done = std::function<void(base::Bytes certificate)>;
  void certify(const message::Endorsement& endorsement, Done done);

  // Null while there is none.
  const identity::Authority* authority() const { return authority_ ? &*authority_ : nullptr; }
  bool given() const { return !options_.certificate_file.empty() || !options_.key_file.empty(); }
  // Why there is no authority, and will not be one; empty otherwise.
  const std::string& trouble() const { return trouble_; }
  // Where its certificate is for administrators.
  std::string file() const { return options_.state_directory + "/" + kFileName; }

 private:
  void make();
  void on_made();
  void use(identity::Authority authority);
  void give_up(const std::string& why);
  void take_over();
  void answer_all();

  struct Waiting {
    message::Endorsement endorsement;
    Done done;
  };
  base::Bytes certificate_for(const message::Endorsement& endorsement) const;

  Loop& loop_;
  vault::Vault& vault_;
  Options options_;
  std::optional<identity::Authority> authority_;
  std::string trouble_;
  std::vector<Waiting> waiting_;

  std::atomic<bool> cancelled_ = false;
  vault::Fd finished_;  // an eventfd, while the thread is there
  std::optional<identity::Result<identity::Authority>> made_;
  std::thread thread_;
};

}  // namespace backend
