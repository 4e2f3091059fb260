#ifndef NIGH_PEER_IDENTITY_H_
#define NIGH_PEER_IDENTITY_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nigh/api.h"

namespace nigh {

class UniqueFd;

// Who is at the other end, as far as the kernel tells. Nothing in here comes from the peer itself,
// and what the kernel does not tell is not there: a user or a process for which this process's
// namespaces have no number, and over tcp: everything but the address.
//
// To a server it is who has connected; to a client, who has sent the server's hello, which need not
// be who listened. docs/security.md says who tells what over each medium.
struct PeerIdentity {
  std::string address;  // "unix:/run/greeter.sock", "tcp://127.0.0.1:40312"
  // What carries the bytes: "shared memory", "Unix socket", "TCP", "this process". If the address
  // leaves the choice to nigh, this also says why it is not a faster medium: "Unix socket, without
  // shared memory: the server does not offer it".
  std::string medium = {};
  std::optional<uid_t> uid = std::nullopt;
  std::optional<gid_t> gid = std::nullopt;
  // The supplementary groups, without those that have no number here.
  std::optional<std::vector<gid_t>> groups = std::nullopt;
  // May be another process's by now, unless `pidfd` tells that this one lives.
  std::optional<pid_t> pid = std::nullopt;
  // Stands for the process (pidfd_open(2)), and is readable once it has died. There while the
  // connection is, if the kernel has named the process. nigh/transport/unique_fd.h has the class.
  std::weak_ptr<const UniqueFd> pidfd = {};
  // What a security module (SELinux, AppArmor, Smack) calls the process.
  std::optional<std::string> label = std::nullopt;
};

// Whether the peer is as good as this process, and could attach a debugger to it: it is of this
// user, of the same namespaces of users and processes where they can be read, and has whatever
// capabilities this process has. The same number alone is not enough: root in a container is not
// the machine's.
//
// What such a peer does wrong, it could do to this process anyway. So it is taken at its word where
// checking would cost: memory is read in place, doorbells are shared.
NIGH_API bool IsSameUser(const PeerIdentity& peer);

}  // namespace nigh

#endif  // NIGH_PEER_IDENTITY_H_
