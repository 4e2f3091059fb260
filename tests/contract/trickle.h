#ifndef NIGH_TESTS_CONTRACT_TRICKLE_H_
#define NIGH_TESTS_CONTRACT_TRICKLE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// trickle+unix:PATH is a Unix socket of which each read and each write moves one byte. Every frame
// thus arrives cut at every place.
absl::StatusOr<std::unique_ptr<Connection>> DialTrickleUnix(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenTrickleUnix(const Address& address);

inline constexpr Transport kTrickleUnixTransport = {.scheme = "trickle+unix",
                                                    .dial = &DialTrickleUnix,
                                                    .listen = &ListenTrickleUnix,
                                                    .reach = Reach::kUsers};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_TRICKLE_H_
