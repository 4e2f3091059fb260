#ifndef NIGH_TESTS_SOAK_SERVICE_H_
#define NIGH_TESTS_SOAK_SERVICE_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/task.h"
#include "tests/soak/load.nigh.h"

namespace nigh::testing {

// Makes the replies of one server process, and counts.
class Answers {
 public:
  // The `wrong_at`th reply has one wrong byte, or a wrong number if it has no bytes. 0: none has.
  explicit Answers(uint64_t wrong_at) : wrong_at_(wrong_at) {}

  // DATA_LOSS, unless the request is whole.
  static absl::Status Check(const Parcel& request);
  // Makes the reply to `number`, with as many bytes as `request` asks for.
  void Make(const Parcel& request, uint64_t number, Parcel* reply);

  // How many handlers are running.
  std::atomic<int> running = 0;

 private:
  const uint64_t wrong_at_;
  std::atomic<uint64_t> made_ = 0;
};

// With functions.
class LoadService final : public Load::Service {
 public:
  explicit LoadService(Answers& answers) : answers_(answers) {}

 private:
  absl::Status Echo(ServerContext& context, const Parcel& request, Parcel* reply) override;
  absl::Status Repeat(ServerContext& context, const Parcel& request,
                      ServerWriter<Parcel>& replies) override;
  absl::Status Sum(ServerContext& context, ServerReader<Parcel>& requests, Parcel* reply) override;
  absl::Status Chat(ServerContext& context, ServerStream<Parcel, Parcel>& stream) override;
  absl::Status Fork(ServerContext& context, const Parcel& request, Parcel* reply) override;

  Answers& answers_;
};

// With coroutines.
class CoLoadService final : public Load::CoService {
 public:
  explicit CoLoadService(Answers& answers) : answers_(answers) {}

 private:
  Task<absl::Status> Echo(ServerContext& context, const Parcel& request, Parcel* reply) override;
  Task<absl::Status> Repeat(ServerContext& context, const Parcel& request,
                            CoServerWriter<Parcel>& replies) override;
  Task<absl::Status> Sum(ServerContext& context, CoServerReader<Parcel>& requests,
                         Parcel* reply) override;
  Task<absl::Status> Chat(ServerContext& context, CoServerStream<Parcel, Parcel>& stream) override;

  Answers& answers_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_SERVICE_H_
