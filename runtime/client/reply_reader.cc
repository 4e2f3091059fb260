#include "nigh/runtime/client/reply_reader.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/metadata.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

Reply ReplyReader::Read(const ClientLink& link, const FrameHeader& header, ConstByteSpan payload,
                        FrameExtras* extras) {
  const Limits& limits = link.limits();
  Reply reply;
  reply.ends = header.kind == FrameKind::kResponse;
  // From the first frame on, the call's own thread may read the context's metadata without a lock.
  // So metadata of later frames goes elsewhere, and is refused below.
  Metadata late;
  Metadata& initial = std::exchange(got_initial_metadata_, true) ? late : context_.initial();
  PayloadParts parts = {.message = payload};
  absl::Status wrong = reply.ends ? TakeResponse(header, limits.max_metadata, parts, initial,
                                                 context_.trailing(), reply.status)
                                  : TakeMetadata(header, limits.max_metadata, parts, initial);
  reply.has_message = (header.flags & kMessage) != 0 && reply.status.ok();
  if (wrong.ok()) wrong = Check(reply, parts.sizes(), limits, !late.empty());
  if (extras != nullptr && reply.has_message && wrong.ok()) {
    absl::StatusOr<std::shared_ptr<Extras>> received =
        link.extras().Receive(parts, *extras, InReplies(method_.fds));
    wrong = received.status();
    if (received.ok()) reply.extras = *std::move(received);
  }
  if (!wrong.ok()) {
    reply.status = Prefixed(link.NameOf(method_), wrong);
    reply.has_message = false;
  } else if (reply.status.code() == absl::StatusCode::kCancelled &&
             context_.deadline().HasPassed()) {
    // The server's clock may have run out first. The caller is told of the deadline, whichever end
    // noticed it.
    reply.status = DeadlineExceeded(link.NameOf(method_));
  }
  if (reply.has_message) got_message_ = true;
  reply.message = parts.message;
  return reply;
}

absl::Status ReplyReader::Check(const Reply& reply, const PayloadSizes& sizes, const Limits& limits,
                                bool late_metadata) const {
  if (late_metadata) return absl::InternalError("initial metadata after the first message");
  // What the sections have left: a peer may have changed their size since it was looked at.
  if (!IsAccepted(sizes, limits)) {
    return TooLargeToReceive("a reply", sizes, Peer::kServer, limits);
  }
  if (ServerStreams(method_.kind)) return absl::OkStatus();
  if (reply.has_message && got_message_) {
    return absl::UnimplementedError("the server sent a second reply to a method that has one");
  }
  if (reply.ends && reply.status.ok() && !reply.has_message && !got_message_) {
    return absl::UnimplementedError("the server ended the call without a reply");
  }
  return absl::OkStatus();
}

void ReplyReader::Reset() {
  got_initial_metadata_ = got_message_ = false;
  context_.initial().Clear();
  context_.trailing().Clear();
}

}  // namespace nigh
