#ifndef NIGH_SERVICE_MANAGER_H_
#define NIGH_SERVICE_MANAGER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"

namespace nigh {

// Tells the service manager that has started this process how it fares: assignments as sd_notify(3)
// has them, a line each, "READY=1\nSTATUS=12 plugins loaded". Server::Run says READY=1 and
// STOPPING=1 by itself. Without a service manager that wants to know, nothing happens.
//
// Any thread. An error is the system's, or says that NOTIFY_SOCKET names no Unix socket.
NIGH_API absl::Status NotifyServiceManager(absl::string_view state);

}  // namespace nigh

#endif  // NIGH_SERVICE_MANAGER_H_
