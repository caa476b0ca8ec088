// SPDX-License-Identifier: MIT
#include "backend/control/move.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "backend/control/base64.h"

namespace backend {

using nlohmann::json;

namespace {

using Words = std::vector<std::string>;

struct Finished {
  bool ok = false;
  base::Bytes output;
};

// Standard error stays ours.
Finished run(const Words& command, base::View input) {
  std::unique_ptr<FILE, int (*)(FILE*)> in(std::tmpfile(), std::fclose);
  int ends[2];
  bool ready =
      in != nullptr && (input.empty() || std::fwrite(input.data(), 1, input.size(), in.get()) == input.size()) &&
      std::fflush(in.get()) == 0 && ::lseek(::fileno(in.get()), 0, SEEK_SET) == 0 && ::pipe2(ends, O_CLOEXEC) == 0;
  if (!ready) return {};
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));  // execvp() only reads
  argv.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::fileno(in.get()), STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  Finished finished;
  std::array<uint8_t, 65536> chunk{};
  for (ssize_t n = 0; pid > 0 && (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;) {
    base::append(finished.output, base::View(chunk).first(static_cast<size_t>(n)));
  }
  ::close(ends[0]);
  int status = 0;
  finished.ok = pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return finished;
}

class Mover {
 public:
  explicit Mover(const Move& move) : move_(move) {}

  std::string run() {
    json shown = here("show", {});
    if (!shown.value("ok", false)) return error_of(shown);
    std::string state = shown["instance"].value("move", json::object()).value("state", "here");
    if (state == "moved") return deliver({});
    if (state == "moving-out") give_up_earlier();
    return carry();
  }

 private:
  json here(const char* command, json request) {
    request["command"] = command;
    request["uuid"] = move_.uuid;
    return Control(move_.runtime + "/control.sock").ask(request);
  }
  Finished there(const Words& words, base::View input = {}) {
    Words command;
    std::istringstream ssh(move_.ssh);
    for (std::string word; ssh >> word;) command.push_back(word);
    command.insert(command.end(), {move_.host, "vtpmctl"});
    command.insert(command.end(), words.begin(), words.end());
    return backend::run(command, input);
  }
  static std::string error_of(const json& answer) { return answer.value("error", std::string("failed")); }
  static void say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

  // What became of an attempt that was interrupted is not known here, and need not be: it is ended on both sides.
  void give_up_earlier() {
    say("ending an earlier attempt");
    json aborted = here("export", {{"abort", true}});
    auto notice = from_base64(aborted.value("paper", std::string()));
    if (notice && !notice->empty()) static_cast<void>(there({"import", "-"}, *notice));
  }

  std::string carry() {
    static_cast<void>(there({"invite", "--for", move_.uuid, "--withdraw"}));
    Finished invitation = there({"invite", "--for", move_.uuid, "--out", "-"});
    if (!invitation.ok) return "no invitation from " + move_.host + ": nothing has been changed";
    json exported = here("export", {{"paper", base64(invitation.output)}, {"trust", move_.trust}});
    if (!exported.value("ok", false)) {
      static_cast<void>(there({"invite", "--for", move_.uuid, "--withdraw"}));
      return error_of(exported);
    }
    say("locked and exported");
    json own = here("peers", {})["own"];
    auto paper = from_base64(exported.value("paper", std::string()));
    Finished receipt = there({"import", "-", "--out", "-", "--trust", own.value("fingerprint", "")}, *paper);
    if (!receipt.ok) {
      return "it did not arrive at " + move_.host + ": the instance is locked; say the same again, or keep it with " +
             "`vtpmctl export " + move_.uuid + " --abort`";
    }
    return deliver(receipt.output);
  }

  std::string deliver(const base::Bytes& receipt) {
    json released = here("release", {{"paper", base64(receipt)}});
    if (!released.value("ok", false)) return error_of(released);
    say("given up here");
    auto token = from_base64(released.value("paper", std::string()));
    if (!there({"import", "-"}, *token).ok) {
      return "the token did not reach " + move_.host +
             ": the instance is there and may not run yet; say the same again";
    }
    return {};
  }

  const Move& move_;
};

}  // namespace

std::string move_instance(const Move& move) { return Mover(move).run(); }

}  // namespace backend
