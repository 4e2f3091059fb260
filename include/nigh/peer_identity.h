#ifndef NIGH_PEER_IDENTITY_H_
#define NIGH_PEER_IDENTITY_H_

#include <sys/types.h>

#include <optional>
#include <string>

namespace nigh {

// Who is at the other end, as far as the kernel tells. Nothing in here comes from the peer itself.
struct PeerIdentity {
  std::string address;  // "unix:/run/greeter.sock", "tcp://127.0.0.1:40312"
  // What carries the bytes: "shared memory", "Unix socket", "TCP", "this process". If the address
  // leaves the choice to nigh, this also says why it is not a faster medium: "Unix socket, without
  // shared memory: the server does not offer it".
  std::string medium = {};
  std::optional<uid_t> uid = std::nullopt;
  std::optional<gid_t> gid = std::nullopt;
  std::optional<pid_t> pid = std::nullopt;
};

}  // namespace nigh

#endif  // NIGH_PEER_IDENTITY_H_
