#ifndef NIGH_TRANSPORTS_STREAM_SINGLE_LISTENER_H_
#define NIGH_TRANSPORTS_STREAM_SINGLE_LISTENER_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Listens where nobody can arrive: its one connection is there from the beginning.
class SingleListener final : public Listener {
 public:
  SingleListener(Address address, std::unique_ptr<Connection> connection)
      : address_(std::move(address)), connection_(std::move(connection)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    if (connection_ != nullptr) return std::move(connection_);
    return absl::OutOfRangeError(
        absl::StrCat(address_.ToString(), ": accept: there is one connection only"));
  }

  Wake Arm() override { return Wake::Ready(); }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_SINGLE_LISTENER_H_
