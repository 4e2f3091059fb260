#ifndef NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_
#define NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace nigh::hostile {

// A folder for one socket, gone at the end.
class SocketFolder {
 public:
  SocketFolder() {
    char pattern[] = "/tmp/nigh_hostile_XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~SocketFolder() { std::filesystem::remove_all(folder_); }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;

  std::string path() const { return folder_ + "/s"; }
  std::string address() const { return "unix:" + path(); }

 private:
  std::string folder_;
};

}  // namespace nigh::hostile

#endif  // NIGH_TESTS_HOSTILE_SOCKET_FOLDER_H_
