// A whole server with handlers of all four kinds, and one client that sends whatever it likes
// through a socket: a byte of settings, then records (frame_script.h). The server must answer
// within the protocol, stay up, shut down, and leave nothing open. Each input starts a server with
// its threads, and ends them, which is what it costs.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/nigh.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "tests/fuzz/frame_script.h"
#include "tests/fuzz/fuzzed.nigh.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"

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
  kNoFds = 16,     // the server takes no descriptors
};

absl::Status Verdict(int number) {
  return number >= 0 ? absl::OkStatus()
                     : absl::Status(static_cast<absl::StatusCode>(-(number % 17)), "as asked");
}

// Passes on the attachment and the descriptor that a request has brought, if it has.
void PassOn(ServerContext& context, const Tree& request, Tree& reply) {
  context.SetAttachment(context.attachment());
  if (!request.has_file()) return;
  absl::StatusOr<UniqueFd> taken =
      context.Take(request.file(), request.number() % 2 == 0 ? kAllFds : kUsualFds);
  if (taken.ok()) *reply.mutable_file() = context.Attach(*std::move(taken));
}

class FuzzedService final : public Fuzzed::Service {
  absl::Status Unary(ServerContext& context, const Tree& request, Tree* reply) override {
    for (const auto& [key, value] : context.client_metadata()) {
      context.AddInitialMetadata(key, value);
      context.AddTrailingMetadata(key, value);
    }
    reply->set_name(std::string(std::clamp(request.number(), 0, 200'000), 'n'));
    PassOn(context, request, *reply);
    return Verdict(request.number());
  }

  absl::Status Requests(ServerContext& context, ServerReader<Tree>& requests,
                        Tree* reply) override {
    Tree request;
    int number = 0;
    while (requests.Read(&request)) {
      number = request.number() < 0 ? request.number() : number + 1;
      PassOn(context, request, *reply);
    }
    reply->set_number(number);
    return Verdict(number);
  }

  absl::Status Replies(ServerContext& context, const Tree& request,
                       ServerWriter<Tree>& replies) override {
    Tree first = request;
    PassOn(context, request, first);
    if (request.has_file() && !replies.Write(first)) return absl::OkStatus();
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
      PassOn(context, request, request);
      stream.Write(request);
    }
    return absl::OkStatus();
  }

  absl::Status Plain(ServerContext&, const Leaf& request, Leaf* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

ServerOptions MakeOptions(uint8_t settings) {
  ServerOptions options;
  options.pollers = 1;
  if ((settings & kSmallLimits) != 0) {
    options.limits = {.max_message = 64,
                      .max_attachment = 100,
                      .max_metadata = 32,
                      .max_calls = 3,
                      .window = 200,
                      .max_descriptors = 2,
                      .max_untaken_descriptors = 3};
  }
  if ((settings & kNoFds) != 0) options.limits.max_descriptors = 0;
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
    absl::string_view bytes = record.bytes;
    if (!record.fds.empty()) {
      // Before its hello the server may not have said yet whether it takes any.
      while (!deaf_ && !checker_.HasHello() && ReadSome()) {
      }
      // One that takes none has the kernel refuse them.
      if (SendMessage(socket_.get(), bytes.substr(0, 1), record.fds) == 1) bytes.remove_prefix(1);
    }
    Send(bytes);
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

  // From now on nothing is read until the end.
  void BeDeaf() { deaf_ = true; }
  void EndSending() { ::shutdown(socket_.get(), SHUT_WR); }

 private:
  // False: the end.
  bool ReadSome() {
    pollfd answer = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
    const int answers = Uninterrupted(
        [&] { return ::poll(&answer, 1, static_cast<int>(kPatience.tv_sec) * 1000); });
    Expect(answers == 1, "the server answers, or hangs up");
    std::array<std::byte, 16 << 10> buffer;
    const auto [count, descriptors, sender] = ReceiveMessage(socket_.get(), ByteSpan(buffer));
    if (count <= 0) return false;
    checker_.Take(AsText(ConstByteSpan(buffer.data(), static_cast<size_t>(count))),
                  descriptors.get());
    return true;
  }

  static constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};

  UniqueFd socket_;
  bool deaf_ = false;
  FrameChecker checker_{FrameChecker::End::kServer};
  uint64_t pings_ = 0;
  bool raw_ = false;
};

void Run(Input input) {
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
    if (deaf) client.BeDeaf();
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
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  SentFds::Make();
  const ExtraDescriptors extra;
  Run(Input(data, size));
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
