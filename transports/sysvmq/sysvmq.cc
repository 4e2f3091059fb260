#include "nigh/transports/sysvmq/sysvmq.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
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
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/queue/queue_connection.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"
#include "nigh/transports/rendezvous/peer_credentials.h"
#include "nigh/transports/rendezvous/runtime_directory.h"
#include "nigh/transports/sysvmq/sysv_queue.h"

namespace nigh {
namespace {

constexpr char kMedium[] = "System V message queue";
constexpr absl::string_view kFileBegins = "nigh sysvmq ";

// Links are not followed: in a folder that others may write to they may lead anywhere.
UniqueFd OpenFile(const std::string& path, bool make) {
  return UniqueFd(::open(
      path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (make ? O_CREAT : 0), 0600));
}

UniqueFd Duplicate(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)); }

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
  return ::ftruncate(fd, 0) == 0 &&
         ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

// A client's two queues, as an arrival's token.
struct Pair {
  SysvQueueId to_client;
  SysvQueueId to_server;

  std::string Token() const {
    return absl::StrCat(absl::Hex(static_cast<uint32_t>(to_client.get()), absl::kZeroPad8),
                        absl::Hex(static_cast<uint32_t>(to_server.get()), absl::kZeroPad8));
  }
  static Pair FromToken(absl::string_view token) {
    uint64_t number = 0;
    (void)absl::SimpleHexAtoi(token, &number);
    return {SysvQueueId(static_cast<int>(number >> 32)),
            SysvQueueId(static_cast<int>(number & 0xffffffff))};
  }
};

// Whether there is nothing at `path`, or what a server has left there.
bool IsFreeOrOurs(const std::string& path) {
  struct stat file;
  if (::lstat(path.c_str(), &file) != 0) return true;
  if (!S_ISREG(file.st_mode)) return false;
  return file.st_size == 0 || ReadFile(OpenFile(path, /*make=*/false).get()).has_value();
}

class SysvmqListener final : public Listener {
 public:
  SysvmqListener(Address address, std::string path, ClaimedName file,
                 std::unique_ptr<MessageQueue> arrivals)
      : address_(std::move(address)),
        path_(std::move(path)),
        file_(std::move(file)),
        arrivals_(std::move(arrivals)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    std::array<std::byte, SysvQueue::kMaxMessage> message;
    for (;;) {
      const ssize_t size = arrivals_->Receive(ByteSpan(message.data(), message.size()));
      if (size == -EAGAIN) return nullptr;
      if (size < 0) return UnavailableErrno(static_cast<int>(-size), address_.ToString(), "accept");
      const std::optional<Arrival> arrival =
          Arrival::Decode(AsText(ConstByteSpan(message.data(), static_cast<size_t>(size))));
      if (!arrival.has_value()) continue;
      std::unique_ptr<Connection> connection = Welcome(*arrival);
      if (connection != nullptr) return connection;
    }
  }

  Wake Arm() override { return arrivals_->Arm(); }
  const Address& address() const override { return address_; }

 private:
  // Nothing: the client has gone, or its queues are none.
  std::unique_ptr<Connection> Welcome(const Arrival& arrival) const {
    const Pair pair = Pair::FromToken(arrival.token);
    UniqueFd file = OpenFile(path_, /*make=*/false);
    auto out = SysvQueue::Make(pair.to_client, Duplicate(file), /*receives=*/false);
    auto in = SysvQueue::Make(pair.to_server, std::move(file), /*receives=*/true);
    if (!in.ok() || !out.ok()) {
      // So that the client does not wait.
      pair.to_client.Remove();
      pair.to_server.Remove();
      return nullptr;
    }
    return QueueConnection::Welcome(*std::move(in), *std::move(out), arrival.client,
                                    IdentifyOwner(file_.fd(), address_.ToString(), kMedium));
  }

  const Address address_;
  const std::string path_;
  const ClaimedName file_;
  const std::unique_ptr<MessageQueue> arrivals_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialSysvmq(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  UniqueFd file = OpenFile(AbsolutePath(address.name), /*make=*/false);
  if (!file) return UnavailableErrno(errno, where, "connect");
  const std::optional<SysvQueueId> arrivals = ReadFile(file.get());
  if (!arrivals.has_value() || !ClaimedName::IsClaimed(file.get())) {
    return UnavailableErrno(ECONNREFUSED, where, "connect");
  }
  Pair pair;
  for (SysvQueueId* queue : {&pair.to_client, &pair.to_server}) {
    absl::StatusOr<SysvQueueId> made = SysvQueueId::Make(where, "connect");
    if (!made.ok()) {
      pair.to_client.Remove();
      return made.status();
    }
    *queue = *made;
  }
  PeerIdentity peer = IdentifyOwner(file.get(), where, kMedium);
  auto claim = std::make_shared<UniqueFd>(Duplicate(file));
  auto announce = SysvQueue::Make(*arrivals, Duplicate(file), /*receives=*/false);
  auto out = SysvQueue::Make(pair.to_server, Duplicate(file), /*receives=*/false);
  auto in = SysvQueue::Make(pair.to_client, std::move(file), /*receives=*/true);
  Arrival arrival = Arrival::OfThisProcess();
  arrival.token = pair.Token();
  const std::array<char, Arrival::kSize> bytes = arrival.Encode();
  int sent = -ECONNREFUSED;
  if (announce.ok() && out.ok() && in.ok()) {
    sent = (*announce)->Send(
        ConstByteSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()),
        Urgency::kBulk);
  }
  if (sent != 0) {
    pair.to_client.Remove();
    pair.to_server.Remove();
    if (sent != -EAGAIN) return UnavailableErrno(-sent, where, "connect: announce this client");
    return absl::UnavailableError(absl::StrCat(
        where, ": connect: the server's queue of new clients is full (does it take them in?)"));
  }
  return QueueConnection::Await(
      *std::move(in), *std::move(out), [claim] { return ClaimedName::IsClaimed(claim->get()); },
      std::move(peer));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenSysvmq(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  const NameSpace files = {
      .open = &OpenFile, .unlink = [](const std::string& path) { return ::unlink(path.c_str()); }};
  const std::string path = AbsolutePath(address.name);
  if (!IsFreeOrOurs(path)) {
    return absl::FailedPreconditionError(absl::StrCat(
        where, ": listen: another file is in the way (remove it, or choose another path)"));
  }
  absl::StatusOr<ClaimedName> file = ClaimedName::Claim(files, path, where);
  if (!file.ok()) return file.status();
  // What a killed server has left, with its queue.
  if (const std::optional<SysvQueueId> old = ReadFile(file->fd()); old.has_value()) old->Remove();
  SweepSysvQueues();
  absl::StatusOr<SysvQueueId> id = SysvQueueId::Make(where, "listen");
  if (!id.ok()) return id.status();
  auto arrivals = SysvQueue::Make(*id, OpenFile(path, /*make=*/false), /*receives=*/true);
  if (!arrivals.ok() || !WriteFile(file->fd(), *id)) {
    id->Remove();
    return UnavailableErrno(errno, where, "listen");
  }
  return std::make_unique<SysvmqListener>(address, path, *std::move(file), *std::move(arrivals));
}

}  // namespace nigh
