// SPDX-License-Identifier: MIT
#pragma once

namespace differential {

// From here on OpenSSL's random bytes, of which libtpms and the client draw theirs, follow from the seed: a run
// repeats.
void fix_chance(unsigned seed);

}  // namespace differential
