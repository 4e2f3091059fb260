#include "nigh/transports/mqueue/mqueue.h"

#include <mqueue.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/mqueue/posix_queue.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/queue/queue_connection.h"
#include "nigh/transports/queue/queue_listener.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"

namespace nigh {
namespace {

// NAME_MAX, less what is put behind a client's names.
constexpr size_t kMaxName = 255 - Arrival::kTokenSize - 3;
constexpr long kMinSize = 512;
constexpr char kMedium[] = "POSIX message queue";
// Where Linux shows queues as files, if it is mounted.
constexpr char kFolder[] = "/dev/mqueue";
constexpr QueueSize kArrivals = {.messages = 8, .bytes = Arrival::kSize};

struct Options {
  std::string where;
  QueueSize size = {};
};

absl::StatusOr<Options> Parse(const Address& address) {
  Options options = {.where = address.ToString()};
  if (absl::Status known = address.CheckParameters({"messages", "size", "mode", "group", "server"});
      !known.ok()) {
    return known;
  }
  const absl::string_view name = address.name;
  if (name.size() < 2 || name.size() > kMaxName || name[0] != '/' ||
      absl::StrContains(name.substr(1), '/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", options.where, "\": a queue's name is a slash and up to ",
                     kMaxName - 1, " other characters (write mqueue:/NAME)"));
  }
  const auto parse = [&](absl::string_view key, long least, long* value) {
    const absl::string_view text = address.Parameter(key);
    if (text.empty() || (absl::SimpleAtoi(text, value) && *value >= least)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("address \"", options.where, "\": ", key, "=",
                                                   text, " (use a number from ", least, " on)"));
  };
  if (absl::Status good = parse("messages", 1, &options.size.messages); !good.ok()) return good;
  if (absl::Status good = parse("size", kMinSize, &options.size.bytes); !good.ok()) return good;
  return options;
}

void Remove(const TokenNames& names) {
  ::mq_unlink(names.to_client.c_str());
  ::mq_unlink(names.to_server.c_str());
}

// What clients have left that were killed before the server came to them: a client's own queue is
// claimed by it.
void SweepBeside(absl::string_view name) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
    const std::string file = entry.path().filename().string();
    if (!IsTokenName(file, name.substr(1)) || !absl::EndsWith(file, ".c")) continue;
    const UniqueFd queue = OpenPosixQueue("/" + file, nullptr);
    if (!queue || ClaimedName::IsClaimed(queue.get())) continue;
    const absl::string_view token =
        absl::string_view(file).substr(file.size() - 2 - Arrival::kTokenSize, Arrival::kTokenSize);
    Remove(TokenNames(name, token));
  }
}

// Opens and unlinks what `client` has made. Nothing: it has gone, or is somebody else than it says.
std::unique_ptr<Connection> Welcome(const Address& address, const Arrival& client,
                                    const Gate& gate) {
  const TokenNames names(address.name, client.token);
  UniqueFd in = OpenPosixQueue(names.to_server, nullptr);
  UniqueFd out = OpenPosixQueue(names.to_client, nullptr);
  if (!in || !out) {
    Remove(names);
    return nullptr;
  }
  PeerIdentity peer = IdentifyOwner(in.get(), address.ToString(), kMedium);
  const bool one_owner = peer.uid == IdentifyOwner(out.get(), "", kMedium).uid;
  auto receiver = PosixQueue::Make(std::move(in), names.to_server, /*receives=*/true);
  auto sender = PosixQueue::Make(std::move(out), names.to_client, /*receives=*/false);
  // The client sees the lock before it misses the name.
  Remove(names);
  if (!one_owner || !receiver.ok() || !sender.ok() ||
      (*receiver)->max_message() < size_t{kMinSize} ||
      (*sender)->max_message() < size_t{kMinSize}) {
    return nullptr;
  }
  if (const absl::Status admitted = gate(peer); !admitted.ok()) {
    QueueConnection::TurnAway(**receiver, **sender, admitted);
    return nullptr;
  }
  return QueueConnection::Welcome(*std::move(receiver), *std::move(sender), client.client,
                                  std::move(peer));
}

// A client's own queue, which it claims so that nobody takes it for a killed one's.
NameSpace QueuesOf(const QueueSize& size) {
  return {.open = [size](const std::string& name,
                         bool make) { return OpenPosixQueue(name, make ? &size : nullptr); },
          .unlink = [](const std::string& name) { return ::mq_unlink(name.c_str()); }};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialMqueue(const Address& address) {
  absl::StatusOr<Options> options = Parse(address);
  if (!options.ok()) return options.status();
  const std::string& where = options->where;
  UniqueFd place = OpenPosixQueue(address.name, nullptr);
  if (!place && errno == EACCES) return ConnectErrno(errno, where, "connect");
  if (!place) return PosixQueueError(errno, where, "connect");
  if (!ClaimedName::IsClaimed(place.get())) return PosixQueueError(ENOENT, where, "connect");
  PeerIdentity server = IdentifyOwner(place.get(), where, kMedium);

  const Arrival self = Arrival::OfThisProcess();
  const TokenNames names(address.name, self.token);
  const auto failed = [&] {
    absl::Status status = PosixQueueError(errno, where, "connect: make a queue");
    Remove(names);
    return status;
  };
  UniqueFd to_client = OpenPosixQueue(names.to_client, &options->size);
  if (!to_client) return failed();
  UniqueFd to_server = OpenPosixQueue(names.to_server, &options->size);
  if (!to_server) return failed();
  if (server.uid != ::geteuid() && server.uid != 0 &&
      (!ShareAs(to_client.get(), place.get()) || !ShareAs(to_server.get(), place.get()))) {
    return failed();
  }
  auto arrivals = PosixQueue::Make(std::move(place), address.name, /*receives=*/false);
  auto in = PosixQueue::Make(std::move(to_client), names.to_client, /*receives=*/true);
  auto out = PosixQueue::Make(std::move(to_server), names.to_server, /*receives=*/false);
  if (!arrivals.ok() || !in.ok() || !out.ok()) return failed();
  return QueueConnection::Announce(self, *std::move(arrivals), *std::move(in), *std::move(out),
                                   std::move(server));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenMqueue(const Address& address) {
  absl::StatusOr<Options> options = Parse(address);
  if (!options.ok()) return options.status();
  absl::StatusOr<Access> access = Access::Of(address);
  if (!access.ok()) return access.status();
  if ((access->mode & 0007) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", options->where,
        "\": the queues of clients can be shared with a group, not with everybody (use group=)"));
  }
  absl::StatusOr<ClaimedName> name =
      ClaimedName::Claim(QueuesOf(kArrivals), address.name, options->where, *access);
  if (!name.ok()) {
    const bool somebodys = absl::IsAlreadyExists(name.status()) ||
                           absl::IsFailedPrecondition(name.status()) ||
                           absl::IsPermissionDenied(name.status());
    return somebodys ? name.status() : PosixQueueError(errno, options->where, "listen");
  }
  SweepBeside(address.name);
  auto arrivals = PosixQueue::Make(DuplicateFd(name->fd()), address.name, /*receives=*/true);
  if (!arrivals.ok()) return PosixQueueError(errno, options->where, "listen");
  return std::make_unique<QueueListener>(address, *std::move(name), *std::move(arrivals),
                                         [address](const Arrival& client, const Gate& gate) {
                                           return Welcome(address, client, gate);
                                         });
}

}  // namespace nigh
