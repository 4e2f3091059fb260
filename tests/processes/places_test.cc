// Where the two meet that know a name: whatever their environments, before, during and after a
// login. In a /tmp and a /run of the test's own.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nigh/nigh.h"
#include "tests/processes/host.nigh.h"

namespace nigh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

void WriteFile(const char* path, const std::string& text) { std::ofstream(path) << text; }

// Gives this process a view of the file system of its own, with an empty /tmp and /run. False: the
// system does not allow that.
bool EnterOwnPlaces() {
  // What the test is to leave behind would be hidden.
  const char* const folder = std::getenv("TEST_TMPDIR");
  if (folder != nullptr && absl::StartsWith(folder, "/tmp/")) return false;
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", absl::StrCat(user, " ", user, " 1"));
  WriteFile("/proc/self/gid_map", absl::StrCat(group, " ", group, " 1"));
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  for (const char* place : {"/tmp", "/run"}) {
    if (::mount("tmpfs", place, "tmpfs", 0, nullptr) != 0) return false;
  }
  return ::mkdir("/run/user", 0755) == 0;
}

// A process that runs `code` with `directory` for $XDG_RUNTIME_DIR. It says lines, and ends when it
// is destroyed.
class Process {
 public:
  // `say` sends a line; `await_end` returns when the process is to end.
  using Code = absl::FunctionRef<void(absl::FunctionRef<void(const std::string&)> say,
                                      absl::FunctionRef<void()> await_end)>;

  Process(const std::optional<std::string>& directory, Code code) {
    int said[2];
    int end[2];
    if (::pipe2(said, O_CLOEXEC) != 0 || ::pipe2(end, O_CLOEXEC) != 0) ::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(end[1]);
      if (directory.has_value()) {
        ::setenv("XDG_RUNTIME_DIR", directory->c_str(), 1);
      } else {
        ::unsetenv("XDG_RUNTIME_DIR");
      }
      char byte;
      code(
          [&](const std::string& line) {
            if (::write(said[1], (line + "\n").data(), line.size() + 1) < 0) ::_exit(1);
          },
          [&] { (void)!::read(end[0], &byte, 1); });
      ::_exit(0);
    }
    ::close(said[1]);
    ::close(end[0]);
    said_ = said[0];
    end_ = end[1];
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    ::close(end_);
    ::close(said_);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string Hear() const {
    std::string line;
    for (char byte; ::read(said_, &byte, 1) == 1 && byte != '\n';) line += byte;
    return line;
  }

 private:
  pid_t pid_;
  int said_;
  int end_;
};

class EchoService final : public Host::Service {
  absl::Status Echo(ServerContext&, const Text& request, Text* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

// A server at `address`. It says "serving", or why it does not.
std::unique_ptr<Process> Serve(const std::string& address,
                               const std::optional<std::string>& directory) {
  return std::make_unique<Process>(directory, [&](auto say, auto await_end) {
    EchoService echo;
    Server server;
    server.Register(echo);
    absl::Status status = server.Listen(address);
    if (status.ok()) status = server.Start();
    say(status.ok() ? "serving" : status.ToString());
    await_end();
    server.Shutdown(absl::ZeroDuration());
  });
}

// What a client at `address` gets for "hello".
std::string Call(const std::string& address, const std::optional<std::string>& directory) {
  return Process(directory,
                 [&](auto say, auto) {
                   const Host::Stub stub(Dial(address).value());
                   Text request;
                   request.set_text("hello");
                   const absl::StatusOr<Text> reply = stub.Echo(request);
                   say(reply.ok() ? reply->text() : reply.status().ToString());
                 })
      .Hear();
}

class PlacesTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    static const bool own = EnterOwnPlaces();
    if (!own) GTEST_SKIP() << "this process may not have a /tmp and a /run of its own";
    for (const char* place : {"/tmp", "/run/user"}) {
      for (const auto& entry : std::filesystem::directory_iterator(place)) {
        std::filesystem::remove_all(entry);
      }
    }
  }

  static std::string Address(const std::string& name) {
    const std::string medium = GetParam();
    return medium == "local_without_shm" ? absl::StrCat("local:", name, "?shm=off")
                                         : absl::StrCat(medium, ":", name);
  }
  static std::string MakeDirectory(const std::string& path, mode_t mode) {
    EXPECT_EQ(::mkdir(path.c_str(), mode), 0) << path;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0) << path;
    return path;
  }

  const std::string users_ = absl::StrCat("/tmp/nigh-", ::geteuid());
  const std::string session_ = absl::StrCat("/run/user/", ::geteuid());
};

TEST_P(PlacesTest, TwoMeetWhateverTheirEnvironments) {
  const std::vector<std::optional<std::string>> environments = {
      std::nullopt,
      MakeDirectory("/tmp/one", 0700),
      MakeDirectory("/tmp/other", 0700),
      "/tmp/missing",
      MakeDirectory("/tmp/unwritable", 0500),
      "relative",
      "",
  };
  for (const auto& servers : environments) {
    const auto server = Serve(Address("greeter"), servers);
    ASSERT_EQ(server->Hear(), "serving") << servers.value_or("unset");
    for (const auto& clients : environments) {
      EXPECT_EQ(Call(Address("greeter"), clients), "hello")
          << servers.value_or("unset") << ", " << clients.value_or("unset");
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(users_));
}

TEST_P(PlacesTest, AnAddressHasOneServerWhateverTheEnvironments) {
  const auto first = Serve(Address("greeter"), std::nullopt);
  ASSERT_EQ(first->Hear(), "serving");
  const auto second = Serve(Address("greeter"), MakeDirectory("/tmp/one", 0700));
  EXPECT_THAT(second->Hear(), AllOf(StartsWith("ALREADY_EXISTS"), HasSubstr("a live server")));
  EXPECT_EQ(Call(Address("greeter"), "/tmp/one"), "hello");
}

TEST_P(PlacesTest, ServerFromBeforeTheLoginIsFoundDuringAndAfterIt) {
  const auto server = Serve(Address("greeter"), std::nullopt);
  ASSERT_EQ(server->Hear(), "serving");
  MakeDirectory(session_, 0700);
  EXPECT_EQ(Call(Address("greeter"), session_), "hello");
  EXPECT_THAT(Serve(Address("greeter"), session_)->Hear(), StartsWith("ALREADY_EXISTS"));
  std::filesystem::remove_all(session_);
  EXPECT_EQ(Call(Address("greeter"), session_), "hello");
  EXPECT_EQ(Call(Address("greeter"), std::nullopt), "hello");
}

TEST_P(PlacesTest, ServerOfASessionIsFoundAfterIt) {
  MakeDirectory(session_, 0700);
  const auto server = Serve(Address("greeter"), session_);
  ASSERT_EQ(server->Hear(), "serving");
  std::filesystem::remove_all(session_);
  EXPECT_EQ(Call(Address("greeter"), std::nullopt), "hello");
  EXPECT_THAT(Serve(Address("greeter"), std::nullopt)->Hear(), StartsWith("ALREADY_EXISTS"));
}

TEST_P(PlacesTest, WhereTheUsersDirectoryIsATrapTheTwoMeetInTheSessions) {
  MakeDirectory(users_, 0777);
  MakeDirectory(session_, 0700);
  const auto server = Serve(Address("greeter"), "/tmp/missing");
  ASSERT_EQ(server->Hear(), "serving");
  EXPECT_EQ(Call(Address("greeter"), std::nullopt), "hello");
  EXPECT_TRUE(std::filesystem::exists(session_ + "/nigh/greeter"));
  EXPECT_TRUE(std::filesystem::is_empty(users_));
  // Once the trap is gone, clients still find the server, and another sees that it is there.
  ASSERT_EQ(::rmdir(users_.c_str()), 0);
  EXPECT_EQ(Call(Address("greeter"), std::nullopt), "hello");
  EXPECT_THAT(Serve(Address("greeter"), std::nullopt)->Hear(),
              AllOf(StartsWith("ALREADY_EXISTS"),
                    HasSubstr(absl::StrCat("a live server is at ", session_, "/nigh/greeter"))));
}

TEST_P(PlacesTest, WhatLiesInATrapIsNotMet) {
  MakeDirectory(users_, 0700);
  const auto server = Serve(Address(users_ + "/greeter"), std::nullopt);
  ASSERT_EQ(server->Hear(), "serving");
  EXPECT_EQ(Call(Address("greeter"), std::nullopt), "hello");
  ASSERT_EQ(::chmod(users_.c_str(), 0777), 0);
  EXPECT_THAT(Call(Address("greeter"), std::nullopt),
              AllOf(StartsWith("UNAVAILABLE"),
                    HasSubstr(absl::StrCat(session_, "/nigh/greeter: No such file or directory")),
                    HasSubstr(absl::StrCat(users_,
                                           " is not a directory of this user's alone "
                                           "(remove it, or chmod it to 0700)"))));
  // A link to a directory of the user's is as much of a trap.
  std::filesystem::rename(users_, "/tmp/elsewhere");
  ASSERT_EQ(::chmod("/tmp/elsewhere", 0700), 0);
  std::filesystem::create_symlink("/tmp/elsewhere", users_);
  EXPECT_THAT(Call(Address("greeter"), std::nullopt), StartsWith("UNAVAILABLE"));
}

TEST_P(PlacesTest, ServerInTheEnvironmentsDirectoryIsFoundByThoseWhoNameIt) {
  MakeDirectory("/tmp/one", 0700);
  MakeDirectory("/tmp/one/nigh", 0700);
  const auto server = Serve(Address("/tmp/one/nigh/greeter"), std::nullopt);
  ASSERT_EQ(server->Hear(), "serving");
  EXPECT_EQ(Call(Address("greeter"), "/tmp/one"), "hello");
  EXPECT_EQ(Call(Address("greeter"), "/tmp/../tmp/one/"), "hello");
  EXPECT_THAT(Serve(Address("greeter"), "/tmp/one")->Hear(),
              AllOf(StartsWith("ALREADY_EXISTS"),
                    HasSubstr("a live server is at /tmp/one/nigh/greeter (stop it, or choose")));
}

TEST_P(PlacesTest, NobodyThereSaysWhereThatWasLookedFor) {
  const std::string nobody = ": No such file or directory";
  EXPECT_THAT(Call(Address("greeter"), std::nullopt),
              AllOf(StartsWith("UNAVAILABLE"),
                    HasSubstr(absl::StrCat(Address("greeter"), ": connect: ", users_, "/greeter",
                                           nobody, "; ", session_, "/nigh/greeter", nobody,
                                           " (is the server running?)"))));
  EXPECT_THAT(
      Call(Address("greeter"), "/tmp/one"),
      HasSubstr(absl::StrCat("; /tmp/one/nigh/greeter", nobody, " (is the server running?)")));
  EXPECT_FALSE(std::filesystem::exists(users_)) << "who only looks makes nothing";
}

TEST_P(PlacesTest, ListenWithoutADirectorySaysWhichItTried) {
  WriteFile(users_.c_str(), "no directory");
  EXPECT_THAT(Serve(Address("greeter"), "/tmp/missing")->Hear(),
              AllOf(StartsWith(absl::StrCat("FAILED_PRECONDITION: ", Address("greeter"),
                                            ": listen: no directory for this name can be had: ",
                                            users_, " is not a directory of this user's alone")),
                    HasSubstr(absl::StrCat("make ", session_, "/nigh: No such file or directory")),
                    HasSubstr("make /tmp/missing/nigh: No such file or directory"),
                    HasSubstr("give a path, with a slash in it"),
                    Not(HasSubstr("is the server running?"))));
  // The last resort.
  MakeDirectory("/tmp/one", 0700);
  const auto server = Serve(Address("greeter"), "/tmp/one");
  EXPECT_EQ(server->Hear(), "serving");
  EXPECT_EQ(Call(Address("greeter"), "/tmp/one"), "hello");
}

TEST_P(PlacesTest, APathIsOnePlace) {
  EXPECT_THAT(Serve(Address("/tmp/missing/greeter"), std::nullopt)->Hear(),
              AllOf(StartsWith("NOT_FOUND"), HasSubstr("create the directory /tmp/missing"),
                    Not(HasSubstr("is the server running?"))));
  EXPECT_THAT(Call(Address("/tmp/greeter"), "/tmp/one"),
              AllOf(StartsWith("UNAVAILABLE"), Not(HasSubstr("nigh")),
                    HasSubstr(": No such file or directory (is the server running?)")));
}

INSTANTIATE_TEST_SUITE_P(Media, PlacesTest, ::testing::Values("local", "local_without_shm", "shm"),
                         [](const auto& info) { return std::string(info.param); });

// Media whose addresses are paths.
TEST(PathsTest, ListenAsksForTheDirectoryAndDialForTheServer) {
  for (const char* medium : {"unix", "fifo", "sysvmq", "local", "shm"}) {
    const std::string address = absl::StrCat(medium, ":/nowhere/at/all");
    EXPECT_THAT(Serve(address, std::nullopt)->Hear(),
                AllOf(StartsWith("NOT_FOUND"), HasSubstr("create the directory"),
                      Not(HasSubstr("is the server running?"))));
    EXPECT_THAT(Call(address, std::nullopt),
                AllOf(StartsWith("UNAVAILABLE"), HasSubstr("is the server running?"),
                      Not(HasSubstr("create the directory"))));
  }
}

}  // namespace
}  // namespace nigh::testing
