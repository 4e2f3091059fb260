#ifndef NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_
#define NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_

#include <string>

#include "tests/support/temporary_folder.h"

namespace nigh::hostile {

// A folder for one socket.
class SocketFolder {
 public:
  std::string path() const { return folder_.PathOf("s"); }
  std::string address() const { return "unix:" + path(); }

 private:
  const testing::TemporaryFolder folder_;
};

}  // namespace nigh::hostile

#endif  // NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_
