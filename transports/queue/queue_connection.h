#ifndef NIGH_TRANSPORTS_QUEUE_QUEUE_CONNECTION_H_
#define NIGH_TRANSPORTS_QUEUE_QUEUE_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/arrival.h"

namespace nigh {

// Frames over two queues, one in each direction. A message is a frame: its header and its payload.
// Two other messages are shorter than a header, and so told apart: the server's greeting, and
// either side's farewell, which comes out behind everything else. Frames that may overtake others
// (CREDIT, PING) do so in the queue as well.
//
// Queues have no hang-up. The end of the peer is seen in these ways:
//
//  * A peer that died: its pidfd is readable.
//  * A peer that closed, when this side receives: its farewell. If the queue had no room for one,
//    the peer has left a note on the queue. The receiver looks for that whenever it has emptied a
//    queue that may have been full.
//  * A peer that closed, when this side waits for room: the peer empties the queue, so that the
//    sender wakes. The sender finds the note when the queue is full again.
class QueueConnection final : public Connection {
 public:
  // The server's end of the two queues that a client has made. Greets the client. Nothing if the
  // client has gone.
  static std::unique_ptr<Connection> Welcome(std::unique_ptr<MessageQueue> in,
                                             std::unique_ptr<MessageQueue> out,
                                             const ProcessName& client, PeerIdentity peer);
  // The server's end of the two queues of a client that may not come in: tells it why.
  static void TurnAway(MessageQueue& in, MessageQueue& out, const absl::Status& why);
  // The client's end of the two queues that it has made. Announces it on `arrivals`, where the
  // server receives. Until the greeting comes, the connection looks now and then whether the server
  // still does. UNAVAILABLE, with `in` and `out` discarded: too many clients wait already, or what
  // the system says.
  static absl::StatusOr<std::unique_ptr<Connection>> Announce(
      const Arrival& client, std::unique_ptr<MessageQueue> arrivals,
      std::unique_ptr<MessageQueue> in, std::unique_ptr<MessageQueue> out, PeerIdentity peer);
  ~QueueConnection() override;

  std::optional<ByteSpan> Claim(size_t payload) override;
  void Commit(const FrameHeader& header) override;
  Flushed Flush() override;
  Received Receive(absl::Span<Frame> frames) override;
  void Release(size_t /*count*/) override {}
  absl::Status End(Interest direction) const override {
    return direction == Interest::kSend ? send_status_ : receive_status_;
  }
  Wake Arm(Interest interest) override;
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kSystemCall; }
  void Close() override;
  size_t max_payload() const override { return out_->max_message() - kFrameHeaderSize; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  QueueConnection(std::unique_ptr<MessageQueue> in, std::unique_ptr<MessageQueue> out,
                  std::unique_ptr<MessageQueue> arrivals, PeerIdentity peer);

  // Fills the epoll set that is polled for the end. False: errno says why.
  bool Open();
  // From now on the death of that process ends the connection. False: it has died already
  // (peer_died_), or cannot be watched; errno says why.
  bool WatchPeer(const ProcessName& name);
  // Takes the message as a frame. False: it is none, which ends the connection.
  bool TakeFrame(size_t size, Frame& frame);
  void TakeGreeting(ConstByteSpan message);
  // Looks whether the peer's process has died. Any thread. Before the greeting nothing can be
  // polled for that, and the queues are asked instead, which takes several system calls: it is done
  // once for each tick of the timer, by whichever thread takes the tick. The others get false.
  bool LookForDeath();
  // Before the greeting: whether the server has gone, from `out_`, or, as long as it has not come
  // there, from `arrivals_`.
  bool ServerHasGone() const;
  // Gives the connection up: it is what the receiver hears of its end.
  void Break(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Ended(absl::string_view operation, absl::string_view why) const;
  // How the peer, which has died, has done so.
  std::string Obituary() const;

  const BirthProcess birth_;
  const std::unique_ptr<MessageQueue> in_;
  const std::unique_ptr<MessageQueue> out_;
  const PeerIdentity peer_;
  UniqueFd ends_;    // an epoll set of the next three
  UniqueFd closed_;  // an eventfd: by this side
  PeerProcess process_;
  UniqueFd timer_;                                // until the greeting
  const std::unique_ptr<MessageQueue> arrivals_;  // the client's

  std::atomic<bool> greeted_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> peer_left_ = false;  // it closed
  std::atomic<bool> peer_died_ = false;

  Mutex mutex_;
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);  // why this side gave the connection up

  // The sending thread's.
  std::vector<std::byte> buffer_;  // frames from begin_ to end_
  size_t begin_ = 0;
  size_t end_ = 0;
  absl::Status send_status_;  // final once it is not OK

  // The receiving thread's.
  std::vector<std::byte> message_;
  size_t messages_ = 0;  // and bytes, since the queue was last found empty
  size_t bytes_ = 0;
  bool slept_ = false;           // since it last found a message
  bool last_look_ = false;       // the peer has died, and a farewell of ours will end what it sent
  absl::Status receive_status_;  // final once it is not OK
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_QUEUE_QUEUE_CONNECTION_H_
