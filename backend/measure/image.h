// SPDX-License-Identifier: MIT
// What a domain is started from, as the toolstack wrote it down.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/result.h"

namespace measure {

// Why not, for people.
struct Reason {
  std::string text;
};
template <class T = void>
using Result = base::Result<T, Reason>;

struct Image {
  std::string kernel;   // a path in dom0; never empty
  std::string ramdisk;  // empty: none
  std::string command_line;
};

// From the configuration that libxl keeps of every domain, as JSON.
Result<Image> image_in(std::string_view configuration);

}  // namespace measure
