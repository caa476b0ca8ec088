// SPDX-License-Identifier: MIT
// Bytes as text, for the control socket.
#pragma once

#include <optional>
#include <string>

#include "lib/base/bytes.h"

namespace backend {

std::string base64(base::View bytes);
std::optional<base::Bytes> from_base64(const std::string& text);

}  // namespace backend
