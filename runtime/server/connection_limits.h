#ifndef NIGH_RUNTIME_SERVER_CONNECTION_LIMITS_H_
#define NIGH_RUNTIME_SERVER_CONNECTION_LIMITS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/account.h"
#include "nigh/runtime/server/report_rate.h"
#include "nigh/transport/descriptors.h"

namespace nigh {

class ServerSession;

// How many connections a server has, in all and of one user, what these cost, and how long each may
// take to say hello. Whoever is beyond a limit is told so and goes; what remains of it is a line in
// a report.
//
// Thread-safe. No lock is held while a session is ended or a report is made.
class ConnectionLimits {
 public:
  // `poller` outlives this; it has a timer while somebody's hello is awaited. `report` is
  // ServerOptions::on_error, once a second at most for each kind of limit.
  ConnectionLimits(const ServerOptions& options, Poller& poller,
                   std::function<void(const absl::Status&)> report);

  // What may be kept: the options' bytes, and some messages at least.
  static size_t BytesOfConnection(const ServerOptions& options);
  static size_t BytesOfUser(const ServerOptions& options);

  // The account of a connection that is coming, which is part of its user's.
  std::shared_ptr<Account> OpenAccount(const std::optional<uid_t>& user)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts a connection in. RESOURCE_EXHAUSTED names the limit that is met; the connection has been
  // told, and is not counted. `awaits_hello`: it must say hello in time.
  absl::Status Add(const std::shared_ptr<ServerSession>& session, bool awaits_hello)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // It has said hello.
  void Greeted(const ServerSession& session) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const ServerSession& session) ABSL_LOCKS_EXCLUDED(mutex_);

  // Somebody was turned away for want of descriptors or memory, as `shortage` says. Among those who
  // have not said hello, the oldest one of the user who has most of them goes; where there are none
  // of these, among those without a call, if that user has many. A client that is not done connects
  // anew.
  void MakeRoom(const absl::Status& shortage) ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing of this uses the poller any more. After that, nobody is added.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // None: those whom the kernel does not name count as one user.
  using User = std::optional<uid_t>;
  struct Silent {
    std::weak_ptr<ServerSession> session;
    const ServerSession* key;
    User user;
    Deadline hello_by;
  };
  struct Open {
    User user;
    std::weak_ptr<ServerSession> session;
    uint64_t number = 0;  // in the order in which they came
    std::optional<std::list<Silent>::iterator> silent;
  };

  absl::Status Refusal(const User& user) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndOverdue() ABSL_LOCKS_EXCLUDED(mutex_);
  // It is not awaited any more.
  std::shared_ptr<ServerSession> TakeSilent(std::list<Silent>::iterator silent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<ServerSession> TakeOldestSilent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<ServerSession> OldestIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets the timer for the oldest, or takes it back where there is none.
  void SetTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has `status` reported, which is about one of `times`.
  void Report(ReportRate& rate, int times, const absl::Status& status);

  const int most_;
  const int most_of_user_;
  const Account::Limits account_of_connection_;
  const Account::Limits account_of_user_;
  const std::shared_ptr<DescriptorCount> descriptors_;  // of all
  const absl::Duration hello_timeout_;
  Poller& poller_;
  const std::function<void(const absl::Status&)> report_;
  ReportRate refusals_;
  ReportRate silences_;
  ReportRate shortages_;

  Mutex mutex_;
  absl::flat_hash_map<const ServerSession*, Open> open_ ABSL_GUARDED_BY(mutex_);
  uint64_t opened_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<User, int> of_user_ ABSL_GUARDED_BY(mutex_);
  // Those to which somebody still owes something.
  absl::flat_hash_map<User, std::weak_ptr<Account>> accounts_ ABSL_GUARDED_BY(mutex_);
  std::list<Silent> silent_ ABSL_GUARDED_BY(mutex_);  // the oldest first
  std::optional<Poller::TimerId> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_CONNECTION_LIMITS_H_
