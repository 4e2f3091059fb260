#ifndef NIGH_SERVER_H_
#define NIGH_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/api.h"
#include "nigh/generic_service.h"
#include "nigh/options.h"
#include "nigh/service.h"

namespace nigh {

// Serves any number of services at any number of addresses of any kind.
//
//   GreeterImpl greeter;
//   nigh::Server server;
//   server.Register(greeter);
//   if (absl::Status s = server.Listen("unix:/run/greeter.sock"); !s.ok()) { ... }
//   server.Run();
//
// Thread-safe, except for Register, which comes before Start, and the destructor.
class NIGH_API Server {
 public:
  explicit Server(ServerOptions options = {});
  // As Shutdown(absl::ZeroDuration()).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Adds a service. `service` must outlive the server. If two services have a method of the same
  // full name, Start fails and names it: that is a mistake in the program.
  void Register(Service& service);

  // Adds the service for all methods that no registered service has. `service` must outlive the
  // server. If there are two such services, Start fails.
  void RegisterFallback(GenericService& service);
  void Register(GenericService& service) = delete;

  // Takes the address. The server serves calls there once it is started. May be called any number
  // of times, before and after Start. INVALID_ARGUMENT: the address can never work. ALREADY_EXISTS:
  // a live server has it.
  absl::Status Listen(absl::string_view address);

  // The addresses at which the server can be reached: those given to Listen, with ports filled in.
  std::vector<std::string> addresses() const;

  // Begins to serve, in threads of its own. With ServerOptions::event_loop, serves whenever the
  // loop is polled.
  absl::Status Start();

  // Calls Start unless it has been called, and then waits for Shutdown, SIGINT or SIGTERM. A signal
  // shuts the server down with ServerOptions::grace; a second one ends the grace, and a third one
  // the process. Run replaces the handlers of both signals while it runs, and that of SIGHUP where
  // it is the default; ServerOptions::interrupt says what SIGINT and SIGHUP do. Some addresses
  // (pipe:, stdio:) only ever bring one connection: if all addresses are such, Run returns when
  // those connections have ended. A service manager is told once calls are served, and when that
  // ends (nigh/service_manager.h). An error is Start's, or says which address was lost
  // (ServerOptions::lost_address).
  absl::Status Run();

  // Stops the server. Listeners close, and new requests on open connections are answered with
  // UNAVAILABLE. Running calls have `grace` to end. Those that remain are cancelled, and their
  // clients get UNAVAILABLE.
  //
  // Returns when every handler has returned; a handler that never asks ServerContext::IsCancelled
  // can delay it. Must not be called from a handler. With an event loop: the thread that polls the
  // loop calls Shutdown, which polls it meanwhile. While a thread is in Run, any thread may call
  // it.
  void Shutdown(absl::Duration grace);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_H_
