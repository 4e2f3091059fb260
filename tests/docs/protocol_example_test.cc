// Holds a real client to the bytes of the worked example in proto/PROTOCOL.md, with a server of
// plain sockets that answers with the document's.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "examples/greeter/hello.nigh.h"
#include "nigh/channel.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// The example's code blocks, in order, as bytes.
std::vector<std::string> ExampleFrames() {
  std::ifstream file("proto/PROTOCOL.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t example = text.find("## A worked example");
  if (example == std::string::npos) return {};
  std::vector<std::string> frames;
  bool inside = false;
  for (const absl::string_view block : absl::StrSplit(text.substr(example), "```")) {
    if (inside) {
      frames.push_back(absl::HexStringToBytes(absl::StrReplaceAll(block, {{" ", ""}, {"\n", ""}})));
    }
    inside = !inside;
  }
  return frames;
}

std::string ReadExactly(int fd, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t got = ::recv(fd, bytes.data() + have, size - have, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

TEST(ProtocolExample, AClientSendsTheDocumentsBytesAndUnderstandsThem) {
  const std::vector<std::string> frames = ExampleFrames();
  ASSERT_EQ(frames.size(), 4u);
  const std::string& hello = frames[0];
  const std::string& method = frames[1];
  const std::string& request = frames[2];
  const std::string& response = frames[3];

  const std::string name = absl::StrCat("nigh-protocol-example-", ::getpid());
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);

  std::future<absl::StatusOr<helloworld::HelloReply>> reply = std::async(std::launch::async, [&] {
    const helloworld::Greeter::Stub greeter(*Dial(absl::StrCat("unix-abstract:", name)));
    helloworld::HelloRequest ann;
    ann.set_name("ann");
    return greeter.SayHello(ann);
  });
  const UniqueFd client(::accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(ReadExactly(client.get(), hello.size()), hello);
  ASSERT_EQ(::send(client.get(), hello.data(), hello.size(), 0), ssize_t(hello.size()));
  EXPECT_EQ(ReadExactly(client.get(), method.size()), method);
  EXPECT_EQ(ReadExactly(client.get(), request.size()), request);
  ASSERT_EQ(::send(client.get(), response.data(), response.size(), 0), ssize_t(response.size()));

  const absl::StatusOr<helloworld::HelloReply> answer = reply.get();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->message(), "hello ann");
}

}  // namespace
}  // namespace nigh
