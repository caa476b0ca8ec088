// SPDX-License-Identifier: MIT
// What the tool stack writes, waits for and removes, and what libxenctrl then shows of the domain.
#include "tests/loopback/toolstack.h"

#include <atomic>

#include "tests/loopback/machine_fixture.h"

#undef __STRICT_ANSI__  // Xen's headers use a GNU extension that they believe absent from strict C++
extern "C" {
#include <xenctrl.h>
}

namespace loopback {
namespace {

const std::string kVmUuid = "01234567-89ab-cdef-0123-456789abcdef";
const std::string kVtpmUuid = "aaaaaaaa-1111-2222-3333-444444444444";

// A backend driver that does nothing but follow the states: to InitWait, and to Closed when it is told to close.
class MinimalBackend {
 public:
  MinimalBackend() : handle_(xs_open(0)) {
    EXPECT_NE(handle_, nullptr);
    xs_watch(handle_, "/local/domain/0/backend/vtpm", "b");
    thread_ = std::thread([this] { run(); });
  }
  ~MinimalBackend() {
    stop_ = true;
    thread_.join();
    xs_close(handle_);
  }

 private:
  void run() {
    while (!stop_) {
      pollfd event{.fd = xs_fileno(handle_), .events = POLLIN, .revents = 0};
      if (poll(&event, 1, 20) != 1) continue;
      unsigned n = 0;
      char** changed = xs_read_watch(handle_, &n);
      std::string path = changed == nullptr ? "" : changed[XS_WATCH_PATH];
      free(changed);
      if (!path.ends_with("/state")) continue;
      unsigned length = 0;
      char* value = static_cast<char*>(xs_read(handle_, XBT_NULL, path.c_str(), &length));
      std::string state = value == nullptr ? "" : value;
      free(value);
      if (state == "1") xs_write(handle_, XBT_NULL, path.c_str(), "2", 1);
      if (state == "5") xs_write(handle_, XBT_NULL, path.c_str(), "6", 1);
    }
  }
  xs_handle* handle_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class ToolstackTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    toolstack = std::move(Toolstack::open()).take();
    handle = xs_open(0);
    xch = xc_interface_open(nullptr, nullptr, 0);
    ASSERT_NE(xch, nullptr);
  }
  void TearDown() override {
    backend.reset();
    xc_interface_close(xch);
    xs_close(handle);
    toolstack.reset();
    MachineTest::TearDown();
  }
  void start_backend() { backend = std::make_unique<MinimalBackend>(); }
  static DomainConfig config(bool pvh = false) {
    return {.uuid = kVmUuid, .name = "guest", .pvh = pvh, .vtpms = {{.backend = kDom0, .uuid = kVtpmUuid}}};
  }
  // "value (n0,r1)" as `xenstore-ls -p` shows it.
  std::string show(const std::string& path) {
    std::optional<std::string> value = toolstack->store().read(path);
    if (!value) return "(none)";
    unsigned n = 0;
    std::unique_ptr<xs_permissions, decltype(&free)> permissions(xs_get_permissions(handle, XBT_NULL, path.c_str(), &n),
                                                                 free);
    std::string text;
    for (unsigned i = 0; i < n; i++) {
      char one[32];
      EXPECT_TRUE(xs_perm_to_string(permissions.get() + i, one, sizeof(one)));
      text += (i == 0 ? "" : ",") + std::string(one);
    }
    return *value + " (" + text + ")";
  }
  static bool xs_perm_to_string(const xs_permissions* permission, char* to, size_t n) {
    const char letters[] = {'n', 'r', 'w', 'b'};
    return snprintf(to, n, "%c%u", letters[permission->perms & 3], permission->id) > 0;
  }
  xc_domaininfo_t info(DomId domain) {
    xc_domaininfo_t found{};
    EXPECT_EQ(xc_domain_getinfolist(xch, raw(domain), 1, &found), 1);
    return found;
  }
  static unsigned reason(const xc_domaininfo_t& found) {
    return (found.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
  }
  bool looks_restored(DomId domain) {
    vcpu_guest_context_any_t context;
    EXPECT_EQ(xc_vcpu_getcontext(xch, raw(domain), 0, &context), 0);
    bool paging = (context.c.ctrlreg[0] & (1U << 31)) != 0;
    bool traps = context.c.trap_ctxt[14].address != 0;
    return paging || traps;
  }

  std::unique_ptr<Toolstack> toolstack;
  std::unique_ptr<MinimalBackend> backend;
  xs_handle* handle = nullptr;
  xc_interface* xch = nullptr;
};

TEST_F(ToolstackTest, CreateWritesTheNodesOfAVtpm) {
  start_backend();
  ASSERT_EQ(toolstack->create(config(), {.paused = true}), DomId(1));
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"/local/domain/0/backend/vtpm", " (n0)"},
      {"/local/domain/0/backend/vtpm/1", " (n0)"},
      {"/local/domain/0/backend/vtpm/1/0", " (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/frontend", "/local/domain/1/device/vtpm/0 (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/frontend-id", "1 (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/online", "1 (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/state", "2 (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/handle", "0 (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/uuid", kVtpmUuid + " (n0,r1)"},
      {"/local/domain/0/backend/vtpm/1/0/resume", "False (n0,r1)"},
      {"/local/domain/1/device/vtpm/0", " (n1,r0)"},
      {"/local/domain/1/device/vtpm/0/backend", "/local/domain/0/backend/vtpm/1/0 (n1,r0)"},
      {"/local/domain/1/device/vtpm/0/backend-id", "0 (n1,r0)"},
      {"/local/domain/1/device/vtpm/0/state", "1 (n1,r0)"},
      {"/local/domain/1/device/vtpm/0/handle", "0 (n1,r0)"},
      {"/libxl/1/device/vtpm/0/frontend", "/local/domain/1/device/vtpm/0 (n0)"},
      {"/libxl/1/device/vtpm/0/backend", "/local/domain/0/backend/vtpm/1/0 (n0)"},
      {"/libxl/1/device/vtpm/0/frontend-id", "1 (n0)"},
      {"/libxl/1/device/vtpm/0/online", "1 (n0)"},
      {"/libxl/1/device/vtpm/0/state", "1 (n0)"},
      {"/libxl/1/device/vtpm/0/handle", "0 (n0)"},
      {"/libxl/1/device/vtpm/0/uuid", kVtpmUuid + " (n0)"},
      {"/libxl/1/device/vtpm/0/resume", "False (n0)"},
      {"/local/domain/1", " (n0,r1)"},
      {"/local/domain/1/control", " (n0,r1)"},
      {"/local/domain/1/data", " (n1)"},
      {"/local/domain/1/error", " (n1)"},
  };
  for (const auto& [path, shown] : expected) EXPECT_EQ(show(path), shown) << path;
  EXPECT_EQ(toolstack->store().list("/local/domain/0/backend/vtpm/1/0").size(), 7u);
  EXPECT_EQ(toolstack->store().list("/local/domain/1/device/vtpm/0").size(), 4u);
  EXPECT_EQ(toolstack->store().list("/libxl/1/device/vtpm/0").size(), 8u);
}

TEST_F(ToolstackTest, BackendSeesTheNodesInOneStep) {
  xs_watch(handle, "/local/domain/0/backend/vtpm", "t");
  start_backend();
  std::thread creating([this] { EXPECT_TRUE(toolstack->create(config(), {})); });
  for (std::string path; path.empty() || !path.ends_with("/0");) {
    unsigned n = 0;
    char** changed = xs_read_watch(handle, &n);
    ASSERT_NE(changed, nullptr);
    path = changed[XS_WATCH_PATH];
    free(changed);
  }
  // The first that is heard of the device is its directory, and everything is in it.
  unsigned length = 0;
  std::unique_ptr<void, decltype(&free)> resume(
      xs_read(handle, XBT_NULL, "/local/domain/0/backend/vtpm/1/0/resume", &length), free);
  EXPECT_NE(resume, nullptr);
  creating.join();
}

TEST_F(ToolstackTest, DestroyLeavesNothing) {
  start_backend();
  DomId domain = *toolstack->create(config(), {});
  ASSERT_TRUE(toolstack->destroy(domain));
  for (const char* path :
       {"/local/domain/1", "/libxl/1", "/local/domain/0/backend", "/vm/01234567-89ab-cdef-0123-456789abcdef"}) {
    EXPECT_EQ(show(path), "(none)") << path;
  }
  xc_domaininfo_t found{};
  EXPECT_EQ(xc_domain_getinfolist(xch, raw(domain), 1, &found), 0);
}

TEST_F(ToolstackTest, RebootAndRestoreMakeNewDomainsWithTheSameVtpm) {
  start_backend();
  DomId domain = *toolstack->create(config(), {});
  std::optional<DomId> rebooted = toolstack->reboot(domain);
  ASSERT_EQ(rebooted, DomId(2));
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/2/0/uuid"), kVtpmUuid + " (n0,r2)");
  std::string image = directory_ + "/image";
  ASSERT_TRUE(toolstack->save(*rebooted, image));
  std::optional<DomId> restored = toolstack->restore(image, true);
  ASSERT_EQ(restored, DomId(3));
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/3/0/uuid"), kVtpmUuid + " (n0,r3)");
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/3/0/resume"), "False (n0,r3)");
  EXPECT_TRUE(looks_restored(*restored));
}

TEST_F(ToolstackTest, ProcessorTellsANewBootFromARestoredDomain) {
  DomainConfig plain = config();
  plain.vtpms.clear();
  for (bool pvh : {false, true}) {
    plain.pvh = pvh;
    DomId fresh = *toolstack->create(plain, {.paused = true});
    EXPECT_FALSE(looks_restored(fresh)) << pvh;
    ASSERT_TRUE(toolstack->unpause(fresh));
    EXPECT_TRUE(looks_restored(fresh)) << "it has run";
    EXPECT_NE(info(fresh).cpu_time, 0U);
    ASSERT_TRUE(toolstack->pause(fresh));
    EXPECT_TRUE(looks_restored(fresh)) << "and has not forgotten it";
    EXPECT_TRUE(looks_restored(*toolstack->create(plain, {.paused = true, .restored = true}))) << pvh;
  }
  vcpu_guest_context_any_t context;
  EXPECT_EQ(xc_vcpu_getcontext(xch, 4711, 0, &context), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ToolstackTest, ADisguiseGoesIntoTheImage) {
  DomainConfig plain = config();
  plain.vtpms.clear();
  std::string image = directory_ + "/image";
  DomId domain = *toolstack->create(plain, {});
  ASSERT_TRUE(toolstack->disguise(domain));
  EXPECT_FALSE(looks_restored(domain));
  ASSERT_TRUE(toolstack->checkpoint(domain, image));
  EXPECT_FALSE(looks_restored(domain)) << "it goes on as it was";
  ASSERT_TRUE(toolstack->destroy(domain));
  DomId back = *toolstack->restore(image, true);
  EXPECT_FALSE(looks_restored(back));
  EXPECT_EQ(info(back).cpu_time, 0U) << "as a new boot's";
}

TEST_F(ToolstackTest, ListsAsManyDomainsAsThereAre) {
  constexpr unsigned kMany = 300;
  DomainConfig plain = config();
  plain.vtpms.clear();
  for (unsigned n = 1; n <= kMany; n++) ASSERT_EQ(toolstack->create(plain, {.paused = true}), DomId(n));
  std::vector<loopback::DomainRecord> records = toolstack->domains();
  ASSERT_EQ(records.size(), kMany + 1);
  std::vector<xc_domaininfo_t> all(kMany + 10), some(280);
  ASSERT_EQ(xc_domain_getinfolist(xch, 0, kMany + 10, all.data()), static_cast<int>(kMany + 1));
  for (unsigned n = 0; n <= kMany; n++) {
    EXPECT_EQ(all[n].domain, n);
    EXPECT_EQ(records[n].domain, n);
  }
  ASSERT_EQ(xc_domain_getinfolist(xch, 10, 280, some.data()), 280);
  EXPECT_EQ(some[279].domain, 289);
  EXPECT_EQ(info(DomId(kMany)).domain, kMany);
}

TEST_F(ToolstackTest, ShutdownReasonsShow) {
  DomainConfig plain = config(true);
  plain.vtpms.clear();
  DomId domain = *toolstack->create(plain, {.paused = true});
  EXPECT_NE(info(domain).flags & XEN_DOMINF_paused, 0u);
  EXPECT_NE(info(domain).flags & XEN_DOMINF_hvm_guest, 0u);
  EXPECT_EQ(uuid_text(info(domain).handle), kVmUuid);
  ASSERT_TRUE(toolstack->unpause(domain));
  EXPECT_EQ(info(domain).flags & (XEN_DOMINF_paused | XEN_DOMINF_shutdown | XEN_DOMINF_dying), 0u);
  ASSERT_EQ(control(Op::ShutDownDomain, domain, SHUTDOWN_suspend), 0);
  EXPECT_NE(info(domain).flags & XEN_DOMINF_shutdown, 0u);
  EXPECT_EQ(reason(info(domain)), static_cast<unsigned>(SHUTDOWN_suspend));
  xc_dominfo_t old{};
  ASSERT_EQ(xc_domain_getinfo(xch, raw(domain), 1, &old), 1);
  EXPECT_EQ(old.shutdown, 1u);
  EXPECT_EQ(old.shutdown_reason, static_cast<unsigned>(SHUTDOWN_suspend));
}

TEST_F(ToolstackTest, CheckpointShowsASuspendAndRunsOn) {
  start_backend();
  DomId domain = *toolstack->create(config(), {});
  xs_watch(handle, "@releaseDomain", "r");
  auto next_event = [&] {
    unsigned n = 0;
    pollfd event{.fd = xs_fileno(handle), .events = POLLIN, .revents = 0};
    if (poll(&event, 1, 1000) != 1) return false;
    free(xs_read_watch(handle, &n));
    return true;
  };
  EXPECT_TRUE(next_event());
  for (int i = 0; i < 2; i++) {
    ASSERT_TRUE(toolstack->checkpoint(domain));
    EXPECT_TRUE(next_event()) << i;
    EXPECT_EQ(info(domain).flags & XEN_DOMINF_shutdown, 0u);
  }
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/1/0/state"), "2 (n0,r1)");
}

TEST_F(ToolstackTest, MigrationShowsTwoDomainsWithOneVtpm) {
  start_backend();
  DomId domain = *toolstack->create(config(), {});
  xs_watch(handle, "/local/domain/0/backend/vtpm", "t");
  std::optional<DomId> arrived = toolstack->migrate(domain);
  ASSERT_EQ(arrived, DomId(2));
  EXPECT_EQ(show("/local/domain/1"), "(none)");
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/2/0/uuid"), kVtpmUuid + " (n0,r2)");
  EXPECT_NE(show("/vm/" + kVmUuid), "(none)");
  // The new device was there before the old one was told to close.
  std::vector<std::string> order;
  pollfd event{.fd = xs_fileno(handle), .events = POLLIN, .revents = 0};
  while (poll(&event, 1, 100) == 1) {
    unsigned n = 0;
    char** changed = xs_read_watch(handle, &n);
    order.push_back(changed[XS_WATCH_PATH]);
    free(changed);
  }
  auto made = std::find(order.begin(), order.end(), "/local/domain/0/backend/vtpm/2/0");
  auto closed = std::find(order.begin(), order.end(), "/local/domain/0/backend/vtpm/1/0/online");
  ASSERT_NE(made, order.end());
  ASSERT_NE(closed, order.end());
  EXPECT_LT(made - order.begin(), closed - order.begin());
}

TEST_F(ToolstackTest, DevicesComeAndGoWhileTheDomainRuns) {
  start_backend();
  DomId domain = *toolstack->create(config(), {});
  ASSERT_TRUE(toolstack->attach(domain, {.backend = kDom0, .uuid = random_uuid()}));
  EXPECT_EQ(toolstack->vtpms_of(domain), (std::vector<unsigned>{0, 1}));
  ASSERT_TRUE(toolstack->detach(domain, 0));
  EXPECT_EQ(toolstack->vtpms_of(domain), std::vector<unsigned>{1});
  EXPECT_EQ(show("/local/domain/1/device/vtpm/0"), "(none)");
  EXPECT_EQ(show("/local/domain/0/backend/vtpm/1/0"), "(none)");
  EXPECT_FALSE(toolstack->detach(domain, 7));
  ASSERT_TRUE(toolstack->detach(domain, 1));
  EXPECT_EQ(show("/local/domain/0/backend/vtpm"), "(none)");
}

}  // namespace
}  // namespace loopback
