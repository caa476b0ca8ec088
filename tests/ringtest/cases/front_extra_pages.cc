// SPDX-License-Identifier: MIT
// Extra pages: the list that stands on the page when a backend joins it, and what does not count as one.
#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

constexpr size_t kCountAt = 7;

// What the backend takes; most backends take none.
Outcome<size_t> offered(Front& f) {
  auto text = f.backend_node("max-extra-pages");
  if (!text) return skipped("the backend announces no max-extra-pages");
  bool number = !text->empty() && text->size() < 4 && text->find_first_not_of("0123456789") == std::string::npos;
  TRY(expect(number && std::stoul(*text) < 256, "max-extra-pages is " + *text));
  if (std::stoul(*text) == 0) return skipped("the backend takes no extra pages");
  return std::stoul(*text);
}

Bytes get_random(size_t n_bytes) {
  return client::Out().u16(0xc1).u32(14).u32(0x46).u32(static_cast<uint32_t>(n_bytes));
}

Outcome<> long_answer(Front& f) {
  Bytes response = TRY(f.run(get_random(kPage + 100)));
  return expect(code_in(response) == 0 && response.size() == 14 + kPage + 100,
                "GetRandom of " + std::to_string(kPage + 100) + " bytes: " + std::to_string(response.size()));
}

Outcome<> announced(Front& f) {
  size_t most = TRY(offered(f));
  f.note("max-extra-pages = " + std::to_string(most));
  return {};
}

Outcome<> long_packets(Front& f) {
  size_t most = TRY(offered(f));
  for (size_t n : {size_t{1}, most}) {
    TRY(f.connect(n));
    size_t room = (n + 1) * kPage - kHeader - 4 * n;
    // TPM_CAP_PROPERTY, TPM_CAP_PROP_INPUT_BUFFER.
    Bytes told = TRY(f.run(client::Out().u16(0xc1).u32(22).u32(0x65).u32(5).u32(4).u32(0x124)));
    client::In in(Bytes(told.begin() + 10, told.end()));
    TRY(expect(in.u32() == 4 && in.u32() == room, "the TPM's input buffer is not the room of its pages"));
    TRY(long_answer(f));
    // As long as the pages are, with the end of it beyond the first.
    Bytes longest = pcr_read();
    longest.resize(room, 0xff);
    Bytes value = TRY(f.run(longest));
    TRY(expect(!pcr_in(value).empty(), "refused with all pages full"));
    TRY(f.start_anew());
  }
  return {};
}

Outcome<> frozen_list(Front& f) {
  TRY(offered(f));
  TRY(f.connect(1));
  f.trace.did("another list");
  f.page().store_bytes(kHeader, Bytes(4, 0xff));
  TRY(long_answer(f));
  return f.works();
}

Outcome<> frozen_count(Front& f) {
  size_t most = TRY(offered(f));
  TRY(f.connect(1));
  Bytes before = TRY(f.pcr());
  for (size_t other : {size_t{0}, size_t{2}, most + 1}) {
    f.drain();
    f.put({.length = 34, .state = kSubmit, .n_extra_pages = static_cast<uint8_t>(other)}, extend());
    f.notify();
    TRY(f.await_end());
    Bytes now = TRY(f.pcr());
    TRY(expect(now == before, "executed with " + std::to_string(other) + " pages instead of one"));
  }
  return f.works();
}

// A list that is no good: never Connected, and a proper one is taken after it.
template <class F>
Outcome<> refuses(Front& f, size_t n, F spoil) {
  TRY(f.make_ring(n));
  spoil();
  TRY(f.offer());
  TRY(f.backend_stays_out_of(kConnected));
  TRY(f.start_anew());
  TRY(f.connect(1));
  TRY(long_answer(f));
  return f.works();
}
void list(Front& f, size_t i, uint32_t ref) {
  f.trace.did("list " + std::to_string(ref) + " at " + std::to_string(i));
  Bytes entry(4);
  for (size_t byte = 0; byte < 4; byte++) entry[byte] = static_cast<uint8_t>(ref >> (8 * byte));
  f.page().store_bytes(kHeader + 4 * i, entry);
}

Outcome<> too_many(Front& f) {
  size_t most = TRY(offered(f));
  return refuses(f, most + 1, [] {});
}
Outcome<> far_too_many(Front& f) {
  TRY(offered(f));
  return refuses(f, 1, [&f] { f.page().store_byte(kCountAt, 255); });
}
Outcome<> listed_twice(Front& f) {
  if (TRY(offered(f)) < 2) return skipped("the backend takes one extra page only");
  return refuses(f, 2, [&f] { list(f, 1, f.extra_ref(0)); });
}
Outcome<> the_first(Front& f) {
  TRY(offered(f));
  return refuses(f, 1, [&f] { list(f, 0, static_cast<uint32_t>(std::stoul(f.ref()))); });
}
Outcome<> not_granted(Front& f) {
  TRY(offered(f));
  return refuses(f, 1, [&f] { list(f, 0, 4'000'000); });
}
Outcome<> revoked(Front& f) {
  TRY(offered(f));
  return refuses(f, 1, [&f] { f.drop_extra_pages(); });
}

constexpr FrontCase kCases[] = {
    {"extra-pages/announced", Kind::Rule, Start::Announced,
     "max-extra-pages, if there, is a number below 256, and there with InitWait (2)", kProtocol, announced},
    {"extra-pages/long-packets", Kind::Rule, Start::Announced,
     "packets go on from the first page to the others in the order of the list; TPM_CAP_PROP_INPUT_BUFFER is their "
     "room",
     kProtocol, long_packets},
    {"extra-pages/frozen-list", Kind::Hostile, Start::Announced,
     "a list that changes after Connected is not read again", kProtocol, frozen_list},
    {"extra-pages/frozen-count", Kind::Hostile, Start::Announced,
     "nr_extra_pages that changes after Connected: an error, not executed", kProtocol, frozen_count},
    {"extra-pages/too-many", Kind::Hostile, Start::Announced, "one more than announced: not Connected", kProtocol,
     too_many},
    {"extra-pages/far-too-many", Kind::Hostile, Start::Announced, "255 on the page: not Connected", kProtocol,
     far_too_many},
    {"extra-pages/listed-twice", Kind::Hostile, Start::Announced, "one page twice: not Connected", kProtocol,
     listed_twice},
    {"extra-pages/the-first-page", Kind::Hostile, Start::Announced, "the ring's own page: not Connected", kProtocol,
     the_first},
    {"extra-pages/not-granted", Kind::Hostile, Start::Announced, "a number of no grant: not Connected", kProtocol,
     not_granted},
    {"extra-pages/revoked", Kind::Hostile, Start::Announced, "a grant that has ended: not Connected", kProtocol,
     revoked},
};

}  // namespace

std::span<const FrontCase> front_extra_pages_cases() { return kCases; }

}  // namespace ringtest
