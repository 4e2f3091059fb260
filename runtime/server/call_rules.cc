#include "nigh/runtime/server/call_rules.h"

#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "nigh/method.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/service.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

// The entry for what only the fallback serves.
constexpr absl::string_view kAllOthers = "*";

bool IsServiceName(absl::string_view name) {
  return !name.empty() && absl::c_all_of(name, absl::ascii_isgraph) &&
         !absl::StrContains(name, '/');
}

std::vector<gid_t> OwnGroups() {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(count, 0)));
  return groups;
}

// As whom a client calls. Nobody comes uninvited where the kernel tells nothing of users: whoever
// is there counts as this process's own user. But one who has started a program that runs with
// another user's rights (execve(2), setuid) does not get these.
PeerIdentity CallerOf(const PeerIdentity& client, Reach reach) {
  if (reach != Reach::kInvited || ::getauxval(AT_SECURE) != 0) return client;
  return {.address = client.address,
          .uid = ::geteuid(),
          .gid = ::getegid(),
          .groups = OwnGroups(),
          .pid = ::getpid()};
}

// "the server's own user, here 1000, root, user ann, group wheel".
std::string Describe(const Callers& callers) {
  std::vector<std::string> who;
  if (callers.same_user) who.push_back(absl::StrCat("the server's own user, here ", ::geteuid()));
  if (callers.root) who.emplace_back("root");
  for (const std::string& user : callers.users) who.push_back(absl::StrCat("user ", user));
  for (const std::string& group : callers.groups) who.push_back(absl::StrCat("group ", group));
  return absl::StrJoin(who, ", ");
}

}  // namespace

absl::Status CallRules::Rule::Resolve() {
  const bool others =
      callers.same_user || callers.root || !callers.users.empty() || !callers.groups.empty();
  if (callers.anybody == others) {
    return absl::InvalidArgumentError(
        others ? "says anybody, and names others, whom that includes (leave one of them out)"
               : "names nobody (say who may call, or leave it out)");
  }
  for (const std::string& user : callers.users) {
    if (absl::Status found = named.AddUser(user); !found.ok()) return found;
  }
  for (const std::string& group : callers.groups) {
    if (absl::Status found = named.AddGroup(group); !found.ok()) return found;
  }
  return absl::OkStatus();
}

CallRules::CallRules(const std::map<std::string, Callers>& allow,
                     std::function<void(const absl::Status&)> report)
    : report_(std::move(report)) {
  for (const auto& [name, callers] : allow) {
    const std::string origin =
        absl::StrCat("ServerOptions::allow[\"", absl::CHexEscape(name), "\"]");
    if (name != kAllOthers && !IsServiceName(name) && !IsMethodName(name)) {
      wrong_.Update(absl::InvalidArgumentError(
          absl::StrCat(origin,
                       ": no name of a method or a service (write \"/package.Service/Method\" or "
                       "\"package.Service\"; \"*\" stands for what only the fallback serves)")));
    }
    const std::unique_ptr<Rule>& rule = entries_[name] =
        std::make_unique<Rule>(Rule{.callers = callers, .origin = origin});
    wrong_.Update(Prefixed(origin, rule->Resolve()));
  }
}

CallRules::Rule* CallRules::Entry(absl::string_view name) const {
  const auto entry = entries_.find(name);
  return entry == entries_.end() ? nullptr : entry->second.get();
}

CallRules::Rule* CallRules::Override(absl::string_view method) const {
  Rule* const own = Entry(method);
  return own != nullptr ? own : Entry(ServiceOf(method));
}

absl::Status CallRules::Add(const Service& service) {
  absl::Status added;
  for (const MethodHandler& handler : service.handlers()) added.Update(Add(*handler.method));
  return added;
}

absl::Status CallRules::Add(const Method& method) {
  for (const absl::string_view name : {absl::string_view(method.name), ServiceOf(method.name)}) {
    if (Rule* const entry = Entry(name)) entry->applies = true;
  }
  const Rule*& rule = rules_[method.name];
  rule = Override(method.name);
  if (rule != nullptr || method.allow == nullptr) return absl::OkStatus();
  auto declared = std::make_unique<Rule>(
      Rule{.callers = method.allow(), .origin = "option (nigh.allow) of its .proto"});
  absl::Status resolved = declared->Resolve();
  rule = declared_.emplace_back(std::move(declared)).get();
  if (resolved.ok()) return resolved;
  return absl::Status(
      resolved.code(),
      absl::StrCat("register ", method.name, ": ", rule->origin, ": ", resolved.message(),
                   "; or have ServerOptions::allow say who may call on this machine"));
}

absl::Status CallRules::Check() const {
  if (!wrong_.ok()) return wrong_;
  for (const auto& [name, rule] : entries_) {
    if (serves_all_ || rule->applies) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        rule->origin,
        name == kAllOthers
            ? ": there is no fallback (call Server::RegisterFallback, or name services)"
            : ": nothing of this name is served (register the service, or correct the name)"));
  }
  return absl::OkStatus();
}

const CallRules::Rule* CallRules::Find(absl::string_view method) const {
  if (const auto rule = rules_.find(method); rule != rules_.end()) return rule->second;
  const Rule* const rule = Override(method);
  return rule != nullptr ? rule : Entry(kAllOthers);
}

bool CallRules::MayCall(absl::string_view method, const PeerIdentity& client, Reach reach) const {
  const Rule* const rule = Find(method);
  if (rule == nullptr || rule->callers.anybody) return true;
  const PeerIdentity caller = CallerOf(client, reach);
  return (rule->callers.same_user && IsSameUser(caller)) ||
         (rule->callers.root && caller.uid == 0) || rule->named.Has(caller);
}

absl::Status CallRules::Refuse(absl::string_view method, const PeerIdentity& client) {
  const Rule& rule = *Find(method);
  // By its number, a process of a container is a user of the machine, too.
  const bool of_same_number = rule.callers.same_user && client.uid == ::geteuid();
  absl::Status refusal = absl::PermissionDeniedError(absl::StrCat(
      method, ": ", UserOf(client), " may not call this",
      of_same_number ? ", for nothing shows that its process has this server's namespaces and "
                       "capabilities"
                     : "",
      " (", rule.origin, " lets ", Describe(rule.callers),
      "; the server's ServerOptions::allow can let others)"));
  const int refused = refusals_.Count(1);
  if (refused != 0 && report_ != nullptr) {
    report_(absl::Status(refusal.code(), absl::StrCat(client.address, ": serve: ", refused,
                                                      " calls were refused: ", refusal.message())));
  }
  return refusal;
}

}  // namespace nigh
