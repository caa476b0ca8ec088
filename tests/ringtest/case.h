// SPDX-License-Identifier: MIT
// Case: one rule of the protocol and the function that tries it. The tables of all cases.
#pragma once

#include <random>
#include <span>
#include <vector>

#include "tests/ringtest/outcome.h"

namespace ringtest {

class Front;
class Back;

enum class Kind { Rule, Hostile, Timing };
// How the device stands when the case begins.
// Legacy: connected by version 1.
enum class Start { Announced, Connected, Legacy };

template <class Half>
struct Case {
  const char* name;
  Kind kind;
  Start start;
  const char* rule;    // one line
  const char* source;  // where it is written
  Outcome<> (*run)(Half&);
};

// Where rules come from.
inline constexpr char kTpmif[] = "xen/include/public/io/tpmif.h";
inline constexpr char kXenbus[] = "xen/include/public/io/xenbus.h";
inline constexpr char kLinux[] = "Linux, drivers/char/tpm/xen-tpmfront.c";
inline constexpr char kTpmif1[] = "Xen 4.2, xen/include/public/io/tpmif.h";
inline constexpr char kLinux26[] = "Linux 2.6.18-xen, drivers/char/tpm/tpm_xen.c";
inline constexpr char kMiniOs[] = "Mini-OS of Xen 4.3, tpmfront.c";
inline constexpr char kProtocol[] = "protocol.md";
inline constexpr char kManager[] = "manager.md";

using FrontCase = Case<Front>;
using BackCase = Case<Back>;

// The kit as frontend.
std::span<const FrontCase> front_connect_cases();
std::span<const FrontCase> front_close_cases();
std::span<const FrontCase> front_request_cases();
std::span<const FrontCase> front_extra_pages_cases();
std::span<const FrontCase> front_cancel_cases();
std::span<const FrontCase> front_hostile_cases();
std::span<const FrontCase> front_timing_cases();
std::span<const FrontCase> front_legacy_cases();
// The kit as backend.
std::span<const BackCase> back_connect_cases();
std::span<const BackCase> back_request_cases();
std::span<const BackCase> back_close_cases();
std::span<const BackCase> back_hostile_cases();
std::span<const BackCase> back_timing_cases();
std::span<const BackCase> back_legacy_cases();

std::vector<FrontCase> all_front_cases();
std::vector<BackCase> all_back_cases();

using Dice = std::mt19937_64;

}  // namespace ringtest
