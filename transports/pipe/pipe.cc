#include "nigh/transports/pipe/pipe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/pipe_ends.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/inherited_stream.h"
#include "nigh/transports/stream/pipe_stream.h"
#include "nigh/transports/stream/single_listener.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

// "123,124", which no other pipes have.
std::string InodesOf(int in, int out) {
  struct stat one = {};
  struct stat other = {};
  (void)::fstat(in, &one);
  (void)::fstat(out, &other);
  return absl::StrCat(one.st_ino, ",", other.st_ino);
}

// The numbers that were taken over. What stands behind them later is none of this transport's
// business, even if it is a pipe: a channel that dials again must not take it. An address that
// MakePipes made says by its inodes which pipes are meant, and needs no such memory.
class TakenNumbers {
 public:
  static TakenNumbers& Get() {
    static TakenNumbers& numbers = *new TakenNumbers;
    return numbers;
  }

  // UNAVAILABLE: one of them was taken before. Otherwise as PipeStream::Check.
  absl::Status Take(int in, int out, absl::string_view inodes, absl::string_view where) {
    MutexLock lock(mutex_);
    const bool others =
        inodes.empty() ? taken_.contains(in) || taken_.contains(out) : inodes != InodesOf(in, out);
    if (others) {
      return absl::UnavailableError(absl::StrCat(
          where, ": connect: a pipe connects once (make new ones with nigh::MakePipes)"));
    }
    if (absl::Status good = PipeStream::Check(in, out, where); !good.ok()) return good;
    taken_.insert({in, out});
    return absl::OkStatus();
  }

 private:
  Mutex mutex_;
  absl::flat_hash_set<int> taken_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<Connection>> TakeOver(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = address.CheckParameters({"inodes"}); !known.ok()) return known;
  const std::vector<std::string> numbers = absl::StrSplit(address.name, ',');
  int in = -1;
  int out = -1;
  if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &in) ||
      !absl::SimpleAtoi(numbers[1], &out) || in < 0 || out < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", where,
        "\": two descriptors are wanted, one to read from and one to write to, as in pipe:5,6; or "
        "twice that of a stream socket"));
  }
  // What is no pipe stays with whoever it belongs to.
  if (absl::Status taken = TakenNumbers::Get().Take(in, out, address.Parameter("inodes"), where);
      !taken.ok()) {
    return taken;
  }
  UniqueFd reads(in);
  // One socket, both ways.
  UniqueFd writes = in == out ? DuplicateFd(in) : UniqueFd(out);
  if (!writes) return UnavailableErrno(errno, where, "connect: dup");
  absl::StatusOr<std::unique_ptr<InheritedStream>> stream =
      InheritedStream::Make(std::move(reads), std::move(writes), where);
  if (!stream.ok()) return stream.status();
  return std::make_unique<StreamConnection>(*std::move(stream),
                                            PeerIdentity{.address = where, .medium = "pipe"});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialPipe(const Address& address) {
  return TakeOver(address);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenPipe(const Address& address) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = TakeOver(address);
  if (!connection.ok()) return connection.status();
  return std::make_unique<SingleListener>(address, *std::move(connection));
}

std::string PipeEnds::address() const {
  return absl::StrCat("pipe:", in.get(), ",", out.get(), "?inodes=", InodesOf(in.get(), out.get()));
}

absl::Status PipeEnds::KeepOnExec() const {
  for (const int fd : {in.get(), out.get()}) {
    if (::fcntl(fd, F_SETFD, 0) != 0) {
      return ErrnoStatus(absl::StatusCode::kFailedPrecondition, errno, address(), "keep on exec");
    }
  }
  return absl::OkStatus();
}

std::string PipeEnds::Release() {
  std::string where = address();
  in.release();
  out.release();
  return where;
}

absl::StatusOr<std::pair<PipeEnds, PipeEnds>> MakePipes() {
  std::array<int, 2> there;
  std::array<int, 2> back;
  if (::pipe2(there.data(), O_CLOEXEC) != 0) return UnavailableErrno(errno, "pipe:", "pipe");
  UniqueFd there_out(there[0]);
  UniqueFd there_in(there[1]);
  if (::pipe2(back.data(), O_CLOEXEC) != 0) return UnavailableErrno(errno, "pipe:", "pipe");
  return std::pair(PipeEnds{UniqueFd(back[0]), std::move(there_in)},
                   PipeEnds{std::move(there_out), UniqueFd(back[1])});
}

}  // namespace nigh
