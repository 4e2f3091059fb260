#ifndef NIGH_RUNTIME_CLIENT_HANDSHAKE_H_
#define NIGH_RUNTIME_CLIENT_HANDSHAKE_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/expected_server.h"
#include "nigh/transport/frame.h"

namespace nigh {

// The exchange of hellos with which a session begins. It belongs to whoever pumps.
class Handshake {
 public:
  // `link` outlives it. `expected` is who has to serve; may be null.
  Handshake(ClientLink& link, std::shared_ptr<const ExpectedServer> expected)
      : link_(link), expected_(std::move(expected)) {}

  // Sends this end's hello. `done` is called, at most once, when the exchange is over; may be null.
  void Begin(std::function<void()> done);
  // Takes the server's first frame.
  void Take(const Frame& frame);
  // The exchange ends without the server's hello, unless it is over: the connection ended, for
  // `why`; or the time is up. Closes the connection.
  void Fail(const absl::Status& why);
  void TimeOut();

  bool over() const { return over_; }
  // How it ended; OK while it has not. PERMISSION_DENIED, RESOURCE_EXHAUSTED: the server, or who
  // pretends to be it, is refused or refuses. UNAVAILABLE: it failed otherwise.
  const absl::Status& outcome() const { return outcome_; }

 private:
  void End();

  ClientLink& link_;
  const std::shared_ptr<const ExpectedServer> expected_;
  std::function<void()> done_;
  bool over_ = false;
  absl::Status outcome_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_HANDSHAKE_H_
