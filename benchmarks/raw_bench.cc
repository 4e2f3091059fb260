// Measures the floors: what the media cost with no RPC framework on them.
//
//   bazel run -c opt //benchmarks:raw_bench -- --address=socketpair --placement=stacked
//
// --address=cache-lines: a cache line each way in shared memory, both sides spinning
//           ring: the rings of shm:, one each way, both sides spinning
//           memory: memory that both share, filled by one side and read by the other where it is,
//           each way, both sides spinning: what no echo with attachments can undercut
//           socketpair: a Unix stream socket pair, both sides blocking
//           pipe: two pipes, both sides blocking
//           mqueue, sysvmq: two POSIX or System V message queues, both sides blocking

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "benchmarks/harness/main.h"
#include "benchmarks/harness/subject.h"
#include "benchmarks/raw_queue.h"
#include "benchmarks/raw_ring.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::benchmarks {
namespace {

// A message is its size, then so many bytes.
using Size = uint64_t;
// Of one that is an order, for a stream instead of an echo.
constexpr Size kIsOrder = Size{1} << 63;
struct StreamOrder {
  Size size = kIsOrder | (2 * sizeof(uint64_t));
  uint64_t messages = 0;
  uint64_t payload = 0;
};

bool ReadAll(int fd, char* to, size_t size) {
  while (size > 0) {
    const ssize_t count = ::read(fd, to, size);
    if (count <= 0) return false;
    to += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool WriteAll(int fd, const char* from, size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(fd, from, size);
    if (count <= 0) return false;
    from += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

// Reads a message into `buffer`, size and all: one read(2) where it comes in one piece.
bool ReadMessage(int fd, std::vector<char>& buffer) {
  size_t got = 0;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data() + got, buffer.size() - got);
    if (count <= 0) return false;
    got += static_cast<size_t>(count);
    if (got < sizeof(Size)) continue;
    Size size;
    std::memcpy(&size, buffer.data(), sizeof(size));
    const size_t whole = sizeof(Size) + (size & ~kIsOrder);
    if (buffer.size() < whole) buffer.resize(whole);
    if (!ReadAll(fd, buffer.data() + got, whole - std::min(whole, got))) return false;
    return true;
  }
}

constexpr size_t kFirstBuffer = 64 * 1024;

// Two descriptors, or one twice.
class ByteCaller final : public Caller {
 public:
  ByteCaller(int in, int out, size_t payload)
      : in_(in), out_(out), message_(sizeof(Size) + payload, 'x'), reply_(kFirstBuffer) {
    const Size size = payload;
    std::memcpy(message_.data(), &size, sizeof(size));
  }

  void Call() override {
    if (!WriteAll(out_, message_.data(), message_.size()) || !ReadMessage(in_, reply_)) {
      Check(absl::UnavailableError("the server is gone"));
    }
  }

 private:
  const int in_;
  const int out_;
  std::vector<char> message_;
  std::vector<char> reply_;
};

class ByteLink final : public Link {
 public:
  // One of the two may be none: the other then serves both ways.
  ByteLink(UniqueFd in, UniqueFd out) : in_(std::move(in)), out_(std::move(out)) {}
  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<ByteCaller>(in_.get(), out_fd(), payload);
  }
  absl::Status ReadStream(uint64_t messages, size_t payload) override {
    const StreamOrder order = {.messages = messages, .payload = payload};
    std::vector<char> message(sizeof(Size) + payload);
    bool good = WriteAll(out_fd(), reinterpret_cast<const char*>(&order), sizeof(order));
    for (uint64_t i = 0; good && i < messages; ++i) {
      good = ReadAll(in_.get(), message.data(), message.size());
    }
    return good ? absl::OkStatus() : absl::UnavailableError("the server is gone");
  }

 private:
  int out_fd() const { return out_ ? out_.get() : in_.get(); }

  const UniqueFd in_;
  const UniqueFd out_;
};

bool SendStream(int out, const StreamOrder& order) {
  std::vector<char> message(sizeof(Size) + order.payload, 'x');
  for (uint64_t i = 0; i < order.messages; ++i) {
    if (!WriteAll(out, message.data(), message.size())) return false;
  }
  return true;
}

void EchoBytes(int in, int out) {
  std::vector<char> buffer(kFirstBuffer);
  while (ReadMessage(in, buffer)) {
    Size size;
    std::memcpy(&size, buffer.data(), sizeof(size));
    if ((size & kIsOrder) != 0) {
      StreamOrder order;
      std::memcpy(&order, buffer.data(), sizeof(order));
      if (!SendStream(out, order)) return;
    } else if (!WriteAll(out, buffer.data(), sizeof(Size) + size)) {
      return;
    }
  }
}

// One line for each direction; a round trip is a number up and the same number back.
struct CacheLines {
  alignas(64) std::atomic<uint64_t> request;
  alignas(64) std::atomic<uint64_t> reply;
};
constexpr uint64_t kStop = ~uint64_t{0};

CacheLines* MapCacheLines(int fd) {
  void* const page = ::mmap(nullptr, sizeof(CacheLines), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? nullptr : static_cast<CacheLines*>(page);
}

class CacheLineCaller final : public Caller {
 public:
  explicit CacheLineCaller(CacheLines& lines) : lines_(lines) {}

  void Call() override {
    for (int i = 0; i < round_trips(); ++i) {
      lines_.request.store(++last_, std::memory_order_release);
      while (lines_.reply.load(std::memory_order_acquire) != last_) {
      }
    }
  }
  int round_trips() const override { return 100; }

 private:
  CacheLines& lines_;
  uint64_t last_ = lines_.reply.load();
};

class CacheLineLink final : public Link {
 public:
  explicit CacheLineLink(CacheLines& lines) : lines_(lines) {}
  ~CacheLineLink() override { lines_.request = kStop; }
  std::unique_ptr<Caller> NewCaller(size_t) override {
    return std::make_unique<CacheLineCaller>(lines_);
  }

 private:
  CacheLines& lines_;
};

// Memory for a message each way, and a number for each that says that it has come, with its size.
// Pages that are never used are never there.
struct SharedMessages {
  static constexpr size_t kMost = size_t{128} << 20;

  struct Message {
    alignas(64) std::atomic<uint64_t> number;
    uint64_t size;
    alignas(64) char bytes[kMost];
  };
  Message request;
  Message reply;
};

SharedMessages* MapMessages(int fd) {
  void* const memory =
      ::mmap(nullptr, sizeof(SharedMessages), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<SharedMessages*>(memory);
}

// Copies so many bytes into a message, and says so.
void Fill(SharedMessages::Message& message, const char* from, size_t size, uint64_t number) {
  std::memcpy(message.bytes, from, size);
  message.size = size;
  message.number.store(number, std::memory_order_release);
}

class MemoryCaller final : public Caller {
 public:
  MemoryCaller(SharedMessages& messages, size_t payload)
      : messages_(messages), bytes_(payload, 'x'), last_(messages.request.number) {}

  void Call() override {
    Fill(messages_.request, bytes_.data(), bytes_.size(), ++last_);
    while (messages_.reply.number.load(std::memory_order_acquire) != last_) {
    }
    // Reads all of it, as fast as the C library does.
    if (std::memchr(messages_.reply.bytes, 'y', messages_.reply.size) != nullptr) {
      Check(absl::DataLossError("wrong reply"));
    }
  }

 private:
  SharedMessages& messages_;
  const std::string bytes_;
  uint64_t last_;
};

class MemoryLink final : public Link {
 public:
  explicit MemoryLink(SharedMessages& messages) : messages_(messages) {}
  ~MemoryLink() override { messages_.request.number = kStop; }
  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<MemoryCaller>(messages_, payload);
  }

 private:
  SharedMessages& messages_;
};

class RawSubject final : public Subject {
 public:
  // MEDIUM:IN:OUT, of what the server inherits.
  absl::StatusOr<std::string> Prepare(const std::string& medium) override {
    int up[2];
    int down[2];
    if (medium == "socketpair") {
      if (::socketpair(AF_UNIX, SOCK_STREAM, 0, up) != 0) return Errno(medium);
      in_ = KeptHere(up[0]);
      server_ends_.emplace_back(up[1]);
      return absl::StrCat(medium, ":", up[1], ":", up[1]);
    }
    if (medium == "pipe") {
      if (::pipe(up) != 0 || ::pipe(down) != 0) return Errno(medium);
      out_ = KeptHere(up[1]);
      in_ = KeptHere(down[0]);
      server_ends_.emplace_back(up[0]);
      server_ends_.emplace_back(down[1]);
      return absl::StrCat(medium, ":", up[0], ":", down[1]);
    }
    if (IsQueue(medium)) {
      queues_ = std::make_unique<RawQueues>(medium);
      if (!queues_->ok()) return Errno(medium);
      return queues_->address();
    }
    if (medium == "cache-lines") {
      in_ = UniqueFd(::memfd_create("cache-lines", 0));
      if (!in_ || ::ftruncate(in_.get(), sizeof(CacheLines)) != 0) return Errno(medium);
      return absl::StrCat(medium, ":", in_.get(), ":", in_.get());
    }
    if (medium == "memory") {
      in_ = UniqueFd(::memfd_create("memory", 0));
      if (!in_ || ::ftruncate(in_.get(), sizeof(SharedMessages)) != 0) return Errno(medium);
      return absl::StrCat(medium, ":", in_.get(), ":", in_.get());
    }
    if (medium == "ring") {
      in_ = UniqueFd(MakeRings());
      if (!in_) return Errno(medium);
      return absl::StrCat(medium, ":", in_.get(), ":", in_.get());
    }
    return absl::InvalidArgumentError(
        absl::StrCat("--address=", medium,
                     ": not socketpair, pipe, mqueue, sysvmq, ring, cache-lines or memory"));
  }

  absl::Status Serve(const std::string& address, const Ready& ready) override {
    const std::vector<std::string> parts = absl::StrSplit(address, ':');
    int in = -1;
    int out = -1;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &in) ||
        !absl::SimpleAtoi(parts[2], &out)) {
      return absl::InvalidArgumentError(absl::StrCat("--address=", address));
    }
    // Ends by itself when the client lets go of its end.
    std::thread([=] {
      if (parts[0] == "cache-lines") {
        EchoCacheLines(in);
      } else if (parts[0] == "memory") {
        EchoMemory(in);
      } else if (parts[0] == "ring") {
        EchoFrames(in);
      } else if (IsQueue(parts[0])) {
        EchoMessages(parts[0], in, out);
      } else {
        EchoBytes(in, out);
      }
    }).detach();
    ready(parts[0]);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Connect(const std::string& medium) override {
    server_ends_.clear();
    if (IsQueue(medium)) return queues_->Connect();
    if (medium == "ring") return ConnectRings(in_.get());
    if (medium == "cache-lines") {
      CacheLines* const lines = MapCacheLines(in_.get());
      if (lines == nullptr) return Errno("mmap");
      return std::make_unique<CacheLineLink>(*lines);
    }
    if (medium == "memory") {
      SharedMessages* const messages = MapMessages(in_.get());
      if (messages == nullptr) return Errno("mmap");
      return std::make_unique<MemoryLink>(*messages);
    }
    return std::make_unique<ByteLink>(std::move(in_), std::move(out_));
  }

 private:
  static absl::Status Errno(const std::string& what) { return absl::ErrnoToStatus(errno, what); }
  static UniqueFd KeptHere(int fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return UniqueFd(fd);
  }

  static void EchoCacheLines(int fd) {
    CacheLines* const lines = MapCacheLines(fd);
    if (lines == nullptr) Check(Errno("mmap"));
    for (uint64_t last = 0;;) {
      const uint64_t request = lines->request.load(std::memory_order_acquire);
      if (request == last) continue;
      if (request == kStop) return;
      lines->reply.store(last = request, std::memory_order_release);
    }
  }

  static void EchoMemory(int fd) {
    SharedMessages* const messages = MapMessages(fd);
    if (messages == nullptr) Check(Errno("mmap"));
    for (uint64_t last = 0;;) {
      const uint64_t number = messages->request.number.load(std::memory_order_acquire);
      if (number == last) continue;
      if (number == kStop) return;
      Fill(messages->reply, messages->request.bytes, messages->request.size, last = number);
    }
  }

  UniqueFd in_;
  UniqueFd out_;
  std::vector<UniqueFd> server_ends_;
  std::unique_ptr<RawQueues> queues_;
};

}  // namespace
}  // namespace nigh::benchmarks

int main(int argc, char** argv) {
  using nigh::benchmarks::RawSubject;
  return nigh::benchmarks::RunBenchmark(argc, argv,
                                        []() -> std::unique_ptr<nigh::benchmarks::Subject> {
                                          return std::make_unique<RawSubject>();
                                        });
}
