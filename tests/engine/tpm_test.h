// SPDX-License-Identifier: MIT
// What the chapters' tests share: fixtures by stage, and assertions that print codes and defects.
#pragma once

#include <gtest/gtest.h>

#include "tests/engine/world.h"

namespace world {

template <Stage stage>
class At : public testing::Test {
 protected:
  At() : w(stage), tpm(w.tpm) {}
  World w;
  Tpm& tpm;
};
using MadeTest = At<Stage::Made>;
using BareTest = At<Stage::Bare>;
using StartedTest = At<Stage::Started>;
using OwnedTest = At<Stage::Owned>;

inline testing::AssertionResult ok(const client::Reply& reply) {
  if (reply.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "code " << reply.code << " " << reply.defect;
}
template <class T>
testing::AssertionResult ok(const client::Answer<T>& answer) {
  return ok(answer.reply);
}

// An error response of nothing but a header, with this code.
inline testing::AssertionResult refused(const client::Reply& reply, uint32_t code) {
  if (reply.code == code && reply.defect.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "code " << reply.code << " instead of " << code << " " << reply.defect;
}
template <class T>
testing::AssertionResult refused(const client::Answer<T>& answer, uint32_t code) {
  return refused(answer.reply, code);
}

}  // namespace world
