// A whole channel with calls of all four kinds, and a server that has said all it will say before
// the client begins: a byte of settings, a byte of how many calls' steps follow, those, then
// records (frame_script.h). A frame of kind 15 ends the connection; the next one gets the frames
// behind it. The calls must end, and the client keep to the protocol and leave nothing open. Each
// input makes a channel and a socket for each connection, and the calls wait for those.

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/event_loop.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/nigh.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/fuzz/frame_script.h"
#include "tests/fuzz/fuzzed.nigh.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {
namespace {

// The byte of settings.
enum Settings : uint8_t {
  kGoodBeginning = 1,  // each connection begins with a hello
  kSmallLimits = 2,
  kNoFds = 4,  // the client takes no descriptors
};

// What a server says, and what goes with the first byte of it.
struct Part {
  std::string bytes;
  SentFds fds;
};
using Script = std::vector<Part>;

// What the server says on each connection, and the ends that hold what the client said.
struct Scripts {
  std::deque<Script> waiting;
  std::vector<UniqueFd> ends;
};

Scripts& TheScripts() {
  static Scripts& scripts = *new Scripts;
  return scripts;
}

absl::StatusOr<std::unique_ptr<Connection>> DialScript(const Address& address) {
  Scripts& scripts = TheScripts();
  if (scripts.waiting.empty()) return absl::UnavailableError("fuzz: the script is over");
  const Script script = std::move(scripts.waiting.front());
  scripts.waiting.pop_front();
  std::array<int, 2> sockets;
  Expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.data()) == 0,
         "there are sockets");
  UniqueFd end(sockets[1]);
  // What is too long for the socket is cut; the client sees a server that went away amid a frame.
  for (const Part& part : script) {
    if (part.bytes.empty()) continue;
    if (SendMessage(end.get(), part.bytes, part.fds) != std::ssize(part.bytes)) break;
  }
  ::shutdown(end.get(), SHUT_WR);
  scripts.ends.push_back(std::move(end));
  return std::make_unique<StreamConnection>(std::make_unique<SocketStream>(UniqueFd(sockets[0])),
                                            PeerIdentity{.address = address.ToString()});
}

absl::StatusOr<std::unique_ptr<Listener>> ListenScript(const Address&) {
  return absl::UnimplementedError("fuzz: nobody listens");
}

constexpr Transport kTransports[] = {{"fuzz", DialScript, ListenScript}};

void CheckStatus(const absl::Status& status) {
  // Whatever a server says, the application gets one of gRPC's codes.
  Expect(status.raw_code() >= 0 && status.raw_code() <= 16, "a status has one of gRPC's codes");
}

// The calls in progress; a step is a byte: what in the low four bits, with what above.
class Calls {
 public:
  explicit Calls(std::shared_ptr<Channel> channel) : stub_(std::move(channel)) {}
  ~Calls() { Drop(); }

  void Step(uint8_t step) {
    const int size = (step >> 4) * 4096;
    switch (step & 0x0f) {
      case 0:
        return Unary(size, absl::InfiniteDuration());
      case 1:
        return (step >> 4) == 15 ? Plain() : Unary(size, absl::Milliseconds(step >> 4));
      case 2:
        reader_.reset();
        reading_.emplace();
        reader_.emplace(stub_.Replies(*reading_, Message(*reading_, size)));
        return;
      case 3:
        writer_.reset();
        writer_.emplace(stub_.Requests(writing_.emplace()));
        return;
      case 4:
        stream_.reset();
        stream_.emplace(stub_.Both(streaming_.emplace()));
        return;
      case 5:
        if (reader_.has_value()) Take(*reading_, reader_->Read());
        return;
      case 6:
        if (writer_.has_value()) (void)writer_->Write(Message(*writing_, size));
        return;
      case 7:
        if (stream_.has_value()) (void)stream_->Write(Message(*streaming_, size));
        return;
      case 8:
        if (stream_.has_value()) Take(*streaming_, stream_->Read());
        return;
      case 9:
        if (stream_.has_value()) stream_->WaitForInitialMetadata();
        return;
      case 10:
        if (stream_.has_value()) stream_->TryCancel();
        return;
      case 11:
        if (reader_.has_value()) CheckStatus(reader_->Finish());
        reader_.reset();
        return;
      case 12:
        if (writer_.has_value()) CheckStatus(writer_->Finish().status());
        writer_.reset();
        return;
      case 13:
        if (stream_.has_value()) CheckStatus(stream_->Finish());
        stream_.reset();
        return;
      case 14:  // cancels what is open
        return Drop();
      default:
        if (stream_.has_value()) (void)stream_->WritesDone();
        return;
    }
  }

 private:
  // Some bring a descriptor.
  static Tree Message(ClientContext& context, int size) {
    constexpr SentFds kOne = {.count = 1, .first = 2};
    Tree message;
    message.set_name(std::string(static_cast<size_t>(size), 'n'));
    // What came last goes on.
    context.SetAttachment(context.attachment());
    if (size == kBringsOne) {
      *message.mutable_file() = context.Attach(DuplicateFd(kOne.fds().front()));
    }
    return message;
  }

  static void Take(ClientContext& context, const std::optional<Tree>& message) {
    const std::string read(context.attachment().text());
    Expect(read.size() == context.attachment().size(), "what has come can be read");
    if (!message.has_value() || !message->has_file()) return;
    const absl::StatusOr<UniqueFd> taken =
        context.Take(message->file(), message->number() % 2 == 0 ? kAllFds : kUsualFds);
    Expect(!taken.ok() || *taken, "what is taken is there");
  }

  void Drop() {
    reader_.reset();
    writer_.reset();
    stream_.reset();
  }

  void Plain() {
    Leaf reply;
    ClientContext context;
    CheckStatus(stub_.Plain(context, Leaf(), &reply));
    Fd first;
    first.set_number(1);
    Expect(!context.Take(first).ok(), "a message without nigh.Fd brings no descriptor");
  }

  void Unary(int size, absl::Duration timeout) {
    ClientContext context;
    if (timeout != absl::InfiniteDuration()) context.set_timeout(timeout);
    context.AddMetadata("key-bin", "\xff");
    Tree reply;
    CheckStatus(stub_.Unary(context, Message(context, size), &reply));
    Take(context, reply);
    for (const Metadata* metadata : {&context.initial_metadata(), &context.trailing_metadata()}) {
      for (const auto& [key, value] : *metadata) {
        Expect(CheckMetadata(key, value).ok(), "no illegal metadata reach the application");
      }
    }
  }

  static constexpr int kBringsOne = 4096;

  Fuzzed::Stub stub_;
  // Of the next three.
  std::optional<ClientContext> reading_, writing_, streaming_;
  std::optional<ClientReader<Tree>> reader_;
  std::optional<ClientWriter<Tree, Tree>> writer_;
  std::optional<ClientStream<Tree, Tree>> stream_;
};

void WriteScripts(Input& input, bool good_beginning) {
  Scripts& scripts = TheScripts();
  scripts = Scripts();
  const std::string beginning = good_beginning ? HelloBytes() : "";
  scripts.waiting.push_back({{beginning, {}}});
  while (!input.empty()) {
    const Record record = NextRecord(input);
    if (record.header.has_value() && static_cast<int>(record.header->kind) == 15) {
      scripts.waiting.push_back({{beginning, {}}});
    } else if (record.fds.empty()) {
      scripts.waiting.back().back().bytes += record.bytes;
    } else {
      scripts.waiting.back().push_back({record.bytes, record.fds});
    }
  }
}

// The poller that channels share: one for all inputs, whose thread so ends with none of them.
Poller& ThePoller() {
  static const auto& poller = *new std::shared_ptr<Poller>(SharedPoller());
  Expect(poller != nullptr, "there is a thread");
  return *poller;
}

// A channel whose frames wait for room has left its session to the poller, which lets go of that,
// and closes its socket, in a turn after the channel's end.
void AwaitPoller() {
  bool idle = false;
  while (!idle) {
    idle = ThePoller().load() == 0;
    // What is counted no more is destroyed before a later task runs.
    std::promise<void> ran;
    const std::future<void> later = ran.get_future();
    ThePoller().Post(nullptr, [ran = std::move(ran)]() mutable { ran.set_value(); });
    later.wait();
  }
}

void CheckWhatWasSent() {
  for (const UniqueFd& end : TheScripts().ends) {
    FrameChecker checker(FrameChecker::End::kClient);
    std::array<std::byte, 16 << 10> buffer;
    ReceivedMessage received;
    while ((received = ReceiveMessage(end.get(), ByteSpan(buffer))).size > 0) {
      checker.Take(AsText(ConstByteSpan(buffer.data(), static_cast<size_t>(received.size))),
                   received.descriptors.get());
    }
    Expect(received.size != -EAGAIN, "the client has hung up");
  }
}

void Run(Input input) {
  const uint8_t settings = input.Take();
  const ConstByteSpan steps = input.TakeBytes(input.Take());
  WriteScripts(input, (settings & kGoodBeginning) != 0);

  ChannelOptions options;
  options.transports = kTransports;
  // There is nobody to be considerate of.
  options.min_backoff = options.max_backoff = absl::Nanoseconds(1);
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
  {
    absl::StatusOr<std::shared_ptr<Channel>> channel = Dial("fuzz:server", options);
    Expect(channel.ok(), "there is such a transport");
    Calls calls(*std::move(channel));
    for (const std::byte step : steps) calls.Step(static_cast<uint8_t>(step));
  }
  AwaitPoller();
  CheckWhatWasSent();
  TheScripts() = Scripts();
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  SentFds::Make();
  (void)ThePoller();
  const ExtraDescriptors extra;
  Run(Input(data, size));
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
