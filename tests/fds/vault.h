#ifndef NIGH_TESTS_FDS_VAULT_H_
#define NIGH_TESTS_FDS_VAULT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/message_extras.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/transport/unique_fd.h"
#include "tests/async/echo.h"
#include "tests/fds/vault.nigh.h"

namespace nigh::testing {

// A new file that holds `text`, without a name.
UniqueFd FileOf(const std::string& text);
// What a file holds.
std::string TextIn(const UniqueFd& file);

// A parcel with a file for each of `texts`; `context` is that of the call.
Parcel PackFiles(MessageExtras& context, const std::vector<std::string>& texts);
// What the files in the parcel hold.
absl::StatusOr<std::vector<std::string>> UnpackFiles(MessageExtras& context, const Parcel& parcel);

// "that" of "this": what a handler answers.
std::vector<std::string> Answer(std::vector<std::string> texts);

class VaultService final : public Vault::Service {
 public:
  absl::Status Unary(ServerContext& context, const Parcel& request, Parcel* reply) override;
  absl::Status Requests(ServerContext& context, ServerReader<Parcel>& requests,
                        Parcel* reply) override;
  absl::Status Replies(ServerContext& context, const Parcel& request,
                       ServerWriter<Parcel>& replies) override;
  absl::Status Both(ServerContext& context, ServerStream<Parcel, Parcel>& stream) override;
  absl::Status Plain(ServerContext& context, const Note& request, Note* reply) override;
  absl::Status Keep(ServerContext& context, const Parcel& request, Note* reply) override;

  Event kept;     // a Keep has begun
  Event release;  // lets one go
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FDS_VAULT_H_
