// SPDX-License-Identifier: MIT
#include "lib/xen/proofs.h"

#include <gtest/gtest.h>

namespace xen {
namespace {

TEST(Proofs, SayInThreeWordsWhatIsKnown) {
  EXPECT_EQ(text_of({}), "runs unknown kernel");
  Proof proof{.state = {.dying = true, .shutdown = ShutdownReason::Suspend}, .boot = BootLook::Restored};
  proof.looked_new = true;
  EXPECT_EQ(text_of(proof), "dying-suspend restored new");
}

TEST(Proofs, AreReadAsTheyWereWritten) {
  for (bool dying : {false, true}) {
    for (int reason = -1; reason <= static_cast<int>(ShutdownReason::Other); reason++) {
      for (BootLook boot : {BootLook::Fresh, BootLook::Restored, BootLook::TooLate}) {
        Proof proof{.state = {.dying = dying}, .boot = boot, .looked_new = dying};
        if (reason >= 0) proof.state.shutdown = static_cast<ShutdownReason>(reason);
        EXPECT_EQ(proof_in(text_of(proof)), proof) << text_of(proof);
      }
    }
  }
}

TEST(Proofs, AnythingElseIsNone) {
  for (const char* text : {"", " ", "  ", "runs", "runs new", "runs new kernel ", " runs new kernel", "runs  kernel",
                           "runs new kernel new", "walks new kernel", "runs old kernel", "runs new shell",
                           "dying new kernel", "dying- new kernel", "dying-dying-runs new kernel", "RUNS new kernel"}) {
    EXPECT_EQ(proof_in(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace xen
