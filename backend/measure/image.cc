// SPDX-License-Identifier: MIT
#include "backend/measure/image.h"

#include <nlohmann/json.hpp>

namespace measure {

namespace {

using nlohmann::json;

// Empty when there is no such member; nothing when it is no text.
std::optional<std::string> text_of(const json& build, const char* name) {
  auto member = build.find(name);
  if (member == build.end() || member->is_null()) return std::string();
  if (!member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

}  // namespace

Result<Image> image_in(std::string_view configuration) {
  json all = json::parse(configuration, nullptr, false);
  auto build = all.is_object() ? all.find("b_info") : all.end();
  if (!all.is_object() || build == all.end() || !build->is_object()) {
    return Reason{"what libxl recorded of the domain is not understood"};
  }
  auto kernel = text_of(*build, "kernel"), ramdisk = text_of(*build, "ramdisk"), line = text_of(*build, "cmdline");
  if (!kernel || !ramdisk || !line) return Reason{"what libxl recorded of the domain is not understood"};
  if (kernel->empty()) return Reason{"libxl recorded no kernel: the domain boots what lies on its own disk"};
  return Image{std::move(*kernel), std::move(*ramdisk), std::move(*line)};
}

}  // namespace measure
