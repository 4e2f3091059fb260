// A whole server with handlers of all four kinds, and one client that sends whatever it likes
// through a socket: a byte of settings, then records (frame_script.h). The server must answer
// within the protocol, stay up, and shut down.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/nigh.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/fuzz/frame_script.h"
#include "tests/fuzz/fuzzed.nigh.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

// The byte of settings.
enum Settings : uint8_t {
  kGoodBeginning = 1,  // a hello and the methods come before the records
  kSmallLimits = 2,
  kEndMask = 12,   // how the client ends:
  kHangUp = 0,     //   it just goes
  kHalfClose = 4,  //   it says that nothing more will come, and reads the rest
  kStay = 8,       //   it stays until the server goes, reading
  kStayDeaf = 12,  //   it stays, and reads only then
};

absl::Status Verdict(int number) {
  return number >= 0 ? absl::OkStatus()
                     : absl::Status(static_cast<absl::StatusCode>(-(number % 17)), "as asked");
}

class FuzzedService final : public Fuzzed::Service {
  absl::Status Unary(ServerContext& context, const Tree& request, Tree* reply) override {
    for (const auto& [key, value] : context.client_metadata()) {
      context.AddInitialMetadata(key, value);
      context.AddTrailingMetadata(key, value);
    }
    reply->set_name(std::string(std::clamp(request.number(), 0, 200'000), 'n'));
    return Verdict(request.number());
  }

  absl::Status Requests(ServerContext&, ServerReader<Tree>& requests, Tree* reply) override {
    Tree request;
    int number = 0;
    while (requests.Read(&request)) number = request.number() < 0 ? request.number() : number + 1;
    reply->set_number(number);
    return Verdict(number);
  }

  absl::Status Replies(ServerContext&, const Tree& request, ServerWriter<Tree>& replies) override {
    for (int i = 0; i < std::min(request.number(), 100); ++i) {
      if (!replies.Write(request)) break;
    }
    return Verdict(request.number());
  }

  absl::Status Both(ServerContext& context, ServerStream<Tree, Tree>& stream) override {
    context.SetCancelCallback([] {});
    stream.SendInitialMetadata();
    Tree request;
    while (stream.Read(&request)) {
      if (request.number() < 0) return Verdict(request.number());
      stream.Write(request);
    }
    return absl::OkStatus();
  }
};

ServerOptions MakeOptions(uint8_t settings) {
  ServerOptions options;
  options.pollers = 1;
  if ((settings & kSmallLimits) != 0) {
    options.limits = {.max_message = 64, .max_metadata = 32, .max_calls = 3, .window = 200};
  }
  return options;
}

// The client's end of the socket. What takes longer than a minute is taken for a server that hangs.
class Client {
 public:
  explicit Client(absl::string_view name)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    Expect(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0,
           "the server can be reached");
    constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  }

  // A server that has hung up takes no more, which is its right.
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) {
        Expect(errno != EAGAIN, "the server reads what it gets");
        return;
      }
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }

  void Send(const Record& record) {
    checker_.Sent(record);
    Send(record.bytes);
    if (record.header.has_value()) return;
    raw_ = true;
  }

  // Until the server has seen all that was sent, or has hung up. Raw bytes may have begun a frame,
  // of which a ping would be a part.
  void Settle() {
    if (raw_) return;
    Record ping;
    ping.header = FrameHeader{.kind = FrameKind::kPing, .aux = ++pings_ + (1 << 16)};
    ping.bytes.resize(kFrameHeaderSize);
    EncodeFrameHeader(*ping.header, reinterpret_cast<std::byte*>(ping.bytes.data()));
    Send(ping);
    while (!checker_.HasPong(ping.header->aux) && ReadSome()) {
    }
  }

  void ReadAll() {
    while (ReadSome()) {
    }
  }

  void EndSending() { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  // False: the end.
  bool ReadSome() {
    std::array<char, 16 << 10> buffer;
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    Expect(count >= 0 || errno != EAGAIN, "the server answers, or hangs up");
    if (count <= 0) return false;
    checker_.Take(absl::string_view(buffer.data(), static_cast<size_t>(count)));
    return true;
  }

  UniqueFd socket_;
  FrameChecker checker_{FrameChecker::End::kServer};
  uint64_t pings_ = 0;
  bool raw_ = false;
};

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Input input(data, size);
  const uint8_t settings = input.Take();
  const std::string name = absl::StrCat("nigh-fuzz-", ::getpid());

  FuzzedService service;
  Server server(MakeOptions(settings));
  server.Register(service);
  Expect(server.Listen(absl::StrCat("unix-abstract:", name)).ok(), "the server can listen");
  Expect(server.Start().ok(), "the server starts");

  {
    Client client(name);
    if ((settings & kGoodBeginning) != 0) client.Send(HelloBytes() + MethodBytes());
    const bool deaf = (settings & kEndMask) == kStayDeaf;
    while (!input.empty()) {
      const Record record = NextRecord(input);
      client.Send(record);
      if (record.settle && !deaf) client.Settle();
    }
    switch (settings & kEndMask) {
      case kHalfClose:
        client.EndSending();
        client.ReadAll();
        break;
      case kStay:
        client.Settle();
        server.Shutdown(absl::ZeroDuration());
        client.ReadAll();
        break;
      case kStayDeaf:
        server.Shutdown(absl::ZeroDuration());
        client.ReadAll();
        break;
      default:
        break;
    }
  }
  server.Shutdown(absl::ZeroDuration());
  return 0;
}
