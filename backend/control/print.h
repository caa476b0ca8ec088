// SPDX-License-Identifier: MIT
// Answers of the manager as people read them, and as Prometheus does.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace backend {

void print_list(const nlohmann::json& answer);
void print_show(const nlohmann::json& answer);
void print_pem(const nlohmann::json& answer);
void print_stats(const nlohmann::json& answer);
void print_peers(const nlohmann::json& answer);
void print_imported(const nlohmann::json& answer);  // to standard error: the receipt may go to the other
void print_findings(const nlohmann::json& answer);
void print_events(const nlohmann::json& answer);
void print_event(const nlohmann::json& event);

// The text format of Prometheus, for the answer of `stats`.
std::string prometheus(const nlohmann::json& stats);
// Within how many microseconds a share of the commands was answered, as far as the buckets tell; 0: there were none.
uint64_t quantile_us(const nlohmann::json& took, double share);

}  // namespace backend
