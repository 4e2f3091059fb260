// A program with a table of transports of its own: it links no other transport.

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/shm/shm.h"
#include "tests/hostile/victim.nigh.h"

namespace nigh {

// Nobody defines it where //transports:all is not linked.
[[gnu::weak]] TransportTable AllTransports();

namespace {

constexpr Transport kTable[] = {kShmTransport};

class Echoer final : public hostile::Victim::Service {
  absl::Status Echo(ServerContext&, const hostile::Note& request, hostile::Note* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

TEST(OwnTable, ServesCallsWithItsOneTransport) {
  const std::string address = "shm:/tmp/nigh-own-table-" + std::to_string(::getpid());
  Echoer service;
  Server server({.transports = kTable});
  server.Register(service);
  ASSERT_EQ(server.Listen(address), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  hostile::Note note;
  note.set_data("hello");
  ChannelOptions options;
  options.transports = kTable;
  const absl::StatusOr<hostile::Note> reply =
      hostile::Victim::Stub(Dial(address, options).value()).Echo(note);
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->data(), "hello");
}

TEST(OwnTable, LinksNoOther) {
  ASSERT_TRUE(AllTransports == nullptr);
  // With no table at all there is nothing to choose from, and the error says so.
  const absl::Status status = Dial("unix:/tmp/nigh-nobody").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_NE(status.message().find("//:nigh"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace nigh
