#ifndef NIGH_TRANSPORTS_EXEC_LAST_WORDS_H_
#define NIGH_TRANSPORTS_EXEC_LAST_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace nigh {

// The end of a text that comes in pieces.
class LastWords {
 public:
  void Add(absl::string_view text);
  // The last lines, at most five and a kilobyte: ': "line one\nline two"', escaped; empty where
  // there are none.
  std::string Quoted() const;

 private:
  std::string kept_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_LAST_WORDS_H_
