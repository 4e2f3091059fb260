#ifndef NIGH_TESTS_FUZZ_SENT_FDS_H_
#define NIGH_TESTS_FUZZ_SENT_FDS_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "nigh/transport/descriptors.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {

// Descriptors that go with a message, as an input says: so many, of which the first is of that kind
// and each further one of the next kind. There is one of each kind, made once for all inputs: what
// a peer can send, and what closing tells apart.
struct SentFds {
  uint8_t count = 0;  // kMostDescriptors at most
  uint8_t first = 0;

  // Makes them, which is to be done before any are counted.
  static void Make();
  // A byte of how many, few as a rule, and a byte of which is first if there are any.
  static SentFds From(Input& input);
  bool empty() const { return count == 0; }
  std::vector<int> fds() const;
  // Copies of them, to be sent by nigh's own side.
  std::shared_ptr<const Descriptors> Copies() const;
  // Whether `received` are copies of these, in order; where it is not complete, of the first ones.
  bool Are(const Descriptors& received) const;

  static constexpr uint8_t kKinds = 10;
};

// sendmsg(2). Bytes that were sent, or -errno.
ssize_t SendMessage(int socket, absl::string_view bytes, const SentFds& fds);

// Leaves this process room for so many more descriptors, until it goes.
class TightLimit {
 public:
  explicit TightLimit(int room);
  ~TightLimit();
  TightLimit(const TightLimit&) = delete;
  TightLimit& operator=(const TightLimit&) = delete;

 private:
  rlimit before_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FUZZ_SENT_FDS_H_
