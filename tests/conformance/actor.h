#ifndef NIGH_TESTS_CONFORMANCE_ACTOR_H_
#define NIGH_TESTS_CONFORMANCE_ACTOR_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "nigh/server_context.h"
#include "tests/conformance/board.h"
#include "tests/conformance/scripted.nigh.h"

namespace nigh::testing {

// What an actor uses of its handler, whatever the method's kind. Functions are empty where the kind
// has no stream.
struct Stage {
  ServerContext& context;
  Board& board;
  std::function<bool(Blob*)> read;
  std::function<bool(const Blob&)> write;
  std::function<void()> send_initial;
  // Makes a Unary call of the server to itself, as a child of `context`.
  std::function<absl::Status(const std::string& script, Blob* reply)> nested;
  Blob* reply;  // null where replies are a stream
};

// Performs the script of one call.
class Actor {
 public:
  explicit Actor(Stage stage) : stage_(std::move(stage)) {}

  absl::Status Perform(const Script& script);

  int requests() const { return report_.requests(); }

 private:
  // Performs one step. True: the script goes on. False: it ends with `end`.
  bool Do(const Step& step, absl::Status& end);
  bool Read();
  void Write(const Blob& blob);
  void AwaitCancel();
  void Report();

  Stage stage_;
  nigh::testing::Report report_;
  Blob last_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_ACTOR_H_
