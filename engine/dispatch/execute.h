// SPDX-License-Identifier: MIT
// execute<C>: one command from its bytes to its response, and row<C>: its line in a chapter's table.
#pragma once

#include <optional>

#include "engine/dispatch/call.h"
#include "lib/wire/writer.h"

namespace tpm {

namespace detail {

// Fields outside the digest pass by it; all others go into it as they are loaded.
template <class In>
Result<> read_in(wire::Reader& reader, In& in, crypto::Sha1* digest) {
  wire::Result<> done = std::apply(
      [&](auto&... field) {
        wire::Result<> each;
        [[maybe_unused]] auto one = [&](auto& f) {
          reader.hash_into(OutsideDigest<std::remove_cvref_t<decltype(f)>>::value ? nullptr : digest);
          each = wire::read_into(reader, f);
          return each.ok();
        };
        static_cast<void>((one(field) && ...));
        return each;
      },
      wire::fields_of(in));
  reader.hash_into(nullptr);
  TRY(done);
  return {};
}

template <class Out>
void write_out(wire::Writer& w, const Out& out, crypto::Sha1* digest) {
  std::apply(
      [&](const auto&... field) {
        [[maybe_unused]] auto one = [&](const auto& f) {
          w.hash_into(OutsideDigest<std::remove_cvref_t<decltype(f)>>::value ? nullptr : digest);
          w.put(f);
        };
        (one(field), ...);
      },
      wire::fields_of(out));
  w.hash_into(nullptr);
}

template <class Fields>
struct Shape;
template <class... F>
struct Shape<std::tuple<F&...>> {
  static constexpr size_t kClearBytes = (size_t{0} + ... + OutsideDigest<F>::kBytes);
  // Key handles come first: KeyHandles counts them.
  static constexpr auto kKeyHandles = static_cast<KeyHandles>((0 + ... + (std::is_same_v<F, KeyHandle> ? 1 : 0)));
};
// What the dispatcher must know of an In or Out without having one.
template <class Fields>
using ShapeOf = Shape<decltype(wire::fields_of(std::declval<Fields&>()))>;

}  // namespace detail

template <class C>
Result<size_t> execute(Call& call, wire::Reader& reader) {
  typename C::In in{};
  std::optional<crypto::Sha1> digest;
  if (call.wants_in_digest()) digest.emplace().put(call.row.ordinal);
  TRY(detail::read_in(reader, in, digest ? &*digest : nullptr));
  TRY(call.bind_request(reader, digest ? digest->finish() : Digest{}));
  TRY(call.find_keys(&in));
  TRY(call.authorize_slots(&in));

  TRY(call.audit_before_action());

  typename C::Out out = TRY(C::run(call, in));
  TRY(call.all_verified());

  wire::Writer count;
  if (digest) digest->put(Rc::Success).put(call.row.ordinal);
  detail::write_out(count, out, digest ? &*digest : nullptr);
  Digest out_digest = digest ? digest->finish() : Digest{};
  TRY(call.finish(count.written(), &out_digest));

  wire::Writer answer(call.response());
  call.write_head(answer);
  detail::write_out(answer, out, nullptr);
  call.write_trailers(answer);
  return call.response_bytes();
}

template <class C, class... Slots>
constexpr CommandRow row(uint32_t ordinal, std::string_view name, Needs needs, Slots... slots) {
  static_assert(sizeof...(Slots) <= 2);
  CommandRow r{.ordinal = ordinal,
               .name = name,
               .needs = needs,
               .n_auth = sizeof...(Slots),
               .key_handles = detail::ShapeOf<typename C::In>::kKeyHandles,
               .clear_in = detail::ShapeOf<typename C::In>::kClearBytes,
               .clear_out = detail::ShapeOf<typename C::Out>::kClearBytes,
               .execute = &execute<C>};
  size_t i = 0;
  ((r.auth[i++] = slots), ...);
  return r;
}

// Traits of a row, put around it.

// For the few commands a TPM must be able to do before it has tested itself (Part 1, 7).
constexpr CommandRow before_selftest(CommandRow r) {
  r.before_selftest = true;
  return r;
}
// A delegation with this permission may stand in for the owner, or for the user of the key.
constexpr CommandRow delegable(OwnerPermission permission, CommandRow r) {
  r.owner_permission = permission;
  return r;
}
constexpr CommandRow delegable(KeyPermission permission, CommandRow r) {
  r.key_permission = permission;
  return r;
}
// Audited until TPM_SetOrdinalAuditStatus says otherwise (Part 2, 17).
constexpr CommandRow audited(CommandRow r) {
  r.audit = Audit::ByDefault;
  return r;
}
constexpr CommandRow never_audited(CommandRow r) {
  r.audit = Audit::Never;
  return r;
}
constexpr CommandRow not_in_transport(CommandRow r) {
  r.wrappable = false;
  return r;
}
// Its first field is a key's handle although the action finds the key by itself.
constexpr CommandRow names_key(CommandRow r) {
  r.key_handles = KeyHandles::One;
  return r;
}
// Its first handle is a key's when the type field of the request says so.
constexpr CommandRow may_name_key(CommandRow r) {
  r.key_handles = KeyHandles::ByType;
  return r;
}

// For commands that are a choice of who builds the TPM; without it they answer TPM_BAD_ORDINAL.
constexpr CommandRow offered_if(bool offered, CommandRow r) {
  r.offered = offered;
  return r;
}

struct Nothing {};

}  // namespace tpm
