// The listener of fifo:, and clients that announce themselves as they like, beside whatever they
// have put under the names that they announce. Steps, each a byte and its arguments. The FIFOs are
// real ones, in a folder of their own, and an arrival is some fifteen system calls.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/fifo/client_stream.h"
#include "nigh/transports/fifo/fifo.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {
namespace {

// What is under one of a client's names.
enum class Made : uint8_t { kNothing, kFifo, kUnopenedFifo, kFile, kLink, kFolder, kCount };

// A client whose token ends in its number.
class Client {
 public:
  Client(const std::string& path, int number)
      : token_(absl::StrCat("00000000ffffff0", number)), names_(path, token_) {}

  std::string Announcement(const ProcessName& client) const {
    return Arrival{.client = client, .token = token_}.Encode();
  }

  void Make(Made to_client, Made to_server) {
    Remove();
    reader_ = MakeOne(names_.to_client, to_client, O_RDONLY);
    writer_ = MakeOne(names_.to_server, to_server, O_RDWR);
  }
  void Remove() {
    reader_.reset();
    writer_.reset();
    for (const std::string* name : {&names_.to_client, &names_.to_server}) {
      if (::unlink(name->c_str()) != 0) ::rmdir(name->c_str());
    }
  }
  // Whether a server has greeted it; once.
  bool WasGreeted() {
    FifoGreeting greeting;
    if (!reader_ || ::read(reader_.get(), greeting.data(), greeting.size()) <= 0) return false;
    Expect(greeting == GreetingOf(ProcessName::OfThisProcess()), "a server says who it is");
    struct stat file;
    Expect(::lstat(names_.to_client.c_str(), &file) != 0 &&
               ::lstat(names_.to_server.c_str(), &file) != 0,
           "who is greeted has no name any more");
    reader_.reset();
    return true;
  }

 private:
  static UniqueFd MakeOne(const std::string& name, Made what, int access) {
    const auto open = [&] {
      return UniqueFd(::open(name.c_str(), access | O_NONBLOCK | O_CLOEXEC));
    };
    switch (what) {
      case Made::kFifo:
        (void)::mkfifo(name.c_str(), 0600);
        return open();
      case Made::kUnopenedFifo:
        (void)::mkfifo(name.c_str(), 0600);
        break;
      case Made::kFile:
        UniqueFd(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        break;
      case Made::kLink:
        (void)!::symlink("/dev/null", name.c_str());
        break;
      case Made::kFolder:
        (void)::mkdir(name.c_str(), 0700);
        break;
      default:
        break;
    }
    return UniqueFd();
  }

  const std::string token_;
  const TokenNames names_;
  UniqueFd reader_, writer_;
};

// The listener, its folder, and the FIFO where clients announce themselves: for all inputs.
class Place {
 public:
  Place() {
    std::string folder = "/tmp/nigh-fuzz-XXXXXX";
    Expect(::mkdtemp(folder.data()) != nullptr, "there is a folder");
    folder_ = folder;
    path_ = folder + "/place";
    auto listener = ListenFifo({.scheme = "fifo", .name = path_, .parameters = {}});
    Expect(listener.ok(), "a server can listen");
    listener_ = *std::move(listener);
    listener_->SetGate([this](const PeerIdentity&) {
      return admits ? absl::OkStatus() : absl::PermissionDeniedError("no");
    });
    announcements_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  }
  ~Place() {
    listener_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  const std::string& path() const { return path_; }
  Listener& listener() { return *listener_; }
  void Announce(absl::string_view bytes) {
    (void)!::write(announcements_.get(), bytes.data(), bytes.size());
  }
  int unread() const {
    int bytes = 0;
    ::ioctl(announcements_.get(), FIONREAD, &bytes);
    return bytes;
  }

  bool admits = true;

 private:
  std::string folder_;
  std::string path_;
  std::unique_ptr<Listener> listener_;
  UniqueFd announcements_;
};

Place& ThePlace() {
  static Place& place = *new Place();
  static const bool removed = std::atexit([] { delete &ThePlace(); }) == 0;
  (void)removed;
  return place;
}

class Clients {
 public:
  explicit Clients(Place& place) : place_(place) { place_.admits = true; }
  ~Clients() {
    for (Client& client : clients_) client.Remove();
  }

  Client& operator[](uint8_t number) { return clients_[number % clients_.size()]; }

  // Whether somebody has come in.
  bool Accept() {
    const int before = place_.unread();
    const absl::StatusOr<std::unique_ptr<Connection>> accepted = place_.listener().Accept();
    Expect(accepted.ok(), "no announcement ends a listener");
    Expect(before - place_.unread() <= kMostRead, "a flood does not keep a listener");
    const auto greeted = std::count_if(clients_.begin(), clients_.end(),
                                       [](Client& client) { return client.WasGreeted(); });
    const bool came = *accepted != nullptr;
    if (came) Expect(place_.admits && greeted >= 1, "who comes in has been greeted");
    return came;
  }
  // Until nobody is left.
  void AcceptAll() {
    for (int accepts = 0; Accept() || place_.unread() != 0 || place_.listener().Arm().ready();
         ++accepts) {
      Expect(accepts < 10'000, "announcements come to an end");
    }
    // So that the next input does not begin with the end of this one.
    place_.Announce(std::string(Arrival::kSize, '-'));
    Expect(!Accept(), "noise is nobody");
  }

 private:
  static constexpr int kMostRead = 2 * 16 * static_cast<int>(Arrival::kSize);

  Place& place_;
  std::array<Client, 3> clients_ = {Client(place_.path(), 0), Client(place_.path(), 1),
                                    Client(place_.path(), 2)};
};

ProcessName NameOf(uint8_t who) {
  ProcessName name = ProcessName::OfThisProcess();
  if (who % 4 == 1) name.pid = 1 << 23;  // beyond all numbers that processes have
  if (who % 4 == 2) name.space += 1;
  if (who % 4 == 3) name.pid = -1;
  return name;
}

void Step(Place& place, Clients& clients, Input& input) {
  switch (input.Take() % 7) {
    case 0:
      return place.Announce(input.TakeText(input.Take()));
    case 1: {
      const Client& client = clients[input.Take()];
      return place.Announce(client.Announcement(NameOf(input.Take())));
    }
    case 2: {
      Client& client = clients[input.Take()];
      const uint8_t what = input.Take();
      constexpr auto kCount = static_cast<uint8_t>(Made::kCount);
      return client.Make(static_cast<Made>(what % kCount),
                         static_cast<Made>(what / kCount % kCount));
    }
    case 3:
      clients.Accept();
      return;
    case 4: {  // a flood
      const std::string announcement = clients[input.Take()].Announcement(NameOf(0));
      for (int left = input.Take(); left > 0; --left) place.Announce(announcement);
      return;
    }
    case 5:
      place.admits = !place.admits;
      return;
    default: {
      const TightLimit tight(input.Take() % 4);
      clients.Accept();
      return;
    }
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Place& place = ThePlace();
  const ExtraDescriptors extra;
  {
    Input input(data, size);
    Clients clients(place);
    while (!input.empty()) Step(place, clients, input);
    clients.AcceptAll();
  }
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
