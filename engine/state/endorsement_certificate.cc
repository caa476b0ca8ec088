// SPDX-License-Identifier: MIT
#include "engine/state/endorsement_certificate.h"

namespace tpm {

namespace {

// TCG_PCCLIENT_STORED_CERT, and the TCG_FULL_CERT in it.
struct StoredCertificate {
  uint16_t tag = 0x1001;
  uint8_t type = 0;  // a whole certificate
  uint16_t n_bytes = 0;
  uint16_t full_tag = 0x1002;
};

}  // namespace

NvArea certificate_area(View certificate) {
  StoredCertificate head;
  head.n_bytes = static_cast<uint16_t>(sizeof(head.full_tag) + certificate.size());
  Bytes data = wire::encode(head);
  base::append(data, certificate);
  return {.pub = {.index = kNvIndexEndorsementCertificate,
                  .read_pcrs = {.selection = PcrSelection::none()},
                  .write_pcrs = {.selection = PcrSelection::none()},
                  .permission = {.attributes = kNvWriteDefine},
                  .write_define = true,
                  .data_bytes = static_cast<uint32_t>(data.size())},
          .data = wire::SizedBytes(std::move(data))};
}

}  // namespace tpm
