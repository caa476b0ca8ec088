// SPDX-License-Identifier: MIT
// TpmPage: the back half of the tpmif v2 page, one request at a time. What each bad request leads to is in
// Documentation/protocol.md.
#pragma once

#include <optional>
#include <vector>

#include "backend/ring/ring.h"

namespace backend {

inline constexpr size_t kPageBytes = 4096;
inline constexpr size_t kHeaderBytes = 8;
// What fits on a page when there are no more.
inline constexpr size_t kPacketBytes = kPageBytes - kHeaderBytes;

// The list of extra pages that a frontend has left on its page; each entry is loaded once. Nothing: it has more than
// `most`.
std::optional<std::vector<uint32_t>> extra_pages_on(base::ForeignBytes page, size_t most);

// The state byte. The frontend writes Submit and Cancel, the backend Idle and Finish.
enum class RingState : uint8_t { Idle = 0, Submit = 1, Finish = 2, Cancel = 3 };

class TpmPage : public Ring {
 public:
  // Bit n of `localities` allows locality n; 4 stays refused, it belongs to the hardware of a platform. Page and
  // doorbell must outlive this. Beyond the first page `page` has the extra ones that were agreed on.
  TpmPage(base::ForeignBytes page, uint8_t localities, Doorbell& doorbell);
  // The longest command and the longest response.
  size_t packet_bytes() const { return page_.size() - packet_at_; }

  // Loads the header, once; what is returned and all that is done later for this request rest on that copy.
  base::Result<Request, Refusal> take() override;
  base::Result<Request, Refusal> take_untold() override { return take(); }
  // The request's own memory and the rest of the page.
  base::ForeignBytes response_area() const override;
  void finish(size_t length) override;
  bool cancel_asked() const override;
  bool stands() const override { return true; }

  // Without reading a byte of it; then notifies, command or not, because a notification of before may have been lost.
  void answer_unread(uint32_t return_code) override;
  // The same without the extra notification.
  void answer_if_waiting(uint32_t return_code) override;
  void leave_idle() override;

 private:
  struct Header {
    uint32_t length;
    uint8_t state;
    uint8_t locality;
    uint8_t n_extra_pages;
  };
  Header load_header() const;
  bool answer(uint32_t return_code);
  Refusal refuse(const Header& header, Refusal why);
  void write_error(const Header& header, uint32_t return_code);
  void set_state(RingState state);

  base::ForeignBytes page_;
  size_t n_extra_pages_;
  size_t packet_at_;
  uint8_t localities_;
  Doorbell& doorbell_;
};

}  // namespace backend
