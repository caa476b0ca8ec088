// SPDX-License-Identifier: MIT
// Outcome: what a case, or a step of one, comes to: a value, or why it failed or could not be run.
#pragma once

#include <string>
#include <type_traits>

#include "lib/base/result.h"
#include "lib/xen/handle.h"

namespace ringtest {

struct Failure {
  bool skipped = false;
  std::string text;
};
template <class T = void>
using Outcome = base::Result<T, Failure>;

inline Failure failed(std::string text) { return {false, std::move(text)}; }
inline Failure skipped(std::string text) { return {true, std::move(text)}; }
inline Outcome<> expect(bool holds, std::string otherwise) {
  if (!holds) return failed(std::move(otherwise));
  return {};
}
inline Failure as_reason(const xen::SysError& error, std::type_identity<Failure>) { return failed(error.text()); }

}  // namespace ringtest
