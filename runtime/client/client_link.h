#ifndef NIGH_RUNTIME_CLIENT_CLIENT_LINK_H_
#define NIGH_RUNTIME_CLIENT_CLIENT_LINK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/call/byte_count.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What a client's session and its calls share: the connection's sending half, who has which call
// number, what each end accepts, and whether new calls are taken. Thread-safe.
//
// A call begins and is given up in one section of the sender's lock each: there its number becomes
// its own, and there the number stays its own until the CANCEL is on its way. Only a request longer
// than a frame is serialised with the lock released.
class ClientLink {
 public:
  // `pump` may be made after the link; nothing is sent before. `name` is the address, for messages.
  // `takes_fds`: replies of some method do.
  ClientLink(std::unique_ptr<Connection> connection, std::string name, const Limits& limits,
             Pump& pump, bool takes_fds);

  Connection& connection() { return *connection_; }
  FrameSender& sender() { return sender_; }
  SlotTable& slots() { return slots_; }
  const Limits& limits() const { return limits_; }
  const SessionExtras& extras() const { return extras_; }
  // A call's window is to grow by so many bytes. Returns by how many it does: by none where those
  // of all calls have grown as far as they may.
  size_t TakeForWindow(size_t bytes) {
    if (windows_.bytes() + bytes > kWindowsGrowth) return 0;
    windows_.Add(bytes);
    return bytes;
  }
  void GiveBackOfWindow(size_t bytes) { windows_.Subtract(bytes); }
  const std::string& name() const { return name_; }
  // Whether the server has said that it goes.
  bool has_farewell() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return !farewell_.empty();
  }
  // The beginning of messages about a call: the address and the method.
  std::string NameOf(const Method& method) const;
  const std::shared_ptr<const PeerIdentity>& peer() const { return peer_; }

  // What the server announced. Written once, before the first call, as is who it is: until its
  // hello has come, who listened.
  const Hello& server() const { return server_; }
  void set_server(const Hello& hello) {
    server_ = hello;
    peer_ = std::make_shared<const PeerIdentity>(connection_->peer());
    if (extras_.shares_memory() && (hello.features & kSharesMemory) != 0) {
      AfterSend(extras_.BeginToShare(sender_));
    }
  }

  // A call's beginning.

  // Why a call with the context's metadata and such a first message cannot begin, or OK.
  absl::Status CheckRequest(const Method& method, const UsedContext& context,
                            const MessageSource* first) const;
  // Why a message of `bytes` cannot go with these, which may be null, or OK.
  absl::Status CheckExtras(const Method& method, size_t bytes, const Extras* extras) const {
    if (extras == nullptr) return absl::OkStatus();
    return extras_.CheckToSend(NameOf(method), bytes, *extras, InRequests(method.fds), server_,
                               Peer::kServer);
  }
  struct Opening {
    Slot* slot = nullptr;
    // The connection takes no calls any more, and nothing of this one has left. A slot that was
    // claimed is lost, or about to be.
    bool refused = false;
    uint64_t ordinal = 0;  // the request is the connection's so many-th, from 0
  };
  // Claims a number, has `ready` prepare its slot, and sends the REQUEST, in one section. No
  // slot, and not refused: there are too many calls; TooManyCalls says so. `extras` go with
  // it; may be null.
  Opening Open(FrameHeader&& header, const Method& method, absl::string_view sections,
               const MessageSource* first, const Extras* extras,
               absl::FunctionRef<void(Slot&)> ready);
  absl::Status TooManyCalls(const Method& method) const;

  // Sends a frame of a call.
  Sent Send(FrameHeader&& header, const MessageSource* message = nullptr);
  // A message, with what goes with it.
  Sent SendWith(const Extras& extras, FrameHeader&& header, const MessageSource& message);

  // A call's end.

  // By its owner: gives the number up and sends a CANCEL. False: the receiver has been quicker.
  // `left` is called once the number is given up, before it may become another call's.
  bool GiveUp(Slot& slot, absl::FunctionRef<void()> left);
  // The same by the receiver, which has taken the slot.
  void GiveUpTaken(Slot& slot);
  // The server has answered: nothing more comes for the call, and nothing more is sent.
  void Free(Slot& slot);
  // A RESPONSE has come for a call that may have been given up.
  void MeetLeft(Slot& slot) {
    if (slot.state.MeetLeft()) slots_.GiveBack(slot);
  }

  // The connection's end.

  // The server will take no more requests than `taken`, and says why.
  void GoAway(absl::string_view farewell, uint64_t taken) ABSL_LOCKS_EXCLUDED(mutex_);
  // Closes the connection and has Open refuse every call from now on. `status` is what its calls
  // end with, to which what the server has said is added. The first time alone.
  void End(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says why no calls are taken any more. UNAVAILABLE while the connection only closes.
  absl::Status EndStatus() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether the server may have acted upon the request `ordinal`. It tells as it goes away.
  bool MayHaveTaken(uint64_t ordinal) const {
    return ordinal < taken_.load(std::memory_order_acquire);
  }
  // Whether the medium has taken a request.
  bool proven() const { return proven_; }

 private:
  // A client trusts its server; this is what it may spend on being quick.
  static constexpr size_t kWindowsGrowth = size_t{64} << 20;

  // `leave` makes the slot left, under the sender's lock, or says that the receiver was quicker.
  bool GiveUpOnce(Slot& slot, absl::FunctionRef<bool()> leave);
  void AfterSend(Sent sent);

  const std::unique_ptr<Connection> connection_;
  const std::string name_;
  const Limits limits_;
  std::shared_ptr<const PeerIdentity> peer_;
  Pump& pump_;
  Hello server_;
  FrameSender sender_;
  const SessionExtras extras_;
  SlotTable slots_;
  ByteCount windows_;
  std::atomic<bool> proven_ = false;
  std::atomic<bool> going_away_ = false;
  bool ended_ ABSL_GUARDED_BY(sender_.mutex()) = false;
  // How many requests have been sent, in the order in which they leave. Exact, unless one was
  // dropped before it left.
  uint64_t requests_ ABSL_GUARDED_BY(sender_.mutex()) = 0;
  bool requests_are_exact_ ABSL_GUARDED_BY(sender_.mutex()) = true;
  // As the server's GO_AWAY says, if it can be relied on.
  std::atomic<uint64_t> taken_ = UINT64_MAX;

  mutable Mutex mutex_;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  std::string farewell_ ABSL_GUARDED_BY(mutex_);  // what the server's GO_AWAY said
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CLIENT_LINK_H_
