#ifndef NIGH_TRANSPORTS_QUEUE_QUEUE_LISTENER_H_
#define NIGH_TRANSPORTS_QUEUE_QUEUE_LISTENER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"

namespace nigh {

// Takes in the clients that announce themselves on a queue (QueueConnection::Announce). Other
// messages in that queue are dropped.
class QueueListener final : public Listener {
 public:
  // Opens the two queues that a client has made, and greets it (QueueConnection::Welcome). Nothing:
  // the client has gone, is not what it says, or may not come in, which it is told.
  using WelcomeFunction =
      std::function<std::unique_ptr<Connection>(const Arrival& client, const Gate& gate)>;

  // `name` is where clients find `arrivals`.
  QueueListener(Address address, ClaimedName name, std::unique_ptr<MessageQueue> arrivals,
                WelcomeFunction welcome);

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override;
  Wake Arm() override;
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  ClaimedName name_;
  const std::unique_ptr<MessageQueue> arrivals_;  // goes before its name
  const WelcomeFunction welcome_;
  std::vector<std::byte> message_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_QUEUE_QUEUE_LISTENER_H_
