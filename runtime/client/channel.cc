#include "nigh/channel.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/event_loop.h"
#include "nigh/message_extras.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/standard_descriptors.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/protobuf_log.h"
#include "nigh/runtime/client/client_link.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/client/method_table.h"
#include "nigh/runtime/client/session_lease.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

absl::string_view ChannelStateName(ChannelState state) {
  switch (state) {
    case ChannelState::kIdle:
      return "IDLE";
    case ChannelState::kConnecting:
      return "CONNECTING";
    case ChannelState::kReady:
      return "READY";
    case ChannelState::kTransientFailure:
      return "TRANSIENT_FAILURE";
  }
  return "unknown";
}

absl::StatusOr<std::shared_ptr<Channel>> Channel::Create(absl::string_view text,
                                                         const ChannelOptions& options) {
  FillStandardDescriptors();
  ListenToProtobufsLog();
  absl::StatusOr<Address> address = Address::Parse(text);
  if (!address.ok()) return address.status();
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (options.event_loop != nullptr) {
    if (absl::Status status = options.event_loop->poller()->Open(); !status.ok()) return status;
  }
  absl::StatusOr<const Transport*> transport = FindTransport(options.transports, *address);
  if (!transport.ok()) return transport.status();
  absl::StatusOr<std::shared_ptr<const ExpectedServer>> expected =
      ExpectedServer::Of(*address, **transport, options.expect_server);
  if (!expected.ok()) return expected.status();
  return std::shared_ptr<Channel>(new Channel(
      std::make_shared<Connector>(*std::move(address), *transport, options, *std::move(expected))));
}

Channel::Channel(std::shared_ptr<Connector> connector) : connector_(std::move(connector)) {}

// What a child of fork(2) inherits is its parent's: it is neither asked nor destroyed here.

Channel::~Channel() {
  if (!connector_->is_of_this_process()) LeaveToParent(connector_);
}

ChannelState Channel::state() const {
  return connector_->is_of_this_process() ? connector_->state() : ChannelState::kTransientFailure;
}

void Channel::OnStateChange(std::function<void(ChannelState)> callback) {
  if (connector_->is_of_this_process()) connector_->OnStateChange(std::move(callback));
}

absl::Status Channel::WaitForReady(absl::Duration timeout) {
  return connector_->WaitForReady(timeout);
}

const Address& Channel::address() const { return connector_->address(); }

PeerIdentity Channel::peer() const {
  return connector_->is_of_this_process() ? connector_->peer() : PeerIdentity();
}

absl::StatusOr<AttachmentBuffer> Channel::AllocateAttachment(size_t size) {
  const SessionLease lease =
      connector_->is_of_this_process() ? connector_->LeaseIfReady() : SessionLease();
  if (!lease) return AttachmentBuffer(size);
  ClientLink& link = (*lease).link();
  return SessionExtras::Allocate(absl::StrCat(link.name(), ": AllocateAttachment"), size,
                                 link.server(), Peer::kServer, link.sender());
}

BoundMethod Channel::Bind(absl::Span<const Method> methods) {
  // Calls fail before they need a number.
  if (!connector_->is_of_this_process()) return {connector_.get(), methods.data(), 0};
  MethodTable& table = connector_->methods();
  const MethodTable::Entry first = table.Bind(methods);
  if (table.take_fds()) connector_->RenewForFds();
  return {connector_.get(), first.method, first.id};
}

BoundMethod Channel::Bind(absl::string_view name, MethodKind kind, Fds fds) {
  MethodTable& table = connector_->methods();
  const MethodTable::Entry named = table.Bind(name, kind, fds);
  if (table.take_fds()) connector_->RenewForFds();
  return {connector_.get(), named.method, named.id};
}

}  // namespace nigh
