// SPDX-License-Identifier: MIT
// ring_bench FILE: what the way from a guest's page to its worker and back costs, in dom0 of a loopback machine with
// the real programs. FILE is what `bench` has written; the ring's figures are added to it. Its status is 1 when a
// count, which no busy machine can disturb, is over its limit.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/bench/ring/floor.h"
#include "tests/bench/ring/system_calls.h"
#include "tests/system/stack.h"

namespace {

using client::Out;
using nlohmann::json;
using system_test::Stack;

constexpr int kRounds = 9, kTimes = 2000, kCounted = 2000;
constexpr double kMostSystemCalls = 3.02;  // a message with statistics each second is not a command's

[[noreturn]] void die(const std::string& why) {
  fprintf(stderr, "ring_bench: %s\n", why.c_str());
  exit(1);
}

const client::Bytes kPcrRead = Out().u16(0xc1).u32(14).u32(0x15).u32(3);
const client::Bytes kExtend = Out().u16(0xc1).u32(34).u32(0x14).u32(3).raw(client::secret("event"));
const client::Bytes kGetRandom = Out().u16(0xc1).u32(14).u32(0x46).u32(20);

// The program tests/bench/ring/guest.cc in a domain.
class Guest {
 public:
  explicit Guest(unsigned domain) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("no pipe");
    std::string loopback = system_test::program("xen-loopback"), number = std::to_string(domain),
                program = system_test::program("../bench/ring_guest");
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      execl(loopback.c_str(), loopback.c_str(), "exec", number.c_str(), "--", program.c_str(), nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = fdopen(in[1], "w");
    from_ = fdopen(out[0], "r");
    if (line() != "connected\n") die("the guest cannot connect");
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() {
    fclose(to_);
    fclose(from_);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  // The median of so many round trips, in ns.
  int64_t run(int cpu, int times, const client::Bytes& command) {
    fprintf(to_, "%d %d %s\n", cpu, times, client::hex(command).c_str());
    fflush(to_);
    std::string said = line();
    if (said.empty()) die("a command failed");
    return std::stol(said);
  }

 private:
  std::string line() {
    char text[64];
    return fgets(text, sizeof(text), from_) == nullptr ? "" : text;
  }
  pid_t pid_ = 0;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

// How often the process has asked for memory; tests/bench/preload counts it.
class Allocations {
 public:
  explicit Allocations(pid_t process) {
    const char* directory = getenv("BENCH_ALLOCATIONS");
    int fd =
        directory == nullptr ? -1 : open((std::string(directory) + "/" + std::to_string(process)).c_str(), O_RDONLY);
    void* at = mmap(nullptr, sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) die("the worker's allocations are not counted");
    close(fd);
    count_ = static_cast<const std::atomic<uint64_t>*>(at);
  }
  uint64_t now() const { return count_->load(); }

 private:
  const std::atomic<uint64_t>* count_;
};

template <class T>
T median(std::vector<T> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
  return values[values.size() / 2];
}

uint64_t total(const bench::SystemCalls& calls) {
  uint64_t n = 0;
  for (const auto& [number, times] : calls) n += times;
  return n;
}

// Round trip and floor by turns, so that a busy moment of the machine meets both.
json time_on(Guest& guest, pid_t worker, const char* where, int front_cpu, int back_cpu, double engine_ns) {
  std::vector<double> rings, floors, ratios;
  bench::pin(worker, back_cpu);
  for (int round = 0; round < kRounds; round++) {
    auto floor = static_cast<double>(bench::ping_pong(front_cpu, back_cpu, kTimes));
    auto ring = static_cast<double>(guest.run(front_cpu, kTimes, kPcrRead));
    floors.push_back(floor);
    rings.push_back(ring);
    ratios.push_back((ring - engine_ns) / floor);
  }
  double ratio = median(ratios);
  printf("%-28s %10.1f %10.1f %9.2f\n", where, median(rings) / 1000, median(floors) / 1000, ratio);
  return {{"name", where}, {"ring_ns", median(rings)}, {"floor_ns", median(floors)}, {"ratio", ratio}};
}

struct Counted {
  const char* name;
  const client::Bytes& command;
};

json count(Guest& guest, pid_t worker, const Counted& what, bool& within) {
  guest.run(0, 100, what.command);  // what is made on first use
  Allocations allocations(worker);
  uint64_t before = allocations.now();
  guest.run(0, kCounted, what.command);
  double allocated = static_cast<double>(allocations.now() - before) / kCounted;
  auto run = [&] { guest.run(0, kCounted, what.command); };
  auto back = bench::system_calls_of(worker, run), front = bench::system_calls_of(guest.pid(), run);
  if (!back || !front) die("processes cannot be traced: root is needed");
  double n_back = static_cast<double>(total(*back)) / kCounted, n_front = static_cast<double>(total(*front)) / kCounted;
  printf("%-28s %10.2f %10.2f %9.2f\n", what.name, n_back, n_front, allocated);
  // Entropy is fetched ahead: one call in many commands, and its bytes are no allocation.
  within = within && n_back <= kMostSystemCalls && allocated < 0.01;
  return {{"name", what.name},
          {"worker_system_calls", n_back},
          {"guest_system_calls", n_front},
          {"worker_allocations", allocated}};
}

double engine_ns_of(const json& figures, const char* command) {
  for (const json& row : figures.at("commands")) {
    if (row.at("name") == command) return row.at("engine_ns");
  }
  die("no engine time in the file");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) die("usage: ring_bench FILE.json");
  json figures = json::parse(std::ifstream(argv[1]), nullptr, false);
  if (!figures.is_object()) die(std::string(argv[1]) + " is not what bench writes");
  Stack stack;
  unsigned domain = system_test::create_domain(system_test::fresh_uuid());
  bool within = true;
  {
    Guest guest(domain);
    pid_t worker = stack.worker_of(domain);
    if (worker <= 0) die("no worker");
    long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
    double engine_ns = engine_ns_of(figures, "PCRRead");

    printf("\n%-28s %10s %10s %9s\n", "round trip of PCRRead", "ring us", "floor us", "ratio");
    json times = json::array({time_on(guest, worker, "both on one CPU", 0, 0, engine_ns)});
    if (last > 0) times.push_back(time_on(guest, worker, "on two CPUs", 0, static_cast<int>(last), engine_ns));
    puts("ratio: ring less the engine's own time, to two processes that wait alike and do nothing else.");

    printf("\n%-28s %10s %10s %9s\n", "a command costs", "worker", "guest", "allocs");
    json counts = json::array();
    for (Counted what : {Counted{"PCRRead", kPcrRead}, {"Extend", kExtend}, {"GetRandom 20", kGetRandom}}) {
      counts.push_back(count(guest, worker, what, within));
    }
    puts("worker, guest: system calls on the loopback; allocs: of the worker.");
    figures["ring"] = {{"round_trips", times}, {"counts", counts}};
    system_test::destroy_domain(domain);
  }
  std::ofstream(argv[1]) << figures.dump(2) << '\n';
  if (!within) die("a count is over its limit");
  return 0;
}
