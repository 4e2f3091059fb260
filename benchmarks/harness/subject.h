#ifndef NIGH_BENCHMARKS_HARNESS_SUBJECT_H_
#define NIGH_BENCHMARKS_HARNESS_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "benchmarks/harness/check.h"

namespace nigh::benchmarks {

// What one thread measures: a round trip, again and again. Only that thread uses it.
class Caller {
 public:
  virtual ~Caller() = default;
  // Makes one call and checks its reply. A failure ends the program with a message.
  virtual void Call() = 0;
  // The round trips in one Call. There are several where reading the clock would weigh in the
  // result.
  virtual int round_trips() const { return 1; }
};

// Many calls at once, for which nobody waits, each in a slot of its own. One thread begins the
// first calls. The threads that call Done begin the others.
class AsyncCaller {
 public:
  // Gets the slot of a call that is over, once its reply has been checked. May begin the next call
  // there.
  using Done = std::function<void(int slot)>;

  virtual ~AsyncCaller() = default;
  // Begins a call in `slot`, which must be free.
  virtual void Begin(int slot) = 0;
};

// One connection to the server, such as a channel or a socket. Thread-safe where the medium is.
class Link {
 public:
  virtual ~Link() = default;
  // Returns a caller whose calls have `payload` bytes. The link outlives the caller.
  virtual std::unique_ptr<Caller> NewCaller(size_t payload) = 0;
  // Returns a caller for as many calls at once as there are slots, or null where the medium cannot
  // do that. The link outlives it, and no call is under way when it is destroyed.
  // NOLINTBEGIN(performance-unnecessary-value-param): whoever overrides this keeps it
  virtual std::unique_ptr<AsyncCaller> NewAsyncCaller(size_t /*payload*/, int /*slots*/,
                                                      AsyncCaller::Done /*done*/) {
    return nullptr;
  }
  // NOLINTEND(performance-unnecessary-value-param)
  // Has the server send `messages` messages of `payload` bytes, and reads them all.
  virtual absl::Status ReadStream(uint64_t messages, size_t payload) {
    (void)messages;
    (void)payload;
    return absl::UnimplementedError("this medium has no streams");
  }
};

// Something that carries echoes between two processes, such as nigh, gRPC or a bare socket. The
// harness (main.h) starts the same program a second time as the server.
class Subject {
 public:
  // Gets the address at which clients reach the server. Returns when the server is to end.
  using Ready = std::function<void(const std::string& address)>;

  virtual ~Subject() = default;

  // Called in the client's process, before the server starts. Returns the address that the server
  // is told to serve at. Opens the descriptors that the server inherits.
  virtual absl::StatusOr<std::string> Prepare(const std::string& address) { return address; }

  // Called in the server's process. Serves at `address`, calls `ready` once, and returns when
  // `ready` has.
  virtual absl::Status Serve(const std::string& address, const Ready& ready) = 0;

  // Called in the client's process. Connects to the server.
  virtual absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) = 0;

  // Whether the server runs in threads of the client's process.
  virtual bool InProcess(const std::string& address) const {
    (void)address;
    return false;
  }
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_SUBJECT_H_
