// SPDX-License-Identifier: MIT
// CommandRow: everything the dispatcher must know of a command. A chapter is a table of rows and one struct a command
// with In, Out and run().
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "engine/dispatch/handles.h"
#include "engine/spec/delegation.h"
#include "engine/spec/rc.h"
#include "engine/state/keys.h"
#include "lib/wire/reader.h"

namespace tpm {

class Call;

// The gates of a command; any combination (Part 2, 17, and Part 3's state requirements).
struct Needs {
  bool started = false;  // not in failure mode
  bool enabled = false;
  bool activated = false;
  bool owner = false;
  bool no_lockout = false;  // refused, when authorised, while the dictionary-attack lockout runs
  bool nv_noauth = false;   // enabled and activated do not matter before nvLocked

  static const Needs Nothing, Started, Unowned, Operational;
  constexpr Needs operator|(const Needs& o) const {
    return {started || o.started, enabled || o.enabled,       activated || o.activated,
            owner || o.owner,     no_lockout || o.no_lockout, nv_noauth || o.nv_noauth};
  }
};
inline constexpr Needs Needs::Nothing{};
inline constexpr Needs Needs::Started{.started = true, .no_lockout = true};
inline constexpr Needs Needs::Unowned{.started = true, .enabled = true, .activated = true, .no_lockout = true};
inline constexpr Needs Needs::Operational{
    .started = true, .enabled = true, .activated = true, .owner = true, .no_lockout = true};

enum class Protocol : uint8_t { Any, Oiap, Osap };  // Osap accepts DSAP too

struct AuthSlot {
  enum class Kind : uint8_t { Key, Owner, Deferred };
  Kind kind = Kind::Deferred;
  Protocol protocol = Protocol::Any;
  bool optional = false;
  Use use{};
  KeyHandle& (*handle_in)(void* in) = nullptr;  // Kind::Key: where the In holds the handle
};

namespace detail {
template <class>
struct MemberOf;
template <class C, class M>
struct MemberOf<M C::*> {
  using Class = C;
};
}  // namespace detail

// The key of a handle: its usageAuth.
template <auto Member>
constexpr AuthSlot key(Protocol protocol = Protocol::Any, Use use = {}) {
  using In = typename detail::MemberOf<decltype(Member)>::Class;
  return {.kind = AuthSlot::Kind::Key, .protocol = protocol, .use = use, .handle_in = [](void* in) -> KeyHandle& {
            return static_cast<In*>(in)->*Member;
          }};
}
// The owner's secret, or that of the delegation row which ownerReference points at.
constexpr AuthSlot owner(Protocol protocol = Protocol::Any) {
  return {.kind = AuthSlot::Kind::Owner, .protocol = protocol};
}
// A secret that only the action can find; it calls Call::authorize before it changes anything.
constexpr AuthSlot deferred(Protocol protocol = Protocol::Any) { return {.protocol = protocol}; }
// May be absent; when fewer sessions came than there are slots, the optional ones are dropped from the front.
constexpr AuthSlot optional(AuthSlot slot) {
  slot.optional = true;
  return slot;
}

enum class Audit : uint8_t { Selectable, ByDefault, Never };

// The handles, first in a request, whose keys a transport log names (Part 3, 24.2, action 10).
enum class KeyHandles : uint8_t {
  None,
  One,
  Two,
  ByType,  // one, when the request's type field says that it is a key
};

struct CommandRow {
  uint32_t ordinal = 0;
  std::string_view name;
  Needs needs;
  std::array<AuthSlot, 2> auth{};
  size_t n_auth = 0;
  bool before_selftest = false;                              // may run before the TPM has tested itself in full
  bool offered = true;                                       // false: in the table, but not in this build
  OwnerPermission owner_permission = OwnerPermission::None;  // None: the owner cannot delegate it
  KeyPermission key_permission = KeyPermission::None;        // None: a key's user cannot delegate it
  Audit audit = Audit::Selectable;
  bool wrappable = true;  // may be executed inside a transport session
  KeyHandles key_handles = KeyHandles::None;
  // What stays in clear in an encrypting transport: the first bytes after the header of a request and of a response.
  size_t clear_in = 0, clear_out = 0;
  Result<size_t> (*execute)(Call& call, wire::Reader& reader) = nullptr;

  size_t least_sessions() const {
    size_t n = 0;
    for (size_t i = 0; i < n_auth; i++) n += auth[i].optional ? 0 : 1;
    return n;
  }
};

// A chapter's rows, in the order of its clauses.
using Chapter = std::span<const CommandRow>;

// The row of an ordinal; null when there is no such command, or this build does not offer it.
const CommandRow* find_command(uint32_t ordinal);
std::span<const Chapter> all_chapters();

}  // namespace tpm
