// SPDX-License-Identifier: MIT
// The files of a move as administrators carry them: `-` is standard input or output.
#pragma once

#include <optional>
#include <string>

namespace backend {

// As base64; nothing when it cannot be read, which has been said.
std::optional<std::string> read_paper(const std::string& path);
// Mode 0600, whole or not at all, and durable; false when that failed, which has been said.
bool write_paper(const std::string& path, const std::string& base64_text);
// Whether write_paper() can be expected to work there, so that nothing is begun whose result would be lost.
bool can_write_paper(const std::string& path);

}  // namespace backend
