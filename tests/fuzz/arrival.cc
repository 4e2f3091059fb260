// Announcements of clients, and what a listener makes of a sequence of them (QueueListener): any
// messages, floods, repeats, and clients who are not what they say. A byte of settings, then steps.
// The queue is in memory and the listener made once; an input of a few kilobytes may announce a
// thousand clients, which is what it costs.

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/queue/queue_listener.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "nigh/transports/rendezvous/claimed_name.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_queue.h"

namespace nigh::testing {
namespace {

constexpr absl::string_view kPrefix = "place";

bool AreTheSame(const Arrival& one, const Arrival& other) {
  return one.token == other.token && one.client.pid == other.client.pid &&
         one.client.space == other.client.space;
}

// What is a client in its own right is taken in; one of another first digit has gone, or lies.
bool IsTakenIn(const Arrival& client) { return client.token[0] == '0'; }

class Stream final : public ByteStream {
 public:
  ssize_t Read(ByteSpan /*to*/) override { return -EAGAIN; }
  ssize_t Write(ConstByteSpan /*from*/) override { return -EAGAIN; }
  int read_fd() const override { return -1; }
  int write_fd() const override { return -1; }
  void Shutdown() override {}
};

// The place where clients announce themselves, which stays, and its listener.
class Place {
 public:
  // As the longest messages of POSIX queues, or of those of System V.
  explicit Place(size_t max_message) : made_({.max_message = max_message}), queue_(made_) {
    const NameSpace space = {
        .open = [this](const std::string&, bool) { return DuplicateFd(object_.get()); },
        .unlink = [](const std::string&) { return 0; }};
    absl::StatusOr<ClaimedName> name =
        ClaimedName::Claim(space, std::string(kPrefix), "fuzz:", Access());
    Expect(name.ok(), "there is a place");
    listener_.emplace(
        Address{.scheme = "fuzz", .name = "", .parameters = {}}, *std::move(name),
        std::make_unique<MemoryQueue>(queue_),
        [this](const Arrival& client, const Gate& gate) { return Welcome(client, gate); });
  }

  QueueInMemory& queue() { return queue_; }
  QueueListener& listener() { return *listener_; }
  std::deque<Arrival>& welcomed() { return welcomed_; }
  void Clear() {
    queue_ = made_;
    welcomed_.clear();
  }

 private:
  std::unique_ptr<Connection> Welcome(const Arrival& client, const Gate& gate) {
    Expect(gate(PeerIdentity()).ok(), "there is a gate");
    welcomed_.push_back(client);
    if (!IsTakenIn(client)) return nullptr;
    return std::make_unique<StreamConnection>(std::make_unique<Stream>(), PeerIdentity());
  }

  const QueueInMemory made_;
  QueueInMemory queue_;
  const UniqueFd object_{::memfd_create("place", MFD_CLOEXEC)};
  std::optional<QueueListener> listener_;
  std::deque<Arrival> welcomed_;
};

void CheckCode(absl::string_view bytes) {
  const std::optional<Arrival> arrival = Arrival::Decode(bytes);
  if (!arrival.has_value()) return;
  Expect(arrival->Encode() == bytes.substr(0, Arrival::kSize), "an arrival is encoded as decoded");
  const TokenNames names(kPrefix, arrival->token);
  Expect(IsTokenName(names.to_client, kPrefix) && IsTokenName(names.to_server, kPrefix),
         "its names are known again");
  Expect(names.to_client.find('/') == std::string::npos, "they lie beside the server's");
}

void CheckName(absl::string_view name) {
  if (!IsTokenName(name, kPrefix)) return;
  Expect(name.size() == kPrefix.size() + Arrival::kTokenSize + 3, "such a name has one token");
  const TokenNames names(kPrefix, name.substr(kPrefix.size() + 1, Arrival::kTokenSize));
  Expect(name == names.to_client || name == names.to_server, "it is one of the two");
}

class Arrivals {
 public:
  explicit Arrivals(Place& place) : place_(place) { place_.Clear(); }

  void Announce(absl::string_view bytes) {
    // The kernel takes, or cuts, no longer ones.
    bytes = bytes.substr(0, place_.queue().max_message);
    if (place_.queue().Put(bytes, Urgency::kBulk) == 0) waiting_.emplace_back(bytes);
  }
  void Fail(int error) { place_.queue().error = error; }

  // Of a flood: the queue is full again whenever a message has been taken out.
  void Accept(bool flood, absl::string_view again) {
    QueueInMemory& queue = place_.queue();
    const size_t before = queue.taken;
    if (flood) {
      queue.capacity = SIZE_MAX;
      for (size_t i = 0; i < kFlood; ++i) Announce(again);
    }
    const absl::StatusOr<std::unique_ptr<Connection>> accepted = place_.listener().Accept();
    if (!accepted.ok()) {
      const bool removed = queue.error == EIDRM || queue.error == EINVAL;
      Expect(queue.error != 0, "no message ends a listener");
      Expect(removed ? absl::IsNotFound(accepted.status()) : absl::IsUnavailable(accepted.status()),
             "how it ends is told apart");
      return;
    }
    Expect(queue.taken - before <= kMostTaken, "a flood does not keep a listener");
    for (size_t i = before; i < queue.taken; ++i) Check(accepted->get(), i + 1 == queue.taken);
    Expect(place_.welcomed().empty(), "nobody is welcomed who has not come");
    Expect(*accepted != nullptr || waiting_.empty() || queue.taken - before == kMostTaken,
           "a listener looks at all who are there");
  }

 private:
  static constexpr size_t kFlood = 20;
  static constexpr size_t kMostTaken = 16;

  // The next message that has been taken out; with the last one, a connection may have come.
  void Check(const Connection* connection, bool last) {
    const std::optional<Arrival> client = Arrival::Decode(waiting_.front());
    waiting_.pop_front();
    Expect((last && connection != nullptr) == (client.has_value() && IsTakenIn(*client)),
           "who is taken in is a connection");
    if (!client.has_value()) return;
    Expect(!place_.welcomed().empty() && AreTheSame(place_.welcomed().front(), *client),
           "clients are welcomed in the order of their arrivals, each once");
    place_.welcomed().pop_front();
  }

  Place& place_;
  std::deque<std::string> waiting_;
};

std::string MakeArrival(Input& input) {
  Arrival arrival;
  arrival.client = {.pid = static_cast<pid_t>(input.Take<uint32_t>()),
                    .space = input.Take<uint32_t>()};
  arrival.token = absl::StrCat(absl::Hex(input.Take<uint64_t>(), absl::kZeroPad16));
  return arrival.Encode();
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  static auto& places = *new std::array<Place, 2>{Place(Arrival::kSize), Place(4096)};
  Input input(data, size);
  Arrivals arrivals(places[input.Take() % 2]);
  std::string last;
  while (!input.empty()) {
    switch (input.Take() % 6) {
      case 0:
        last = std::string(input.TakeText(input.Take()));
        CheckCode(last);
        arrivals.Announce(last);
        break;
      case 1:
        last = MakeArrival(input);
        CheckCode(last);
        arrivals.Announce(last);
        break;
      case 2:  // the same once more, or more than that
        for (int left = input.Take() % 16; left >= 0; --left) arrivals.Announce(last);
        break;
      case 3:
        CheckName(input.TakeText(input.Take()));
        break;
      case 4:
        arrivals.Accept(input.Take() % 2 != 0, last);
        break;
      default:
        constexpr std::array kErrors = {0, EIDRM, EINVAL, ENOMEM};
        arrivals.Fail(kErrors[input.Take() % kErrors.size()]);
        break;
    }
  }
  return 0;
}
