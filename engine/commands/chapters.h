// SPDX-License-Identifier: MIT
// The chapters of Part 3: each file of this folder ends with its table of rows.
#pragma once

#include "engine/dispatch/command.h"

namespace tpm {

Chapter chapter_03();
Chapter chapter_04();
Chapter chapter_05();
Chapter chapter_06();
Chapter chapter_07();
Chapter chapter_07_set();
Chapter chapter_08();
Chapter chapter_09();
Chapter chapter_10();
Chapter chapter_11();
Chapter chapter_11_cmk();
Chapter chapter_12();
Chapter chapter_13();
Chapter chapter_14();
Chapter chapter_15();
Chapter chapter_16();
Chapter chapter_17();
Chapter chapter_18();
Chapter chapter_19();
Chapter chapter_20();
Chapter chapter_21();
Chapter chapter_22();
Chapter chapter_23();
Chapter chapter_24();
Chapter chapter_25();
Chapter chapter_26_join();
Chapter chapter_26_sign();
Chapter chapter_27();
Chapter chapter_27_change_auth_asym();
Chapter chapter_27_contexts();
Chapter chapter_27_dir();
Chapter chapter_27_pubek();

}  // namespace tpm
