// A reply that is cut off in its midst, and the next call, which gets a whole connection.

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "echo.nigh.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "nigh/testing/faulty_transport.h"
#include "nigh/version.h"

static_assert(NIGH_VERSION >= NIGH_MAKE_VERSION(0, 1, 0));

namespace {

class EchoImpl final : public echo::Echo::Service {
  absl::Status Say(nigh::ServerContext&, const echo::Text& request, echo::Text* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

TEST(LostReply, IsUnavailableAndTheNextCallIsNot) {
  EchoImpl service;
  nigh::Server server;
  server.Register(service);
  const std::string name = "unix-abstract:nigh-lost-reply-" + std::to_string(::getpid());
  ASSERT_EQ(server.Listen(name), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());

  nigh::ChannelOptions options;
  options.transports = nigh::testing::FaultyTransports();
  options.retry.attempts = 1;
  const absl::StatusOr<std::shared_ptr<nigh::Channel>> channel =
      nigh::Dial("faulty:in@120=cut:" + server.addresses().front(), options);
  ASSERT_TRUE(channel.ok()) << channel.status();
  const echo::Echo::Stub stub(*channel);
  echo::Text request;
  request.set_text(std::string(200, 'x'));
  EXPECT_EQ(stub.Say(request).status().code(), absl::StatusCode::kUnavailable);
  const absl::StatusOr<echo::Text> reply = stub.Say(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->text(), request.text());
}

}  // namespace
