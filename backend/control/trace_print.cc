// SPDX-License-Identifier: MIT
#include "backend/control/trace_print.h"

#include <fmt/format.h>

#include <ctime>

#include "backend/trace/fields.h"
#include "backend/trace/names.h"

namespace backend {

using nlohmann::json;
using trace::Half;

namespace {

constexpr uint64_t kSecondUs = 1'000'000;

std::string clock_of(uint64_t time_us) {
  auto when = static_cast<time_t>(time_us / kSecondUs);
  std::tm at{};
  if (::gmtime_r(&when, &at) == nullptr) return "?";
  std::string clock(32, ' ');
  clock.resize(std::strftime(clock.data(), clock.size(), "%Y-%m-%dT%H:%M:%S", &at));
  return fmt::format("{}.{:06}Z", clock, time_us % kSecondUs);
}

// Without the head, which is told otherwise.
template <class F>
void each_parameter(base::View frame, const trace::Decoded& decoded, F tell) {
  for (const trace::Field& field : decoded.fields) {
    if (field.at >= trace::kHeadBytes) tell(field.name.empty() ? "not understood" : field.name, frame, field);
  }
}

std::string lines_of(base::View frame, const trace::Decoded& decoded, const char* mark) {
  std::string lines;
  each_parameter(frame, decoded, [&](const std::string& name, base::View bytes, const trace::Field& field) {
    lines += fmt::format("  {} {}: {}\n", mark, name, trace::text_of(bytes, field));
  });
  return lines;
}

json half_of(base::View frame, const trace::Decoded& decoded) {
  json parameters = json::object();
  each_parameter(frame, decoded, [&](const std::string& name, base::View bytes, const trace::Field& field) {
    if (field.look == trace::Look::Hidden) {
      parameters[name] = {{"hidden", field.n_bytes}};
    } else {
      parameters[name] = trace::text_of(bytes, field);
    }
  });
  return {{"bytes", frame.size()}, {"understood", decoded.understood}, {"parameters", parameters}};
}

}  // namespace

std::string text_of(const trace::Record& record) {
  trace::Decoded command = trace::decode(record.command, Half::Command);
  trace::Decoded response = trace::decode(record.response, Half::Response, command.ordinal);
  std::string text;
  if (record.dropped > 0)
    text += fmt::format("{} commands are missing: they were not read fast enough\n", record.dropped);
  text += fmt::format("{} locality {} {}: {}, {} us\n", clock_of(record.time_us), record.locality,
                      trace::name_of_ordinal(command.ordinal),
                      response.code ? trace::name_of_code(*response.code) : "no response", record.took_us);
  text += lines_of(record.command, command, ">");
  return text + lines_of(record.response, response, "<");
}

json json_of(const trace::Record& record) {
  trace::Decoded command = trace::decode(record.command, Half::Command);
  trace::Decoded response = trace::decode(record.response, Half::Response, command.ordinal);
  json told = {{"number", record.number},
               {"dropped", record.dropped},
               {"time", clock_of(record.time_us)},
               {"took_us", record.took_us},
               {"locality", record.locality},
               {"ordinal", trace::name_of_ordinal(command.ordinal)},
               {"code", response.code ? json(trace::name_of_code(*response.code)) : json()},
               {"command", half_of(record.command, command)},
               {"response", half_of(record.response, response)}};
  return told;
}

}  // namespace backend
