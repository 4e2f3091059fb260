#ifndef NIGH_RUNTIME_CLIENT_HANDSHAKE_H_
#define NIGH_RUNTIME_CLIENT_HANDSHAKE_H_

#include <functional>

#include "absl/status/status.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/transport/frame.h"

namespace nigh {

// The exchange of hellos with which a session begins. It belongs to whoever pumps.
class Handshake {
 public:
  // `link` outlives it.
  explicit Handshake(ClientLink& link) : link_(link) {}

  // Sends this end's hello. `done` is called, at most once, when the exchange is over; may be null.
  void Begin(std::function<void()> done);
  // Takes the server's first frame.
  void Take(const Frame& frame);
  // The exchange ends without the server's hello, unless it is over: the connection ended, for
  // `why`; or the time is up. Closes the connection.
  void Fail(const absl::Status& why);
  void TimeOut();

  bool over() const { return over_; }
  // How it ended; OK while it has not. UNAVAILABLE: it failed; the message tells why.
  const absl::Status& outcome() const { return outcome_; }

 private:
  void End();

  ClientLink& link_;
  std::function<void()> done_;
  bool over_ = false;
  absl::Status outcome_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_HANDSHAKE_H_
