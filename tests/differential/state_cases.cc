// SPDX-License-Identifier: MIT
// What a TPM answers that depends on nothing random: capabilities, PCRs, presence, start-up, hashes, limits, settings.
#include <set>

#include "tests/differential/recorder.h"

namespace differential {

namespace {

using client::bytes_of;
using client::Digest;
using world::World;

std::vector<uint32_t> range(uint32_t first, uint32_t last) {
  std::vector<uint32_t> all;
  for (uint32_t value = first; value <= last; value++) all.push_back(value);
  return all;
}

struct Setting {
  uint32_t area;
  uint32_t sub;
  Bytes value;
};
std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (uint32_t area : range(0, 8)) {
    for (uint32_t sub : range(0, 22)) {
      for (const Bytes& value : {Bytes{0}, Bytes{1}, Bytes{2}}) all.push_back({area, sub, value});
      if (sub > 5) continue;
      for (const Bytes& value : {Bytes{}, Bytes{0, 0, 0, 1}}) all.push_back({area, sub, value});
    }
  }
  return all;
}

}  // namespace

void capability_cases(const Recorder& r, World& w) {
  std::set<std::pair<uint32_t, Bytes>> asked;
  auto ask = [&](uint32_t area, const Bytes& sub) {
    if (!asked.emplace(area, sub).second) return;
    r.answer(number(area) + "-" + client::hex(sub), w.tpm.run(0x65, Out().u32(area).sized(sub)));
  };
  for (uint32_t area : range(0, 0x20)) {
    for (const Bytes& sub : {Bytes{}, Bytes{0}, Bytes{0, 1}, Bytes{0, 0, 1}, Bytes{0, 0, 0, 1}, Bytes{0, 0, 0, 0, 1},
                             Bytes{0, 0, 0, 0}, Bytes(64, 0xff)}) {
      ask(area, sub);
    }
  }
  for (const Ordinal& ordinal : ordinals()) ask(0x01, Out().u32(ordinal.value));
  for (uint32_t algorithm : range(0, 0x10)) {
    for (uint32_t area : {0x02U, 0x12U, 0x17U}) ask(area, Out().u32(algorithm));
    for (uint32_t area : {0x09U}) ask(area, Out().u32(algorithm));
  }
  for (uint32_t id : range(0, 0x20)) ask(0x03, Out().u16(id));
  for (uint32_t flags : range(0x106, 0x10b)) ask(0x04, Out().u32(flags));
  for (uint32_t property : range(0xff, 0x130)) ask(0x05, Out().u32(property));
  for (uint32_t bits : {0U, 511U, 512U, 1024U, 2048U, 4096U}) {
    for (uint16_t scheme = 0; scheme < 6; scheme++) {
      client::KeyParms parms{.enc_scheme = scheme, .sig_scheme = 1, .bits = bits};
      ask(0x08, parms.encode());
    }
  }
  for (uint32_t handle : {0U, 0x40000000U, 0x40000006U, 0x01000000U}) ask(0x0c, Out().u32(handle));
  for (uint32_t index : {0U, 0x1000U, 0x10000001U, 0xffffffffU, 0x0000f000U}) ask(0x11, Out().u32(index));
  for (uint32_t scheme : range(0, 8)) ask(0x15, Out().u16(scheme));
  for (uint32_t type : range(0, 0x0c)) ask(0x14, Out().u32(type));
  for (uint8_t major = 0; major < 3; major++) {
    for (uint8_t minor = 0; minor < 4; minor++) {
      for (uint32_t n : {0U, 1U, 2U, 3U, 4U, 16U}) ask(0x18, Out().u8(major).u8(minor).u16(n));
    }
  }
}

void pcr_cases(const Recorder& recorder, World& w) {
  for (uint8_t locality = 0; locality < 5; locality++) {
    Recorder r = recorder.at("locality-" + std::to_string(locality));
    for (uint32_t pcr = 0; pcr < 26; pcr++) {
      std::string name = std::to_string(pcr);
      r.apart([&](const Recorder& one) {
        w.tpm.locality = locality;
        one.answer("read-" + name, w.tpm.run(0x15, Out().u32(pcr)));
        one.answer("extend-" + name, w.tpm.run(0x14, Out().u32(pcr).raw(client::secret("event"))));
        one.answer("read-again-" + name, w.tpm.run(0x15, Out().u32(pcr)));
        unsigned bits = pcr < 24 ? pcr : 23;
        one.answer("reset-" + name, w.tpm.run(0xc8, client::pcr_selection({bits})));
        one.answer("read-reset-" + name, w.tpm.run(0x15, Out().u32(pcr)));
        w.tpm.run(0xa0);
        one.answer("hash-" + name, w.tpm.run(0xa3, Out().u32(pcr).sized(bytes_of("measured"))));
        one.answer("read-hashed-" + name, w.tpm.run(0x15, Out().u32(pcr)));
      });
    }
    for (const Bytes& selection :
         {client::pcr_selection({}), client::pcr_selection({}, 0), client::pcr_selection({}, 2),
          client::pcr_selection({16}, 4), client::pcr_selection({16, 23}), client::pcr_selection({16, 22}),
          client::pcr_selection({16}, 3), client::pcr_selection({0, 16}), client::pcr_selection({15}, 2)}) {
      r.apart([&](const Recorder& one) {
        w.tpm.locality = locality;
        one.answer("reset-" + client::hex(selection), w.tpm.run(0xc8, selection));
      });
    }
  }
}

void presence_cases(const Recorder& recorder, World& w) {
  for (uint32_t first : {0U, 0x08U, 0x10U, 0x14U, 0x04U, 0x80U, 0x100U, 0x20U}) {
    Recorder r = recorder.at("after-" + number(first));
    r.apart([&](const Recorder& after) {
      if (first != 0) after.code("first", w.tpm.presence(static_cast<uint16_t>(first)).code);
      std::vector<uint32_t> all = first == 0 ? range(0, 0x3ff) : range(0, 0x40);
      for (uint32_t flags : {0x80U, 0x88U, 0xa0U, 0x100U, 0x180U, 0x200U, 0x240U, 0x8000U, 0x400U, 0x801U, 0xffffU}) {
        if (flags > all.back()) all.push_back(flags);
      }
      after.series(all.size(), [&](const Recorder& one, size_t i) {
        std::string name = number(all[i]);
        if (one.answer(name, w.tpm.presence(static_cast<uint16_t>(all[i]))) != 0) return false;
        flags(one, name, w);
        return true;
      });
    });
  }
}

void startup_cases(const Recorder& recorder, World& w) {
  for (bool saved : {false, true}) {
    for (uint16_t type = 0; type < 6; type++) {
      recorder.apart([&](const Recorder& one) {
        Recorder r = one.at((saved ? "saved-" : "cold-") + std::to_string(type));
        w.tpm.run(0x14, Out().u32(3).raw(client::secret("event")));
        r.code("again", w.tpm.startup(type).code);
        if (saved) r.answer("save", w.tpm.run(0x98));
        w.machine().power_cycle();
        r.answer("startup", w.tpm.startup(type));
        r.answer("pcr", w.tpm.run(0x15, Out().u32(3)));
        r.answer("tos-pcr", w.tpm.run(0x15, Out().u32(17)));
        flags(r, "flags", w);
        r.answer("selftest", w.tpm.run(0x50));
        r.code("result", w.tpm.run(0x54).code);
        r.answer("startup-again", w.tpm.startup(1));
      });
    }
  }
}

void sha1_cases(const Recorder& recorder, World& w) {
  auto update = [&](size_t n) { return w.tpm.run(0xa1, Out().sized(Bytes(n, 'x'))); };
  for (size_t first : {0U, 1U, 63U, 64U, 65U, 128U, 1000U, 1024U, 2048U, 2112U}) {
    for (size_t last : {0U, 1U, 55U, 56U, 63U, 64U, 65U, 2048U}) {
      recorder.apart([&](const Recorder& one) {
        Recorder r = one.at(std::to_string(first) + "-" + std::to_string(last));
        r.answer("update-before", update(first));
        r.answer("start", w.tpm.run(0xa0));
        r.answer("update", update(first));
        r.answer("complete", w.tpm.run(0xa2, Out().sized(Bytes(last, 'y'))));
        r.answer("complete-again", w.tpm.run(0xa2, Out().sized({})));
      });
    }
  }
  for (const Ordinal& between : ordinals()) {
    recorder.at("between").apart([&](const Recorder& r) {
      w.tpm.run(0xa0);
      update(64);
      w.tpm.send(Out().u16(0xc1).u32(10).u32(between.value));
      r.answer(number(between.value) + "-" + between.name, update(64));
    });
  }
}

void limit_cases(const Recorder& recorder, World& w) {
  recorder.at("oiap").apart([&](const Recorder& r) {
    for (int i = 0; i < 20; i++) r.code(std::to_string(i), w.tpm.run(0x0a).code);
  });
  recorder.at("osap-many").apart([&](const Recorder& r) {
    for (int i = 0; i < 20; i++) r.code(std::to_string(i), w.tpm.osap(client::kEtSrk, client::kSrk, {}).code());
  });
  recorder.at("keys").apart([&](const Recorder& r) {
    for (int i = 0; i < 24; i++) {
      r.code(std::to_string(i), w.tpm.load_key2(client::kSrk, world::kSrkAuth, w.keys().sign.encode()).code());
    }
  });
  for (uint16_t type = 0; type < 0x10; type++) {
    for (uint32_t value : {0U, client::kSrk, client::kOwner, client::kEk, 0x40000002U, 0x40000003U, 0x40000004U}) {
      for (uint32_t scheme : {0x00U, 0x06U}) {
        recorder.at("osap").apart([&](const Recorder& r) {
          auto with = static_cast<uint16_t>(scheme << 8 | type);
          r.code(number(with) + "-" + number(value), w.tpm.osap(with, value, {}).code());
        });
      }
    }
  }
  for (uint32_t type = 0; type < 0x0d; type++) {
    for (uint32_t handle : {0U, client::kSrk, client::kOwner, client::kEk, 0x01020304U}) {
      recorder.at("flush").apart(
          [&](const Recorder& r) { r.code(number(type) + "-" + number(handle), w.tpm.flush(handle, type).code); });
    }
    recorder.at("flush").apart([&](const Recorder& r) {
      uint32_t handle = w.oiap()->handle;
      r.code(number(type) + "-session", w.tpm.flush(handle, type).code);
    });
    recorder.at("flush").apart([&](const Recorder& r) {
      uint32_t handle = w.load(w.keys().sign);
      r.code(number(type) + "-key", w.tpm.flush(handle, type).code);
    });
  }
  for (uint32_t n : {0U, 1U, 20U, 100U, 4000U, 5000U, 0xffffffffU}) {
    recorder.apart(
        [&](const Recorder& r) { r.code("random-" + std::to_string(n), w.tpm.run(0x46, Out().u32(n)).code); });
  }
  for (size_t n : {0U, 1U, 255U, 256U, 257U}) {
    recorder.apart([&](const Recorder& r) {
      r.code("stir-" + std::to_string(n), w.tpm.run(0x47, Out().sized(Bytes(n, 7))).code);
    });
  }
}

void setting_cases(const Recorder& recorder, World& w, bool owned) {
  for (int by : {0, 1, 2}) {  // nobody, presence, owner
    if (by == 2 && !owned) continue;
    Recorder r = recorder.at(by == 0 ? "nobody" : by == 1 ? "presence" : "owner");
    std::vector<Setting> all = settings();
    r.series(all.size(), [&, by](const Recorder& one, size_t i) {
      const Setting& setting = all[i];
      if (by == 1) w.presence();
      Command command{.ordinal = 0x3f,
                      .params = Out().u32(setting.area).sized(Out().u32(setting.sub)).sized(setting.value)};
      if (by == 2) command.proofs.push_back(w.by_owner());
      std::string name = number(setting.area) + "-" + std::to_string(setting.sub) + "-" + client::hex(setting.value);
      bool changed = one.answer(name, w.tpm.run(command)) == 0;
      flags(one, name, w);
      return changed;
    });
    for (const Bytes& sub : {Bytes{}, Bytes{1}, Bytes{0, 1}, Bytes{0, 0, 0, 0, 1}}) {
      r.apart([&](const Recorder& one) {
        Command command{.ordinal = 0x3f, .params = Out().u32(1).sized(sub).sized({1})};
        if (by == 2) command.proofs.push_back(w.by_owner());
        one.answer("sub-" + client::hex(sub), w.tpm.run(command));
      });
    }
  }
}

}  // namespace differential
