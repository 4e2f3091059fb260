#ifndef NIGH_RUNTIME_SERVER_LISTENER_SOURCE_H_
#define NIGH_RUNTIME_SERVER_LISTENER_SOURCE_H_

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/transport/transport.h"

namespace nigh {

// A listener that a poller looks after. Destroying it removes its name from the system.
//
// Once it has ended, its poller lets go of it, and nothing touches it any more.
class ListenerSource final : public Pollable {
 public:
  // Gets a new connection, the error that ended the listener, or RESOURCE_EXHAUSTED for one who was
  // turned away. Called in the poller's role.
  using ArrivalCallback = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Connection>>)>;

  ListenerSource(std::unique_ptr<Listener> listener, ArrivalCallback arrived)
      : listener_(std::move(listener)), arrived_(std::move(arrived)) {}

  // One arrival a turn: it takes as long as a hundred calls, where memory is made for it.
  Turn TakeTurn(InlineMark& /*mark*/) override {
    absl::StatusOr<std::unique_ptr<Connection>> connection = listener_->Accept();
    // Those who are turned away for want of something are a burden already.
    const bool turned_away = absl::IsResourceExhausted(connection.status());
    ended_ = !connection.ok() && !turned_away;
    if (connection.ok() && *connection == nullptr) return Turn::kQuiet;
    arrived_(std::move(connection));
    if (ended_) return Turn::kEnded;
    return turned_away ? Turn::kQuiet : Turn::kBusy;
  }

  Wake ArmReceive() override { return listener_->Arm(); }

  // In the poller's role.
  bool ended() const { return ended_; }

 private:
  const std::unique_ptr<Listener> listener_;
  ArrivalCallback arrived_;
  bool ended_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_LISTENER_SOURCE_H_
