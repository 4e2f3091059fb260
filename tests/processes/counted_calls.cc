#include "tests/processes/counted_calls.h"

#include <cstdint>
#include <future>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/async_stream.h"
#include "nigh/client_context.h"
#include "nigh/task.h"

namespace nigh::testing {
namespace {

constexpr int kNumbers = 3;

Number Numbered(uint64_t number) {
  Number result;
  result.set_number(number);
  return result;
}

// What is read from a stream: the same number again and again, or numbers that follow each other.
class Replies {
 public:
  Replies(uint64_t first, uint64_t step) : next_(first), first_(first), step_(step) {}
  void Take(const Number& reply) {
    good_ = good_ && reply.number() == next_;
    next_ += step_;
    ++count_;
  }
  absl::StatusOr<uint64_t> Judge(const absl::Status& end) const {
    if (!end.ok()) return end;
    if (!good_ || count_ != kNumbers) return absl::DataLossError(absl::StrCat(count_, " replies"));
    return first_;
  }

 private:
  uint64_t next_;
  const uint64_t first_;
  const uint64_t step_;
  int count_ = 0;
  bool good_ = true;
};

absl::StatusOr<uint64_t> NumberOf(const absl::StatusOr<Number>& reply) {
  if (!reply.ok()) return reply.status();
  return reply->number();
}

// By a thread.

absl::StatusOr<uint64_t> Unary(const Host::Stub& stub, ClientContext& context, uint64_t number) {
  Number reply;
  const absl::Status end = stub.Count(context, Numbered(number), &reply);
  if (!end.ok()) return end;
  return reply.number();
}

absl::StatusOr<uint64_t> ServerStreamed(const Host::Stub& stub, ClientContext& context,
                                        uint64_t number) {
  auto stream = stub.Repeat(context, Numbered(number));
  Replies replies(number, 0);
  Number reply;
  while (stream.Read(&reply)) replies.Take(reply);
  return replies.Judge(stream.Finish());
}

absl::StatusOr<uint64_t> ClientStreamed(const Host::Stub& stub, ClientContext& context,
                                        uint64_t number) {
  auto stream = stub.Collect(context);
  for (int i = 0; i < kNumbers && stream.Write(Numbered(number + i)); ++i) {
  }
  return NumberOf(stream.Finish());
}

absl::StatusOr<uint64_t> Bidi(const Host::Stub& stub, ClientContext& context, uint64_t number) {
  auto stream = stub.Converse(context);
  Replies replies(number, 1);
  Number reply;
  for (int i = 0; i < kNumbers; ++i) {
    if (!stream.Write(Numbered(number + i)) || !stream.Read(&reply)) break;
    replies.Take(reply);
  }
  stream.WritesDone();
  return replies.Judge(stream.Finish());
}

// By callbacks.

absl::StatusOr<uint64_t> AsyncUnary(const Host::Stub& stub, ClientContext& context,
                                    uint64_t number) {
  Number reply;
  std::promise<absl::Status> end;
  stub.AsyncCount(context, Numbered(number), &reply,
                  [&](const absl::Status& status) { end.set_value(status); });
  if (absl::Status status = end.get_future().get(); !status.ok()) return status;
  return reply.number();
}

// Does one thing after another, each once the last one has called back.
class ServerStreamCallbacks {
 public:
  ServerStreamCallbacks(const Host::Stub& stub, ClientContext& context, uint64_t number)
      : replies_(number, 0), stream_(stub.AsyncRepeat(context, Numbered(number))) {}
  absl::StatusOr<uint64_t> Await() {
    Read();
    return replies_.Judge(end_.get_future().get());
  }

 private:
  void Read() {
    stream_.Read(&reply_, [this](bool ok) {
      if (!ok) return stream_.Finish([this](const absl::Status& end) { end_.set_value(end); });
      replies_.Take(reply_);
      Read();
    });
  }

  Replies replies_;
  Number reply_;
  std::promise<absl::Status> end_;
  AsyncClientReader<Number> stream_;
};

class ClientStreamCallbacks {
 public:
  ClientStreamCallbacks(const Host::Stub& stub, ClientContext& context, uint64_t number)
      : number_(number), stream_(stub.AsyncCollect(context)) {}
  absl::StatusOr<uint64_t> Await() {
    Write(true);
    return NumberOf(end_.get_future().get());
  }

 private:
  void Write(bool ok) {
    if (ok && written_ < kNumbers) {
      stream_.Write(Numbered(number_ + written_++), [this](bool room) { Write(room); });
    } else {
      stream_.Finish([this](const absl::StatusOr<Number>& reply) { end_.set_value(reply); });
    }
  }

  const uint64_t number_;
  int written_ = 0;
  std::promise<absl::StatusOr<Number>> end_;
  AsyncClientWriter<Number, Number> stream_;
};

// Writes all before it reads.
class BidiCallbacks {
 public:
  BidiCallbacks(const Host::Stub& stub, ClientContext& context, uint64_t number)
      : number_(number), replies_(number, 1), stream_(stub.AsyncConverse(context)) {}
  absl::StatusOr<uint64_t> Await() {
    Write(true);
    return replies_.Judge(end_.get_future().get());
  }

 private:
  void Write(bool ok) {
    if (ok && written_ < kNumbers) {
      stream_.Write(Numbered(number_ + written_++), [this](bool room) { Write(room); });
    } else {
      stream_.WritesDone();
      Read();
    }
  }
  void Read() {
    stream_.Read(&reply_, [this](bool ok) {
      if (!ok) return stream_.Finish([this](const absl::Status& end) { end_.set_value(end); });
      replies_.Take(reply_);
      Read();
    });
  }

  const uint64_t number_;
  int written_ = 0;
  Replies replies_;
  Number reply_;
  std::promise<absl::Status> end_;
  AsyncClientStream<Number, Number> stream_;
};

template <class Callbacks>
absl::StatusOr<uint64_t> ByCallbacks(const Host::Stub& stub, ClientContext& context,
                                     uint64_t number) {
  return Callbacks(stub, context, number).Await();
}

// By a coroutine.

Task<absl::StatusOr<uint64_t>> CoUnary(const Host::Stub& stub, ClientContext& context,
                                       uint64_t number) {
  const Number request = Numbered(number);
  const absl::StatusOr<Number> reply = co_await stub.CoCount(context, request);
  co_return NumberOf(reply);
}

Task<absl::StatusOr<uint64_t>> CoServerStreamed(const Host::Stub& stub, ClientContext& context,
                                                uint64_t number) {
  const Number request = Numbered(number);
  auto stream = stub.CoRepeat(context, request);
  Replies replies(number, 0);
  while (const std::optional<Number> reply = co_await stream.Read()) replies.Take(*reply);
  const absl::Status end = co_await stream.Finish();
  co_return replies.Judge(end);
}

Task<absl::StatusOr<uint64_t>> CoClientStreamed(const Host::Stub& stub, ClientContext& context,
                                                uint64_t number) {
  auto stream = stub.CoCollect(context);
  bool goes_on = true;
  for (int i = 0; i < kNumbers && goes_on; ++i) {
    const Number request = Numbered(number + i);
    goes_on = co_await stream.Write(request);
  }
  const absl::StatusOr<Number> reply = co_await stream.Finish();
  co_return NumberOf(reply);
}

Task<absl::StatusOr<uint64_t>> CoBidi(const Host::Stub& stub, ClientContext& context,
                                      uint64_t number) {
  auto stream = stub.CoConverse(context);
  Replies replies(number, 1);
  for (int i = 0; i < kNumbers; ++i) {
    const Number request = Numbered(number + i);
    const bool written = co_await stream.Write(request);
    if (!written) break;
    const std::optional<Number> reply = co_await stream.Read();
    if (!reply.has_value()) break;
    replies.Take(*reply);
  }
  stream.WritesDone();
  const absl::Status end = co_await stream.Finish();
  co_return replies.Judge(end);
}

using Coroutine = Task<absl::StatusOr<uint64_t>>(const Host::Stub& stub, ClientContext& context,
                                                 uint64_t number);

template <Coroutine coroutine>
absl::StatusOr<uint64_t> ByCoroutine(const Host::Stub& stub, ClientContext& context,
                                     uint64_t number) {
  return BlockOn(coroutine(stub, context, number));
}

}  // namespace

const CountedCall kEveryCountedCall[kCountedCalls] = {
    {"Unary", &Unary},
    {"ServerStream", &ServerStreamed},
    {"ClientStream", &ClientStreamed},
    {"Bidi", &Bidi},
    {"AsyncUnary", &AsyncUnary},
    {"AsyncServerStream", &ByCallbacks<ServerStreamCallbacks>},
    {"AsyncClientStream", &ByCallbacks<ClientStreamCallbacks>},
    {"AsyncBidi", &ByCallbacks<BidiCallbacks>},
    {"CoUnary", &ByCoroutine<CoUnary>},
    {"CoServerStream", &ByCoroutine<CoServerStreamed>},
    {"CoClientStream", &ByCoroutine<CoClientStreamed>},
    {"CoBidi", &ByCoroutine<CoBidi>},
};

}  // namespace nigh::testing
