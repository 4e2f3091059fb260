#ifndef NIGH_TRANSPORTS_INPROC_DOORBELL_H_
#define NIGH_TRANSPORTS_INPROC_DOORBELL_H_

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Wakes one sleeper by an eventfd, and makes no system call when nobody sleeps. Callers hold the
// mutex that guards what the sleeper waits for.
class Doorbell {
 public:
  static absl::StatusOr<Doorbell> Create(absl::string_view where);

  // From now on Ring() makes the descriptor readable.
  Wake Arm();
  void Ring();

 private:
  explicit Doorbell(UniqueFd event) : event_(std::move(event)) {}

  UniqueFd event_;
  bool armed_ = false;
  bool readable_ = false;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_INPROC_DOORBELL_H_
