// SPDX-License-Identifier: MIT
#include "backend/socket/control.h"

#include <fmt/format.h>

#include <algorithm>

#include "lib/wire/writer.h"

namespace socketd {

namespace {

constexpr uint32_t kCapabilities = 0x00017fff;  // a bit an order: all of them, but TPM 2's command header

enum class Blob : uint32_t { Permanent = 1, Volatile = 2, SaveState = 3 };
constexpr uint32_t kDeleteVolatile = 1;  // of Init
constexpr uint32_t kEncrypted = 2;       // of SetStateBlob

struct Capabilities {
  Answer answer = Answer::Success;
  uint32_t capabilities = kCapabilities;
};
struct Established {
  Answer answer;
  bool bit;
  std::array<uint8_t, 3> padding{};
};
struct GetState {
  uint32_t flags;
  Blob blob;
  uint32_t offset;
};
struct GotState {
  Answer answer;
  uint32_t flags;
  uint32_t total;
  uint32_t length;
};
struct SetState {
  uint32_t flags;
  Blob blob;
  uint32_t length;
};
struct Configuration {
  Answer answer = Answer::Success;
  uint32_t keys = 0;  // none: neither files nor blobs are encrypted
};
struct BufferSize {
  Answer answer;
  uint32_t size;
  uint32_t least = kLeastBufferBytes;
  uint32_t most = kBufferBytes;
};
struct GetInfo {
  uint64_t flags;
  uint32_t offset;
  uint32_t padding;
};
struct GotInfo {
  Answer answer;
  uint32_t total;
  uint32_t length;
};

// ControlRequests has seen to it that the body is long enough.
template <class T>
T start_of(base::View body) {
  wire::Reader reader(body);
  auto value = reader.get<T>();
  return std::move(value).take();
}

template <class T>
base::Bytes with_data(const T& head, base::View data) {
  base::Bytes response = wire::encode(head);
  base::append(response, data);
  return response;
}

std::string information(uint64_t wanted) {
  constexpr uint64_t kSpecification = 1, kAttributes = 2;
  tpm::Make make = tpm::Engine::make();
  std::string parts;
  if ((wanted & kSpecification) != 0) {
    parts = fmt::format(R"("TPMSpecification":{{"family":"1.2","level":{},"revision":116}})", make.level);
  }
  if ((wanted & kAttributes) != 0) {
    std::string vendor;
    for (uint8_t byte : make.vendor) vendor += fmt::format("{:02X}", byte);
    parts += parts.empty() ? "" : ",";
    parts += fmt::format(R"("TPMAttributes":{{"manufacturer":"id:{}","version":"id:{:08X}","model":"vtpm"}})", vendor,
                         make.errata);
  }
  return "{" + parts + "}";
}

}  // namespace

base::Bytes only(Answer answer) { return wire::encode(answer); }

base::Bytes Control::execute(const ControlRequest& request, vault::Fd& passed) {
  base::View body = request.body;
  switch (request.order) {
    case Order::GetCapability:
      return wire::encode(Capabilities{});
    case Order::Init:
      return only(init(body));
    case Order::Shutdown:
      shut_down_ = true;
      [[fallthrough]];
    case Order::Stop:
      device_.stop();
      return only(Answer::Success);
    case Order::GetEstablished:
      if (!device_.on()) return wire::encode(Established{Answer::BadOrdinal, false});
      return wire::encode(Established{Answer::Success, device_.established()});
    case Order::SetLocality:
      return only(set_locality(body));
    case Order::HashStart:
      return only(device_.hash_start());
    case Order::HashData:
      return only(device_.hash_data(body.subspan(sizeof(uint32_t))));
    case Order::HashEnd:
      return only(device_.hash_end());
    case Order::Cancel:  // while a command is executed, ControlRequests::take_cancel() finds it
      return only(device_.on() ? Answer::Success : Answer::BadOrdinal);
    case Order::StoreVolatile:
      return only(device_.on() ? device_.keep_volatile() : Answer::BadOrdinal);
    case Order::ResetEstablished:
      return only(device_.reset_established(body[0]));
    case Order::GetStateBlob:
      return get_state(body);
    case Order::SetStateBlob:
      return only(set_state(body));
    case Order::GetConfig:
      return wire::encode(Configuration{});
    case Order::SetDataFd:
      return only(set_data_fd(passed));
    case Order::SetBufferSize:
      return set_buffer_size(body);
    case Order::GetInfo:
      return get_info(body);
    case Order::LockStorage:  // ours for the whole life of the process
      return only(Answer::Success);
  }
  return only(Answer::BadOrdinal);
}

Answer Control::init(base::View body) {
  auto flags = start_of<uint32_t>(body);
  if ((flags & ~kDeleteVolatile) != 0) return Answer::BadParameter;
  return device_.init((flags & kDeleteVolatile) != 0);
}

base::Bytes Control::get_state(base::View body) {
  auto get = start_of<GetState>(body);
  base::Bytes blob;
  Answer answer = device_.on() ? Answer::Success : Answer::BadOrdinal;
  if (answer == Answer::Success && get.blob == Blob::Permanent) {
    blob = device_.permanent_blob();
  } else if (answer == Answer::Success && get.blob == Blob::Volatile) {
    // Whoever has taken it goes on with it: it must not come back here as well.
    if (device_.forget_volatile()) blob = device_.volatile_blob();
    if (blob.empty()) answer = Answer::IoError;
  } else if (answer == Answer::Success && get.blob != Blob::SaveState) {
    answer = Answer::BadParameter;
  }
  // What TPM_SaveState has saved is part of the permanent state: that blob is always empty.
  base::View rest = base::View(blob).subspan(std::min<size_t>(get.offset, blob.size()));
  auto length = static_cast<uint32_t>(rest.size());
  return with_data(GotState{.answer = answer, .flags = 0, .total = length, .length = length}, rest);
}

Answer Control::set_state(base::View body) {
  auto set = start_of<SetState>(body);
  base::View blob = body.subspan(body.size() - set.length);
  if (device_.on()) return Answer::BadOrdinal;
  if ((set.flags & kEncrypted) != 0) return Answer::KeyNotFound;
  if (set.blob == Blob::Permanent) return device_.set_permanent(blob);
  if (set.blob == Blob::Volatile) return device_.set_volatile(blob);
  return set.blob == Blob::SaveState && blob.empty() ? Answer::Success : Answer::BadParameter;
}

Answer Control::set_data_fd(vault::Fd& passed) {
  if (!passed) return Answer::BadParameter;
  return seat_(std::move(passed));
}

base::Bytes Control::set_buffer_size(base::View body) {
  auto wanted = start_of<uint32_t>(body);
  Answer answer = wanted == 0 ? Answer::Success : device_.set_buffer_bytes(wanted);
  return wire::encode(BufferSize{.answer = answer, .size = device_.buffer_bytes()});
}

base::Bytes Control::get_info(base::View body) {
  constexpr size_t kMostBytes = 3 * 1024;  // what a client has room for
  auto get = start_of<GetInfo>(body);
  std::string text = information(get.flags);
  if (get.offset >= text.size()) return wire::encode(GotInfo{.answer = Answer::BadParameter, .total = 0, .length = 0});
  // With the zero that ends it.
  base::View all(static_cast<const uint8_t*>(static_cast<const void*>(text.c_str())), text.size() + 1);
  base::View part = all.subspan(get.offset, std::min(kMostBytes, all.size() - get.offset));
  return with_data(GotInfo{.answer = Answer::Success,
                           .total = static_cast<uint32_t>(all.size()),
                           .length = static_cast<uint32_t>(part.size())},
                   part);
}

}  // namespace socketd
