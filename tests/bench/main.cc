// SPDX-License-Identifier: MIT
// bench FILE: what a command costs, the engine beside libtpms and beside the RSA operation that neither can avoid, in
// one run. A table on standard output, the same as JSON in FILE.
#include <openssl/rsa.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/allocations.h"
#include "tests/bench/subject.h"

namespace {

using client::Bytes;
using client::Digest;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;  // the subjects take turns, so that a busy moment of the machine meets both

const Digest kOwner = client::secret("owner"), kSrk = client::secret("srk"), kKey = client::secret("key"),
             kData = client::secret("data");

void must(const client::Reply& reply, const char* what) {
  if (reply.ok()) return;
  fprintf(stderr, "bench: %s: code %u %s\n", what, reply.code, reply.defect.c_str());
  exit(1);
}

struct Cost {
  std::vector<uint64_t> ns;
  std::vector<uint64_t> allocations;
};

uint64_t median(std::vector<uint64_t> values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

template <class F>
void measure(Cost& cost, F f) {
  uint64_t before = bench::allocations();
  auto start = Clock::now();
  f();
  auto end = Clock::now();
  uint64_t after = bench::allocations();
  cost.ns.push_back(static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count()));
  cost.allocations.push_back(after - before);
}

// A subject with an owner and a loaded signing key. Only commands of the ordinal in `watched` are measured, and of them
// only the execution: what the client computes for them is not.
struct Bench {
  explicit Bench(std::unique_ptr<bench::Subject> made)
      : subject(std::move(made)), tpm([this](const Bytes& command, uint8_t) { return execute(command); }) {
    auto ek = tpm.read_pubek();
    must(ek.reply, "read the endorsement key");
    must(tpm.take_ownership(ek.value, kOwner, kSrk).reply, "take ownership");
    auto made_key = tpm.create_wrap_key(client::kSrk, kSrk, client::signing_key(2048), kKey);
    must(made_key.reply, "make a key");
    wrapped = made_key.value.encode();
    auto loaded = tpm.load_key2(client::kSrk, kSrk, wrapped);
    must(loaded.reply, "load a key");
    key = loaded.value.handle;
    auto blob = tpm.seal(client::kSrk, kSrk, Bytes(32, 7), kData);
    must(blob.reply, "seal");
    sealed = blob.value;
  }

  Bytes execute(const Bytes& command) {
    client::In in(command);
    in.u16();
    in.u32();
    Bytes writable = command;
    if (in.u32() == watched) {
      measure(*cost, [&] { subject->execute(writable); });
    } else {
      subject->execute(writable);
    }
    return subject->response();
  }

  std::unique_ptr<bench::Subject> subject;
  client::Tpm tpm;
  Bytes wrapped, sealed;
  uint32_t key = 0;
  uint32_t watched = 0;
  Cost* cost = nullptr;
};

struct Operation {
  const char* name;
  uint32_t ordinal;
  int times;  // a round
  bool rsa;   // whether it contains an RSA-2048 private operation
  void (*run)(Bench&);
};

const Operation kOperations[] = {
    {"PCRRead", 0x15, 400, false, [](Bench& b) { must(b.tpm.pcr_read(3).reply, "PCRRead"); }},
    {"Extend", 0x14, 400, false, [](Bench& b) { must(b.tpm.extend(3, kData).reply, "Extend"); }},
    {"GetRandom 20", 0x46, 400, false, [](Bench& b) { must(b.tpm.get_random(20).reply, "GetRandom"); }},
    {"Seal", 0x17, 40, false,
     [](Bench& b) { must(b.tpm.seal(client::kSrk, kSrk, Bytes(32, 7), kData).reply, "Seal"); }},
    {"Unseal", 0x18, 40, true,
     [](Bench& b) { must(b.tpm.unseal(client::kSrk, kSrk, b.sealed, kData).reply, "Unseal"); }},
    {"Quote", 0x16, 40, true,
     [](Bench& b) {
       must(b.tpm.quote(b.key, kKey, kData, client::pcr_selection({0, 10})).reply, "Quote");
     }},
    {"Sign", 0x3c, 40, true, [](Bench& b) { must(b.tpm.sign(b.key, kKey, Bytes(20, 7)).reply, "Sign"); }},
    {"LoadKey2", 0x41, 40, true,
     [](Bench& b) {
       auto loaded = b.tpm.load_key2(client::kSrk, kSrk, b.wrapped);
       must(loaded.reply, "LoadKey2");
       must(b.tpm.flush(loaded.value.handle, 1), "FlushSpecific");
     }},
};

// One PKCS#1 signature of a digest with everything prepared: what any TPM pays at least for a private operation.
class Floor {
 public:
  Floor() : key_(EVP_RSA_gen(2048)), context_(EVP_PKEY_CTX_new(key_, nullptr)) {
    bool ready = EVP_PKEY_sign_init(context_) > 0 && EVP_PKEY_CTX_set_rsa_padding(context_, RSA_PKCS1_PADDING) > 0 &&
                 EVP_PKEY_CTX_set_signature_md(context_, EVP_sha1()) > 0;
    if (!ready) abort();
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;
  ~Floor() {
    EVP_PKEY_CTX_free(context_);
    EVP_PKEY_free(key_);
  }
  void run() {
    size_t n = sizeof(signature_);
    if (EVP_PKEY_sign(context_, signature_, &n, kData.data(), kData.size()) <= 0) abort();
  }

 private:
  EVP_PKEY* key_;
  EVP_PKEY_CTX* context_;
  unsigned char signature_[256] = {};
};

struct Row {
  const Operation* operation;
  Cost engine, libtpms;
};

void run_rounds(Bench& bench, const Operation& operation, Cost& cost) {
  bench.watched = operation.ordinal;
  bench.cost = &cost;
  for (int i = 0; i < operation.times; i++) operation.run(bench);
  bench.watched = 0;
}

double us(const Cost& cost) { return static_cast<double>(median(cost.ns)) / 1000; }

void print(const std::vector<Row>& rows, const Cost& floor) {
  printf("%-14s %10s %10s %9s %9s %9s %9s\n", "median", "engine us", "libtpms us", "ratio", "to floor", "allocs",
         "libtpms");
  for (const Row& row : rows) {
    double engine = us(row.engine), peer = us(row.libtpms);
    printf("%-14s %10.1f %10.1f %9.2f ", row.operation->name, engine, peer, engine / peer);
    if (row.operation->rsa) {
      printf("%9.2f", engine / us(floor));
    } else {
      printf("%9s", "-");
    }
    printf(" %9lu %9lu\n", median(row.engine.allocations), median(row.libtpms.allocations));
  }
  printf("%-14s %10.1f\n", "RSA-2048 floor", us(floor));
  puts("ratio: engine to libtpms, below 1 is faster. to floor: engine to one bare OpenSSL RSA-2048 signature.");
}

bool write_json(const char* path, const std::vector<Row>& rows, const Cost& floor) {
  FILE* file = fopen(path, "w");
  if (file == nullptr) return false;
  fprintf(file, "{\n  \"rsa2048_floor_ns\": %lu,\n  \"commands\": [\n", median(floor.ns));
  for (const Row& row : rows) {
    fprintf(file,
            "    {\"name\": \"%s\", \"engine_ns\": %lu, \"libtpms_ns\": %lu, \"engine_allocations\": %lu, "
            "\"libtpms_allocations\": %lu, \"samples\": %zu}%s\n",
            row.operation->name, median(row.engine.ns), median(row.libtpms.ns), median(row.engine.allocations),
            median(row.libtpms.allocations), row.engine.ns.size(), &row == &rows.back() ? "" : ",");
  }
  fputs("  ]\n}\n", file);
  return fclose(file) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fputs("usage: bench FILE.json\n", stderr);
    return 2;
  }
  Bench engine(bench::make_engine());
  Bench libtpms(bench::make_libtpms());
  Floor bare;
  Cost floor;
  std::vector<Row> rows;
  for (const Operation& operation : kOperations) rows.push_back({&operation, {}, {}});
  for (int round = 0; round < kRounds; round++) {
    for (Row& row : rows) {
      for (int i = 0; i < 10; i++) measure(floor, [&] { bare.run(); });
      run_rounds(engine, *row.operation, row.engine);
      run_rounds(libtpms, *row.operation, row.libtpms);
    }
  }
  print(rows, floor);
  if (write_json(argv[1], rows, floor)) return 0;
  perror(argv[1]);
  return 1;
}
