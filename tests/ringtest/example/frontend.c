// SPDX-License-Identifier: MIT
// A frontend to try the ring test kit on: reads a PCR over and over. It has three faults; fixes.patch mends them, and
// Documentation/ring-testing.md tells how they are found.
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

struct page {
  uint32_t length;
  uint8_t state, locality, unused, nr_extra_pages;
  uint8_t padding[8];
  uint8_t packet[];
};
enum { IDLE, SUBMIT, FINISH, CANCEL };

static volatile sig_atomic_t ending;
static struct xs_handle *store;
static char *backend;

static void end(int signal) {
  (void)signal;
  ending = 1;
}

static void show(const char *name, unsigned value) {
  char path[64], text[16];
  snprintf(path, sizeof(path), "device/vtpm/0/%s", name);
  snprintf(text, sizeof(text), "%u", value);
  xs_write(store, XBT_NULL, path, text, strlen(text));
}

static int backend_state(void) {
  char path[128];
  unsigned n = 0;
  snprintf(path, sizeof(path), "%s/state", backend);
  char *text = xs_read(store, XBT_NULL, path, &n);
  int state = text ? atoi(text) : 0;
  free(text);
  return state;
}

static bool backend_speaks_v2(void) {
  char path[128];
  unsigned n = 0;
  snprintf(path, sizeof(path), "%s/feature-protocol-v2", backend);
  char *text = xs_read(store, XBT_NULL, path, &n);
  bool speaks = text && atoi(text) == 1;
  free(text);
  return speaks;
}

static bool await_backend(int a, int b) {
  for (int i = 0; i < 500 && !ending; i++, usleep(10000)) {
    if (backend_state() == a || backend_state() == b) return true;
  }
  return false;
}

// Whether the answer came while the backend was there.
static bool read_pcr(volatile struct page *page, xenevtchn_handle *events, int port) {
  static const uint8_t command[14] = {0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 10};
  uint8_t answer[4088];
  for (size_t i = 0; i < sizeof(command); i++) page->packet[i] = command[i];
  page->length = sizeof(command);
  page->locality = 0;
  page->nr_extra_pages = 0;
  __atomic_store_n(&page->state, SUBMIT, __ATOMIC_RELEASE);
  xenevtchn_notify(events, port);
  while (__atomic_load_n(&page->state, __ATOMIC_ACQUIRE) != FINISH) {
    if (ending || backend_state() != 4) return false;
    if (page->state == IDLE) return true;
    struct pollfd set = {xenevtchn_fd(events), POLLIN, 0};
    if (poll(&set, 1, 50) == 1) xenevtchn_unmask(events, xenevtchn_pending(events));
  }
  uint32_t length = page->length;
  for (uint32_t i = 0; i < length; i++) answer[i] = page->packet[i];
  printf("%u bytes, code %u\n", length, answer[9]);
  return true;
}

static void serve(uint32_t backend_id) {
  uint32_t ref = 0;
  xengntshr_handle *grants = xengntshr_open(NULL, 0);
  xenevtchn_handle *events = xenevtchn_open(NULL, 0);
  struct page *page = xengntshr_share_pages(grants, backend_id, 1, &ref, 1);
  int port = xenevtchn_bind_unbound_port(events, backend_id);
  show("state", 3);
  show("ring-ref", ref);
  show("event-channel", port);
  show("feature-protocol-v2", 1);
  if (await_backend(4, 5) && backend_state() == 4) {
    show("state", 4);
    while (read_pcr(page, events, port)) usleep(20000);
  }
  show("state", 5);
  for (int i = 0; i < 100 && backend_state() < 5 && backend_state() > 0; i++) usleep(10000);
  show("state", 6);
  for (int i = 0; i < 100 && backend_state() != 6 && backend_state() > 2; i++) usleep(10000);
  xengntshr_unshare(grants, page, 1);
  xengntshr_close(grants);
  xenevtchn_close(events);
}

int main(void) {
  unsigned n = 0;
  signal(SIGTERM, end);
  store = xs_open(0);
  backend = xs_read(store, XBT_NULL, "device/vtpm/0/backend", &n);
  char *id = xs_read(store, XBT_NULL, "device/vtpm/0/backend-id", &n);
  if (!backend || !id) return 1;
  while (!ending) {
    if (await_backend(2, 2) && backend_speaks_v2()) serve((uint32_t)atoi(id));
  }
  return 0;
}
