#include "tests/soak/service.h"

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "tests/soak/content.h"

namespace nigh::testing {
namespace {

absl::Status NobodyReads() { return absl::CancelledError("nobody reads"); }

// A handler that takes its time, not a way to wait for something.
void Hold(const Parcel& request) {
  if (request.hold_micros() == 0) return;
  const Deadline end = Deadline::After(absl::Microseconds(request.hold_micros()));
  while (!end.HasPassed()) std::this_thread::yield();
}

class Running {
 public:
  explicit Running(Answers& answers) : running_(answers.running) { ++running_; }
  ~Running() { --running_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::atomic<int>& running_;
};

// Adds up the requests of one call of Sum.
struct Total {
  uint64_t number = 0;
  uint32_t count = 0;
  Parcel last;

  absl::Status Add(const Parcel& request) {
    number += request.number();
    ++count;
    last.set_reply_size(request.reply_size());
    return Answers::Check(request);
  }
  void Answer(Answers& answers, Parcel* reply) const {
    answers.Make(last, number, reply);
    reply->set_times(count);
  }
};

}  // namespace

absl::Status Answers::Check(const Parcel& request) {
  if (IsWhole(request, request.number(), request.data().size())) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("request ", request.number(), " has come with other bytes"));
}

void Answers::Make(const Parcel& request, uint64_t number, Parcel* reply) {
  Fill(AnswerTo(number), request.reply_size(), reply);
  if (made_.fetch_add(1, std::memory_order_relaxed) + 1 != wrong_at_) return;
  if (reply->data().empty()) {
    reply->set_number(reply->number() + 1);
  } else {
    reply->mutable_data()->back() ^= 1;
  }
}

absl::Status LoadService::Echo(ServerContext&, const Parcel& request, Parcel* reply) {
  const Running running(answers_);
  Hold(request);
  answers_.Make(request, request.number(), reply);
  return Answers::Check(request);
}

absl::Status LoadService::Repeat(ServerContext&, const Parcel& request,
                                 ServerWriter<Parcel>& replies) {
  const Running running(answers_);
  Hold(request);
  Parcel reply;
  for (uint32_t i = 0; i < request.times(); ++i) {
    answers_.Make(request, request.number() + i, &reply);
    if (!replies.Write(reply)) return NobodyReads();
  }
  return Answers::Check(request);
}

absl::Status LoadService::Sum(ServerContext&, ServerReader<Parcel>& requests, Parcel* reply) {
  const Running running(answers_);
  Total total;
  Parcel request;
  while (requests.Read(&request)) {
    if (absl::Status whole = total.Add(request); !whole.ok()) return whole;
  }
  total.Answer(answers_, reply);
  return absl::OkStatus();
}

absl::Status LoadService::Chat(ServerContext&, ServerStream<Parcel, Parcel>& stream) {
  const Running running(answers_);
  Parcel request;
  Parcel reply;
  while (stream.Read(&request)) {
    if (absl::Status whole = Answers::Check(request); !whole.ok()) return whole;
    answers_.Make(request, request.number(), &reply);
    if (!stream.Write(reply)) return NobodyReads();
  }
  return absl::OkStatus();
}

absl::Status LoadService::Fork(ServerContext&, const Parcel&, Parcel* reply) {
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) {
    for (;;) ::pause();
  }
  reply->set_number(static_cast<uint64_t>(child));
  return absl::OkStatus();
}

Task<absl::Status> CoLoadService::Echo(ServerContext&, const Parcel& request, Parcel* reply) {
  const Running running(answers_);
  Hold(request);
  answers_.Make(request, request.number(), reply);
  co_return Answers::Check(request);
}

Task<absl::Status> CoLoadService::Repeat(ServerContext&, const Parcel& request,
                                         CoServerWriter<Parcel>& replies) {
  const Running running(answers_);
  Hold(request);
  Parcel reply;
  for (uint32_t i = 0; i < request.times(); ++i) {
    answers_.Make(request, request.number() + i, &reply);
    const bool written = co_await replies.Write(reply);
    if (!written) co_return NobodyReads();
  }
  co_return Answers::Check(request);
}

Task<absl::Status> CoLoadService::Sum(ServerContext&, CoServerReader<Parcel>& requests,
                                      Parcel* reply) {
  const Running running(answers_);
  Total total;
  while (const std::optional<Parcel> request = co_await requests.Read()) {
    if (absl::Status whole = total.Add(*request); !whole.ok()) co_return whole;
  }
  total.Answer(answers_, reply);
  co_return absl::OkStatus();
}

Task<absl::Status> CoLoadService::Chat(ServerContext&, CoServerStream<Parcel, Parcel>& stream) {
  const Running running(answers_);
  Parcel reply;
  while (const std::optional<Parcel> request = co_await stream.Read()) {
    if (absl::Status whole = Answers::Check(*request); !whole.ok()) co_return whole;
    answers_.Make(*request, request->number(), &reply);
    const bool written = co_await stream.Write(reply);
    if (!written) co_return NobodyReads();
  }
  co_return absl::OkStatus();
}

}  // namespace nigh::testing
