#ifndef NIGH_EXAMPLES_COROUTINE_GREETER_H_
#define NIGH_EXAMPLES_COROUTINE_GREETER_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "examples/greeter/hello.nigh.h"

// The greeter with coroutines for handlers: as with functions, and co_await before what may have to
// wait. One that waits has no thread.
class CoGreeter final : public helloworld::Greeter::CoService {
 public:
  using Request = helloworld::HelloRequest;
  using Reply = helloworld::HelloReply;

  nigh::Task<absl::Status> SayHello(nigh::ServerContext&, const Request& request,
                                    Reply* reply) override {
    reply->set_message(absl::StrCat("hello ", request.name()));
    co_return absl::OkStatus();
  }

  nigh::Task<absl::Status> LotsOfReplies(nigh::ServerContext&, const Request& request,
                                         nigh::CoServerWriter<Reply>& replies) override {
    Reply reply;
    for (int i = 1; i <= request.times(); ++i) {
      reply.set_message(absl::StrCat("hello ", request.name(), ", time ", i));
      if (!co_await replies.Write(reply)) break;  // nobody listens any more
    }
    co_return absl::OkStatus();
  }

  nigh::Task<absl::Status> LotsOfGreetings(nigh::ServerContext&,
                                           nigh::CoServerReader<Request>& requests,
                                           Reply* reply) override {
    std::string names;
    while (std::optional<Request> request = co_await requests.Read()) {
      absl::StrAppend(&names, names.empty() ? "" : " and ", request->name());
    }
    reply->set_message(absl::StrCat("hello ", names));
    co_return absl::OkStatus();
  }

  nigh::Task<absl::Status> BidiHello(nigh::ServerContext&,
                                     nigh::CoServerStream<Request, Reply>& stream) override {
    Reply reply;
    while (std::optional<Request> request = co_await stream.Read()) {
      reply.set_message(absl::StrCat("hello ", request->name()));
      if (!co_await stream.Write(reply)) break;
    }
    co_return absl::OkStatus();
  }
};

#endif  // NIGH_EXAMPLES_COROUTINE_GREETER_H_
