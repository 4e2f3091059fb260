#include "nigh/transports/sysvmq/sysvmq.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/base/file_size_limit.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/queue/queue_connection.h"
#include "nigh/transports/queue/queue_listener.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/sysvmq/sysv_queue.h"

namespace nigh {
namespace {

constexpr char kMedium[] = "System V message queue";
constexpr absl::string_view kFileBegins = "nigh sysvmq ";

// Links are not followed: in a folder that others may write to they may lead anywhere.
UniqueFd OpenFile(const std::string& path, bool make) {
  const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (make ? O_CREAT : 0);
  return UniqueFd(Uninterrupted([&] { return ::open(path.c_str(), flags, 0600); }));
}

absl::Status CheckParameters(const Address& address) {
  return address.CheckParameters({"mode", "group", "server"});
}

// The queue that the file tells of; none if it is another program's file.
std::optional<SysvQueueId> ReadFile(int fd) {
  std::array<char, 64> bytes;
  const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
  absl::string_view text(bytes.data(), size < 0 ? 0 : static_cast<size_t>(size));
  int id = -1;
  if (!absl::ConsumePrefix(&text, kFileBegins) || !absl::SimpleAtoi(text, &id)) return std::nullopt;
  return SysvQueueId(id);
}

bool WriteFile(int fd, SysvQueueId id) {
  const std::string text = absl::StrCat(kFileBegins, id.get(), "\n");
  return MayHaveFileOf(text.size()) && ::ftruncate(fd, 0) == 0 &&
         ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

// A client's two queues, as an arrival's token.
struct Pair {
  SysvQueueId to_client;
  SysvQueueId to_server;

  static Pair FromToken(absl::string_view token) {
    uint64_t number = 0;
    (void)absl::SimpleHexAtoi(token, &number);
    return {SysvQueueId(static_cast<int>(number >> 32)),
            SysvQueueId(static_cast<int>(number & 0xffffffff))};
  }
  std::string ToToken() const {
    return absl::StrCat(absl::Hex(static_cast<uint32_t>(to_client.get()), absl::kZeroPad8),
                        absl::Hex(static_cast<uint32_t>(to_server.get()), absl::kZeroPad8));
  }
  void Remove() const {
    to_client.Remove();
    to_server.Remove();
  }
};

// Whether there is nothing at `path`, or what a server has left there.
bool IsFreeOrOurs(const std::string& path) {
  struct stat file;
  if (::lstat(path.c_str(), &file) != 0) return true;
  if (!S_ISREG(file.st_mode)) return false;
  return file.st_size == 0 || ReadFile(OpenFile(path, /*make=*/false).get()).has_value();
}

// Opens what `client` has made. Nothing: it has gone, or its queues are none.
std::unique_ptr<Connection> Welcome(const std::string& path, const std::string& where,
                                    bool is_private, const Arrival& client, const Gate& gate) {
  const Pair pair = Pair::FromToken(client.token);
  UniqueFd file = OpenFile(path, /*make=*/false);
  auto out = SysvQueue::Make(pair.to_client, DuplicateFd(file.get()), /*receives=*/false);
  auto in = SysvQueue::Make(pair.to_server, std::move(file), /*receives=*/true);
  if (!in.ok() || !out.ok()) {
    // So that the client does not wait. Another user's might name queues that are not its own.
    if (is_private) pair.Remove();
    return nullptr;
  }
  PeerIdentity peer = {.address = where, .medium = kMedium};
  pair.to_server.IdentifyMaker(peer);
  PeerIdentity other = {.address = where};
  pair.to_client.IdentifyMaker(other);
  if (peer.uid != other.uid) return nullptr;
  if (const absl::Status admitted = gate(peer); !admitted.ok()) {
    QueueConnection::TurnAway(**in, **out, admitted);
    // The client removes the one that it reads from; the other goes with this end.
    return nullptr;
  }
  return QueueConnection::Welcome(*std::move(in), *std::move(out), client.client, std::move(peer));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialSysvmq(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = CheckParameters(address); !known.ok()) return known;
  UniqueFd file = OpenFile(AbsolutePath(address.name), /*make=*/false);
  if (!file) return ConnectErrno(errno, where, "connect");
  const std::optional<SysvQueueId> place = ReadFile(file.get());
  if (!place.has_value() || !ClaimedName::IsClaimed(file.get())) {
    return UnavailableErrno(ECONNREFUSED, where, "connect");
  }
  PeerIdentity server = IdentifyOwner(file.get(), where, kMedium);
  PeerIdentity maker = {.address = where};
  place->IdentifyMaker(maker);
  // The file tells of somebody else's queue.
  if (maker.uid != server.uid) return UnavailableErrno(ECONNREFUSED, where, "connect");
  const bool is_strangers = server.uid.has_value() && *server.uid != ::geteuid();
  Pair pair;
  for (SysvQueueId* queue : {&pair.to_client, &pair.to_server}) {
    absl::StatusOr<SysvQueueId> made = SysvQueueId::Make(where, "connect");
    if (!made.ok()) {
      pair.Remove();
      return made.status();
    }
    *queue = *made;
    if (is_strangers && !queue->GrantTo(*server.uid)) {
      const int error = errno;
      pair.Remove();
      return UnavailableErrno(error, where, "connect: let the server's user use a queue");
    }
  }
  auto arrivals = SysvQueue::Make(*place, DuplicateFd(file.get()), /*receives=*/false);
  auto out = SysvQueue::Make(pair.to_server, DuplicateFd(file.get()), /*receives=*/false);
  auto in = SysvQueue::Make(pair.to_client, std::move(file), /*receives=*/true);
  if (!arrivals.ok() || !out.ok() || !in.ok()) {
    pair.Remove();
    return UnavailableErrno(ECONNREFUSED, where, "connect");
  }
  Arrival self = Arrival::OfThisProcess();
  self.token = pair.ToToken();
  return QueueConnection::Announce(self, *std::move(arrivals), *std::move(in), *std::move(out),
                                   std::move(server));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenSysvmq(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = CheckParameters(address); !known.ok()) return known;
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  const NameSpace files = {
      .open = &OpenFile, .unlink = [](const std::string& path) { return ::unlink(path.c_str()); }};
  const std::string path = AbsolutePath(address.name);
  if (!IsFreeOrOurs(path)) {
    return absl::FailedPreconditionError(absl::StrCat(
        where, ": listen: another file is in the way (remove it, or choose another path)"));
  }
  absl::StatusOr<ClaimedName> file = ClaimedName::Claim(files, path, where, *access);
  if (!file.ok()) return file.status();
  // What a killed server has left, with its queue.
  if (const std::optional<SysvQueueId> old = ReadFile(file->fd()); old.has_value()) old->Remove();
  SweepSysvQueues();
  absl::StatusOr<SysvQueueId> id = SysvQueueId::Make(where, "listen");
  if (!id.ok()) return id.status();
  const auto failed = [&](absl::Status status) {
    id->Remove();
    return status;
  };
  UniqueFd again = OpenFile(path, /*make=*/false);
  if (!again) return failed(UnavailableErrno(errno, where, "listen"));
  auto arrivals = SysvQueue::Make(*id, std::move(again), /*receives=*/true);
  if (!arrivals.ok()) {
    return failed(
        absl::UnavailableError(absl::StrCat(where, ": listen: ", arrivals.status().message())));
  }
  if (!id->Open(access->mode, access->group)) {
    return failed(UnavailableErrno(errno, where, "listen: msgctl"));
  }
  if (!WriteFile(file->fd(), *id)) return failed(UnavailableErrno(errno, where, "listen: write"));
  return std::make_unique<QueueListener>(address, *std::move(file), *std::move(arrivals),
                                         [path, where, is_private = access->mode == Access().mode](
                                             const Arrival& client, const Gate& gate) {
                                           return Welcome(path, where, is_private, client, gate);
                                         });
}

}  // namespace nigh
