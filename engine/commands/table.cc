// SPDX-License-Identifier: MIT
// Joins the chapters' rows into one table by ordinal.
#include <algorithm>
#include <vector>

#include "engine/commands/chapters.h"

namespace tpm {

std::span<const Chapter> all_chapters() {
  static const std::array kChapters = {
      chapter_03(),
      chapter_04(),
      chapter_05(),
      chapter_06(),
      chapter_07(),
      chapter_07_set(),
      chapter_08(),
      chapter_09(),
      chapter_10(),
      chapter_11(),
      chapter_11_cmk(),
      chapter_12(),
      chapter_13(),
      chapter_14(),
      chapter_15(),
      chapter_16(),
      chapter_17(),
      chapter_18(),
      chapter_19(),
      chapter_20(),
      chapter_21(),
      chapter_22(),
      chapter_23(),
      chapter_24(),
      chapter_25(),
      chapter_26_join(),
      chapter_26_sign(),
      chapter_27(),
      chapter_27_change_auth_asym(),
      chapter_27_contexts(),
      chapter_27_dir(),
      chapter_27_pubek(),
  };
  return kChapters;
}

namespace {

std::vector<const CommandRow*> sorted_rows() {
  std::vector<const CommandRow*> rows;
  for (Chapter chapter : all_chapters()) {
    for (const CommandRow& row : chapter) rows.push_back(&row);
  }
  std::ranges::sort(rows, {}, &CommandRow::ordinal);
  return rows;
}

}  // namespace

const CommandRow* find_command(uint32_t ordinal) {
  static const std::vector<const CommandRow*> kRows = sorted_rows();
  auto at = std::ranges::lower_bound(kRows, ordinal, {}, &CommandRow::ordinal);
  return at != kRows.end() && (*at)->ordinal == ordinal && (*at)->offered ? *at : nullptr;
}

}  // namespace tpm
