# SPDX-License-Identifier: MIT
# Checks the direction of #include: a folder may include itself and what stands beside it here, nothing else.
BEGIN {
  allow["lib/base"] = ""
  allow["lib/wire"] = "lib/base"
  allow["lib/xen"] = "lib/base"
  allow["xenstore-schema"] = "lib/xen"
  allow["engine"] = "lib/base lib/wire"
  allow["backend/trace"] = "lib/base lib/wire"
  allow["backend/ring"] = "lib/base lib/xen"
  allow["backend/vault"] = "lib/base lib/wire lib/xen"
  allow["backend/identity"] = "lib/base lib/wire"
  allow["backend/worker"] = "lib/base lib/wire lib/xen engine/engine.h engine/platform.h backend/ring backend/trace backend/vault backend/manager/messages.h"
  allow["backend/grantd"] = "lib/base lib/xen backend/ring/transfer.h backend/worker/lockdown.h"
  allow["backend/manager"] = "lib/base lib/wire lib/xen xenstore-schema backend/vault backend/identity backend/control backend/measure backend/grantd/descriptors.h backend/ring/transfer.h"
  allow["backend/domwatch"] = "lib/base lib/xen xenstore-schema backend/worker/lockdown.h"
  allow["backend/control"] = "lib/base lib/wire lib/xen xenstore-schema backend/trace backend/manager backend/vault backend/identity backend/measure backend/convert/question.h backend/convert/file_key.h"
  allow["backend/socket"] = "lib/base lib/wire engine/engine.h engine/platform.h backend/vault/durable.h backend/identity"
  allow["backend/measure"] = "lib/base lib/wire lib/xen backend/vault backend/worker/lockdown.h backend/manager/messages.h"
  allow["backend/convert"] = "lib/base lib/wire lib/xen engine backend/worker/lockdown.h backend/manager/messages.h"
  allow["frontend"] = "lib/base lib/xen xenstore-schema"
}
function folder(path,   best, f) {
  best = ""
  for (f in allow)
    if (index(path, f "/") == 1 && length(f) > length(best)) best = f
  return best
}
/^#include "/ {
  split($0, part, "\"")
  target = part[2]
  from = folder(FILENAME)
  if (from == "" || folder(target) == from) next
  n = split(allow[from], list, " ")
  for (i = 1; i <= n; i++)
    if (target == list[i] || index(target, list[i] "/") == 1) next
  if (target ~ /^syscalls/ ) next
  printf "%s:%d: %s may not include \"%s\"\n", FILENAME, FNR, from, target
  broken++
}
END {
  if (broken) exit 1
}
