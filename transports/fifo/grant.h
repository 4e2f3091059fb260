#ifndef NIGH_TRANSPORTS_FIFO_GRANT_H_
#define NIGH_TRANSPORTS_FIFO_GRANT_H_

#include <sys/types.h>

namespace nigh {

// Lets `user`, and nobody else but its owner, read and write the file behind `fd`, whose mode is
// 0600: by an access control list (acl(5)). False: errno says why. ENOTSUP: the file system has
// none.
bool GrantTo(int fd, uid_t user);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_FIFO_GRANT_H_
