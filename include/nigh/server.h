#ifndef NIGH_SERVER_H_
#define NIGH_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/generic_service.h"
#include "nigh/options.h"
#include "nigh/service.h"

namespace nigh {

// Serves services at any number of addresses of any kind.
//
//   GreeterImpl greeter;
//   nigh::Server server;
//   server.Register(greeter);
//   if (absl::Status s = server.Listen("unix:/run/greeter.sock"); !s.ok()) { ... }
//   server.Run();
//
// Thread-safe, but Register, which comes before Start, and the destructor.
class Server {
 public:
  explicit Server(ServerOptions options = {});
  // As Shutdown(absl::ZeroDuration()).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `service` must outlive the server. Two services with the same full method name are a mistake in
  // the program: Start then fails and says which.
  void Register(Service& service);

  // For the methods that no service has been registered for. `service` must outlive the server.
  // There can be one: Start fails where there are two.
  void RegisterFallback(GenericService& service);
  void Register(GenericService& service) = delete;

  // Takes the address; calls are served from Start on. May be called again, before and after Start.
  // INVALID_ARGUMENT: the address can never work. ALREADY_EXISTS: a live server has it.
  absl::Status Listen(absl::string_view address);

  // Where the server can be reached: what Listen was given, ports filled in.
  std::vector<std::string> addresses() const;

  // Begins to serve, on threads of its own or, with ServerOptions::event_loop, whenever that is
  // polled.
  absl::Status Start();

  // Start, if that has not been done; then waits for Shutdown, SIGINT or SIGTERM, and in the case
  // of a signal shuts down with ServerOptions::grace. The two signals' handlers are replaced
  // meanwhile. Where all addresses are such that one connection is all that they will ever have
  // (pipe:, stdio:), it returns when those have ended. An error is Start's.
  absl::Status Run();

  // Takes no new calls: listeners close, and requests on open connections are answered with
  // UNAVAILABLE. Waits until the running ones have ended, `grace` at most; the rest are then
  // cancelled, their clients get UNAVAILABLE. Returns when every handler has returned: one that
  // does not ask ServerContext::IsCancelled can hold it up. Not from a handler. With an event loop:
  // by the thread that polls it, which it does meanwhile, or by any while another is in Run.
  void Shutdown(absl::Duration grace);

 private:
  class State;
  const std::unique_ptr<State> state_;
};

}  // namespace nigh

#endif  // NIGH_SERVER_H_
