#include "nigh/transports/fifo/fifo.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/fifo/client_stream.h"
#include "nigh/transports/fifo/grant.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/stream/pipe_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

constexpr char kMedium[] = "FIFO";
// Whoever makes two FIFOs opens them at once; names that nobody has opened after so many seconds
// are a killed client's.
constexpr std::time_t kAbandoned = 10;
// Arrivals that bring no client: a flood of them must not keep the listener's thread.
constexpr int kLooksPerAccept = 16;

// Links are not followed: in a folder that others may write to they may lead anywhere.
UniqueFd OpenFifo(const std::string& path, int access) {
  UniqueFd fd(Uninterrupted(
      [&] { return ::open(path.c_str(), access | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC); }));
  struct stat file;
  if (!fd || (::fstat(fd.get(), &file) == 0 && S_ISFIFO(file.st_mode))) return fd;
  errno = ENOTSUP;
  return UniqueFd();
}

bool IsShortage(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM;
}

UniqueFd OpenArrivals(const std::string& path, bool make) {
  // One that is there may go before it is opened, when its owner does: then it is made after all.
  // A link that leads nowhere is always there, and never can be opened.
  constexpr int kAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    if (make && ::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return UniqueFd();
    UniqueFd fd = OpenFifo(path, O_RDWR);
    if (fd || !make || errno != ENOENT || attempt == kAttempts) return fd;
  }
}

absl::Status CheckParameters(const Address& address) {
  return address.CheckParameters({"mode", "group", "server"});
}

void Remove(const TokenNames& names) {
  ::unlink(names.to_client.c_str());
  ::unlink(names.to_server.c_str());
}

// What clients have left that were killed before the server came to them.
void SweepBeside(const std::string& path) {
  const std::filesystem::path place(path);
  const std::string prefix = place.filename().string();
  std::error_code error;
  const std::filesystem::path folder = place.has_parent_path() ? place.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!IsTokenName(entry.path().filename().string(), prefix)) continue;
    struct stat file;
    if (::lstat(entry.path().c_str(), &file) != 0 || !S_ISFIFO(file.st_mode) ||
        file.st_ctime + kAbandoned > std::time(nullptr)) {
      continue;
    }
    // One that has a reader belongs to a client that waits.
    if (!UniqueFd(::open(entry.path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) &&
        errno == ENXIO) {
      ::unlink(entry.path().c_str());
    }
  }
}

class FifoListener final : public Listener {
 public:
  FifoListener(Address address, std::string path, ClaimedName arrivals)
      : address_(std::move(address)),
        path_(std::move(path)),
        where_(address_.ToString()),
        arrivals_(std::move(arrivals)),
        reserve_(DuplicateFd(arrivals_.fd()).KeptFromChildren()) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    for (int looks = 0; looks < kLooksPerAccept; ++looks) {
      const std::optional<Arrival> arrival = NextArrival();
      if (!arrival.has_value()) break;
      std::unique_ptr<Connection> connection = Welcome(*arrival);
      if (connection != nullptr) return connection;
      if (!waiting_.has_value()) continue;
      // There is nothing to wait for; pausing keeps the poller from using up the CPU that others
      // need to free something.
      absl::SleepFor(absl::Milliseconds(1));
      return nullptr;
    }
    if (absl::Status lost = arrivals_.CheckWatch(where_); !lost.ok()) return lost;
    return nullptr;
  }

  Wake Arm() override {
    if (waiting_.has_value() || unread_.size() >= Arrival::kSize) return Wake::Ready();
    return {.fd = arrivals_.fd(),
            .events = POLLIN,
            .end_fd = arrivals_.watch_fd(),
            .end_events = POLLIN};
  }
  const Address& address() const override { return address_; }

 private:
  // Arrivals are written in one go each. What is none is passed over, byte by byte.
  std::optional<Arrival> NextArrival() {
    if (waiting_.has_value()) return std::exchange(waiting_, std::nullopt);
    if (unread_.size() < Arrival::kSize) {
      std::array<char, 16 * Arrival::kSize> bytes;
      const ssize_t size = ::read(arrivals_.fd(), bytes.data(), bytes.size());
      if (size > 0) unread_.append(bytes.data(), static_cast<size_t>(size));
    }
    for (size_t at = 0; at + Arrival::kSize <= unread_.size(); ++at) {
      std::optional<Arrival> arrival =
          Arrival::Decode(absl::string_view(unread_).substr(at, Arrival::kSize));
      if (!arrival.has_value()) continue;
      unread_.erase(0, at + Arrival::kSize);
      return arrival;
    }
    if (unread_.size() >= Arrival::kSize) unread_.erase(0, unread_.size() - Arrival::kSize + 1);
    return std::nullopt;
  }

  // Nothing: the client has gone, is somebody else than it says, or is turned away; or it waits for
  // that.
  std::unique_ptr<Connection> Welcome(const Arrival& arrival) {
    const TokenNames names(path_, arrival.token);
    UniqueFd in = OpenFifo(names.to_server, O_RDONLY);
    UniqueFd out = in ? OpenFifo(names.to_client, O_WRONLY) : UniqueFd();
    if (!out && IsShortage(errno) && !TurnAway(names)) {
      waiting_ = arrival;
      return nullptr;
    }
    Remove(names);
    if (!out) return nullptr;
    PeerIdentity peer = IdentifyOwner(in.get(), where_, kMedium);
    if (peer.uid != IdentifyOwner(out.get(), where_, kMedium).uid) return nullptr;
    absl::StatusOr<std::unique_ptr<PipeStream>> stream =
        PipeStream::Make(std::move(in), std::move(out), where_);
    const FifoGreeting greeting = GreetingOf(ProcessName::OfThisProcess());
    if (!stream.ok() || (*stream)->Write(greeting) != ssize_t{greeting.size()}) return nullptr;
    const std::optional<uid_t> user = peer.uid;
    if (const absl::Status admitted = gate()(peer); !admitted.ok()) {
      (void)(*stream)->Write(AsBytes(EncodeRefusal(admitted)));
      return nullptr;
    }
    return std::make_unique<StreamConnection>(*std::move(stream), std::move(peer), Side::kServer,
                                              PeerProcess(WatchProcess(arrival.client, user)));
  }

  // For want of descriptors: the client's FIFO is opened and closed, which ends what it waits for.
  // False: not even that could be done.
  bool TurnAway(const TokenNames& names) {
    reserve_.reset();
    const bool done = OpenFifo(names.to_client, O_WRONLY) || !IsShortage(errno);
    reserve_ = DuplicateFd(arrivals_.fd()).KeptFromChildren();
    return done;
  }

  const Address address_;
  const std::string path_;
  const std::string where_;
  ClaimedName arrivals_;
  UniqueFd reserve_;                // given up where there is no descriptor to turn a client away
  std::optional<Arrival> waiting_;  // to be turned away
  std::string unread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialFifo(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = CheckParameters(address); !known.ok()) return known;
  const std::string path = AbsolutePath(address.name);
  FifoClientStream::Waiting waiting;
  waiting.arrivals = OpenFifo(path, O_WRONLY).KeptFromChildren();
  if (!waiting.arrivals && errno == ENXIO) errno = ECONNREFUSED;
  if (!waiting.arrivals) return ConnectErrno(errno, where, "connect");
  PeerIdentity peer = IdentifyOwner(waiting.arrivals.get(), where, kMedium);

  const Arrival arrival = Arrival::OfThisProcess();
  const TokenNames names(path, arrival.token);
  const auto failed = [&](absl::string_view operation) {
    absl::Status status = UnavailableErrno(errno, where, operation);
    Remove(names);
    return status;
  };
  if (::mkfifo(names.to_client.c_str(), 0600) != 0 ||
      ::mkfifo(names.to_server.c_str(), 0600) != 0) {
    return failed("connect: make a FIFO");
  }
  UniqueFd in = OpenFifo(names.to_client, O_RDONLY);
  if (!in) return failed("connect: open a FIFO");
  UniqueFd own_reader = OpenFifo(names.to_server, O_RDONLY);
  if (!own_reader) return failed("connect: open a FIFO");
  UniqueFd out = OpenFifo(names.to_server, O_WRONLY);
  if (!out) return failed("connect: open a FIFO");
  UniqueFd ends = UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren();
  if (!ends) return failed("connect: epoll_create1");
  const bool is_strangers = peer.uid.has_value() && *peer.uid != ::geteuid() && *peer.uid != 0;
  if (is_strangers && (!GrantTo(in.get(), *peer.uid) || !GrantTo(out.get(), *peer.uid))) {
    return failed("connect: let the server's user open a FIFO");
  }
  waiting.server = peer.uid;
  const std::string bytes = arrival.Encode();
  absl::StatusOr<std::unique_ptr<PipeStream>> pipes =
      PipeStream::Make(std::move(in), std::move(out), where);
  if (!pipes.ok()) return failed("connect");
  // SIGPIPE is taken care of by now.
  const ssize_t written =
      Uninterrupted([&] { return ::write(waiting.arrivals.get(), bytes.data(), bytes.size()); });
  if (written != ssize_t{Arrival::kSize}) {
    return failed("connect: announce this client");
  }
  waiting.in = names.to_client;
  waiting.out = names.to_server;
  auto stream = std::make_unique<FifoClientStream>(*std::move(pipes), std::move(waiting),
                                                   std::move(own_reader), std::move(ends));
  if (stream->error() != 0) return UnavailableErrno(stream->error(), where, "connect: epoll_ctl");
  return std::make_unique<StreamConnection>(std::move(stream), std::move(peer), Side::kClient,
                                            PeerProcess());
}

absl::StatusOr<std::unique_ptr<Listener>> ListenFifo(const Address& address) {
  if (absl::Status known = CheckParameters(address); !known.ok()) return known;
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  const NameSpace fifos = {.open = &OpenArrivals, .unlink = [](const std::string& path) {
                             return ::unlink(path.c_str());
                           }};
  const std::string path = AbsolutePath(address.name);
  struct stat file;
  if (::lstat(path.c_str(), &file) == 0 && !S_ISFIFO(file.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(address.ToString(),
                     ": listen: a file that is not a FIFO is in the way (remove it, or choose "
                     "another path)"));
  }
  absl::StatusOr<ClaimedName> arrivals =
      ClaimedName::Claim(fifos, path, address.ToString(), *access);
  if (!arrivals.ok()) return arrivals.status();
  SweepBeside(path);
  return std::make_unique<FifoListener>(address, path, *std::move(arrivals));
}

}  // namespace nigh
