// SPDX-License-Identifier: MIT
// What the clients make of a reply.
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

// The parsed parameters of a good reply, all of them used.
template <class T, class F>
Answer<T> parsed(Reply reply, F parse) {
  if (!reply.ok()) return {reply, T{}};
  In in(reply.params);
  T value = parse(in);
  if (!in.done()) reply.defect = "parameters of a wrong length: " + hex(reply.params);
  return {reply, value};
}

inline Bytes sized(In& in) { return in.sized(); }

}  // namespace client
