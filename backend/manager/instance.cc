// SPDX-License-Identifier: MIT
#include "backend/manager/instance.h"

namespace backend {

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::Announced:
      return "announced";
    case Stage::Starting:
      return "starting";
    case Stage::Serving:
      return "serving";
    case Stage::Frozen:
      return "frozen";
    case Stage::Crashed:
      return "crashed";
    case Stage::Draining:
      return "draining";
    case Stage::Closed:
      return "closed";
    case Stage::Failed:
      return "failed";
    case Stage::Gone:
      return "gone";
  }
  return "?";
}

std::string_view name_of(Event event) {
  switch (event) {
    case Event::FrontInitialising:
      return "frontend initialising";
    case Event::FrontReady:
      return "frontend ready";
    case Event::FrontReplaced:
      return "frontend with a new ring";
    case Event::FrontClosing:
      return "frontend closing";
    case Event::BackClosing:
      return "toolstack closes";
    case Event::BackGone:
      return "device removed";
    case Event::Refused:
      return "refused";
    case Event::WorkerReady:
      return "worker ready";
    case Event::WorkerDied:
      return "worker died";
    case Event::WorkerReplaced:
      return "worker replaced";
    case Event::Suspended:
      return "suspended";
    case Event::Resumed:
      return "resumed";
    case Event::HandedOver:
      return "handed over";
  }
  return "?";
}

}  // namespace backend
