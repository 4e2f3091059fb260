#include "nigh/transports/queue/queue_listener.h"

#include <poll.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"

namespace nigh {
namespace {

// Messages that bring no client: a flood of them must not keep the listener's thread.
constexpr int kLooksPerAccept = 16;

}  // namespace

QueueListener::QueueListener(Address address, ClaimedName name,
                             std::unique_ptr<MessageQueue> arrivals, WelcomeFunction welcome)
    : address_(std::move(address)),
      name_(std::move(name)),
      arrivals_(std::move(arrivals)),
      welcome_(std::move(welcome)),
      message_(arrivals_->max_message()) {}

absl::StatusOr<std::unique_ptr<Connection>> QueueListener::Accept() {
  for (int looks = 0; looks < kLooksPerAccept; ++looks) {
    const ssize_t size = arrivals_->Receive(ByteSpan(message_));
    if (size == -EAGAIN) {
      if (absl::Status lost = name_.CheckWatch(address_.ToString()); !lost.ok()) return lost;
      return nullptr;
    }
    if (size == -EIDRM || size == -EINVAL) {
      return absl::NotFoundError(
          absl::StrCat(address_.ToString(), ": accept: somebody has removed the message queue"));
    }
    if (size < 0) return UnavailableErrno(static_cast<int>(-size), address_.ToString(), "accept");
    const std::optional<Arrival> client =
        Arrival::Decode(AsText(ConstByteSpan(message_.data(), static_cast<size_t>(size))));
    if (!client.has_value()) continue;
    std::unique_ptr<Connection> connection = welcome_(*client, gate());
    if (connection != nullptr) return connection;
  }
  return nullptr;
}

Wake QueueListener::Arm() {
  Wake wake = arrivals_->Arm();
  if (wake.ready()) return wake;
  wake.end_fd = name_.watch_fd();
  wake.end_events = POLLIN;
  return wake;
}

}  // namespace nigh
