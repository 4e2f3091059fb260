#ifndef NIGH_RUNTIME_SERVER_CALL_RULES_H_
#define NIGH_RUNTIME_SERVER_CALL_RULES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/method.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/server/report_rate.h"
#include "nigh/runtime/server/user_list.h"
#include "nigh/service.h"
#include "nigh/transport/transport.h"

namespace nigh {

// Who may call which method of a server: whom its ServerOptions::allow lets, or else the method's
// .proto; and whoever has come in, where neither says anything.
//
// What a server serves is added before it starts, by one thread. Then any thread may ask.
class CallRules {
 public:
  // `allow` is ServerOptions::allow, whose users and groups are looked up. `report` is on_error,
  // and may be null; it hears of calls that are refused once a second at most.
  CallRules(const std::map<std::string, Callers>& allow,
            std::function<void(const absl::Status&)> report);

  // The server serves this. INVALID_ARGUMENT: its .proto names a user or group that there is not,
  // and the server says nothing else.
  absl::Status Add(const Service& service);
  // The server serves whatever else is called, too.
  void AddFallback() { serves_all_ = true; }
  // What is wrong with `allow`, now that all has been added: INVALID_ARGUMENT.
  absl::Status Check() const;

  // Whether `client`, who has come to an address of that reach, may call the method of that name,
  // which is served. The answer holds as long as the connection.
  bool MayCall(absl::string_view method, const PeerIdentity& client, Reach reach) const;
  // PERMISSION_DENIED, for a call of who may not. Counts it, and has it reported.
  absl::Status Refuse(absl::string_view method, const PeerIdentity& client);

 private:
  struct Rule {
    Callers callers;
    std::string origin;    // who says so, for messages
    UserList named = {};   // the users and groups of `callers`
    bool applies = false;  // to anything that is served

    // Looks users and groups up. INVALID_ARGUMENT: there is no such user or group, or nobody is
    // named at all, or others beside anybody.
    absl::Status Resolve();
  };

  absl::Status Add(const Method& method);
  // The rule of ServerOptions::allow for a method of that name; null: there is none.
  Rule* Override(absl::string_view method) const;
  Rule* Entry(absl::string_view name) const;
  // Null: there is none.
  const Rule* Find(absl::string_view method) const;

  const std::function<void(const absl::Status&)> report_;
  absl::Status wrong_;  // with ServerOptions::allow: the first error
  absl::flat_hash_map<std::string, std::unique_ptr<Rule>> entries_;  // of ServerOptions::allow
  std::vector<std::unique_ptr<const Rule>> declared_;                // of .protos
  // Of methods that have been added, by name; null: none.
  absl::flat_hash_map<std::string, const Rule*> rules_;
  bool serves_all_ = false;
  ReportRate refusals_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_CALL_RULES_H_
