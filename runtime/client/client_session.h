#ifndef NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/options.h"
#include "nigh/runtime/call/assembler.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/handshake.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/loop/cooling.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// The client's end of one connection. It puts a link, by which calls send, and a pump, by which
// they receive, together, and routes the frames that the pump takes to the calls that they are for.
// Routing is the receiver's alone, so it needs no lock.
class ClientSession final : public std::enable_shared_from_this<ClientSession>, private Pump::Sink {
 public:
  // `name` is the address, for messages; `expected` who has to serve, if that matters. `takes_fds`:
  // replies of some method may bring descriptors.
  ClientSession(std::unique_ptr<Connection> connection, std::string name,
                const ChannelOptions& options,
                std::shared_ptr<const ExpectedServer> expected = nullptr, bool takes_fds = false);
  ~ClientSession();

  // Must be called first. Fails with UNAVAILABLE when the system has no descriptor to give.
  absl::Status Open() { return pump_.Open(weak_from_this(), link_.name()); }

  // Has `callback` called once, with no lock held, when the session takes no new calls any more.
  // Must be called before Greet.
  void OnEnd(std::function<void()> callback) { on_end_ = std::move(callback); }
  // `owner` is the connector, which may go while calls go on. Must be called before Greet.
  void BelongsTo(std::weak_ptr<const void> owner) { owner_ = std::move(owner); }
  // Keeps the owner. Null: it has gone.
  std::shared_ptr<const void> owner() const { return owner_.lock(); }

  // Exchanges hellos. The connecting thread calls it, before any other use, and waits until
  // `deadline` at most. It asks `abandon` whenever it wakes, as after every Interrupt. Fails with
  // UNAVAILABLE; the message tells why.
  absl::Status Greet(Deadline deadline, const std::function<bool()>& abandon);
  // Does the same without waiting: `poller` exchanges the hellos, then runs `done` as a task.
  void GreetOn(const std::shared_ptr<Poller>& poller, Deadline deadline,
               std::function<void(const absl::Status&)> done);

  // Any thread may call what follows.

  // Closes the connection, which ends all calls.
  void Close() { link_.connection().Close(); }
  ClientLink& link() { return link_; }
  const ClientLink& link() const { return link_; }
  Pump& pump() { return pump_; }

 private:
  bool TakeFrame(const Frame& frame, const void* own) override;
  void TakeEnd() override;
  void TakePause() override;

  bool Violated(absl::Status violation);
  bool TakePiece(const Frame& frame, const void* own);
  bool TakeCredit(const FrameHeader& header, const void* own);
  // TakeFrame of a MESSAGE or RESPONSE. `extras` may be null.
  bool TakeReply(const Frame& frame, FrameExtras* extras, const void* own);
  // Hands over a whole message, or a frame without one. `extras` may be null. `own` is the
  // receiving thread's own call: the slot of a unary call, or an exchange.
  void Route(Slot& slot, const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras,
             const void* own);
  // Of Route: has the slot, which has been taken for another thread, keep the frame.
  void KeepFor(Slot& slot, const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras);
  // Whether the message whose first piece this is is to be kept.
  bool IsWanted(Slot& slot, const FrameHeader& header, ConstByteSpan payload, const void* own);
  // Has large memory let go of that is kept for later; see Cooling. Where there is no poller, a
  // call finds that it is overdue.
  bool Cool();
  // Calls on_end_, the first time.
  void NotifyEnd();

  std::function<void()> on_end_;
  std::weak_ptr<const void> owner_;
  ClientLink link_;
  Pump pump_;
  Cooling cooling_;

  // The receiver's.
  Handshake handshake_;
  Assembler assembler_;
  absl::Status violation_;

  std::atomic<bool> end_notified_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_SESSION_H_
