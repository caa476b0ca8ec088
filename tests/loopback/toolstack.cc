// SPDX-License-Identifier: MIT
#include "tests/loopback/toolstack.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

namespace loopback {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
constexpr auto kDeviceTimeout = 10s;  // libxl's
const std::string kInitialising = "1", kInitWait = "2", kClosing = "5", kClosed = "6";
constexpr int kQuiesceTries = 500;
constexpr auto kQuiescePause = 10ms;

std::string text(DomId domain) { return std::to_string(raw(domain)); }
std::string text(unsigned number) { return std::to_string(number); }

// Permissions as libxl makes them: an owner with all rights, one domain that may read, nobody else.
std::vector<xs_permissions> owned(DomId owner) { return {{.id = raw(owner), .perms = XS_PERM_NONE}}; }
std::vector<xs_permissions> owned(DomId owner, DomId reader) {
  return {{.id = raw(owner), .perms = XS_PERM_NONE}, {.id = raw(reader), .perms = XS_PERM_READ}};
}

struct DevicePaths {
  std::string frontend, backend, libxl;
  DevicePaths(DomId domain, DomId backend_domain, unsigned device)
      : frontend("/local/domain/" + text(domain) + "/device/vtpm/" + text(device)),
        backend("/local/domain/" + text(backend_domain) + "/backend/vtpm/" + text(domain) + "/" + text(device)),
        libxl("/libxl/" + text(domain) + "/device/vtpm/" + text(device)) {}
};

bool failed(const char* what, DomId domain) {
  fprintf(stderr, "xen-loopback: domain %u: %s: %s\n", raw(domain), what, strerror(errno));
  return false;
}
bool complain(const char* what, DomId domain) {
  fprintf(stderr, "xen-loopback: domain %u: %s\n", raw(domain), what);
  return false;
}

bool bytes_of(const std::string& uuid, uint8_t (&bytes)[16]) {
  std::string digits = uuid;
  std::erase(digits, '-');
  if (digits.size() != 2 * sizeof(bytes)) return false;
  for (size_t i = 0; i < sizeof(bytes); i++) {
    const char* at = digits.data() + 2 * i;
    auto [end, error] = std::from_chars(at, at + 2, bytes[i], 16);
    if (error != std::errc{} || end != at + 2) return false;
  }
  return true;
}

std::string machine_directory() {
  const char* directory = getenv("XEN_LOOPBACK_DIR");
  return directory == nullptr ? "" : directory;
}
// In the place of /var/lib/xen.
std::string userdata_of(DomId domain, const std::string& uuid) {
  return machine_directory() + "/libxl/userdata-d." + text(domain) + "." + uuid + ".libxl-json";
}

// What it was made from, once it has been recorded.
void read_image(DomId domain, DomainConfig& config) {
  std::ifstream file(userdata_of(domain, config.uuid));
  auto recorded = nlohmann::json::parse(file, nullptr, false);
  if (!recorded.is_object()) return;
  const auto& build = recorded["b_info"];
  config.kernel = build.value("kernel", "");
  config.ramdisk = build.value("ramdisk", "");
  config.command_line = build.value("cmdline", "");
}

DomId domain_in(const std::string& value) { return DomId(static_cast<uint16_t>(strtoul(value.c_str(), nullptr, 10))); }

}  // namespace

std::string random_uuid() {
  std::ifstream file("/proc/sys/kernel/random/uuid");
  std::string uuid;
  std::getline(file, uuid);
  return uuid;
}

std::string uuid_text(const uint8_t (&bytes)[16]) {
  std::string digits;
  for (size_t i = 0; i < sizeof(bytes); i++) {
    char two[3];
    snprintf(two, sizeof(two), "%02x", bytes[i]);
    digits += two;
    if (i == 3 || i == 5 || i == 7 || i == 9) digits += '-';
  }
  return digits;
}

Result<std::unique_ptr<Toolstack>> Toolstack::open() {
  std::unique_ptr<Toolstack> toolstack(new Toolstack(TRY(StoreClient::open())));
  if (!toolstack->hypervisor_.open()) return last_error();
  return toolstack;
}

bool Toolstack::control(Op op, DomId domain, uint32_t argument) {
  Request request = loopback::request(op);
  request.domain = raw(domain);
  request.a = argument;
  return hypervisor_.call(request) == 0 || failed("the hypervisor refuses", domain);
}

std::vector<DomainRecord> Toolstack::domains() {
  std::vector<DomainRecord> all, page(kListed);
  Request request = loopback::request(Op::ListDomains);
  while (true) {
    Reply reply;
    int fds[2];
    if (hypervisor_.call(request, -1, reply, fds, page.data(), kListed * sizeof(DomainRecord)) != 0) return {};
    all.insert(all.end(), page.begin(), page.begin() + reply.n);
    if (reply.n < kListed) return all;
    request.a = all.back().domain + 1;
  }
}

std::string Toolstack::name_of(DomId domain) {
  return store_.read("/local/domain/" + text(domain) + "/name").value_or("(null)");
}

std::vector<unsigned> Toolstack::vtpms_of(DomId domain) {
  std::vector<unsigned> devices;
  for (const std::string& device : store_.list("/libxl/" + text(domain) + "/device/vtpm")) {
    devices.push_back(static_cast<unsigned>(strtoul(device.c_str(), nullptr, 10)));
  }
  std::sort(devices.begin(), devices.end());
  return devices;
}

std::optional<DomainConfig> Toolstack::config_of(DomId domain) {
  std::vector<DomainRecord> records = domains();
  auto record =
      std::find_if(records.begin(), records.end(), [&](const DomainRecord& r) { return r.domain == raw(domain); });
  if (record == records.end() || record->dying) {
    complain("no such domain", domain);
    return std::nullopt;
  }
  DomainConfig config{.uuid = uuid_text(record->uuid), .name = name_of(domain), .pvh = record->pvh != 0};
  read_image(domain, config);
  for (unsigned device : vtpms_of(domain)) {
    std::string directory = "/libxl/" + text(domain) + "/device/vtpm/" + text(device);
    std::string backend = store_.read(directory + "/backend").value_or("");
    constexpr std::string_view kHomes = "/local/domain/";
    config.vtpms.push_back({domain_in(backend.substr(std::min(kHomes.size(), backend.size()))),
                            store_.read(directory + "/uuid").value_or("")});
  }
  return config;
}

// ---- creation ----

// As libxl: once everything else of the domain stands, before it runs.
bool Toolstack::record_image(DomId domain, const DomainConfig& config) {
  if (machine_directory().empty()) return true;
  using nlohmann::json;
  json build = {{"type." + std::string(config.pvh ? "pvh" : "pv"), json::object()}};
  if (!config.kernel.empty()) build["kernel"] = config.kernel;
  if (!config.ramdisk.empty()) build["ramdisk"] = config.ramdisk;
  if (!config.command_line.empty()) build["cmdline"] = config.command_line;
  json about = {{"type", config.pvh ? "pvh" : "pv"}, {"name", config.name}, {"uuid", config.uuid}};
  std::string path = userdata_of(domain, config.uuid);
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::ofstream file(path);
  file << json{{"c_info", about}, {"b_info", build}}.dump(4, ' ', false, json::error_handler_t::replace);
  return file.flush() || failed(("cannot write " + path).c_str(), domain);
}

bool Toolstack::write_domain(DomId domain, const DomainConfig& config) {
  std::string home = "/local/domain/" + text(domain);
  std::string vm = "/vm/" + config.uuid;
  auto readable = owned(kDom0, domain);
  auto writable = owned(domain);
  return store_.transact([&](xs_transaction_t t) {
    bool ok = store_.remove(home, t) && store_.make(home, readable, t) && store_.remove(vm, t) &&
              store_.make(vm, readable, t) && store_.make("/libxl/" + text(domain), owned(kDom0), t);
    ok = ok && store_.write(home + "/vm", vm, t) && store_.write(home + "/name", config.name, t);
    for (const char* directory : {"/cpu", "/memory", "/device", "/control", "/hvmloader"}) {
      ok = ok && store_.make(home + directory, readable, t);
    }
    for (const char* node : {"/control/shutdown", "/control/sysrq", "/device/suspend/event-channel", "/data",
                             "/drivers", "/feature", "/attr", "/error"}) {
      ok = ok && store_.make(home + node, writable, t);
    }
    if (!config.pvh && !config.kernel.empty()) {
      ok = ok && store_.write(vm + "/image/ostype", "linux", t) && store_.write(vm + "/image/kernel", config.kernel, t);
      if (!config.ramdisk.empty()) ok = ok && store_.write(vm + "/image/ramdisk", config.ramdisk, t);
      if (!config.command_line.empty()) ok = ok && store_.write(vm + "/image/cmdline", config.command_line, t);
    }
    return ok && store_.write(vm + "/uuid", config.uuid, t) && store_.write(vm + "/name", config.name, t) &&
           store_.write("/libxl/" + text(domain) + "/type", config.pvh ? "pvh" : "pv", t) &&
           store_.write(home + "/domid", text(domain), t);
  });
}

bool Toolstack::write_device(DomId domain, unsigned device, const VtpmConfig& vtpm, xs_transaction_t t) {
  DevicePaths path(domain, vtpm.backend, device);
  using Pairs = std::vector<std::pair<const char*, std::string>>;
  Pairs frontend = {{"/backend", path.backend},
                    {"/backend-id", text(vtpm.backend)},
                    {"/state", kInitialising},
                    {"/handle", text(device)}};
  Pairs backend = {{"/frontend", path.frontend}, {"/frontend-id", text(domain)}, {"/online", "1"},
                   {"/state", kInitialising},    {"/handle", text(device)},      {"/uuid", vtpm.uuid},
                   {"/resume", "False"}};
  auto write_all = [&](const std::string& directory, const Pairs& pairs) {
    return std::all_of(pairs.begin(), pairs.end(),
                       [&](auto& pair) { return store_.write(directory + pair.first, pair.second, t); });
  };
  return store_.write(path.libxl + "/frontend", path.frontend, t) &&
         store_.write(path.libxl + "/backend", path.backend, t) && store_.remove(path.frontend, t) &&
         store_.make(path.frontend, owned(domain, vtpm.backend), t) && write_all(path.frontend, frontend) &&
         store_.remove(path.backend, t) && store_.make(path.backend, owned(vtpm.backend, domain), t) &&
         write_all(path.backend, backend) && write_all(path.libxl, Pairs(backend.begin() + 1, backend.end()));
}

bool Toolstack::add_device(DomId domain, unsigned device, const VtpmConfig& vtpm) {
  bool written = store_.transact([&](xs_transaction_t t) { return write_device(domain, device, vtpm, t); });
  if (!written) return failed("unable to write the vtpm's nodes", domain);
  DevicePaths path(domain, vtpm.backend, device);
  if (store_.wait_for(path.backend + "/state", kInitWait, kDeviceTimeout) == StoreClient::Waited::Reached) return true;
  return complain(("unable to add device with path " + path.backend).c_str(), domain);
}

std::optional<DomId> Toolstack::create(const DomainConfig& config, Start start) {
  Request request = loopback::request(Op::CreateDomain);
  request.a = config.pvh ? 1 : 0;
  request.b = start.restored ? 1 : 0;
  Reply reply;
  int fds[2];
  if (!bytes_of(config.uuid, request.uuid)) {
    fprintf(stderr, "xen-loopback: not a uuid: %s\n", config.uuid.c_str());
    return std::nullopt;
  }
  if (hypervisor_.call(request, -1, reply, fds) != 0) {
    perror("xen-loopback: cannot create a domain");
    return std::nullopt;
  }
  DomId domain{static_cast<uint16_t>(reply.a)};
  bool ok =
      (write_domain(domain, config) && store_.introduce(domain)) || failed("cannot write the domain's nodes", domain);
  for (unsigned device = 0; ok && device < config.vtpms.size(); device++)
    ok = add_device(domain, device, config.vtpms[device]);
  ok = ok && record_image(domain, config);
  if (ok && !start.paused) ok = unpause(domain);
  if (ok) return domain;
  destroy(domain);
  return std::nullopt;
}

bool Toolstack::unpause(DomId domain) { return control(Op::UnpauseDomain, domain); }
bool Toolstack::pause(DomId domain) { return control(Op::PauseDomain, domain); }

// ---- the end ----

bool Toolstack::remove_device(DomId domain, unsigned device, bool forced) {
  std::string libxl = "/libxl/" + text(domain) + "/device/vtpm/" + text(device);
  std::string backend = store_.read(libxl + "/backend").value_or("");
  std::string frontend = store_.read(libxl + "/frontend").value_or("");
  if (backend.empty() || frontend.empty()) return complain("no such vtpm", domain);
  bool asked = store_.transact([&](xs_transaction_t t) {
    if (forced && !store_.remove_with_empty_parents(frontend, t)) return false;
    std::optional<std::string> state = store_.read(backend + "/state", t);
    if (!state || *state == kClosed) return true;
    return store_.write(backend + "/online", "0", t) && store_.write(backend + "/state", kClosing, t);
  });
  if (!asked) failed("unable to ask the backend to close", domain);
  bool closed = asked && store_.wait_for(backend + "/state", kClosed, kDeviceTimeout) != StoreClient::Waited::TimedOut;
  if (!closed) complain(("unable to remove device with path " + backend).c_str(), domain);
  bool removed = store_.transact([&](xs_transaction_t t) {
    return store_.remove_with_empty_parents(frontend, t) && store_.remove_with_empty_parents(backend, t) &&
           store_.remove_with_empty_parents(libxl, t);
  });
  return (removed || failed("unable to remove the vtpm's nodes", domain)) && closed;
}

bool Toolstack::destroy(DomId domain) {
  std::optional<DomainConfig> config = config_of(domain);
  if (!config || domain == kDom0) return false;
  bool clean = pause(domain);
  for (unsigned device : vtpms_of(domain)) clean = remove_device(domain, device, true) && clean;
  std::vector<std::string> directories = {"/local/domain/" + text(domain), "/libxl/" + text(domain)};
  // During a local migration the new domain has the same virtual machine directory, and keeps it.
  std::string vm = "/vm/" + config->uuid;
  std::vector<DomainRecord> all = domains();
  auto shares_vm = [&](const DomainRecord& r) {
    return r.domain != raw(domain) && !r.dying && uuid_text(r.uuid) == config->uuid;
  };
  if (std::none_of(all.begin(), all.end(), shares_vm)) directories.push_back(vm);
  for (const std::string& directory : directories) clean = store_.remove(directory) && clean;
  std::filesystem::remove(userdata_of(domain, config->uuid));
  return control(Op::DestroyDomain, domain) && clean;
}

// A guest that shuts down or reboots ends its processes first, so that its drivers can close their devices.
void Toolstack::quiesce(DomId domain) {
  if (!control(Op::EndMembers, domain)) return;
  for (int tries = 0; tries < kQuiesceTries; tries++) {
    std::vector<DomainRecord> all = domains();
    bool living = std::any_of(all.begin(), all.end(),
                              [&](const DomainRecord& r) { return r.domain == raw(domain) && r.members > 0; });
    if (!living) return;
    std::this_thread::sleep_for(kQuiescePause);
  }
  complain("its processes did not end when asked to", domain);
}

bool Toolstack::shut_down(DomId domain, Reason reason) {
  if (!config_of(domain)) return false;
  if (reason == Reason::Poweroff || reason == Reason::Reboot) quiesce(domain);
  return control(Op::ShutDownDomain, domain, static_cast<uint32_t>(reason)) && destroy(domain);
}

std::optional<DomId> Toolstack::reboot(DomId domain) {
  std::optional<DomainConfig> config = config_of(domain);
  if (!config || !shut_down(domain, Reason::Reboot)) return std::nullopt;
  return create(*config, {});
}

bool Toolstack::checkpoint(DomId domain, const std::string& file) {
  return halt(domain) && (file.empty() || write_image(domain, file)) && run_on(domain);
}
bool Toolstack::disguise(DomId domain) { return control(Op::DisguiseDomain, domain); }
bool Toolstack::halt(DomId domain) {
  return config_of(domain) && control(Op::ShutDownDomain, domain, static_cast<uint32_t>(Reason::Suspend));
}
bool Toolstack::run_on(DomId domain) {
  return control(Op::ResumeDomain, domain) && (store_.resume(domain) || failed("unable to resume", domain));
}

bool Toolstack::disguised(DomId domain) {
  std::vector<DomainRecord> all = domains();
  return std::any_of(all.begin(), all.end(),
                     [&](const DomainRecord& r) { return r.domain == raw(domain) && r.has_run && !r.kernel_set_up; });
}

bool Toolstack::write_image(DomId domain, const std::string& file) {
  std::optional<DomainConfig> config = config_of(domain);
  if (!config) return false;
  std::ofstream image(file);
  image << config->uuid << '\n' << config->name << '\n' << (config->pvh ? "pvh" : "pv") << '\n';
  image << disguised(domain) << '\n';
  image << config->kernel << '\n' << config->ramdisk << '\n' << config->command_line << '\n';
  for (const VtpmConfig& vtpm : config->vtpms) image << raw(vtpm.backend) << ' ' << vtpm.uuid << '\n';
  return image.flush() || failed(("cannot write " + file).c_str(), domain);
}

bool Toolstack::save(DomId domain, const std::string& file) {
  return write_image(domain, file) && shut_down(domain, Reason::Suspend);
}

std::optional<DomId> Toolstack::restore(const std::string& file, bool paused) {
  std::ifstream image(file);
  DomainConfig config;
  std::string type;
  if (!std::getline(image, config.uuid) || !std::getline(image, config.name) || !std::getline(image, type)) {
    fprintf(stderr, "xen-loopback: %s is not a saved domain\n", file.c_str());
    return std::nullopt;
  }
  config.pvh = type == "pvh";
  bool disguised = false;
  image >> disguised;
  image.ignore(1, '\n');
  std::getline(image, config.kernel);
  std::getline(image, config.ramdisk);
  std::getline(image, config.command_line);
  uint16_t backend = 0;
  for (std::string uuid; image >> backend >> uuid;) config.vtpms.push_back({DomId(backend), uuid});
  return create(config, {.paused = paused, .restored = !disguised});
}

std::optional<DomId> Toolstack::migrate(DomId domain) {
  std::optional<DomainConfig> config = config_of(domain);
  if (!config || !control(Op::ShutDownDomain, domain, static_cast<uint32_t>(Reason::Suspend))) return std::nullopt;
  std::optional<DomId> arrived = create(*config, {.paused = true, .restored = !disguised(domain)});
  if (!arrived) {
    // Nothing arrived: the old domain runs on.
    control(Op::ResumeDomain, domain);
    store_.resume(domain);
    return std::nullopt;
  }
  if (!destroy(domain) || !unpause(*arrived)) return std::nullopt;
  return arrived;
}

// ---- devices of a running domain ----

bool Toolstack::attach(DomId domain, VtpmConfig vtpm) {
  if (!config_of(domain)) return false;
  std::vector<unsigned> taken = vtpms_of(domain);
  return add_device(domain, taken.empty() ? 0 : taken.back() + 1, vtpm);
}

bool Toolstack::detach(DomId domain, unsigned device) {
  return config_of(domain) && remove_device(domain, device, false);
}

}  // namespace loopback
