#ifndef NIGH_BENCHMARKS_HARNESS_SUBJECT_H_
#define NIGH_BENCHMARKS_HARNESS_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nigh::benchmarks {

// What one thread measures: a round trip, repeated. Used by one thread.
class Caller {
 public:
  virtual ~Caller() = default;
  // One call, its reply looked at. What cannot go on ends the program with a message.
  virtual void Call() = 0;
  // Round trips in one Call: more than one where reading the clock would weigh in the result.
  virtual int round_trips() const { return 1; }
};

// Calls that nobody waits for, many at once, each in a slot of its own. Begun by one thread; from
// then on by whichever thread tells that a call is over.
class AsyncCaller {
 public:
  // Told, once the reply has been looked at, which slot is free again; may begin the next call.
  using Done = std::function<void(int slot)>;

  virtual ~AsyncCaller() = default;
  // A call in `slot`, which must be free.
  virtual void Begin(int slot) = 0;
};

// One connection to the server: a channel, a socket. Thread-safe where the medium is.
class Link {
 public:
  virtual ~Link() = default;
  // Calls with `payload` bytes. The link outlives the caller.
  virtual std::unique_ptr<Caller> NewCaller(size_t payload) = 0;
  // For as many calls at once as there are slots; null where the medium cannot. As above; no call
  // is under way when it goes.
  // NOLINTBEGIN(performance-unnecessary-value-param): whoever overrides this keeps it
  virtual std::unique_ptr<AsyncCaller> NewAsyncCaller(size_t /*payload*/, int /*slots*/,
                                                      AsyncCaller::Done /*done*/) {
    return nullptr;
  }
  // NOLINTEND(performance-unnecessary-value-param)
  // Has the server send `messages` messages of `payload` bytes and reads them all.
  virtual absl::Status ReadStream(uint64_t messages, size_t payload) {
    (void)messages;
    (void)payload;
    return absl::UnimplementedError("this medium has no streams");
  }
};

// Something that carries echoes between two processes: nigh, gRPC, a bare socket. The harness
// (main.h) starts the same program a second time as the server.
class Subject {
 public:
  // Takes where clients find the server; returns when the server is to end.
  using Ready = std::function<void(const std::string& address)>;

  virtual ~Subject() = default;

  // In the client's process, before the server starts: what the server is to be told to serve at.
  // Descriptors that it is to inherit are opened here.
  virtual absl::StatusOr<std::string> Prepare(const std::string& address) { return address; }

  // In the server's process: serves at `address`, calls `ready` once, and ends when that returns.
  virtual absl::Status Serve(const std::string& address, const Ready& ready) = 0;

  // In the client's process.
  virtual absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& address) = 0;

  // Whether the server is threads of the client's process.
  virtual bool InProcess(const std::string& address) const {
    (void)address;
    return false;
  }
};

// Ends the program unless `status` is OK.
void Check(const absl::Status& status);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_SUBJECT_H_
