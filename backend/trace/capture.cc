// SPDX-License-Identifier: MIT
#include "backend/trace/capture.h"

#include <algorithm>

#include "backend/trace/names.h"
#include "lib/base/version.h"

namespace trace {

namespace {

// draft-ietf-opsawg-pcapng: types of blocks and codes of options.
constexpr uint32_t kSection = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6;
constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint16_t kComment = 1, kName = 2, kUserApplication = 4;
constexpr uint16_t kFlags = 2, kDropCount = 4, kPacketId = 5;
constexpr uint32_t kInbound = 1, kOutbound = 2;
constexpr uint16_t kUser0 = 147;
constexpr size_t kPacketHead = 20;
constexpr unsigned kLocalities = 5;
constexpr const char* kNotOurs = "not a capture in the format pcapng";

// Little-endian, as the machines that write it.
void put(base::Bytes& to, uint64_t value, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void pad(base::Bytes& to) { to.resize((to.size() + 3) / 4 * 4); }

void put_option(base::Bytes& to, uint16_t code, base::View value) {
  put(to, code, 2);
  put(to, value.size(), 2);
  base::append(to, value);
  pad(to);
}
void put_option(base::Bytes& to, uint16_t code, std::string_view text) {
  constexpr size_t kLongest = 1024;
  put_option(to, code, base::copy_of({reinterpret_cast<const uint8_t*>(text.data()), std::min(text.size(), kLongest)}));
}
void put_option(base::Bytes& to, uint16_t code, uint64_t number, size_t n_bytes) {
  base::Bytes value;
  put(value, number, n_bytes);
  put_option(to, code, value);
}

base::Bytes block_of(uint32_t type, const base::Bytes& body) {
  base::Bytes block;
  size_t n_bytes = body.size() + 16;  // and the end of the options
  put(block, type, 4);
  put(block, n_bytes, 4);
  base::append(block, body);
  put(block, 0, 4);
  put(block, n_bytes, 4);
  return block;
}

base::Bytes packet_of(const Record& record, Half half) {
  base::View frame = half == Half::Command ? record.command : record.response;
  uint64_t time = record.time_us + (half == Half::Command ? 0 : record.took_us);
  uint32_t ordinal = decode(record.command, Half::Command).ordinal;
  auto code = decode(record.response, Half::Response, ordinal).code;
  std::string comment = name_of_ordinal(ordinal);
  if (half == Half::Response) comment += ": " + (code ? name_of_code(*code) : std::string("no response"));
  base::Bytes body;
  put(body, record.locality, 4);
  put(body, time >> 32, 4);
  put(body, time & UINT32_MAX, 4);
  put(body, frame.size(), 4);
  put(body, frame.size(), 4);
  base::append(body, frame);
  pad(body);
  put_option(body, kFlags, half == Half::Command ? kInbound : kOutbound, 4);
  put_option(body, kDropCount, half == Half::Command ? record.dropped : 0, 8);
  put_option(body, kPacketId, record.number, 8);
  put_option(body, kComment, comment);
  return block_of(kEnhancedPacket, body);
}

}  // namespace

base::Bytes capture_head(const std::string& comment) {
  base::Bytes section;
  put(section, kByteOrder, 4);
  put(section, 1, 2);  // version 1.0
  put(section, 0, 2);
  put(section, UINT64_MAX, 8);  // of a length that is not known
  put_option(section, kUserApplication, "vtpmctl " + std::string(base::kVersion));
  put_option(section, kComment, comment);
  base::Bytes head = block_of(kSection, section);
  for (unsigned locality = 0; locality < kLocalities; locality++) {
    base::Bytes interface;
    put(interface, kUser0, 2);
    put(interface, 0, 2);
    put(interface, 0, 4);  // no limit to a packet
    put_option(interface, kName, "locality " + std::to_string(locality));
    base::append(head, block_of(kInterface, interface));
  }
  return head;
}

base::Bytes captured(const Record& record) {
  base::Bytes packets = packet_of(record, Half::Command);
  base::append(packets, packet_of(record, Half::Response));
  return packets;
}

std::nullopt_t CaptureReader::fail(const std::string& why) {
  why_ = why;
  return std::nullopt;
}

bool CaptureReader::refuse(const char* why) {
  why_ = why;
  return false;
}

uint64_t CaptureReader::number(base::View bytes) const {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); i++) value = value << 8 | bytes[little_ ? bytes.size() - 1 - i : i];
  return value;
}

std::optional<Record> CaptureReader::next() {
  while (auto command = packet()) {
    if (!command->inbound) continue;  // its command was not written
    auto response = packet();
    bool pair = response && !response->inbound && response->number == command->number &&
                response->interface == command->interface && response->time_us >= command->time_us;
    if (!pair) return fail(why_.empty() ? "a command without a response" : why_);
    Record record{.locality = static_cast<uint8_t>(command->interface),
                  .number = command->number,
                  .dropped = command->dropped,
                  .time_us = command->time_us,
                  .took_us = response->time_us - command->time_us};
    record.command = wire::SizedBytes(command->frame);
    record.response = wire::SizedBytes(response->frame);
    return record;
  }
  return std::nullopt;
}

std::optional<CaptureReader::Packet> CaptureReader::packet() {
  constexpr size_t kFrame = 12;  // type and both lengths
  while (at_ < file_.size()) {
    base::View left = file_.subspan(at_);
    if (left.size() < kFrame) return fail("cut off");
    // The type of a section is the same in both orders; what follows says which it is.
    bool begins = number(left.first(4)) == kSection;
    if (begins && !section(left.subspan(8))) return std::nullopt;
    uint64_t n_bytes = number(left.subspan(4, 4));
    if (n_bytes < kFrame || n_bytes % 4 != 0 || n_bytes > left.size() ||
        number(left.subspan(n_bytes - 4, 4)) != n_bytes) {
      return fail(in_section_ ? "cut off" : kNotOurs);
    }
    if (!in_section_) return fail(kNotOurs);
    at_ += n_bytes;
    std::optional<Packet> found;
    if (!block(left.subspan(8, n_bytes - kFrame), static_cast<uint32_t>(number(left.first(4))), found))
      return std::nullopt;
    if (found) return found;
  }
  return std::nullopt;
}

bool CaptureReader::block(base::View body, uint32_t type, std::optional<Packet>& found) {
  if (type == kInterface && (body.size() < 8 || number(body.first(2)) != kUser0)) {
    return refuse("a capture of something else than a TPM");
  }
  if (type != kEnhancedPacket) return true;
  return enhanced_packet(body, found.emplace());
}

bool CaptureReader::section(base::View body) {
  little_ = true;
  if (body.size() < 4) return refuse(kNotOurs);
  if (number(body.first(4)) != kByteOrder) little_ = false;
  in_section_ = number(body.first(4)) == kByteOrder;
  return in_section_ || refuse(kNotOurs);
}

bool CaptureReader::enhanced_packet(base::View body, Packet& to) {
  if (body.size() < kPacketHead) return refuse("a packet that is too short");
  to.interface = static_cast<uint32_t>(number(body.first(4)));
  to.time_us = number(body.subspan(4, 4)) << 32 | number(body.subspan(8, 4));
  uint64_t n_bytes = number(body.subspan(12, 4));
  if (to.interface >= kLocalities || n_bytes > kMaxRecord || n_bytes > body.size() - kPacketHead) {
    return refuse("a packet that contradicts itself");
  }
  to.frame = body.subspan(kPacketHead, n_bytes);
  body = body.subspan(std::min(body.size(), kPacketHead + (n_bytes + 3) / 4 * 4));
  while (body.size() >= 4) {
    uint64_t code = number(body.first(2)), length = number(body.subspan(2, 2));
    if (code == 0) break;
    if (length > body.size() - 4) return refuse("an option that is too long");
    base::View value = body.subspan(4, length);
    if (code == kFlags && length == 4) to.inbound = (number(value) & 3) == kInbound;
    if (code == kDropCount && length == 8) to.dropped = number(value);
    if (code == kPacketId && length == 8) to.number = number(value);
    body = body.subspan(std::min(body.size(), 4 + (length + 3) / 4 * 4));
  }
  return true;
}

}  // namespace trace
