#ifndef NIGH_TESTS_SYSCALLS_SIDES_H_
#define NIGH_TESTS_SYSCALLS_SIDES_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "tests/faults/exchange.h"
#include "tests/syscalls/supervisor.h"
#include "tests/syscalls/trial.h"

namespace nigh::testing {

// Takes down what is wrong at one side.
class Notes {
 public:
  void Fail(absl::string_view what);
  const std::string& failures() const { return failures_; }

 private:
  std::string failures_;
};

// Over TheSubject(), and it alone.
std::shared_ptr<Channel> DialSubject(absl::string_view address);

// Makes two exchanges of each kind. Where `fault` may be seen, one of them may fail by it; all
// others succeed, and so does one more of each kind. `own`: the fault is at this side, and so the
// status says what the system has said. If it is at the other, a second call may fail: one that is
// on its way when the connection goes.
void MakeExchanges(const std::shared_ptr<Channel>& channel, const Fault& fault, bool own,
                   Notes& notes);

// A server that listens at `address`, where `fault` may keep it from that once, but not twice.
class Site {
 public:
  Site(absl::string_view address, const Fault& fault, Notes& notes);

  // Where it listens.
  std::string address() const { return server_->addresses().front(); }

 private:
  ExchangeService service_;
  std::unique_ptr<Server> server_;
};

// How two processes tell each other something.
class Pipe {
 public:
  Pipe();

  void Say(absl::string_view text);
  // Waits for something.
  std::string HearSome();
  // Waits until nobody is left who could say more. To be called by who says nothing itself.
  std::string Hear();
  void Close();
  int out() const { return out_.get(); }

 private:
  UniqueFd out_;
  UniqueFd in_;
};

// A server's process: says its address, and serves until `over` is closed. `supervisor` may be
// null.
Findings Serve(const Fault& fault, Pipe& address, Pipe& over, Supervisor* supervisor);
// A client's: MakeExchanges on a new channel.
Findings Call(const std::string& address, const Fault& fault, bool own);
// Both in one.
Findings ServeAndCall(const Fault& fault);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SYSCALLS_SIDES_H_
