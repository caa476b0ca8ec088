// SPDX-License-Identifier: MIT
#include "backend/grantd/copier.h"

namespace backend {

xen::Result<transfer::Outcome> Copier::obey(const transfer::Order& order) {
  if (order.way == transfer::Way::Ready) return transfer::Outcome::Done;
  bool fetches = order.way == transfer::Way::Fetch;
  bool known = fetches || order.way == transfer::Way::Deliver;
  bool inside = order.length > 0 && order.offset < transfer::kBufferBytes &&
                order.length <= transfer::kBufferBytes - order.offset;
  if (!known || !inside) return xen::SysError{EINVAL, "obey"};
  xen::GrantRef ref{order.ref};
  std::span<uint8_t> buffer = memory_.subspan(fetches ? transfer::kIncomingAt : transfer::kOutgoingAt, order.length);
  bool granted = fetches ? TRY(copy_.from(ref, order.offset, buffer)) : TRY(copy_.to(ref, order.offset, buffer));
  return granted ? transfer::Outcome::Done : transfer::Outcome::NotGranted;
}

}  // namespace backend
