#ifndef NIGH_EXAMPLES_GREETER_GREETER_H_
#define NIGH_EXAMPLES_GREETER_GREETER_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "examples/greeter/hello.nigh.h"

// The service of the examples: each of the four kinds of method in a few lines.
class GreeterImpl final : public helloworld::Greeter::Service {
 public:
  absl::Status SayHello(nigh::ServerContext&, const helloworld::HelloRequest& request,
                        helloworld::HelloReply* reply) override {
    reply->set_message(absl::StrCat("hello ", request.name()));
    return absl::OkStatus();
  }

  absl::Status LotsOfReplies(nigh::ServerContext&, const helloworld::HelloRequest& request,
                             nigh::ServerWriter<helloworld::HelloReply>& replies) override {
    helloworld::HelloReply reply;
    for (int i = 1; i <= request.times(); ++i) {
      reply.set_message(absl::StrCat("hello ", request.name(), ", time ", i));
      if (!replies.Write(reply)) break;  // nobody listens any more
    }
    return absl::OkStatus();
  }

  absl::Status LotsOfGreetings(nigh::ServerContext&,
                               nigh::ServerReader<helloworld::HelloRequest>& requests,
                               helloworld::HelloReply* reply) override {
    std::string names;
    while (std::optional<helloworld::HelloRequest> request = requests.Read()) {
      absl::StrAppend(&names, names.empty() ? "" : " and ", request->name());
    }
    reply->set_message(absl::StrCat("hello ", names));
    return absl::OkStatus();
  }

  absl::Status BidiHello(
      nigh::ServerContext&,
      nigh::ServerStream<helloworld::HelloRequest, helloworld::HelloReply>& stream) override {
    helloworld::HelloReply reply;
    while (std::optional<helloworld::HelloRequest> request = stream.Read()) {
      reply.set_message(absl::StrCat("hello ", request->name()));
      if (!stream.Write(reply)) break;
    }
    return absl::OkStatus();
  }
};

#endif  // NIGH_EXAMPLES_GREETER_GREETER_H_
