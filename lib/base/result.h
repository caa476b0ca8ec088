// SPDX-License-Identifier: MIT
// Result<T, E>: a value or the reason there is none. TRY hands the reason to the caller.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace base {

template <class E>
struct Failure {
  E reason;
};
template <class E>
Failure(E) -> Failure<E>;

// How a reason of one layer becomes a reason of the layer above: an overload as_reason(F, std::type_identity<E>) found
// beside F or E; without one, E must be constructible from F.
template <class E, class F>
concept HasAsReason = requires(F from) { as_reason(from, std::type_identity<E>{}); };
template <class E, class F>
constexpr E reason_cast(F from) {
  if constexpr (HasAsReason<E, F>) {
    return as_reason(from, std::type_identity<E>{});
  } else {
    return E(std::move(from));
  }
}

// T may be void or an lvalue reference; a reference comes back as itself from value().
template <class T, class E>
class [[nodiscard]] Result {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate,
                                    std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>>;

 public:
  using Value = T;
  using Reason = E;

  Result()
    requires std::is_void_v<T>
      : held_(std::in_place_index<0>) {}
  template <class U>
    requires(!std::is_void_v<T> && std::is_constructible_v<Stored, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, E>)
  Result(U&& value) : held_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT: implicit by design
  Result(E reason) : held_(std::in_place_index<1>, std::move(reason)) {}        // NOLINT: implicit by design
  template <class F>
    requires(std::is_constructible_v<E, F> || HasAsReason<E, F>)
  Result(Failure<F> failure)  // NOLINT: what TRY returns
      : held_(std::in_place_index<1>, reason_cast<E>(std::move(failure.reason))) {}

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok(); otherwise the process aborts inside std::get (exceptions are off).
  decltype(auto) value() & {
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(std::get<0>(held_).get());
    } else {
      return (std::get<0>(held_));
    }
  }
  decltype(auto) value() const& {
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(std::get<0>(held_).get());
    } else {
      return (std::get<0>(held_));
    }
  }
  // Moves the value out; a reference stays a reference; void stays void.
  T take() && {
    if constexpr (std::is_void_v<T>) {
      return;
    } else if constexpr (std::is_reference_v<T>) {
      return std::get<0>(held_).get();
    } else {
      return std::move(std::get<0>(held_));
    }
  }
  const E& error() const { return std::get<1>(held_); }

 private:
  std::variant<Stored, E> held_;
};

}  // namespace base

// The value of a Result, or an early return of its reason. A GNU statement expression: g++ and clang++ have it.
#define TRY(expression)                                                \
  __extension__({                                                      \
    auto&& try_result_ = (expression);                                 \
    if (!try_result_.ok()) return base::Failure{try_result_.error()};  \
    std::move(try_result_).take();                                     \
  })
