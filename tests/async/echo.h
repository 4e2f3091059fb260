#ifndef NIGH_TESTS_ASYNC_ECHO_H_
#define NIGH_TESTS_ASYNC_ECHO_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/co_service.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/task.h"
#include "nigh/transport/transport.h"
#include "tests/async/echo.nigh.h"
#include "tests/contract/subject.h"

namespace nigh::testing {

// Something that happens in one thread and is waited for in another.
class Event {
 public:
  void Happen() {
    MutexLock lock(mutex_);
    ++times_;
    changed_.SignalAll();
  }
  void Await(int times = 1) {
    MutexLock lock(mutex_);
    while (times_ < times) changed_.Wait(mutex_);
  }
  int times() {
    MutexLock lock(mutex_);
    return times_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int times_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A value that one thread sets and another waits for.
template <class T>
class Slot {
 public:
  std::function<void(T)> Setter() {
    return [this](T value) {
      value_ = std::move(value);
      set_.Happen();
    };
  }
  const T& Get() {
    set_.Await();
    return value_;
  }

 private:
  T value_{};
  Event set_;
};

// With a thread for each call.
class EchoService final : public Echo::Service {
 public:
  absl::Status Say(ServerContext&, const Text& request, Text* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
  absl::Status Hang(ServerContext& context, const Text&, Text*) override {
    Event cancelled;
    hanging.Happen();
    context.SetCancelCallback([&] { cancelled.Happen(); });
    cancelled.Await();
    released.Happen();
    return absl::OkStatus();
  }
  absl::Status Split(ServerContext&, const Text& request, ServerWriter<Text>& replies) override {
    for (int i = 0; request.count() < 0 || i < request.count(); ++i) {
      if (!replies.Write(request)) break;
    }
    released.Happen();
    return absl::OkStatus();
  }
  absl::Status Join(ServerContext&, ServerReader<Text>& requests, Text* reply) override {
    while (std::optional<Text> request = requests.Read()) {
      *reply->mutable_text() += request->text();
      reply->set_count(reply->count() + 1);
    }
    released.Happen();
    return absl::OkStatus();
  }
  absl::Status Chat(ServerContext&, ServerStream<Text, Text>& stream) override {
    while (std::optional<Text> request = stream.Read()) {
      if (!stream.Write(*request)) break;
    }
    released.Happen();
    return absl::OkStatus();
  }

  Event hanging;   // a Hang has begun
  Event released;  // a handler that waited for its client has gone on to its end
};

// With coroutines.
class CoEchoService final : public Echo::CoService {
 public:
  Task<absl::Status> Say(ServerContext&, const Text& request, Text* reply) override {
    *reply = request;
    co_return absl::OkStatus();
  }
  Task<absl::Status> Split(ServerContext&, const Text& request,
                           CoServerWriter<Text>& replies) override {
    for (int i = 0; request.count() < 0 || i < request.count(); ++i) {
      const bool written = co_await replies.Write(request);
      if (!written) break;
    }
    released.Happen();
    co_return absl::OkStatus();
  }
  Task<absl::Status> Join(ServerContext&, CoServerReader<Text>& requests, Text* reply) override {
    while (std::optional<Text> request = co_await requests.Read()) {
      *reply->mutable_text() += request->text();
      reply->set_count(reply->count() + 1);
    }
    released.Happen();
    co_return absl::OkStatus();
  }
  Task<absl::Status> Chat(ServerContext& context, CoServerStream<Text, Text>& stream) override {
    while (std::optional<Text> request = co_await stream.Read()) {
      const bool written = co_await stream.Write(*request);
      if (!written) break;
    }
    if (context.IsCancelled()) cancelled.Happen();
    released.Happen();
    co_return absl::OkStatus();
  }

  Event released;   // as EchoService's
  Event cancelled;  // a Chat has found itself cancelled
};

// Options of either side, with the subject for the only transport. Tests have more calls in flight
// on one connection than a program has by default.
template <class Options>
Options OnSubject(Options options) {
  options.limits.max_calls = 16'384;
  options.transports = TransportTable(&TheSubject().transport, 1);
  return options;
}

// A server of the subject's in this process.
class EchoServer {
 public:
  explicit EchoServer(Service& service, const std::string& address, ServerOptions options = {})
      : server_(OnSubject(std::move(options))) {
    server_.Register(service);
    if (absl::Status status = server_.Listen(address); !status.ok()) ADD_FAILURE() << status;
    if (absl::Status status = server_.Start(); !status.ok()) ADD_FAILURE() << status;
  }
  ~EchoServer() { server_.Shutdown(absl::ZeroDuration()); }

  std::shared_ptr<Channel> Dial(const ChannelOptions& options = {}) {
    return nigh::Dial(server_.addresses().front(), OnSubject(options)).value();
  }
  std::string address() const { return server_.addresses().front(); }
  Server& server() { return server_; }

 private:
  Server server_;
};

// This process's threads.
int ThreadCount();

inline Text TextOf(std::string text, int count = 1) {
  Text message;
  message.set_text(std::move(text));
  message.set_count(count);
  return message;
}

}  // namespace nigh::testing

#endif  // NIGH_TESTS_ASYNC_ECHO_H_
