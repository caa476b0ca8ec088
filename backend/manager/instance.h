// SPDX-License-Identifier: MIT
// step(): the life of one vTPM device as a table. Pure: what is done about a step is the manager's business.
#pragma once

#include <array>
#include <string_view>

namespace backend {

// What the device is at, and what its backend `state` node says then.
enum class Stage {
  Announced,  // InitWait: waiting for the frontend's ring, or for the instance to become free
  Starting,   // a worker has been started and has not said Ready; the node stays as it was
  Serving,    // Connected
  Frozen,     // Connected; the worker stopped serving for a while
  Crashed,    // the worker died under its ring; the node stays as it was until another one serves it
  Draining,   // the worker was told to stop; the node stays as it was until the page is unmapped
  Closed,     // Closed; may come back while the toolstack says online
  Failed,     // Closed with an error; the frontend must close or start anew before it is listened to again
  Gone,       // the toolstack removed the device; only its worker may be left
};

// Events are levels: the same one may come any number of times.
enum class Event {
  FrontInitialising,  // the frontend is at 1 or 2
  FrontReady,         // at 3 or 4, with the ring we serve or, when we serve none, with any
  FrontReplaced,      // at 3 or 4 with another ring than the one we serve
  FrontClosing,       // at 5 or 6, or its directory is gone
  BackClosing,        // the toolstack wants the device closed
  BackGone,           // our directory is gone
  Refused,            // the peer broke the protocol, or the instance may not be served; the only way to Failed
  WorkerReady,
  WorkerDied,
  WorkerReplaced,  // its state was taken from it, for another one at the same ring; then it was ended
  Suspended,
  Resumed,
  HandedOver,  // another domain has taken the frozen state: this one must never serve it again
};

enum class Act {
  None,
  Spawn,  // start a worker for the ring
  Retry,  // count the death, offer the frontend again after a while
  Freeze,
  Thaw,
  Drain,   // tell the worker to stop: it hands back its state and leaves the page IDLE
  Kill,    // end the worker without asking for its state
  Forget,  // drop what is known of the device
};

struct Step {
  Stage next;
  Act act;
  bool operator==(const Step&) const = default;
};

inline constexpr std::array kStages = {Stage::Announced, Stage::Starting, Stage::Serving, Stage::Frozen, Stage::Crashed,
                                       Stage::Draining,  Stage::Closed,   Stage::Failed,  Stage::Gone};
inline constexpr std::array kEvents = {
    Event::FrontInitialising, Event::FrontReady, Event::FrontReplaced, Event::FrontClosing, Event::BackClosing,
    Event::BackGone,          Event::Refused,    Event::WorkerReady,   Event::WorkerDied,   Event::WorkerReplaced,
    Event::Suspended,         Event::Resumed,    Event::HandedOver};

// Whether a worker belongs to the stage.
constexpr bool has_worker(Stage stage) {
  return stage == Stage::Starting || stage == Stage::Serving || stage == Stage::Frozen || stage == Stage::Draining;
}

namespace detail {

constexpr Step while_announced(Event event) {
  switch (event) {
    case Event::FrontReady:
    case Event::FrontReplaced:
      return {Stage::Starting, Act::Spawn};
    case Event::FrontClosing:
    case Event::BackClosing:
      return {Stage::Closed, Act::None};
    case Event::BackGone:
      return {Stage::Gone, Act::Forget};
    case Event::Refused:
      return {Stage::Failed, Act::None};
    default:
      return {Stage::Announced, Act::None};
  }
}

// The events that end a worker's time at the ring are the same wherever there is one.
constexpr Step with_worker(Stage stage, Event event) {
  switch (event) {
    case Event::FrontInitialising:
    case Event::FrontReplaced:
    case Event::FrontClosing:
    case Event::BackClosing:
      return {Stage::Draining, Act::Drain};
    case Event::BackGone:
      return {Stage::Gone, Act::Drain};
    case Event::Refused:
      return {Stage::Failed, Act::Drain};
    case Event::WorkerDied:
      return {Stage::Crashed, Act::Retry};
    case Event::WorkerReplaced:
      return {Stage::Crashed, Act::None};
    default:
      return {stage, Act::None};
  }
}

constexpr Step while_crashed(Event event) {
  switch (event) {
    case Event::FrontReady:
    case Event::FrontReplaced:
      return {Stage::Starting, Act::Spawn};
    case Event::FrontInitialising:
    case Event::FrontClosing:
    case Event::BackClosing:
      return {Stage::Closed, Act::None};
    case Event::BackGone:
      return {Stage::Gone, Act::Forget};
    case Event::Refused:
      return {Stage::Failed, Act::None};
    default:
      return {Stage::Crashed, Act::None};
  }
}

constexpr Step while_draining(Event event) {
  switch (event) {
    case Event::WorkerDied:
    case Event::WorkerReplaced:
      return {Stage::Closed, Act::None};
    case Event::BackGone:
      return {Stage::Gone, Act::None};
    default:
      return {Stage::Draining, Act::None};
  }
}

constexpr Step while_closed(Event event) {
  switch (event) {
    case Event::FrontInitialising:
    case Event::FrontReady:
    case Event::FrontReplaced:
      return {Stage::Announced, Act::None};
    case Event::BackGone:
      return {Stage::Gone, Act::Forget};
    case Event::Refused:
      return {Stage::Failed, Act::None};
    default:
      return {Stage::Closed, Act::None};
  }
}

constexpr Step while_failed(Event event) {
  switch (event) {
    case Event::FrontInitialising:
    case Event::FrontClosing:
    case Event::BackClosing:
      return {Stage::Closed, Act::None};
    case Event::BackGone:
      return {Stage::Gone, Act::Drain};
    default:
      return {Stage::Failed, Act::None};
  }
}

}  // namespace detail

constexpr Step step(Stage stage, Event event) {
  switch (stage) {
    case Stage::Announced:
      return detail::while_announced(event);
    case Stage::Starting:
      if (event == Event::WorkerReady) return {Stage::Serving, Act::None};
      return detail::with_worker(stage, event);
    case Stage::Serving:
      if (event == Event::Suspended) return {Stage::Frozen, Act::Freeze};
      return detail::with_worker(stage, event);
    case Stage::Frozen:
      if (event == Event::Resumed) return {Stage::Serving, Act::Thaw};
      if (event == Event::HandedOver) return {Stage::Draining, Act::Kill};
      return detail::with_worker(stage, event);
    case Stage::Crashed:
      return detail::while_crashed(event);
    case Stage::Draining:
      return detail::while_draining(event);
    case Stage::Closed:
      return detail::while_closed(event);
    case Stage::Failed:
      return detail::while_failed(event);
    case Stage::Gone:
      if (event == Event::WorkerDied || event == Event::WorkerReplaced) return {Stage::Gone, Act::Forget};
      return {Stage::Gone, Act::None};
  }
  return {stage, Act::None};
}

std::string_view name_of(Stage stage);
std::string_view name_of(Event event);

}  // namespace backend
