#ifndef NIGH_TESTS_STRANGERS_PEOPLE_H_
#define NIGH_TESTS_STRANGERS_PEOPLE_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/generic_service.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// Somebody: a user, its group, and the others that it is in.
struct Person {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups = {};

  // This process, all of its threads, is that person's from now on.
  void Become() const;
};

inline const Person kRoot = {0, 0};
inline const Person kNobody = {65534, 65534, {65534}};
inline const Person kAnn = {54321, 54321, {54321, 54300}};
inline const Person kBob = {54322, 54322, {54322, 54300}};
// The group that both are in.
inline constexpr gid_t kFriends = 54300;

// This process is root of a user namespace of its own from now on, in which nobody else has a
// number, as in a container that a user starts. False: the system does not let it.
bool EnterContainer();

// Tests with several people. Only root can act as others.
class StrangersTest : public ::testing::Test {
 protected:
  void SetUp() override;
  // Whether the medium is a Unix socket, or is met at one.
  static bool IsMetAtSocket();
  // Whether the medium has users at all.
  static bool HasUsers();
  // Whether its address is a path.
  static bool HasPath();
};

// Returns what `act` returns in a process of `person`; "signal N" if it does not return.
std::string As(const Person& person, absl::FunctionRef<std::string()> act);

// An address at which the kernel lets everybody through to the server, or the friends, where it
// cannot be everybody.
std::string OpenAddress();

// A number that this process shares with its children.
class SharedCount {
 public:
  SharedCount();
  ~SharedCount();
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;

  void Add() { count_->fetch_add(1); }
  int get() const { return count_->load(); }

 private:
  std::atomic<int>* const count_;
};

// A process of `person` that serves until this goes. `listens` is who listens, if that is not
// `person`, who then takes over. It serves all methods: those that `more` registers, and the rest
// by telling who asks (Ask).
class Host {
 public:
  Host(const Person& person, const std::string& address, const ServerOptions& options = {},
       const Person* listens = nullptr, const std::function<void(Server&)>& more = nullptr);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  pid_t pid() const { return pid_; }
  // The address that the server says, or the error.
  const std::string& address() const { return address_; }
  // The next error that the server's on_error hears of.
  std::string Hear();
  // How many requests have come to the handler that tells who asks.
  int CallsSoFar() const { return calls_.get(); }

 private:
  pid_t pid_;
  UniqueFd says_;
  std::string address_;
  SharedCount calls_;
};

// "uid 0 gid 0 groups 0,4 pid 12 with a pidfd"; what is not known is not there.
std::string Describe(const PeerIdentity& peer);

// Options of a client that expects that user's server.
ChannelOptions Expecting(absl::string_view user);

// Asks a Host's server who this process is to it. Returns its answer, or the status of the call.
std::string Ask(const std::string& address, const ChannelOptions& options = {});

}  // namespace nigh::testing

#endif  // NIGH_TESTS_STRANGERS_PEOPLE_H_
