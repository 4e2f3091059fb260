#include "nigh/runtime/call/call_fds.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/options.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

absl::Status SessionFds::CheckToSend(absl::string_view call, size_t count, bool asked,
                                     const Hello& theirs, Peer peer) const {
  const absl::string_view who = peer == Peer::kClient ? "client" : "server";
  if (!asked) {
    return absl::UnimplementedError(absl::StrCat(
        call, ": descriptors cannot go with a message whose type has no nigh.Fd in it"));
  }
  if (lane_ == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(call,
                     ": this medium carries no descriptors (use local:, shm:, unix:, or "
                     "exec: with ?socket=on)"));
  }
  if (theirs.max_descriptors == 0) {
    return absl::UnimplementedError(absl::StrCat(
        call, ": the ", who,
        " takes no descriptors (does it know a method that has nigh.Fd in its ",
        peer == Peer::kClient ? "replies" : "requests", ", and is its limits.max_descriptors 0?)"));
  }
  if (count <= theirs.max_descriptors) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      call, ": a message with ", count, " descriptors, where the ", who, " accepts ",
      theirs.max_descriptors, " (raise its ",
      peer == Peer::kClient ? "ChannelOptions" : "ServerOptions", "::limits.max_descriptors)"));
}

absl::StatusOr<std::unique_ptr<Descriptors>> SessionFds::Take(const FrameHeader& header,
                                                              ConstByteSpan payload) const {
  const uint32_t count = DescriptorCount(header, payload);
  if (count == 0) return nullptr;
  const auto broken = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat(FrameKindName(header.kind), " frame of call ",
                                            header.call, " with ", count, " descriptors, ", what));
  };
  if (!accepts_) return broken("which this side has not asked for");
  std::unique_ptr<Descriptors> taken = lane_->Take();
  if (taken == nullptr) return broken("of which none has come");
  if (taken->complete() ? taken->size() != count : taken->size() > count) {
    return broken(absl::StrCat("where ", taken->size(), " have come"));
  }
  return taken;
}

absl::Status SessionFds::CheckReceived(absl::string_view call, Descriptors& descriptors, bool asked,
                                       Peer peer) const {
  const absl::string_view options = peer == Peer::kClient ? "ServerOptions" : "ChannelOptions";
  if (!asked) {
    return absl::UnimplementedError(
        absl::StrCat(call, ": descriptors came with a message whose type has no nigh.Fd in it"));
  }
  if (!descriptors.complete()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(call, ": ", peer == Peer::kClient ? "the server" : "this process",
                     " has no room for the descriptors of a message (raise its limit, ulimit -n)"));
  }
  if (descriptors.size() > limits_.max_descriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        call, ": received a message with ", descriptors.size(), " descriptors, where ",
        limits_.max_descriptors, " are accepted (raise ", options, "::limits.max_descriptors)"));
  }
  if (untaken_->load(std::memory_order_relaxed) + descriptors.size() >
      limits_.max_untaken_descriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        call, ": received a message with ", descriptors.size(), " descriptors, where ",
        untaken_->load(std::memory_order_relaxed), " of ", limits_.max_untaken_descriptors,
        " of this connection have not been taken yet (raise ", options,
        "::limits.max_untaken_descriptors)"));
  }
  descriptors.CountIn(untaken_);
  return absl::OkStatus();
}

}  // namespace nigh
