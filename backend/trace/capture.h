// SPDX-License-Identifier: MIT
// A trace as a file: pcapng, link type USER0 with the bytes of a command or a response and nothing else in a packet. An
// interface for each locality; the packet's flags say whether it goes to the TPM (inbound) or comes from it, its id
// which command it belongs to, its drop count what was lost before it.
#pragma once

#include <optional>
#include <string>

#include "backend/trace/record.h"

namespace trace {

// What a file begins with; `comment` says of whom it is.
base::Bytes capture_head(const std::string& comment);
// A packet each for command and response.
base::Bytes captured(const Record& record);

// Reads a file of captures. Only what the functions above write is understood, in both
// byte orders, with blocks and options of others left out.
class CaptureReader {
 public:
  explicit CaptureReader(base::View file) : file_(file) {}
  // The next command with its response; nothing at the end, or when why() says what is wrong.
  std::optional<Record> next();
  const std::string& why() const { return why_; }

 private:
  struct Packet {
    uint32_t interface = 0;
    uint64_t time_us = 0;
    uint64_t number = 0;
    uint64_t dropped = 0;
    bool inbound = false;
    base::View frame;
  };
  std::optional<Packet> packet();
  bool block(base::View body, uint32_t type, std::optional<Packet>& found);
  bool section(base::View body);
  bool enhanced_packet(base::View body, Packet& to);
  uint64_t number(base::View bytes) const;
  std::nullopt_t fail(const std::string& why);
  bool refuse(const char* why);

  base::View file_;
  size_t at_ = 0;
  bool little_ = true;
  bool in_section_ = false;
  std::string why_;
};

}  // namespace trace
