#include "nigh/runtime/server/connection_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/transport/descriptors.h"

namespace nigh {
namespace {

// A call may need a few: one that arrives, one that is handled, one that leaves.
constexpr size_t kLeastMessages = 4;

// Whoever has no more connections without a call than this is not who uses up the descriptors.
constexpr int kManyIdle = 8;

std::string NameOf(const std::optional<uid_t>& user) {
  return user.has_value() ? absl::StrCat("user ", *user)
                          : std::string("users whom the system does not name");
}

// What clients may have of the descriptors that this process may have. The other half is for
// connections and for what handlers open.
size_t DescriptorsInAll() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return std::min<rlim_t>(limit.rlim_cur, INT_MAX) / 2;
}

size_t AtLeastSomeMessages(size_t bytes, const Limits& limits) {
  return std::max(bytes, kLeastMessages * limits.max_message);
}

}  // namespace

ConnectionLimits::ConnectionLimits(const ServerOptions& options, Poller& poller,
                                   std::function<void(const absl::Status&)> report)
    : most_(options.max_connections),
      most_of_user_(options.max_connections_of_user),
      account_of_connection_(
          {.whose = "this connection",
           .bytes = BytesOfConnection(options),
           .threads = options.max_threads_of_connection,
           .descriptors = options.limits.max_untaken_descriptors,
           .bytes_option = "max_bytes_of_connection",
           .threads_option = "max_threads_of_connection",
           .descriptors_remedy = "raise ServerOptions::limits.max_untaken_descriptors"}),
      account_of_user_(
          {.bytes = BytesOfUser(options),
           .threads = options.max_threads_of_user,
           .descriptors = std::min(options.max_descriptors_of_user, DescriptorsInAll() / 2),
           .bytes_option = "max_bytes_of_user",
           .threads_option = "max_threads_of_user",
           .descriptors_remedy = "raise ServerOptions::max_descriptors_of_user; it is "
                                 "a quarter of ulimit -n at most"}),
      descriptors_(std::make_shared<DescriptorCount>(
          DescriptorCount::Limit{.whose = "all clients",
                                 .most = DescriptorsInAll(),
                                 .remedy = "raise the server's limit, ulimit -n"})),
      hello_timeout_(options.hello_timeout),
      poller_(poller),
      report_(std::move(report)) {}

size_t ConnectionLimits::BytesOfConnection(const ServerOptions& options) {
  return AtLeastSomeMessages(options.max_bytes_of_connection, options.limits);
}

size_t ConnectionLimits::BytesOfUser(const ServerOptions& options) {
  return AtLeastSomeMessages(options.max_bytes_of_user, options.limits);
}

std::shared_ptr<Account> ConnectionLimits::OpenAccount(const User& user) {
  MutexLock lock(mutex_);
  std::shared_ptr<Account> of_user;
  if (const auto found = accounts_.find(user); found != accounts_.end()) {
    of_user = found->second.lock();
  }
  if (of_user == nullptr) {
    absl::erase_if(accounts_, [](const auto& account) { return account.second.expired(); });
    Account::Limits limits = account_of_user_;
    limits.whose = NameOf(user);
    of_user = std::make_shared<Account>(std::move(limits), descriptors_);
    accounts_[user] = of_user;
  }
  return std::make_shared<Account>(account_of_connection_, of_user);
}

absl::Status ConnectionLimits::Refusal(const User& user) const {
  const auto refuse = [](int most, absl::string_view whose, absl::string_view option) {
    return absl::ResourceExhaustedError(absl::StrCat(
        most, " connections", whose, " are open already (raise ServerOptions::", option, ")"));
  };
  const auto of_user = of_user_.find(user);
  if (of_user != of_user_.end() && of_user->second >= most_of_user_) {
    return refuse(most_of_user_, absl::StrCat(" of ", NameOf(user)), "max_connections_of_user");
  }
  if (open_.size() >= static_cast<size_t>(most_)) return refuse(most_, "", "max_connections");
  return absl::OkStatus();
}

absl::Status ConnectionLimits::Add(const std::shared_ptr<ServerSession>& session,
                                   bool awaits_hello) {
  const User user = session->peer().uid;
  absl::Status refusal;
  {
    MutexLock lock(mutex_);
    refusal = Refusal(user);
    if (refusal.ok()) {
      ++of_user_[user];
      Open& open = open_[session.get()];
      open.user = user;
      open.session = session;
      open.number = ++opened_;
      if (!awaits_hello) return refusal;
      open.silent = silent_.insert(silent_.end(),
                                   {session, session.get(), user, Deadline::After(hello_timeout_)});
      SetTimer();
      return refusal;
    }
  }
  session->Dismiss(refusal);
  Report(refusals_, 1,
         absl::Status(refusal.code(),
                      absl::StrCat(session->peer().address, ": accept: ", refusal.message())));
  return refusal;
}

void ConnectionLimits::Greeted(const ServerSession& session) {
  MutexLock lock(mutex_);
  const auto open = open_.find(&session);
  if (open == open_.end() || !open->second.silent.has_value()) return;
  (void)TakeSilent(*open->second.silent);
  if (silent_.empty()) SetTimer();
}

void ConnectionLimits::Remove(const ServerSession& session) {
  MutexLock lock(mutex_);
  const auto open = open_.find(&session);
  if (open == open_.end()) return;
  if (open->second.silent.has_value()) (void)TakeSilent(*open->second.silent);
  const auto of_user = of_user_.find(open->second.user);
  if (--of_user->second == 0) of_user_.erase(of_user);
  open_.erase(open);
  if (silent_.empty()) SetTimer();
}

std::shared_ptr<ServerSession> ConnectionLimits::TakeSilent(std::list<Silent>::iterator silent) {
  std::shared_ptr<ServerSession> session = silent->session.lock();
  open_[silent->key].silent = std::nullopt;
  silent_.erase(silent);
  return session;
}

void ConnectionLimits::SetTimer() {
  if (silent_.empty()) {
    if (timer_.has_value()) poller_.RemoveTimer(*std::exchange(timer_, std::nullopt));
  } else if (!timer_.has_value()) {
    timer_ = poller_.AddTimer(silent_.front().hello_by, this, [this] { EndOverdue(); });
  }
}

void ConnectionLimits::EndOverdue() {
  std::vector<std::shared_ptr<ServerSession>> overdue;
  {
    MutexLock lock(mutex_);
    timer_ = std::nullopt;
    while (!silent_.empty() && silent_.front().hello_by.HasPassed()) {
      if (auto session = TakeSilent(silent_.begin())) overdue.push_back(std::move(session));
    }
    SetTimer();
  }
  if (overdue.empty()) return;
  const absl::Status late = absl::DeadlineExceededError(
      absl::StrCat("no hello has come within ", absl::FormatDuration(hello_timeout_),
                   " (ServerOptions::hello_timeout)"));
  for (const auto& session : overdue) session->Dismiss(late);
  Report(silences_, static_cast<int>(overdue.size()),
         absl::Status(late.code(), absl::StrCat(overdue.front()->peer().address,
                                                ": connect: ", late.message())));
}

void ConnectionLimits::MakeRoom(const absl::Status& shortage) {
  absl::string_view reason = ", and no hello had come yet";
  std::shared_ptr<ServerSession> goes;
  {
    MutexLock lock(mutex_);
    goes = TakeOldestSilent();
    if (goes == nullptr) {
      goes = OldestIdle();
      reason = ", and no other user has as many connections without a call";
    }
  }
  if (goes != nullptr) {
    goes->Dismiss(absl::ResourceExhaustedError(
        absl::StrCat("the server has no descriptors or memory left", reason)));
  }
  Report(shortages_, 1, shortage);
}

std::shared_ptr<ServerSession> ConnectionLimits::TakeOldestSilent() {
  absl::flat_hash_map<User, int> count;
  int most = 0;
  for (const Silent& silent : silent_) most = std::max(most, ++count[silent.user]);
  const auto oldest =
      absl::c_find_if(silent_, [&](const Silent& silent) { return count[silent.user] == most; });
  if (oldest == silent_.end()) return nullptr;
  std::shared_ptr<ServerSession> taken = TakeSilent(oldest);
  if (silent_.empty()) SetTimer();
  return taken;
}

std::shared_ptr<ServerSession> ConnectionLimits::OldestIdle() {
  struct Idle {
    int count = 0;
    uint64_t oldest = UINT64_MAX;
    std::shared_ptr<ServerSession> session;
  };
  absl::flat_hash_map<User, Idle> idle;
  const Idle* most = nullptr;
  for (const auto& [key, open] : open_) {
    std::shared_ptr<ServerSession> session = open.session.lock();
    if (session == nullptr || !session->Idle()) continue;
    Idle& of_user = idle[open.user];
    ++of_user.count;
    if (open.number > of_user.oldest) continue;
    of_user.oldest = open.number;
    of_user.session = std::move(session);
  }
  for (const auto& [user, of_user] : idle) {
    if (most == nullptr || of_user.count > most->count) most = &of_user;
  }
  return most == nullptr || most->count < kManyIdle ? nullptr : most->session;
}

void ConnectionLimits::Report(ReportRate& rate, int times, const absl::Status& status) {
  if (const int reported = rate.Count(times); reported != 0) report_(OneOf(reported, status));
}

void ConnectionLimits::Stop() {
  {
    MutexLock lock(mutex_);
    silent_.clear();
    for (auto& [session, open] : open_) open.silent = std::nullopt;
    SetTimer();
  }
  poller_.Revoke(this);
}

}  // namespace nigh
