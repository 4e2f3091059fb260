#ifndef NIGH_RUNTIME_SERVER_SERVER_LINK_H_
#define NIGH_RUNTIME_SERVER_SERVER_LINK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/options.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/account.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What a session and its calls share: the connection's sending half, what each end accepts, and
// the poller that serves it. Any thread may send.
class ServerLink {
 public:
  // `source` is what `poller` polls; both outlive the link. `account` is the connection's.
  // `takes_fds`: some method does.
  ServerLink(std::unique_ptr<Connection> connection, Pollable& source, Poller& poller,
             const Limits& limits, std::shared_ptr<Account> account, bool takes_fds)
      : connection_(std::move(connection)),
        source_(source),
        poller_(poller),
        limits_(limits),
        account_(std::move(account)),
        peer_(std::make_shared<const PeerIdentity>(connection_->peer())),
        sender_(*connection_, &account_->kept()),
        extras_(*connection_, limits_, takes_fds, account_->descriptors()) {}

  Connection& connection() { return *connection_; }
  FrameSender& sender() { return sender_; }
  const FrameSender& sender() const { return sender_; }
  Poller& poller() { return poller_; }
  const Limits& limits() const { return limits_; }
  const std::shared_ptr<const PeerIdentity>& peer() const { return peer_; }
  const SessionExtras& extras() const { return extras_; }

  // What the client announced. Written once, before the first request.
  const Hello& client() const { return client_; }
  void SetClient(const Hello& hello) {
    client_ = hello;
    if (extras_.shares_memory() && (hello.features & kSharesMemory) != 0) {
      AfterSend(extras_.BeginToShare(sender_));
    }
  }

  // What the connection costs. Who has something of it to give back may outlive the link.
  const std::shared_ptr<Account>& account() const { return account_; }
  // Whether so much waits to be sent that no more is to be asked for.
  bool MuchWaits() const {
    return sender_.waiting_bytes() > std::min(account_->limits().bytes / 4, kMuchToSend) ||
           sender_.waiting_descriptors() > kManyToSend;
  }

  // Sends a frame, and sees to what stays behind or to the end of the connection.
  void Send(FrameHeader&& header, absl::string_view sections = "",
            const MessageSource* message = nullptr) {
    AfterSend(sender_.Send(std::move(header), sections, message));
  }
  void SendWith(const Extras& extras, FrameHeader&& header, absl::string_view sections,
                const MessageSource* message) {
    AfterSend(sender_.SendWith(extras, std::move(header), sections, message));
  }
  void SendText(FrameHeader&& header, absl::string_view text) {
    AfterSend(sender_.SendText(std::move(header), text));
  }
  // Sends the RESPONSE of call `id`. `reply` and `extras` may be null.
  void Respond(uint32_t id, const absl::Status& status, const Metadata& initial,
               const Metadata& trailing, const MessageSource* reply, const Extras* extras);
  // Sends a RESPONSE that has a status alone. `begun`: a handler may have seen the request.
  void Refuse(uint32_t id, const absl::Status& status, bool begun = true);

  // Drops what waits to be sent for call `id`, which others may have waited behind.
  void Drop(uint32_t id) {
    if (sender_.idle()) return;
    (void)sender_.Drop(id);
    poller_.WatchRoom(source_);
  }

  // Sends what waits. False: something waits still. What is held back waits for the next Resume.
  bool Resume() {
    const Sent sent = sender_.Resume();
    if (sent != Sent::kSome || !sender_.holds_back()) AfterSend(sent);
    return sent != Sent::kSome;
  }

 private:
  static constexpr size_t kMuchToSend = size_t{16} << 20;
  static constexpr size_t kManyToSend = 64;  // descriptors

  void AfterSend(Sent sent) {
    if (sent == Sent::kAll) return;
    if (sent == Sent::kFailed) return connection_->Close();  // the poller will find it closed
    poller_.WatchRoom(source_);
  }

  const std::unique_ptr<Connection> connection_;
  Pollable& source_;
  Poller& poller_;
  const Limits limits_;
  const std::shared_ptr<Account> account_;
  const std::shared_ptr<const PeerIdentity> peer_;
  FrameSender sender_;
  const SessionExtras extras_;
  Hello client_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVER_LINK_H_
