// SPDX-License-Identifier: MIT
// How the values of a trace are called (Part 2, 4.4, 6 and 16).
#pragma once

#include <cstdint>
#include <string>

#include "backend/trace/fields.h"

namespace trace {

// "TPM_Extend", or the number in hex.
std::string name_of_ordinal(uint32_t ordinal);
// "TPM_AUTHFAIL", or the number in hex.
std::string name_of_code(uint32_t code);
// As people read the field: "[20 bytes]" for what is hidden.
std::string text_of(base::View frame, const Field& field);

}  // namespace trace
