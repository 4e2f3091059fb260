#ifndef NIGH_TESTS_SHM_SURROUNDINGS_H_
#define NIGH_TESTS_SHM_SURROUNDINGS_H_

#include <stdlib.h>

#include <filesystem>
#include <iterator>
#include <string>

namespace nigh::testing {

// A folder for the socket of one server, gone at the end.
class MeetingFolder {
 public:
  MeetingFolder() {
    char pattern[] = "/tmp/nigh_shm_XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~MeetingFolder() { std::filesystem::remove_all(folder_); }
  MeetingFolder(const MeetingFolder&) = delete;
  MeetingFolder& operator=(const MeetingFolder&) = delete;

  const std::string& folder() const { return folder_; }
  std::string socket() const { return folder_ + "/server"; }

 private:
  std::string folder_;
};

// Of this process; one more while they are counted.
inline int OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<int>(std::distance(begin(all), end(all)));
}

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SHM_SURROUNDINGS_H_
