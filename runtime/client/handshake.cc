#include "nigh/runtime/client/handshake.h"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/call/own_hello.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

void Handshake::Begin(std::function<void()> done) {
  done_ = std::move(done);
  std::array<std::byte, kHelloSize> payload;
  EncodeHello(OwnHello(link_.limits(), link_.extras().accepts_descriptors(),
                       link_.extras().shares_memory()),
              payload.data());
  const MessageSource hello(AsText(ConstByteSpan(payload)));
  // The medium may still be connecting; then the sender keeps the frame.
  (void)link_.Send({.kind = FrameKind::kHello}, &hello);
}

void Handshake::Take(const Frame& frame) {
  const auto fail = [&](absl::string_view what, absl::string_view why) {
    Fail(absl::UnavailableError(absl::StrCat(link_.name(), ": connect: ", what, why)));
  };
  const absl::Status valid = ValidateFrameHeader(frame.header, link_.connection().max_payload());
  if (!valid.ok()) return fail("", valid.message());
  if (frame.header.kind == FrameKind::kGoAway) {
    const absl::Status refusal = DecodeRefusal(frame.header, frame.payload);
    return Fail(
        absl::Status(refusal.code(), absl::StrCat(link_.name(), ": connect: ", refusal.message())));
  }
  if (frame.header.kind != FrameKind::kHello) {
    return fail("",
                absl::StrCat("a ", FrameKindName(frame.header.kind), " frame before the hello"));
  }
  const absl::StatusOr<Hello> theirs = DecodeHello(frame.payload);
  if (!theirs.ok()) return fail("", theirs.status().message());
  const absl::Status agreed = AgreeOnVersion(OwnHello(link_.limits()), *theirs).status();
  if (!agreed.ok()) return fail("", agreed.message());
  const std::shared_ptr<const PeerIdentity> listened = link_.peer();
  link_.set_server(*theirs);
  if (expected_ != nullptr) {
    const absl::Status expected = expected_->Check(*listened, *link_.peer());
    if (!expected.ok()) return Fail(expected);
  }
  End();
}

void Handshake::TimeOut() {
  Fail(absl::UnavailableError(absl::StrCat(
      link_.name(),
      ": connect: the server has not said hello in time (does it speak nigh's protocol?)")));
}

void Handshake::Fail(const absl::Status& why) {
  if (over_) return;
  link_.connection().Close();
  // What else it may be is the medium's failure, not that of a call.
  const bool refused = absl::IsPermissionDenied(why) || absl::IsResourceExhausted(why);
  outcome_ = refused ? why : absl::UnavailableError(why.message());
  End();
}

void Handshake::End() {
  over_ = true;
  if (const std::function<void()> done = std::exchange(done_, nullptr)) done();
}

}  // namespace nigh
