// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "xenstore-schema/vtpm.h"

namespace schema {
namespace {

using Texts = std::initializer_list<std::string_view>;

void expect(std::string_view value, Texts good, Texts bad) {
  for (std::string_view text : good) EXPECT_TRUE(is_value(text, value)) << value << " '" << text << "'";
  for (std::string_view text : bad) EXPECT_FALSE(is_value(text, value)) << value << " '" << text << "'";
}

TEST(Values, AreOfTheirType) {
  expect("STRING", {"", "anything", " \x7f"}, {});
  expect("INTEGER", {"0", "7", "18446744073709551615"}, {"", "-1", "+1", "01", "1 ", "0x1", "18446744073709551616"});
  expect("DOMID", {"0", "1", "32751"}, {"", "32752", "65535", "00", "1a"});
  expect("GNTREF", {"0", "8", "4294967295"}, {"", "-1", "4294967296", "8 or 9"});
  expect("EVTCHN", {"1", "2147483647"}, {"", "0", "2147483648", "0x9"});
  expect("UUID", {"01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF"},
         {"", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdef0",
          "0123456-789ab-cdef-0123-456789abcdef", "g1234567-89ab-cdef-0123-456789abcdef"});
  expect("PATH", {"/", "/a/b", "device/vtpm/0"}, {"", "/a/", "/a//b", "/a b"});
  expect("XENBUS", {"1", "2", "3", "4", "5", "6"}, {"", "0", "7", "8", "03", "three"});
  expect("PROOF", {"runs new kernel", "dying-suspend restored new"}, {"", "runs", "runs new shell"});
}

TEST(Values, AreOneOfTheWords) {
  expect("\"\"", {""}, {"1"});
  expect("\"0\"|\"1\"", {"0", "1"}, {"", "2", "0|1", "01", "\"0\""});
  expect("\"new\"|\"restored\"|\"unknown\"", {"new", "restored", "unknown"}, {"old", "newrestored", ""});
  EXPECT_EQ(meaning_of("\"0\"|\"1\""), "\"0\" or \"1\"");
  EXPECT_EQ(meaning_of("GNTREF"), "a grant's number");
}

TEST(Values, AreWrittenAsTheyAreRead) {
  EXPECT_EQ(text_of(Xenbus::InitWait), "2");
  EXPECT_EQ(value_of<Xenbus>("2"), Xenbus::InitWait);
  EXPECT_EQ(text_of(xen::GrantRef{UINT32_MAX}), "4294967295");
  EXPECT_EQ(value_of<xen::GrantRef>("4294967295"), xen::GrantRef{UINT32_MAX});
  EXPECT_EQ(text_of(xen::DomId{3}), "3");
  EXPECT_EQ(value_of<xen::Port>("9"), xen::Port{9});
}

TEST(Paths, AreTheToolstacks) {
  xen::DomId server{5}, guest{3};
  EXPECT_EQ(backend::dir(server, guest, 1).text(), "/local/domain/5/backend/vtpm/3/1");
  EXPECT_EQ(backend::info::stage(backend::info::dir(backend::own_dir(guest, 1))).path.text(),
            "backend/vtpm/3/1/info/stage");
  EXPECT_EQ(frontend::ring_ref(frontend::dir(guest, 0)).path.text(), "/local/domain/3/device/vtpm/0/ring-ref");
  EXPECT_EQ(frontend::own_dir(0).text(), "device/vtpm/0");
  EXPECT_EQ(error::error(error::dir(server, guest, 1)).path.text(), "/local/domain/5/error/backend/vtpm/3/1/error");
  EXPECT_EQ(record::uuid(record::dir(guest, 0)).path.text(), "/libxl/3/device/vtpm/0/uuid");
  EXPECT_EQ(proof::node(guest).path.text(), "/tool/vtpm/domain/3");
  EXPECT_EQ(home::own_domid().path.text(), "domid");
}

TEST(Rows, AreAllOfTheSchema) {
  auto row = std::find_if(kRows.begin(), kRows.end(),
                          [](const Row& r) { return r.path == "/local/domain/$DOMAIN/device/vtpm/$DEVICE/ring-ref"; });
  ASSERT_NE(row, kRows.end());
  EXPECT_EQ(row->value, "GNTREF");
  EXPECT_EQ(row->by, "frontend");
  EXPECT_EQ(row->readers, "backend");
  EXPECT_TRUE(row->must);
  EXPECT_EQ(row->must_in, "3,4");
}

}  // namespace
}  // namespace schema
