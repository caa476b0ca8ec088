// SPDX-License-Identifier: MIT
#include "tests/convert/imported.h"

#include <cstdio>
#include <cstdlib>

namespace imported {

namespace {

constexpr size_t kBufferBytes = 4088;

void must(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "imported: %s failed\n", what);
  abort();
}

}  // namespace

convert::Result<convert::Converted> convert_state(const Bytes& libtpms_state) {
  machine::MemoryPlatform platform;
  convert::libtpms::State state = TRY(convert::libtpms::read(libtpms_state));
  return convert::convert(state, platform);
}

Imported::Imported(const convert::Converted& converted)
    : tpm([this](const Bytes& command, uint8_t locality) {
        Bytes response(kBufferBytes);
        size_t n = engine_->execute(locality, base::ForeignBytes::read_only(command), base::ForeignBytes(response));
        response.resize(n);
        return response;
      }) {
  auto loaded = tpm::Engine::load(platform_, {}, converted.permanent);
  must(loaded.ok(), "load");
  engine_ = std::move(loaded).take();
  engine_->power_on();
  must(engine_->startup(), "startup");
}

std::string remarks(const convert::Converted& converted, bool carried) {
  std::string text;
  for (const convert::Remark& remark : converted.remarks) {
    if (remark.carried == carried) text += remark.text + "\n";
  }
  return text;
}

}  // namespace imported
