#ifndef NIGH_TESTS_CONFORMANCE_SERVICES_H_
#define NIGH_TESTS_CONFORMANCE_SERVICES_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "tests/conformance/board.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/conformance/twin_one.nigh.h"
#include "tests/conformance/twin_two.nigh.h"

namespace nigh::testing {

class ScriptedService final : public Scripted::Service {
 public:
  explicit ScriptedService(Board& board) : board_(board) {}

  // Sets the address of the server itself, which nested calls go to.
  void CallItselfAt(const std::string& address);

 private:
  absl::Status Unary(ServerContext& context, const Blob& request, Blob* reply) override;
  absl::Status Requests(ServerContext& context, ServerReader<Blob>& requests, Blob* reply) override;
  absl::Status Replies(ServerContext& context, const Blob& request,
                       ServerWriter<Blob>& replies) override;
  absl::Status Both(ServerContext& context, ServerStream<Blob, Blob>& stream) override;

  absl::Status CallItself(ServerContext& context, const std::string& script, Blob* reply);

  Board& board_;
  std::shared_ptr<Channel> itself_;
};

class FlagsService final : public Flags::Service {
 public:
  explicit FlagsService(Board& board) : board_(board) {}

 private:
  absl::Status Raise(ServerContext& context, const Flag& request, Nothing* reply) override;
  absl::Status Await(ServerContext& context, const Flag& request, Nothing* reply) override;
  absl::Status Count(ServerContext& context, const Flag& request, Flag* reply) override;
  absl::Status Weigh(ServerContext& context, const Nothing& request, Weight* reply) override;

  Board& board_;
};

// Weighs this process; see Weight.
Weight WeighProcess();

class TwinOneService final : public one::Twin::Service {
  absl::Status WhoAreYou(ServerContext&, const one::Question&, one::Answer* answer) override {
    answer->set_name("one");
    return absl::OkStatus();
  }
};

class TwinTwoService final : public two::Twin::Service {
  absl::Status WhoAreYou(ServerContext&, const two::Question&, two::Answer* answer) override {
    answer->set_name("two");
    return absl::OkStatus();
  }
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_SERVICES_H_
