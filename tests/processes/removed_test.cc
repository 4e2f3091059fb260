// Somebody removes the file or the queue by which clients find a server that lives.

#include <gtest/gtest.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/msg.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/transport/address.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

using Removal = std::function<void()>;

void RemoveFile(const std::string& path) { EXPECT_EQ(::unlink(path.c_str()), 0) << path; }

void RemoveQueueOf(const std::string& path) {
  std::string word;
  int id = -1;
  std::ifstream(path) >> word >> word >> id;
  EXPECT_EQ(::msgctl(id, IPC_RMID, nullptr), 0) << id;
}

// The files by which clients find the server there.
std::vector<std::string> FilesOf(const std::string& path) {
  std::vector<std::string> files;
  const std::filesystem::path place(path);
  for (const auto& entry : std::filesystem::directory_iterator(place.parent_path())) {
    const std::string file = entry.path().string();
    if (file == path || absl::StartsWith(file, path + ".shm")) files.push_back(file);
  }
  return files;
}

// Takes away all that the address stands for.
Removal Whole(const std::string& address) {
  const Address parsed = Address::Parse(address).value();
  if (parsed.scheme == "mqueue") {
    return [name = parsed.name] { EXPECT_EQ(::mq_unlink(name.c_str()), 0); };
  }
  return [path = parsed.name] {
    for (const std::string& file : FilesOf(path)) RemoveFile(file);
  };
}

// Each takes away a part without which clients do not find the server, or all of it.
std::vector<Removal> RemovalsOf(const std::string& address) {
  const Address parsed = Address::Parse(address).value();
  std::vector<Removal> removals = {Whole(address)};
  if (parsed.scheme == "mqueue") return removals;
  removals.push_back([path = parsed.name] { std::filesystem::rename(path, path + ".elsewhere"); });
  if (parsed.scheme == "sysvmq") {
    removals.push_back([path = parsed.name] { RemoveQueueOf(path); });
  }
  const std::vector<std::string> files = FilesOf(parsed.name);
  if (files.size() < 2) return removals;
  for (const std::string& file : files) removals.push_back([file] { RemoveFile(file); });
  return removals;
}

std::shared_ptr<Channel> DialAnew(const std::string& address) {
  return Dial(address, OptionsOfChannel()).value();
}

// Whether a server answers, once it is there.
absl::Status Reach(const std::shared_ptr<Channel>& channel) {
  constexpr absl::Duration kPatience = absl::Seconds(20);
  return Host::Stub(channel).Echo(Text(), {.timeout = kPatience, .wait_for_ready = true}).status();
}

// Several files are to go at once, as the server sees it.
void RemoveUnder(Child& server, const Removal& remove) {
  server.Freeze();
  remove();
  server.Signal(SIGCONT);
}

TEST(RemovedTest, TheServerListensAgainAndItsConnectionsGoOn) {
  Child server({absl::StrCat("--run=", FreshAddress().ToString())});
  const std::string address = server.Hear();
  auto chat = Host::Stub(DialAnew(address)).Chat();
  ASSERT_TRUE(chat.Write(Text()));
  ASSERT_TRUE(chat.Read().has_value());
  for (const Removal& remove : RemovalsOf(address)) {
    RemoveUnder(server, remove);
    EXPECT_EQ(Reach(DialAnew(address)), absl::OkStatus());
    const std::string error = server.Hear();
    EXPECT_TRUE(absl::StartsWith(error, absl::StrCat("NOT_FOUND: ", address))) << error;
    EXPECT_TRUE(absl::StrContains(error, "has removed")) << error;
    // The former listener has ended by now: whoever gets through has come to the new one.
    EXPECT_EQ(Reach(DialAnew(address)), absl::OkStatus());
    ASSERT_TRUE(chat.Write(Text()));
    ASSERT_TRUE(chat.Read().has_value());
  }
  chat.WritesDone();
  EXPECT_EQ(chat.Finish(), absl::OkStatus());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Hear(), "end: OK");
}

TEST(RemovedTest, TheProgramMayHaveItEndRun) {
  Child server({absl::StrCat("--run-once=", FreshAddress().ToString())});
  const std::string address = server.Hear();
  RemoveUnder(server, Whole(address));
  const std::string error = server.Hear();
  EXPECT_TRUE(absl::StartsWith(error, absl::StrCat("NOT_FOUND: ", address))) << error;
  EXPECT_EQ(server.Hear(), absl::StrCat("end: ", error));
}

TEST(RemovedTest, AnotherServerThatHasTakenTheNameKeepsIt) {
  Child server({absl::StrCat("--run=", FreshAddress().ToString())});
  const std::string address = server.Hear();
  const std::shared_ptr<Channel> old = DialAnew(address);
  EXPECT_EQ(Reach(old), absl::OkStatus());
  // It must not be the first to take the name again.
  server.Freeze();
  Whole(address)();
  Child other({absl::StrCat("--run=", address)});
  ASSERT_EQ(other.Hear(), address);
  EXPECT_EQ(Reach(DialAnew(address)), absl::OkStatus());
  server.Signal(SIGCONT);
  EXPECT_TRUE(absl::StartsWith(server.Hear(), "NOT_FOUND: "));
  const std::string error = server.Hear();
  EXPECT_TRUE(absl::StartsWith(error, absl::StrCat("ALREADY_EXISTS: ", address))) << error;
  EXPECT_EQ(server.Hear(), absl::StrCat("end: ", error));
  // Who was with the old one comes to the new one.
  EXPECT_EQ(Reach(old), absl::OkStatus());
  other.Signal(SIGTERM);
  EXPECT_EQ(other.Hear(), "end: OK");
}

}  // namespace
}  // namespace nigh::testing
