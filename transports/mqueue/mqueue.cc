#include "nigh/transports/mqueue/mqueue.h"

#include <mqueue.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/mqueue/posix_queue.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/queue/queue_connection.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"
#include "nigh/transports/rendezvous/peer_credentials.h"

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
  if (absl::Status known = address.CheckParameters({"messages", "size"}); !known.ok()) return known;
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

class MqueueListener final : public Listener {
 public:
  MqueueListener(Address address, ClaimedName arrivals)
      : address_(std::move(address)), arrivals_(std::move(arrivals)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    std::array<char, 8192> message;
    for (;;) {
      const ssize_t size = ::mq_receive(arrivals_.fd(), message.data(), message.size(), nullptr);
      if (size < 0) return nullptr;
      const std::optional<Arrival> arrival =
          Arrival::Decode(absl::string_view(message.data(), static_cast<size_t>(size)));
      if (!arrival.has_value()) continue;
      std::unique_ptr<Connection> connection = Welcome(*arrival);
      if (connection != nullptr) return connection;
    }
  }

  Wake Arm() override { return Wake{.fd = arrivals_.fd(), .events = POLLIN}; }
  const Address& address() const override { return address_; }

 private:
  // Nothing: the client has gone, or is somebody else than it says.
  std::unique_ptr<Connection> Welcome(const Arrival& arrival) const {
    const TokenNames names(address_.name, arrival.token);
    UniqueFd in = OpenPosixQueue(names.to_server, nullptr);
    UniqueFd out = OpenPosixQueue(names.to_client, nullptr);
    if (!in || !out) {
      Remove(names);
      return nullptr;
    }
    PeerIdentity peer = IdentifyOwner(in.get(), address_.ToString(), kMedium);
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
    return QueueConnection::Welcome(*std::move(receiver), *std::move(sender), arrival.client,
                                    std::move(peer));
  }

  const Address address_;
  const ClaimedName arrivals_;
};

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
  auto arrivals = std::make_shared<UniqueFd>(OpenPosixQueue(address.name, nullptr));
  if (!*arrivals) return PosixQueueError(errno, where, "connect");
  if (!ClaimedName::IsClaimed(arrivals->get())) {
    return PosixQueueError(ENOENT, where, "connect");
  }
  const Arrival arrival = Arrival::OfThisProcess();
  const TokenNames names(address.name, arrival.token);
  const auto failed = [&](absl::string_view operation) {
    absl::Status status = PosixQueueError(errno, where, operation);
    Remove(names);
    return status;
  };
  UniqueFd to_client = OpenPosixQueue(names.to_client, &options->size);
  if (!to_client) return failed("connect: make a queue");
  UniqueFd to_server = OpenPosixQueue(names.to_server, &options->size);
  if (!to_server) return failed("connect: make a queue");
  auto receiver = PosixQueue::Make(std::move(to_client), names.to_client, /*receives=*/true);
  auto sender = PosixQueue::Make(std::move(to_server), names.to_server, /*receives=*/false);
  if (!receiver.ok() || !sender.ok()) return failed("connect: make a queue");
  const std::array<char, Arrival::kSize> bytes = arrival.Encode();
  if (::mq_send(arrivals->get(), bytes.data(), bytes.size(), 0) != 0) {
    if (errno != EAGAIN) return failed("connect: announce this client");
    Remove(names);
    return absl::UnavailableError(absl::StrCat(
        where, ": connect: the server's queue of new clients is full (does it take them in?)"));
  }
  return QueueConnection::Await(
      *std::move(receiver), *std::move(sender),
      [arrivals] { return ClaimedName::IsClaimed(arrivals->get()); },
      IdentifyOwner(arrivals->get(), where, kMedium));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenMqueue(const Address& address) {
  absl::StatusOr<Options> options = Parse(address);
  if (!options.ok()) return options.status();
  absl::StatusOr<ClaimedName> arrivals =
      ClaimedName::Claim(QueuesOf(kArrivals), address.name, options->where);
  if (!arrivals.ok()) {
    const bool somebodys =
        absl::IsAlreadyExists(arrivals.status()) || absl::IsFailedPrecondition(arrivals.status());
    return somebodys ? arrivals.status() : PosixQueueError(errno, options->where, "listen");
  }
  SweepBeside(address.name);
  return std::make_unique<MqueueListener>(address, *std::move(arrivals));
}

}  // namespace nigh
