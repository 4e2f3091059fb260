#include "tests/soak/calls.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/client_context.h"

namespace nigh::testing {
namespace {

// The end of a call that has a reply of its own.
absl::Status TakeLast(Trial& trial, const absl::StatusOr<Parcel>& reply) {
  if (reply.ok()) trial.Take(*reply);
  return reply.status();
}

template <class Stream>
void ReadAll(Stream& stream, Trial& trial) {
  Parcel reply;
  while (stream.Read(&reply)) trial.Take(reply);
}

absl::Status Make(const Load::Stub& stub, ClientContext& context, Trial& trial) {
  Parcel request;
  switch (trial.plan().kind) {
    case Kind::kUnary: {
      trial.NextRequest(&request);
      Parcel reply;
      absl::Status status = stub.Echo(context, request, &reply);
      if (status.ok()) trial.Take(reply);
      return status;
    }
    case Kind::kServerStream: {
      trial.NextRequest(&request);
      auto replies = stub.Repeat(context, request);
      ReadAll(replies, trial);
      return replies.Finish();
    }
    case Kind::kClientStream: {
      auto requests = stub.Sum(context);
      while (trial.NextRequest(&request) && requests.Write(request)) {
      }
      return TakeLast(trial, requests.Finish());
    }
    case Kind::kBidi: {
      auto stream = stub.Chat(context);
      // Both ways in turn: no more than a window is on its way.
      Parcel reply;
      while (trial.NextRequest(&request) && stream.Write(request) && stream.Read(&reply)) {
        trial.Take(reply);
      }
      stream.WritesDone();
      ReadAll(stream, trial);
      return stream.Finish();
    }
  }
  return absl::InternalError("no such kind");
}

// Held by its callbacks, of which the last one lets go.
class CallbackCall final : public std::enable_shared_from_this<CallbackCall> {
 public:
  CallbackCall(const Caller& caller, const Plan& plan, absl::AnyInvocable<void()> done)
      : trial_(plan, Way::kCallback, caller.weather, caller.outcomes), done_(std::move(done)) {
    trial_.Prepare(context_);
  }

  void Begin(const Load::Stub& stub) {
    switch (trial_.plan().kind) {
      case Kind::kUnary:
        trial_.NextRequest(&request_);
        stub.AsyncEcho(context_, request_, &reply_, [self = Self()](const absl::Status& status) {
          if (status.ok()) self->trial_.Take(self->reply_);
          self->End(status);
        });
        break;
      case Kind::kServerStream:
        trial_.NextRequest(&request_);
        reader_.emplace(stub.AsyncRepeat(context_, request_));
        Read(*reader_);
        break;
      case Kind::kClientStream:
        writer_.emplace(stub.AsyncSum(context_));
        WriteSum();
        break;
      case Kind::kBidi:
        stream_.emplace(stub.AsyncChat(context_));
        sides_ = 2;
        WriteChat();
        Read(*stream_);
        break;
    }
    if (trial_.plan().cancelled) context_.TryCancel();
  }

 private:
  std::shared_ptr<CallbackCall> Self() { return shared_from_this(); }

  template <class Stream>
  void Read(Stream& stream) {
    stream.Read(&reply_, [self = Self(), &stream](bool ok) {
      if (!ok) return self->EndSide(stream);
      self->trial_.Take(self->reply_);
      self->Read(stream);
    });
  }

  void WriteSum() {
    if (!trial_.NextRequest(&request_)) return FinishSum();
    writer_->Write(request_,
                   [self = Self()](bool ok) { ok ? self->WriteSum() : self->FinishSum(); });
  }
  void FinishSum() {
    writer_->Finish([self = Self()](const absl::StatusOr<Parcel>& reply) {
      self->End(TakeLast(self->trial_, reply));
    });
  }

  void WriteChat() {
    if (!trial_.NextRequest(&request_)) {
      stream_->WritesDone();
      // Nothing is outstanding on this side, and the other is not to end the call under it.
      if (--sides_ == 0) Finish(*stream_);
      return;
    }
    stream_->Write(request_, [self = Self()](bool ok) {
      if (!ok) return self->EndSide(*self->stream_);
      self->WriteChat();
    });
  }

  template <class Stream>
  void EndSide(Stream& stream) {
    if (--sides_ == 0) Finish(stream);
  }
  template <class Stream>
  void Finish(Stream& stream) {
    stream.Finish([self = Self()](const absl::Status& status) { self->End(status); });
  }

  void End(const absl::Status& status) {
    trial_.End(status, context_.attempts());
    done_();
  }

  Trial trial_;
  ClientContext context_;
  Parcel request_;
  Parcel reply_;
  absl::AnyInvocable<void()> done_;
  // Of reading and writing, how many go on. The writing side may end in the thread that begins the
  // call, while the reading side ends in a callback.
  std::atomic<int> sides_ = 1;
  // They end before the context does.
  std::optional<AsyncClientReader<Parcel>> reader_;
  std::optional<AsyncClientWriter<Parcel, Parcel>> writer_;
  std::optional<AsyncClientStream<Parcel, Parcel>> stream_;
};

Task<absl::Status> Await(const Load::Stub& stub, ClientContext& context, Trial& trial) {
  Parcel request;
  const bool cancelled = trial.plan().cancelled;
  switch (trial.plan().kind) {
    case Kind::kUnary: {
      trial.NextRequest(&request);
      auto call = stub.CoEcho(context, request);
      if (cancelled) context.TryCancel();
      const absl::StatusOr<Parcel> reply = co_await call;
      co_return TakeLast(trial, reply);
    }
    case Kind::kServerStream: {
      trial.NextRequest(&request);
      auto replies = stub.CoRepeat(context, request);
      if (cancelled) context.TryCancel();
      while (const std::optional<Parcel> reply = co_await replies.Read()) trial.Take(*reply);
      co_return co_await replies.Finish();
    }
    case Kind::kClientStream: {
      auto requests = stub.CoSum(context);
      if (cancelled) context.TryCancel();
      bool goes_on = true;
      while (goes_on && trial.NextRequest(&request)) goes_on = co_await requests.Write(request);
      const absl::StatusOr<Parcel> reply = co_await requests.Finish();
      co_return TakeLast(trial, reply);
    }
    case Kind::kBidi: {
      auto stream = stub.CoChat(context);
      while (trial.NextRequest(&request)) {
        const bool written = co_await stream.Write(request);
        if (!written) break;
        const std::optional<Parcel> reply = co_await stream.Read();
        if (!reply.has_value()) break;
        trial.Take(*reply);
        if (cancelled) context.TryCancel();
      }
      stream.WritesDone();
      while (const std::optional<Parcel> reply = co_await stream.Read()) trial.Take(*reply);
      co_return co_await stream.Finish();
    }
  }
  co_return absl::InternalError("no such kind");
}

}  // namespace

void CallInThread(const Caller& caller, const Plan& plan) {
  Trial trial(plan, Way::kThread, caller.weather, caller.outcomes);
  ClientContext context;
  trial.Prepare(context);
  std::optional<std::jthread> canceller;
  if (plan.cancelled) canceller.emplace([&context] { context.TryCancel(); });
  const absl::Status status = Make(caller.stub, context, trial);
  trial.End(status, context.attempts());
}

void CallBack(const Caller& caller, const Plan& plan, absl::AnyInvocable<void()> done) {
  std::make_shared<CallbackCall>(caller, plan, std::move(done))->Begin(caller.stub);
}

Task<> CallInCoroutine(const Caller& caller, Plan plan) {
  Trial trial(plan, Way::kCoroutine, caller.weather, caller.outcomes);
  ClientContext context;
  trial.Prepare(context);
  const absl::Status status = co_await Await(caller.stub, context, trial);
  trial.End(status, context.attempts());
}

}  // namespace nigh::testing
