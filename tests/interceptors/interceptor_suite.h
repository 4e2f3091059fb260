#ifndef NIGH_TESTS_INTERCEPTORS_INTERCEPTOR_SUITE_H_
#define NIGH_TESTS_INTERCEPTORS_INTERCEPTOR_SUITE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"
#include "tests/conformance/board.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/scripted.nigh.h"
#include "tests/conformance/services.h"
#include "tests/contract/subject.h"

namespace nigh::testing {

// What interceptors saw, in order.
class Log {
 public:
  void Add(std::string line) {
    MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  // What has been added since the last time.
  std::vector<std::string> Take() {
    MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

// Says what it sees, of either side: "name start", "name send 1", "name finish OK".
template <class Call>
class Recorder final : public Interceptor<Call> {
 public:
  Recorder(std::string name, Log& log) : name_(std::move(name)), log_(log) {}

  absl::Status OnStart(Call& /*call*/) override { return Say("start"); }
  absl::Status OnSend(Call& call, const MessageView& /*message*/) override {
    return Say(absl::StrCat("send ", call.sent()));
  }
  absl::Status OnReceive(Call& call, const MessageView& /*message*/) override {
    return Say(absl::StrCat("receive ", call.received()));
  }
  void OnFinish(Call& /*call*/, absl::Status& status) override {
    (void)Say(absl::StrCat("finish ", absl::StatusCodeToString(status.code())));
  }

 private:
  absl::Status Say(const std::string& what) {
    log_.Add(absl::StrCat(name_, " ", what));
    return absl::OkStatus();
  }

  const std::string name_;
  Log& log_;
};

// Does what a test says; nothing where that says nothing.
template <class Call>
struct Custom final : public Interceptor<Call> {
  absl::Status OnStart(Call& call) override { return start ? start(call) : absl::OkStatus(); }
  absl::Status OnSend(Call& call, const MessageView& message) override {
    return send ? send(call, message) : absl::OkStatus();
  }
  absl::Status OnReceive(Call& call, const MessageView& message) override {
    return receive ? receive(call, message) : absl::OkStatus();
  }
  void OnFinish(Call& call, absl::Status& status) override {
    if (finish) finish(call, status);
  }

  std::function<absl::Status(Call&)> start = nullptr;
  std::function<absl::Status(Call&, const MessageView&)> send = nullptr;
  std::function<absl::Status(Call&, const MessageView&)> receive = nullptr;
  std::function<void(Call&, absl::Status&)> finish = nullptr;
};
using ClientCustom = Custom<InterceptedClientCall>;
using ServerCustom = Custom<InterceptedServerCall>;

// Clients and a server with interceptors, which a test adds before it first uses stub().
class InterceptorTest : public ::testing::Test {
 protected:
  ~InterceptorTest() override { board_.GiveUp(); }

  void RecordClient(const std::string& name) {
    client_.push_back(std::make_shared<Recorder<InterceptedClientCall>>(name, log_));
  }
  void RecordServer(const std::string& name) {
    server_side_.push_back(std::make_shared<Recorder<InterceptedServerCall>>(name, log_));
  }
  ClientCustom& AddClient() {
    auto added = std::make_shared<ClientCustom>();
    client_.push_back(added);
    return *added;
  }
  ServerCustom& AddServer() {
    auto added = std::make_shared<ServerCustom>();
    server_side_.push_back(added);
    return *added;
  }

  // What the server serves instead of the scripted service.
  void Serve(std::unique_ptr<Service> service) { service_ = std::move(service); }

  const std::shared_ptr<Channel>& channel() {
    if (channel_ == nullptr) Start();
    return channel_;
  }
  Scripted::Stub stub() { return Scripted::Stub(channel()); }
  // A call of Unary by a handler that does as `play` says.
  absl::Status Call(const Play& play, ClientContext& context) {
    Blob reply;
    play.In(context);
    return stub().Unary(context, Blob(), &reply);
  }
  absl::Status Call(const Play& play = {}) {
    ClientContext context;
    return Call(play, context);
  }

  Log& log() { return log_; }
  Board& board() { return board_; }

 private:
  void Start() {
    server_ = std::make_unique<Server>(
        ServerOptions{.transports = {&TheSubject().transport, 1}, .interceptors = server_side_});
    server_->Register(*service_);
    ASSERT_EQ(server_->Listen(FreshAddress().ToString()), absl::OkStatus());
    ASSERT_EQ(server_->Start(), absl::OkStatus());
    channel_ = Dial(server_->addresses().front(),
                    {.transports = {&TheSubject().transport, 1}, .interceptors = client_})
                   .value();
  }

  Log log_;
  Board board_;
  std::unique_ptr<Service> service_ = std::make_unique<ScriptedService>(board_);
  std::vector<std::shared_ptr<ClientInterceptor>> client_;
  std::vector<std::shared_ptr<ServerInterceptor>> server_side_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Channel> channel_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_INTERCEPTORS_INTERCEPTOR_SUITE_H_
