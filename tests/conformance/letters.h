#ifndef NIGH_TESTS_CONFORMANCE_LETTERS_H_
#define NIGH_TESTS_CONFORMANCE_LETTERS_H_

#include "absl/status/status.h"
#include "nigh/nigh.h"
#include "tests/conformance/letters.nigh.h"

namespace nigh::testing {

// Returns a letter whose third page holds bytes that are no text.
Letter SpoiltLetter();

class LettersService final : public Letters::Service {
  absl::Status Send(ServerContext& context, const Letter& request, Letter* reply) override;
  absl::Status Collect(ServerContext& context, ServerReader<Letter>& requests,
                       Letter* reply) override;
  absl::Status Deliver(ServerContext& context, const Letter& request,
                       ServerWriter<Letter>& replies) override;
  absl::Status Exchange(ServerContext& context, ServerStream<Letter, Letter>& stream) override;
};

class CoLettersService final : public CoLetters::CoService {
  Task<absl::Status> Send(ServerContext& context, const Letter& request, Letter* reply) override;
  Task<absl::Status> Collect(ServerContext& context, CoServerReader<Letter>& requests,
                             Letter* reply) override;
  Task<absl::Status> Deliver(ServerContext& context, const Letter& request,
                             CoServerWriter<Letter>& replies) override;
  Task<absl::Status> Exchange(ServerContext& context,
                              CoServerStream<Letter, Letter>& stream) override;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_LETTERS_H_
