#ifndef NIGH_POLLER_H_
#define NIGH_POLLER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "nigh/base/mutex.h"
#include "nigh/base/unique_fd.h"
#include "nigh/base/waiter.h"
#include "nigh/server_session.h"
#include "nigh/transport/transport.h"
#include "nigh/watchdog.h"

namespace nigh {

// Some of a server's connections and listeners, and the role of polling them. One thread at a time
// has the role, by being in Drive; when a handler keeps it for too long the watchdog gives the role
// to another. Everything that is not behind the mutex belongs to the role.
//
// Connections that were busy a moment ago are polled directly, which finds the next request
// soonest; the rest wait in an epoll set, which costs nothing.
class Poller {
 public:
  // A new connection, or the error that ended the listener. Called in the role.
  using ArrivalCallback = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Connection>>)>;

  explicit Poller(const WaitPolicy& policy);

  // To be called first. RESOURCE_EXHAUSTED when the system has no descriptors to give.
  absl::Status Open() const;

  // Takes the role and keeps it until Stop or until it is taken away. True: until Stop.
  bool Drive();

  // Any thread, at any time. What is handed over is the poller's from then on.
  void AddListener(std::unique_ptr<Listener> listener, ArrivalCallback arrived)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void AddSession(std::shared_ptr<ServerSession> session) ABSL_LOCKS_EXCLUDED(mutex_);
  // Closes the listeners; their names are gone from the system when this returns.
  void CloseListeners() ABSL_LOCKS_EXCLUDED(mutex_);
  // Instead of the above where Drive has not begun and never will.
  void DropListeners() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends Drive. The sessions stay until the poller goes.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  // `session` has something that waits for room.
  void WatchRoom(ServerSession& session) ABSL_LOCKS_EXCLUDED(mutex_);

  // `ended` is called in the role when a session is over. Before Drive.
  void OnSessionEnd(absl::AnyInvocable<void(ServerSession&)> ended) { ended_ = std::move(ended); }

  InlineMark& mark() { return mark_; }
  // About how many sessions there are. Any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 private:
  struct Source {
    std::shared_ptr<ServerSession> session;  // one of the two
    std::unique_ptr<Listener> listener;
    ArrivalCallback arrived;
    int receive_fd = -1;  // as registered with epoll
    int send_fd = -1;
    bool edge_triggered = false;
    bool hot = false;
    int idle_passes = 0;
  };
  using Token = uint64_t;

  enum class Pass { kNothing, kBusy, kRoleLost };

  // One look at every hot session.
  Pass PollHot();
  // Has epoll watch a hot session from now on. False: something came meanwhile.
  bool Cool(Token token, Source& source);
  // Has epoll watch the hot ones, so that the thread may sleep. False: something came meanwhile.
  bool ArmHot();
  // Waits for the epoll set; -1: for ever.
  void PollEvents(int timeout_millis);
  void TakeMail() ABSL_LOCKS_EXCLUDED(mutex_);
  void Add(std::unique_ptr<Source> source);
  void Remove(Token token);
  void MakeHot(Token token, Source& source);
  void AcceptFrom(Token token, Source& source);
  // Registers `wake` with epoll.
  void Watch(Token token, Source& source, const Wake& wake);
  void WatchSend(Token token, Source& source);
  void ResumeSend(Token token, Source& source);
  void Control(int operation, int fd, Token token, uint32_t events);
  Waiter::PollCost PollCostOfHot() const;

  InlineMark mark_;
  UniqueFd epoll_;
  UniqueFd wake_;
  Waiter waiter_;
  std::atomic<size_t> load_ = 0;
  absl::AnyInvocable<void(ServerSession&)> ended_;
  absl::flat_hash_map<Token, std::unique_ptr<Source>> sources_;
  absl::flat_hash_map<const ServerSession*, Token> tokens_;
  std::vector<Token> hot_;
  Token next_token_ = 1;
  uint32_t passes_ = 0;
  int64_t last_events_ = 0;  // steady nanoseconds

  bool stopping_ = false;

  Mutex mutex_;
  CondVar listeners_closed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool driven_ ABSL_GUARDED_BY(mutex_) = false;  // Drive has begun and Stop has not been called
  bool close_listeners_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Source>> arrivals_ ABSL_GUARDED_BY(mutex_);
  std::vector<ServerSession*> want_room_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_POLLER_H_
