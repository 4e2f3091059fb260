// Who may call: what a .proto says by (nigh.allow), and what a server says in its place.

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/co_service.h"
#include "nigh/generic_stub.h"
#include "nigh/interceptor.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/task.h"
#include "tests/contract/subject.h"
#include "tests/strangers/people.h"
#include "tests/strangers/rules.nigh.h"

namespace nigh::testing {
namespace {

using strangers::Coroutines;
using strangers::OfFile;
using strangers::OfMethod;
using strangers::OfService;
using strangers::Streams;
using strangers::Word;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// In the friends' group, as its own.
const Person kCarl = {54400, kFriends, {kFriends}};

// All services of rules.proto. Whatever comes to a handler is counted.
class Services {
 public:
  explicit Services(SharedCount& calls) : file_(calls), service_(calls), method_(calls) {
    streams_.calls = &calls;
    coroutines_.calls = &calls;
  }

  void RegisterAt(Server& server) {
    server.Register(file_);
    server.Register(service_);
    server.Register(method_);
    server.Register(streams_);
    server.Register(coroutines_);
  }

 private:
  // The members that serve a service of unary methods.
  template <class Base>
  struct Counting : Base {
    explicit Counting(SharedCount& count) : calls(&count) {}
    absl::Status Count() const {
      calls->Add();
      return absl::OkStatus();
    }
    SharedCount* calls;
  };

  struct File final : Counting<OfFile::Service> {
    using Counting::Counting;
    absl::Status Say(ServerContext&, const Word&, Word*) override { return Count(); }
  };
  struct Service final : Counting<OfService::Service> {
    using Counting::Counting;
    absl::Status Say(ServerContext&, const Word&, Word*) override { return Count(); }
  };
  struct Method final : Counting<OfMethod::Service> {
    using Counting::Counting;
    absl::Status SameUser(ServerContext&, const Word&, Word*) override { return Count(); }
    absl::Status Root(ServerContext&, const Word&, Word*) override { return Count(); }
    absl::Status User(ServerContext&, const Word&, Word*) override { return Count(); }
    absl::Status Group(ServerContext&, const Word&, Word*) override { return Count(); }
    absl::Status Several(ServerContext&, const Word&, Word*) override { return Count(); }
    absl::Status Anybody(ServerContext&, const Word&, Word*) override { return Count(); }
  };
  struct Threads final : Streams::Service {
    absl::Status Down(ServerContext&, const Word& word, ServerWriter<Word>& words) override {
      calls->Add();
      words.Write(word);
      return absl::OkStatus();
    }
    absl::Status Up(ServerContext&, ServerReader<Word>& words, Word*) override {
      calls->Add();
      while (words.Read().has_value()) {
      }
      return absl::OkStatus();
    }
    absl::Status Chat(ServerContext&, ServerStream<Word, Word>& words) override {
      calls->Add();
      while (std::optional<Word> word = words.Read()) words.Write(*word);
      return absl::OkStatus();
    }
    SharedCount* calls = nullptr;
  };
  struct Coroutine final : Coroutines::CoService {
    Task<absl::Status> Say(ServerContext&, const Word&, Word*) override {
      calls->Add();
      co_return absl::OkStatus();
    }
    Task<absl::Status> Chat(ServerContext&, CoServerStream<Word, Word>& words) override {
      calls->Add();
      while (std::optional<Word> word = co_await words.Read()) {
        const bool written = co_await words.Write(*word);
        if (!written) break;
      }
      co_return absl::OkStatus();
    }
    SharedCount* calls = nullptr;
  };

  File file_;
  Service service_;
  Method method_;
  Threads streams_;
  Coroutine coroutines_;
};

class CountingInterceptor final : public ServerInterceptor {
 public:
  explicit CountingInterceptor(SharedCount& calls) : calls_(calls) {}
  absl::Status OnStart(InterceptedServerCall&) override {
    calls_.Add();
    return absl::OkStatus();
  }

 private:
  SharedCount& calls_;
};

class AllowTest : public StrangersTest {
 protected:
  // `person` serves all of rules.proto, and lets everybody in.
  Host Serve(const Person& person, std::map<std::string, Callers> allow = {}) {
    ServerOptions options = {.admit = {.users = {"*"}},
                             .allow = std::move(allow),
                             .interceptors = {std::make_shared<CountingInterceptor>(intercepted_)}};
    return Host(person, OpenAddress(), options, nullptr,
                [this](Server& server) { services_.RegisterAt(server); });
  }

  // What `call`, which uses the stub, hears in a process of `who`: "served", or the status.
  template <class Call>
  static std::string Hears(const Person& who, const Host& host, const Call& call) {
    return As(who, [&]() -> std::string {
      const absl::StatusOr<std::shared_ptr<Channel>> channel =
          Channel::Create(host.address(), HasUsers() ? Expecting("*") : ChannelOptions());
      if (!channel.ok()) return channel.status().ToString();
      const absl::Status status = call(GenericStub(*channel));
      return status.ok() ? "served" : status.ToString();
    });
  }

  static std::string Call(const Person& who, const Host& host, absl::string_view method,
                          absl::string_view request = "") {
    return Hears(who, host, [&](const GenericStub& stub) {
      return stub.Call(method, request, kOptions).status();
    });
  }

  // Whom of all people the method serves. The others must be refused.
  std::string WhoIsServed(const Host& host, absl::string_view method) {
    std::string served;
    for (const auto& [name, person] : std::initializer_list<std::pair<const char*, const Person&>>{
             {"ann", kAnn}, {"bob", kBob}, {"carl", kCarl}, {"root", kRoot}, {"nobody", kNobody}}) {
      // Nobody gets through to a POSIX queue who is not in its group.
      if (IsQueueOfFriends() && name == absl::string_view("nobody")) continue;
      const int before = calls_.get() + host.CallsSoFar();
      const std::string heard = Call(person, host, method);
      const bool is_served = heard == "served";
      if (is_served) absl::StrAppend(&served, served.empty() ? "" : " ", name);
      if (!is_served) {
        EXPECT_THAT(heard, AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr(method))) << name;
      }
      EXPECT_EQ(calls_.get() + host.CallsSoFar(), before + (is_served ? 1 : 0)) << name;
    }
    EXPECT_EQ(intercepted_.get(), calls_.get() + host.CallsSoFar());
    return served;
  }

  static bool IsQueueOfFriends() { return TheSubject().transport.scheme == "mqueue"; }
  static std::string Everybody() {
    return IsQueueOfFriends() ? "ann bob carl root" : "ann bob carl root nobody";
  }
  // `names` where the medium tells of users, and nobody where it does not.
  static std::string WithUsers(std::string names) { return HasUsers() ? names : ""; }
  // Where it tells of processes.
  static std::string WithProcesses(std::string names) { return IsMetAtSocket() ? names : ""; }

  static constexpr CallOptions kOptions = {.timeout = absl::Seconds(20)};
  SharedCount calls_;        // that have come to handlers of rules.proto
  SharedCount intercepted_;  // that have come to an interceptor
  Services services_{calls_};
};

TEST_F(AllowTest, WhoeverTheMethodNamesIsServedAndNobodyElse) {
  const Host host = Serve(kAnn);
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/SameUser"), WithProcesses("ann"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Root"), WithUsers("root"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/User"), WithUsers("bob"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Several"), WithUsers("ann bob root"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Anybody"), Everybody());
}

TEST_F(AllowTest, MembersOfAGroupThatIsNamedAreServed) {
  const Host host = Serve(kAnn);
  const std::string served = WhoIsServed(host, "/nigh.strangers.OfMethod/Group");
  if (IsMetAtSocket()) {
    EXPECT_EQ(served, "ann bob carl");
  } else if (IsQueueOfFriends()) {
    // Who has made a queue shows by the queue's group, which is that of the server's address.
    EXPECT_THAT(served, HasSubstr("carl"));
  } else {
    // By the own group alone.
    EXPECT_EQ(served, WithUsers("carl"));
  }
}

TEST_F(AllowTest, TheNearestOfFileServiceAndMethodCountsAlone) {
  const Host host = Serve(kAnn);
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfFile/Say"), WithProcesses("ann"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfService/Say"), WithUsers("bob"));
  // Its service lets anybody.
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Root"), WithUsers("root"));
  // Of which no .proto says anything.
  EXPECT_EQ(WhoIsServed(host, "/nigh.Mirror/Look"), Everybody());
}

TEST_F(AllowTest, TheServerSaysOtherwiseByName) {
  const Host host = Serve(kAnn, {{"nigh.strangers.OfMethod", {.users = {"54400"}}},
                                 {"/nigh.strangers.OfMethod/User", {.anybody = true}},
                                 {"/nigh.strangers.OfFile/Say", {.root = true}},
                                 {"/nigh.Mirror/Look", {.users = {"54322"}}},
                                 {"*", {.root = true}}});
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Root"), WithUsers("carl"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/Anybody"), WithUsers("carl"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfMethod/User"), Everybody());
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfFile/Say"), WithUsers("root"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.strangers.OfService/Say"), WithUsers("bob"));
  // What a generic service serves.
  EXPECT_EQ(WhoIsServed(host, "/nigh.Mirror/Look"), WithUsers("bob"));
  EXPECT_EQ(WhoIsServed(host, "/nigh.Mirror/LookAgain"), WithUsers("root"));
}

TEST_F(AllowTest, WhoIsRefusedHearsWhyAndTheServerHearsOfIt) {
  Host host = Serve(kAnn);
  const auto says = [](absl::string_view user) {
    return AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr("/nigh.strangers.OfMethod/User: "),
                 HasSubstr(user), HasSubstr("option (nigh.allow) of its .proto lets user 54322"),
                 HasSubstr("ServerOptions::allow"));
  };
  const char* const user = HasUsers() ? "user 54400 " : "a user whom the system does not name ";
  EXPECT_THAT(Call(kCarl, host, "/nigh.strangers.OfMethod/User"), says(user));
  EXPECT_THAT(host.Hear(), AllOf(says(user), HasSubstr("serve: 1 calls were refused")));
}

// It would end a call with INTERNAL.
TEST_F(AllowTest, ARequestOfWhoMayNotCallIsNotParsed) {
  const std::string malformed = "\xff\xff\xff";
  const std::string long_and_malformed(size_t{1} << 20, '\xff');
  const Host host = Serve(kAnn);
  for (const std::string& request : {malformed, long_and_malformed}) {
    EXPECT_THAT(Call(kBob, host, "/nigh.strangers.OfMethod/Anybody", request),
                StartsWith("INTERNAL: "));
    EXPECT_THAT(Call(kCarl, host, "/nigh.strangers.OfMethod/User", request),
                StartsWith("PERMISSION_DENIED: "));
  }
  EXPECT_EQ(calls_.get(), 0);
}

TEST_F(AllowTest, StreamsOfWhoMayNotCallAreRefusedAtOnce) {
  const Host host = Serve(kAnn);
  const auto down = [](const GenericStub& stub) {
    GenericStub::Reader reader = stub.CallServerStreaming("/nigh.strangers.Streams/Down", "");
    while (reader.Read().has_value()) {
    }
    return reader.Finish();
  };
  const auto up = [](const GenericStub& stub) {
    GenericStub::Writer writer = stub.CallClientStreaming("/nigh.strangers.Streams/Up");
    (void)writer.Write("");
    return writer.Finish().status();
  };
  const auto chat = [](absl::string_view method) {
    return [method](const GenericStub& stub) {
      GenericStub::Stream stream = stub.CallBidiStreaming(method);
      // Until the server has answered.
      (void)stream.Write("");
      if (stream.Read().has_value()) (void)stream.WritesDone();
      return stream.Finish();
    };
  };
  const auto say = [](const GenericStub& stub) {
    return stub.Call("/nigh.strangers.Coroutines/Say", "", kOptions).status();
  };
  const auto expect = [&](const auto& call) {
    const int before = calls_.get();
    EXPECT_THAT(Hears(kCarl, host, call), StartsWith("PERMISSION_DENIED: "));
    EXPECT_EQ(calls_.get(), before);
    if (HasUsers()) {
      EXPECT_EQ(Hears(kBob, host, call), "served");
      EXPECT_EQ(calls_.get(), before + 1);
    }
  };
  expect(down);
  expect(up);
  expect(chat("/nigh.strangers.Streams/Chat"));
  expect(say);
  expect(chat("/nigh.strangers.Coroutines/Chat"));
  EXPECT_EQ(intercepted_.get(), calls_.get());
}

// It is root there, and may do what the one outside may not.
TEST_F(AllowTest, AProcessOfAContainerIsNotTheSameUser) {
  if (!IsMetAtSocket()) GTEST_SKIP() << "nothing tells of processes here";
  const Host host = Serve(kAnn);
  const std::string heard = As(kAnn, [&]() -> std::string {
    if (!EnterContainer()) return "no container";
    const auto channel = Channel::Create(host.address(), Expecting("*"));
    if (!channel.ok()) return channel.status().ToString();
    const auto reply =
        GenericStub(*channel).Call("/nigh.strangers.OfMethod/SameUser", "", kOptions);
    return reply.ok() ? "served" : reply.status().ToString();
  });
  if (heard == "no container") GTEST_SKIP() << "the system lets nobody have a namespace";
  EXPECT_THAT(heard, AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr("user 54321 ")));
}

// As root of a container is to root of the machine.
TEST_F(AllowTest, WhoHasFewerCapabilitiesIsNotTheSameUser) {
  if (!IsMetAtSocket()) GTEST_SKIP() << "nothing tells of processes here";
  const Host host = Serve(kRoot);
  const auto call = [&](absl::string_view method) {
    return As(kRoot, [&]() -> std::string {
      __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
      const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none = {};
      if (::syscall(SYS_capset, &header, none.data()) != 0) return "capset fails";
      const auto channel = Channel::Create(host.address(), {});
      if (!channel.ok()) return channel.status().ToString();
      const auto reply = GenericStub(*channel).Call(method, "", kOptions);
      return reply.ok() ? "served" : reply.status().ToString();
    });
  };
  EXPECT_EQ(Call(kRoot, host, "/nigh.strangers.OfMethod/SameUser"), "served");
  EXPECT_THAT(call("/nigh.strangers.OfMethod/SameUser"),
              AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr("user 0 "),
                    HasSubstr("namespaces and capabilities")));
  EXPECT_EQ(call("/nigh.strangers.OfMethod/Root"), "served");
}

}  // namespace
}  // namespace nigh::testing
