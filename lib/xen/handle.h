// SPDX-License-Identifier: MIT
// What every handle of the Xen libraries needs: ids that cannot be mixed up, errors that say what was being done, and
// an owner that closes.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "lib/base/result.h"

namespace xen {

enum class DomId : uint16_t {};
enum class GrantRef : uint32_t {};
enum class Port : uint32_t {};

// errno and what we were doing: "map grant".
struct SysError {
  int number = 0;
  const char* what = "";

  // For the log: "map grant: Invalid argument".
  std::string text() const;
};

template <class T = void>
using Result = base::Result<T, SysError>;

// The failure of a C call that has just set errno.
inline SysError failed(const char* what) { return {errno, what}; }

// unique_ptr's deleter for a C handle with a closing function.
template <auto close>
struct Closes {
  template <class T>
  void operator()(T* handle) const {
    static_cast<void>(close(handle));
  }
};
template <class T, auto close>
using Handle = std::unique_ptr<T, Closes<close>>;

}  // namespace xen
