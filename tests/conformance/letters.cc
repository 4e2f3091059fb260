#include "tests/conformance/letters.h"

#include <optional>

#include "absl/status/status.h"

namespace nigh::testing {
namespace {

Letter Answer(const Letter& request) {
  return request.asks_for_spoilt_reply() ? SpoiltLetter() : request;
}

}  // namespace

Letter SpoiltLetter() {
  Letter letter;
  letter.set_title("good");
  for (int i = 0; i < 4; ++i) letter.add_pages()->set_text("good");
  letter.mutable_pages(2)->set_text("spoilt \xff");
  return letter;
}

absl::Status LettersService::Send(ServerContext&, const Letter& request, Letter* reply) {
  *reply = Answer(request);
  return absl::OkStatus();
}

absl::Status LettersService::Collect(ServerContext&, ServerReader<Letter>& requests,
                                     Letter* reply) {
  while (const std::optional<Letter> request = requests.Read()) *reply = Answer(*request);
  return absl::OkStatus();
}

absl::Status LettersService::Deliver(ServerContext&, const Letter& request,
                                     ServerWriter<Letter>& replies) {
  replies.Write(Answer(request));
  return absl::OkStatus();
}

absl::Status LettersService::Exchange(ServerContext&, ServerStream<Letter, Letter>& stream) {
  while (const std::optional<Letter> request = stream.Read()) stream.Write(Answer(*request));
  return absl::OkStatus();
}

Task<absl::Status> CoLettersService::Send(ServerContext&, const Letter& request, Letter* reply) {
  *reply = Answer(request);
  co_return absl::OkStatus();
}

Task<absl::Status> CoLettersService::Collect(ServerContext&, CoServerReader<Letter>& requests,
                                             Letter* reply) {
  while (const std::optional<Letter> request = co_await requests.Read()) *reply = Answer(*request);
  co_return absl::OkStatus();
}

Task<absl::Status> CoLettersService::Deliver(ServerContext&, const Letter& request,
                                             CoServerWriter<Letter>& replies) {
  const Letter reply = Answer(request);
  co_await replies.Write(reply);
  co_return absl::OkStatus();
}

Task<absl::Status> CoLettersService::Exchange(ServerContext&,
                                              CoServerStream<Letter, Letter>& stream) {
  while (const std::optional<Letter> request = co_await stream.Read()) {
    const Letter reply = Answer(*request);
    co_await stream.Write(reply);
  }
  co_return absl::OkStatus();
}

}  // namespace nigh::testing
